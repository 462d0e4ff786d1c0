-- The accounts' templates as WeChat lists them, what happened to them, and which are stopped.

-- Templates that are or were in one of an account's lists.
CREATE TABLE templates (
    account          INTEGER NOT NULL,  -- accounts.id
    id               TEXT    NOT NULL,  -- WeChat's template id
    title            TEXT    NOT NULL,  -- as it was listed last
    text             TEXT    NOT NULL,  -- the same, with {{key.DATA}} where values go
    choices          TEXT,              -- the values approved for its keys, as JSON; null where none are known
    example          TEXT    NOT NULL,  -- an example of the text
    primary_industry TEXT    NOT NULL,  -- first-level industry
    deputy_industry  TEXT    NOT NULL,  -- second-level industry
    first_seen       INTEGER NOT NULL,  -- when a list had it first
    last_seen        INTEGER NOT NULL,  -- when a list had it last
    gone_at          INTEGER,           -- since when lists do not have it; null while they do
    list             TEXT    NOT NULL,  -- in which list: template or subscription
    lasts            TEXT,              -- for how many messages its users agree: one_time or long_term; null where nobody says
    PRIMARY KEY (account, id)
) WITHOUT ROWID;

-- What happened to templates.
CREATE TABLE template_history (
    account INTEGER NOT NULL,           -- accounts.id
    id      TEXT    NOT NULL,           -- the template's id
    at      INTEGER NOT NULL,           -- when a list showed it
    change  TEXT    NOT NULL,           -- added, edited, reworded or gone
    title   TEXT    NOT NULL,           -- its title from then on; as it was, if it is gone
    text    TEXT    NOT NULL,           -- its text likewise
    PRIMARY KEY (account, id, at)
) WITHOUT ROWID;

CREATE INDEX template_history_at ON template_history (at);

-- When each of the accounts' lists was fetched last.
CREATE TABLE template_lists (
    account   INTEGER NOT NULL,         -- accounts.id
    list      TEXT    NOT NULL,         -- which: template or subscription
    synced_at INTEGER NOT NULL,         -- when
    PRIMARY KEY (account, list)
) WITHOUT ROWID;

-- Templates of which nothing is sent.
CREATE TABLE template_stops (
    account     INTEGER NOT NULL,       -- accounts.id
    template_id TEXT    NOT NULL,       -- which
    cause       TEXT    NOT NULL,       -- why, as a word
    errcode     INTEGER,                -- the errcode that said so; null if a list did
    since       INTEGER NOT NULL,       -- since when
    text        TEXT,                   -- the text that waiting messages were written for, where it is another by now
    PRIMARY KEY (account, template_id)
) WITHOUT ROWID;

-- Messages that wait aside because their template is stopped, to be called back. No other message is in it.
CREATE INDEX messages_aside ON messages (account, template_id) WHERE status = 0 AND reason = 'template_stopped';
