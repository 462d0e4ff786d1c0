-- What the tokens of the compatible door hang on. No token is stored: each proves itself by this key and its client's secret.
CREATE TABLE virtual_token_key (
    id  INTEGER PRIMARY KEY,    -- 0: there is one
    key BLOB NOT NULL           -- 32 random bytes, made when the first token is asked for
);

-- Which of them were revoked.
CREATE TABLE virtual_token_revocations (
    client        TEXT    NOT NULL,    -- the client's id
    account       INTEGER NOT NULL,    -- accounts.id
    issued_before INTEGER NOT NULL,    -- those issued before are no good, by the wall; ms
    PRIMARY KEY (client, account)
) WITHOUT ROWID;
