-- What is known of recipients. Times are Unix milliseconds unless it says otherwise.

-- How users stand to accounts. Whoever nothing was heard of has no row.
CREATE TABLE recipients (
    account        INTEGER NOT NULL,    -- accounts.id
    openid         TEXT    NOT NULL,    -- the user's openid
    state          INTEGER NOT NULL,    -- 0 unknown, 1 subscribed, 2 unsubscribed, 3 blacklisted, 4 dead
    source         TEXT,                -- who said so: errcode, receipt, event, user_info or operator
    since          INTEGER,             -- when that was heard
    event_at       INTEGER,             -- WeChat's time of the last event about following, Unix seconds
    lifted_at      INTEGER,             -- when suppressions were last lifted; what was said before counts no more
    override_until INTEGER,             -- until then nothing that WeChat says suppresses
    confirm_at     INTEGER,             -- when WeChat is to be asked whether the user follows; null without doubt
    idle_since     INTEGER,             -- since when nothing here decides anything; null while something does for good
    PRIMARY KEY (account, openid)
) WITHOUT ROWID;
CREATE INDEX recipients_confirm ON recipients (confirm_at) WHERE confirm_at IS NOT NULL;
-- Who left, and when.
CREATE INDEX recipients_left ON recipients (since) WHERE state = 2;
CREATE INDEX recipients_idle ON recipients (idle_since) WHERE idle_since IS NOT NULL;

-- Reasons not to send to a recipient. Said again, one only gets younger.
CREATE TABLE suppressions (
    account     INTEGER NOT NULL,   -- accounts.id
    openid      TEXT    NOT NULL,   -- the user's openid
    template_id TEXT    NOT NULL,   -- of this template alone; empty for all
    reason      TEXT    NOT NULL,   -- why
    source      TEXT    NOT NULL,   -- who said so, as in recipients
    errcode     INTEGER,            -- the errcode that said so; null if none did
    note        TEXT,               -- what a person wrote down
    at          INTEGER NOT NULL,   -- when it was said last
    expires_at  INTEGER,            -- until when it holds; null for good
    PRIMARY KEY (account, openid, template_id, reason)
) WITHOUT ROWID;
CREATE INDEX suppressions_newest ON suppressions (account, at);
CREATE INDEX suppressions_expiry ON suppressions (expires_at) WHERE expires_at IS NOT NULL;

-- How often users agreed to one more message of a template, less what was sent since.
CREATE TABLE credits (
    account     INTEGER NOT NULL,   -- accounts.id
    openid      TEXT    NOT NULL,   -- the user's openid
    template_id TEXT    NOT NULL,   -- of which template
    remaining   INTEGER NOT NULL,   -- so many sends are left, as far as was heard
    event_at    INTEGER NOT NULL,   -- WeChat's time of the last act that was counted, Unix seconds
    PRIMARY KEY (account, openid, template_id)
) WITHOUT ROWID;

-- Users of whom something is left because it was under way when they were to be forgotten.
CREATE TABLE forgetting (
    account   INTEGER NOT NULL,     -- accounts.id
    openid    TEXT    NOT NULL,     -- the user's openid
    pseudonym TEXT    NOT NULL,     -- what stands in its place
    until     INTEGER NOT NULL,     -- messages that were accepted later are not meant
    PRIMARY KEY (account, openid)
) WITHOUT ROWID;

-- Messages that are put off because their recipient gets too much, to be let go when that is lifted. No other is in it.
CREATE INDEX messages_put_off ON messages (touser_hash) WHERE status = 0 AND reason = 'frequency_limited';
