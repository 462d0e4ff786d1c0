-- Everything that must survive a crash. Times are Unix milliseconds; ids are the sixteen bytes of a UUID of version 7.

-- Says that this is a database of Hongyan: "HYAN".
PRAGMA application_id = 1213808974;

-- Accounts by number, so that rows and indexes stay small. A number is never used again.
CREATE TABLE accounts (
    id   INTEGER PRIMARY KEY,       -- what the other tables hold
    name TEXT    NOT NULL UNIQUE    -- as in the configuration
);

-- A message is a record and a job at once. What changes comes before what is long, so that reading it stays cheap.
CREATE TABLE messages (
    id               BLOB    NOT NULL UNIQUE, -- the message's id
    created_at       INTEGER NOT NULL,        -- when it was accepted
    account          INTEGER NOT NULL,        -- accounts.id
    kind             INTEGER NOT NULL,        -- 0 template, 1 subscription
    priority         INTEGER NOT NULL,        -- 0 high, 1 normal, 2 bulk
    status           INTEGER NOT NULL,        -- 0 queued, 1 sending, 2 sent, 3 delivered, 4 failed, 5 suppressed, 6 cancelled, 7 expired, 8 unconfirmed
    due_at           INTEGER NOT NULL,        -- not to be claimed before
    reason           TEXT,                    -- why it stands where it stands
    generation       INTEGER NOT NULL,        -- bumped when it is sent anew although WeChat knows the earlier call
    lease_seq        INTEGER NOT NULL,        -- bumped by every lease
    lease_node       TEXT,                    -- who may send it now; null without a lease
    lease_epoch      INTEGER,                 -- that node's epoch when it claimed
    lease_at         INTEGER,                 -- when it claimed
    expires_at       INTEGER,                 -- not to be sent after
    doubt_at         INTEGER,                 -- when the first call of this generation that may have been accepted was begun
    old_doubt        INTEGER NOT NULL,        -- 1 if a call of an earlier generation may have been accepted
    repeats          INTEGER NOT NULL,        -- repeats scheduled because of doubt
    retries          INTEGER NOT NULL,        -- retries spent on what is transient
    resent           INTEGER NOT NULL,        -- times it was sent anew because a receipt said that it failed
    last_errcode     INTEGER,                 -- the errcode of the last call
    call_started_at  INTEGER,                 -- set before a call that cannot be repeated
    cancel_requested INTEGER NOT NULL,        -- 1 if a caller wants it cancelled
    msgid            INTEGER,                 -- WeChat's msgid of this generation
    receipt_due      INTEGER,                 -- when the receipt counts as missing
    ended_at         INTEGER,                 -- since when nothing more is awaited; it is forgotten some time after
    receipt          TEXT,                    -- WeChat's later word, as JSON
    attempts         TEXT,                    -- the calls made, as a JSON list; null for none
    send_at          INTEGER,                 -- not to be sent before
    touser_hash      INTEGER NOT NULL,        -- a hash of touser, for looking it up
    touser           TEXT    NOT NULL,        -- the recipient's openid
    template_id      TEXT    NOT NULL,        -- WeChat's template id
    client           TEXT    NOT NULL,        -- the client that handed it over
    reference        TEXT,                    -- the caller's own word for it
    trace_id         TEXT,                    -- joins logs and traces
    url              TEXT,                    -- the landing page
    miniprogram      TEXT,                    -- the mini-program target, as JSON
    data             TEXT    NOT NULL         -- the template's data, as JSON
);

-- Who is next in each line, and who is being sent. One index for both: a message leaves it when its call is settled.
CREATE INDEX messages_live ON messages (status, account, priority, due_at) WHERE status = 0 OR status = 1;
-- What time does to messages that wait.
CREATE INDEX messages_expiry ON messages (expires_at) WHERE status = 0 AND expires_at IS NOT NULL;
CREATE INDEX messages_doubt ON messages (doubt_at) WHERE status = 0 AND doubt_at IS NOT NULL;
CREATE INDEX messages_receipt_due ON messages (receipt_due) WHERE status = 2 AND receipt_due IS NOT NULL;
-- What may be forgotten.
CREATE INDEX messages_ended ON messages (ended_at) WHERE ended_at IS NOT NULL;
-- Whose messages. The hash keeps it small.
CREATE INDEX messages_touser ON messages (touser_hash);

-- Every msgid that WeChat ever gave, with its message; receipts are joined by it.
CREATE TABLE msgids (
    msgid      INTEGER NOT NULL,    -- WeChat's msgid
    account    INTEGER NOT NULL,    -- accounts.id; msgids of two accounts may be equal
    message    BLOB    NOT NULL,    -- messages.id
    generation INTEGER NOT NULL,    -- the generation that was sent
    PRIMARY KEY (msgid, account)
) WITHOUT ROWID;

-- Receipts that came, by which a second delivery is known again.
CREATE TABLE receipts (
    account         INTEGER NOT NULL,   -- accounts.id
    msgid           INTEGER NOT NULL,   -- of which message
    openid          TEXT    NOT NULL,   -- for whom
    create_time     INTEGER NOT NULL,   -- WeChat's time of the event, Unix seconds
    status          TEXT    NOT NULL,   -- in WeChat's words
    at              INTEGER NOT NULL,   -- when it came
    message         BLOB,               -- messages.id; null until its msgid is known
    reason          TEXT,               -- why it failed; null for success
    max_retries     INTEGER NOT NULL,   -- the account's settings when it came
    receipt_timeout INTEGER,            -- the same, in milliseconds
    receipt_retries INTEGER NOT NULL,   -- the same
    roll            REAL    NOT NULL,   -- for the jitter of what follows
    PRIMARY KEY (msgid, account, openid, create_time, status)
) WITHOUT ROWID;
CREATE INDEX receipts_at ON receipts (at);
-- Those that still wait for their msgid, by age.
CREATE INDEX receipts_orphan ON receipts (at) WHERE message IS NULL;

-- Nonces that were spent.
CREATE TABLE nonces (
    owner      TEXT    NOT NULL,    -- a client's id, or callback:<account>
    nonce      TEXT    NOT NULL,    -- the nonce itself
    expires_at INTEGER NOT NULL,    -- when it may be forgotten
    body       BLOB,                -- the hash of the body with which it may come again
    PRIMARY KEY (owner, nonce)
) WITHOUT ROWID;
CREATE INDEX nonces_expiry ON nonces (expires_at);

-- Callers' keys, by which the same request is known again.
CREATE TABLE idempotency (
    scope      TEXT    NOT NULL,    -- what the key is unique within
    key        TEXT    NOT NULL,    -- the key as given
    body       BLOB    NOT NULL,    -- the hash of what came with it
    ids        BLOB    NOT NULL,    -- what it stored, in order: 16 bytes each, all zero for a mismatch
    expires_at INTEGER NOT NULL,    -- when it may be forgotten
    PRIMARY KEY (scope, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_expiry ON idempotency (expires_at);

-- Accounts, templates and recipients that someone should look at. Raised again, a flag only gets younger.
CREATE TABLE flags (
    account INTEGER NOT NULL,       -- accounts.id
    subject TEXT    NOT NULL,       -- account, template or recipient
    key     TEXT    NOT NULL,       -- the account's name, the template id or the openid
    reason  TEXT    NOT NULL,       -- why
    errcode INTEGER,                -- the errcode that raised it; null if a receipt did
    at      INTEGER NOT NULL,       -- when
    UNIQUE (account, subject, key, reason)
);
CREATE INDEX flags_newest ON flags (account, at);

-- How accounts stand with WeChat.
CREATE TABLE standings (
    account INTEGER PRIMARY KEY,    -- accounts.id
    body    TEXT NOT NULL           -- courier's Standing, as JSON
);

-- The nodes that beat, with the epoch that their leases hang on.
CREATE TABLE nodes (
    node    TEXT    NOT NULL PRIMARY KEY,   -- the node's id
    epoch   INTEGER NOT NULL,               -- bumped when its leases are taken back
    beat_at INTEGER NOT NULL                -- when it was last heard of
) WITHOUT ROWID;

-- Single facts. clock_mark: the latest time seen; last_epoch: the latest epoch given; probes: how often it was tried
-- whether this file can be written.
CREATE TABLE meta (
    key   TEXT    NOT NULL PRIMARY KEY,     -- which fact
    value INTEGER NOT NULL                  -- what is so
) WITHOUT ROWID;
INSERT INTO meta (key, value) VALUES ('clock_mark', 0), ('last_epoch', 0), ('probes', 0);
