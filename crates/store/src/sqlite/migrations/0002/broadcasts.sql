-- Broadcasts: their rows as they came, how far they have become messages, and what became of those.

-- Which broadcast a message was made of; null for a message of its own.
ALTER TABLE messages ADD COLUMN broadcast INTEGER;      -- broadcasts.id
ALTER TABLE messages ADD COLUMN broadcast_row INTEGER;  -- which of its good rows, counted from 0

-- A row becomes one message. Messages of no broadcast are in none of these indexes.
CREATE UNIQUE INDEX messages_broadcast ON messages (broadcast, broadcast_row) WHERE broadcast IS NOT NULL;
-- What of a broadcast waits, and until when.
CREATE INDEX messages_broadcast_queued ON messages (broadcast, due_at) WHERE broadcast IS NOT NULL AND status = 0;
-- Which ended without a delivery: a few among millions, and what is looked for afterwards.
CREATE INDEX messages_broadcast_ended ON messages (broadcast, status, broadcast_row) WHERE broadcast IS NOT NULL AND status >= 4;

-- What was asked for, and where it stands.
CREATE TABLE broadcasts (
    id             INTEGER PRIMARY KEY,  -- the broadcast's id: when it was made, and chance
    created_at     INTEGER NOT NULL,     -- when it was made
    account        INTEGER NOT NULL,     -- accounts.id
    client         TEXT    NOT NULL,     -- the client that asked for it
    source         INTEGER NOT NULL,     -- where its recipients come from: 0 rows, 1 followers
    recipe         TEXT    NOT NULL,     -- a message without its recipient, as JSON
    rate           INTEGER,              -- at most so many messages a second
    send_at        INTEGER,              -- not to begin before
    expires_at     INTEGER,              -- nothing is sent after
    state          INTEGER NOT NULL,     -- 0 draft, 1 uploading, 2 ready, 3 running, 4 paused, 5 done, 6 cancelled
    started_at     INTEGER,              -- when it was first started
    running_since  INTEGER,              -- since when it has been running without a pause
    settled_before INTEGER NOT NULL,     -- so many of its messages were settled by then
    ended_at       INTEGER,              -- when it was done or cancelled
    tended         INTEGER NOT NULL,     -- 1 if it has ended and nothing of it is left to be looked after
    stored         INTEGER NOT NULL,     -- so many bytes of its rows are here
    complete       INTEGER NOT NULL,     -- 1 if no more will come
    seen_byte      INTEGER NOT NULL,     -- so many of them were looked through
    seen_lines     INTEGER NOT NULL,     -- and so many line ends lie before that
    columns        TEXT,                 -- the header's columns after openid, as JSON; null until it is here
    rows           INTEGER NOT NULL,     -- so many rows are good
    bad            INTEGER NOT NULL,     -- so many are bad
    next_openid    TEXT,                 -- for followers: after whom to go on asking
    blanked        INTEGER NOT NULL DEFAULT 0 -- so many rows were forgotten with their recipients
);
-- What must be looked after.
CREATE INDEX broadcasts_alive ON broadcasts (state) WHERE state >= 3 AND tended = 0;

-- How far its rows have become messages, and what became of them. It is written often, so it is small.
CREATE TABLE broadcast_progress (
    broadcast    INTEGER PRIMARY KEY,    -- broadcasts.id
    cursor_byte  INTEGER NOT NULL,       -- where the next row begins
    cursor_lines INTEGER NOT NULL,       -- so many line ends lie before it
    cursor_row   INTEGER NOT NULL,       -- so many good rows lie before it
    accepted     INTEGER NOT NULL,       -- rows that became messages
    refused      INTEGER NOT NULL,       -- rows whose values no message may have
    sent         INTEGER NOT NULL,       -- messages in this status, and so on
    delivered    INTEGER NOT NULL,       -- as above
    failed       INTEGER NOT NULL,       -- as above
    suppressed   INTEGER NOT NULL,       -- as above
    cancelled    INTEGER NOT NULL,       -- as above
    expired      INTEGER NOT NULL,       -- as above
    unconfirmed  INTEGER NOT NULL        -- as above
);

-- The rows as they came, in pieces.
CREATE TABLE broadcast_pieces (
    broadcast INTEGER NOT NULL,          -- broadcasts.id
    at        INTEGER NOT NULL,          -- so many bytes lie before it
    bytes     BLOB    NOT NULL,          -- at most 64 KiB of them
    UNIQUE (broadcast, at)
);

-- Rows that are passed over, the first thousand of a broadcast.
CREATE TABLE broadcast_bad_rows (
    broadcast  INTEGER NOT NULL,         -- broadcasts.id
    line       INTEGER NOT NULL,         -- the line that it begins on, counted from 1
    problem    TEXT    NOT NULL,         -- what is wrong with it
    problem_zh TEXT                      -- the same in Chinese, where somebody said it so
);
CREATE INDEX broadcast_bad_rows_line ON broadcast_bad_rows (broadcast, line);

-- Followers that are rows already; forgotten once the broadcast has ended.
CREATE TABLE broadcast_followers (
    broadcast INTEGER NOT NULL,          -- broadcasts.id
    openid    TEXT    NOT NULL,          -- who
    PRIMARY KEY (broadcast, openid)
) WITHOUT ROWID;
