-- Nonces of requests whose signature binds the body, in the order in which they came. Which of them are spent is known from
-- memory; those that may come again with their body stay in `nonces`.
CREATE TABLE spent_nonces (
    owner      TEXT    NOT NULL,    -- whose: a client's id, or what it is for
    nonce      TEXT    NOT NULL,    -- the nonce itself
    expires_at INTEGER NOT NULL     -- when it may be forgotten
);
