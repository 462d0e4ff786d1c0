-- A database as version 2 left it, with a row in every table. Never edited: it stands for those that are out there.
PRAGMA application_id = 1213808974;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE accounts (
    id   INTEGER PRIMARY KEY,       -- what the other tables hold
    name TEXT    NOT NULL UNIQUE    -- as in the configuration
);
INSERT INTO "accounts" VALUES(1,'clinic');
CREATE TABLE audit (
    number      INTEGER NOT NULL PRIMARY KEY,   -- counted from 1 without a gap
    at          INTEGER NOT NULL,   -- when it was asked for
    who         TEXT    NOT NULL,   -- a client's id, or local: and a user of the machine
    source      TEXT,               -- from which address; null for a command on the machine
    what        TEXT    NOT NULL,   -- a stable word, such as messages.cancel
    account     TEXT,               -- in which account, where it is one
    subject     TEXT,               -- to which message, broadcast, template or webhook
    recipient   TEXT,               -- to which recipient, as a mark that does not tell the openid
    details     TEXT,               -- how, as it was asked for
    trace_id    TEXT,               -- the trace that it is part of
    seal        BLOB    NOT NULL    -- SHA-256 over the entry and the seal before it
);
INSERT INTO "audit" VALUES(1,1795400003000,'desk','192.0.2.1','messages.cancel','clinic','m1',NULL,NULL,NULL,X'1111111111111111111111111111111111111111111111111111111111111111');
CREATE TABLE broadcast_bad_rows (
    broadcast  INTEGER NOT NULL,         -- broadcasts.id
    line       INTEGER NOT NULL,         -- the line that it begins on, counted from 1
    problem    TEXT    NOT NULL,         -- what is wrong with it
    problem_zh TEXT                      -- the same in Chinese, where somebody said it so
);
INSERT INTO "broadcast_bad_rows" VALUES(3765226438656123456,3,'has no openid','缺少 openid');
CREATE TABLE broadcast_followers (
    broadcast INTEGER NOT NULL,          -- broadcasts.id
    openid    TEXT    NOT NULL,          -- who
    PRIMARY KEY (broadcast, openid)
) WITHOUT ROWID;
INSERT INTO "broadcast_followers" VALUES(3765226438656123456,'o1');
CREATE TABLE broadcast_pieces (
    broadcast INTEGER NOT NULL,          -- broadcasts.id
    at        INTEGER NOT NULL,          -- so many bytes lie before it
    bytes     BLOB    NOT NULL,          -- at most 64 KiB of them
    UNIQUE (broadcast, at)
);
INSERT INTO "broadcast_pieces" VALUES(3765226438656123456,0,X'6F70656E69642C6E616D650A6F312C6F6E650A2C6E6F626F64790A6F322C74776F0A');
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
INSERT INTO "broadcast_progress" VALUES(3765226438656123456,20,2,1,1,0,0,1,0,0,0,0,0);
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
INSERT INTO "broadcasts" VALUES(3765226438656123456,1795400000000,1,'his',0,'{"template_id":"appointment","data":{"thing1":{"value":"{{name}}"}}}',100,NULL,NULL,3,1795400001000,1795400001000,0,NULL,0,45,1,45,4,'["name"]',2,1,NULL,0);
CREATE TABLE credits (
    account     INTEGER NOT NULL,   -- accounts.id
    openid      TEXT    NOT NULL,   -- the user's openid
    template_id TEXT    NOT NULL,   -- of which template
    remaining   INTEGER NOT NULL,   -- so many sends are left, as far as was heard
    event_at    INTEGER NOT NULL,   -- WeChat's time of the last act that was counted, Unix seconds
    PRIMARY KEY (account, openid, template_id)
) WITHOUT ROWID;
INSERT INTO "credits" VALUES(1,'o3','invoice',2,1795400002);
CREATE TABLE flags (
    account INTEGER NOT NULL,       -- accounts.id
    subject TEXT    NOT NULL,       -- account, template or recipient
    key     TEXT    NOT NULL,       -- the account's name, the template id or the openid
    reason  TEXT    NOT NULL,       -- why
    errcode INTEGER,                -- the errcode that raised it; null if a receipt did
    at      INTEGER NOT NULL,       -- when
    UNIQUE (account, subject, key, reason)
);
INSERT INTO "flags" VALUES(1,'recipient','o2','user_blocked',NULL,1795400002000);
CREATE TABLE forgetting (
    account   INTEGER NOT NULL,     -- accounts.id
    openid    TEXT    NOT NULL,     -- the user's openid
    pseudonym TEXT    NOT NULL,     -- what stands in its place
    until     INTEGER NOT NULL,     -- messages that were accepted later are not meant
    PRIMARY KEY (account, openid)
) WITHOUT ROWID;
INSERT INTO "forgetting" VALUES(1,'o9','forgotten-9f86d081884c7d65',1795400000000);
CREATE TABLE idempotency (
    scope      TEXT    NOT NULL,    -- what the key is unique within
    key        TEXT    NOT NULL,    -- the key as given
    body       BLOB    NOT NULL,    -- the hash of what came with it
    ids        BLOB    NOT NULL,    -- what it stored, in order: 16 bytes each, all zero for a mismatch
    expires_at INTEGER NOT NULL,    -- when it may be forgotten
    PRIMARY KEY (scope, key)
) WITHOUT ROWID;
INSERT INTO "idempotency" VALUES('his POST /v1/messages','k-1',X'0202020202020202020202020202020202020202020202020202020202020202',X'01A2062DF1A076579D7B8671C9B37A43',1795486404000);
INSERT INTO "idempotency" VALUES('his POST /v1/messages','m-1',X'0101010101010101010101010101010101010101010101010101010101010101',X'01A2062DF1A076579D7B8671C9B37A43',1795486404000);
CREATE TABLE leased (
    rowids TEXT NOT NULL    -- of messages in status 1, as a JSON list; the one row
);
INSERT INTO "leased" VALUES('[4]');
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
, extras TEXT, broadcast INTEGER, broadcast_row INTEGER);
INSERT INTO "messages" VALUES(X'01A2062DE2007A3CA1B606DF54119170',1795400000000,1,0,1,3,1795400000000,NULL,0,1,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,0,1,NULL,1795400002000,'{"status":"success","at":1795400002000}','[{"at":1795400001000,"errcode":0,"errmsg":"as told","rid":"64e5d2d0-7ae1e3a1-0c2f5bd6","took_ms":12,"msgid":1,"generation":0}]',NULL,626025670079018237,'o1','appointment','his','visit-1',NULL,'https://example.com/1',NULL,'{"thing1":{"value":"o1"}}',NULL,3765226438656123456,0);
INSERT INTO "messages" VALUES(X'01A2062DE2007DBE871D4D034DD68EA1',1795400000000,1,0,1,4,1795400000000,'user_blocked',0,1,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,0,2,NULL,1795400002000,'{"status":"failed:user block","at":1795400002000}','[{"at":1795400001000,"errcode":0,"errmsg":"as told","rid":"64e5d2d0-7ae1e3a1-0c2f5bd6","took_ms":12,"msgid":2,"generation":0}]',NULL,626022371544133604,'o2','appointment','his',NULL,NULL,NULL,NULL,'{"thing1":{"value":"o2"}}',NULL,NULL,NULL);
INSERT INTO "messages" VALUES(X'01A2062DE20076EEA0818B67FB789A07',1795400000000,1,0,1,2,1795400000000,NULL,0,1,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,0,3,1795403601000,NULL,NULL,'[{"at":1795400001000,"errcode":0,"errmsg":"as told","rid":"64e5d2d0-7ae1e3a1-0c2f5bd6","took_ms":12,"msgid":3,"generation":0}]',NULL,626023471055761815,'o3','appointment','his',NULL,NULL,NULL,NULL,'{"thing1":{"value":"o3"}}',NULL,NULL,NULL);
INSERT INTO "messages" VALUES(X'01A2062DEDB87A66B66EE695ED86F6BD',1795400003000,1,0,1,1,1795400003000,NULL,0,1,'n1',1,1795400003000,NULL,NULL,0,0,0,0,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,626020172520877182,'o4','appointment','his',NULL,'4bf92f3577b34da6a3ce929d0e0e4736',NULL,NULL,'{"thing1":{"value":"o4"}}',NULL,NULL,NULL);
INSERT INTO "messages" VALUES(X'01A2062DF1A076579D7B8671C9B37A43',1795400004000,1,0,1,0,1795400004000,NULL,0,0,NULL,NULL,NULL,1795405000000,NULL,0,0,0,0,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,626021272032505393,'o5','appointment','his',NULL,NULL,NULL,NULL,'{"thing1":{"value":"o5"}}',NULL,NULL,NULL);
CREATE TABLE meta (
    key   TEXT    NOT NULL PRIMARY KEY,     -- which fact
    value INTEGER NOT NULL                  -- what is so
) WITHOUT ROWID;
INSERT INTO "meta" VALUES('clock_mark',1795400004000);
INSERT INTO "meta" VALUES('last_epoch',1);
INSERT INTO "meta" VALUES('probes',1);
CREATE TABLE msgids (
    msgid      INTEGER NOT NULL,    -- WeChat's msgid
    account    INTEGER NOT NULL,    -- accounts.id; msgids of two accounts may be equal
    message    BLOB    NOT NULL,    -- messages.id
    generation INTEGER NOT NULL,    -- the generation that was sent
    PRIMARY KEY (msgid, account)
) WITHOUT ROWID;
INSERT INTO "msgids" VALUES(1,1,X'01A2062DE2007A3CA1B606DF54119170',0);
INSERT INTO "msgids" VALUES(2,1,X'01A2062DE2007DBE871D4D034DD68EA1',0);
INSERT INTO "msgids" VALUES(3,1,X'01A2062DE20076EEA0818B67FB789A07',0);
CREATE TABLE nodes (
    node    TEXT    NOT NULL PRIMARY KEY,   -- the node's id
    epoch   INTEGER NOT NULL,               -- bumped when its leases are taken back
    beat_at INTEGER NOT NULL                -- when it was last heard of
) WITHOUT ROWID;
INSERT INTO "nodes" VALUES('n1',1,1795400000000);
CREATE TABLE nonces (
    owner      TEXT    NOT NULL,    -- a client's id, or callback:<account>
    nonce      TEXT    NOT NULL,    -- the nonce itself
    expires_at INTEGER NOT NULL,    -- when it may be forgotten
    body       BLOB,                -- the hash of the body with which it may come again
    PRIMARY KEY (owner, nonce)
) WITHOUT ROWID;
INSERT INTO "nonces" VALUES('his','n',1795400604000,NULL);
CREATE TABLE quotas (
    account INTEGER PRIMARY KEY,    -- accounts.id
    body    TEXT NOT NULL           -- courier's QuotaRecord, as JSON
);
INSERT INTO "quotas" VALUES(1,'{"told":{"limit":100000,"used":60000,"remaining":40000,"at":1795400000000},"spent_until":null,"clearings":[1795400000000],"no_clearing_before":null}');
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
    roll            REAL    NOT NULL, template_id TEXT,   -- for the jitter of what follows
    PRIMARY KEY (msgid, account, openid, create_time, status)
) WITHOUT ROWID;
INSERT INTO "receipts" VALUES(1,1,'o1',1795400000,'success',1795400002000,X'01A2062DE2007A3CA1B606DF54119170',NULL,3,3600000,1,0.5,NULL);
INSERT INTO "receipts" VALUES(1,2,'o2',1795400000,'failed:user block',1795400002000,X'01A2062DE2007DBE871D4D034DD68EA1','user_blocked',3,3600000,1,0.5,NULL);
INSERT INTO "receipts" VALUES(1,99,'o9',1795400000,'success',1795400002000,NULL,NULL,3,3600000,1,0.5,NULL);
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
INSERT INTO "recipients" VALUES(1,'o2',2,'user_info',1795400002000,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "recipients" VALUES(1,'o3',1,'event',1795400002000,1795400002,1795400002000,NULL,1795400003000,NULL);
CREATE TABLE spent_nonces (
    owner      TEXT    NOT NULL,    -- whose: a client's id, or what it is for
    nonce      TEXT    NOT NULL,    -- the nonce itself
    expires_at INTEGER NOT NULL     -- when it may be forgotten
);
INSERT INTO "spent_nonces" VALUES('his','m',1795400604000);
CREATE TABLE standings (
    account INTEGER PRIMARY KEY,    -- accounts.id
    body    TEXT NOT NULL           -- courier's Standing, as JSON
);
INSERT INTO "standings" VALUES(1,'{"stop":null,"trouble":null,"forced":[1795400000000]}');
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
INSERT INTO "suppressions" VALUES(1,'o2','','not_subscribed','user_info',NULL,NULL,1795400002000,NULL);
INSERT INTO "suppressions" VALUES(1,'o3','appointment','suppressed_by_operator','operator',NULL,'asked us by phone',1795400002000,1795500000000);
CREATE TABLE template_history (
    account INTEGER NOT NULL,           -- accounts.id
    id      TEXT    NOT NULL,           -- the template's id
    at      INTEGER NOT NULL,           -- when a list showed it
    change  TEXT    NOT NULL,           -- added, edited, reworded or gone
    title   TEXT    NOT NULL,           -- its title from then on; as it was, if it is gone
    text    TEXT    NOT NULL,           -- its text likewise
    PRIMARY KEY (account, id, at)
) WITHOUT ROWID;
INSERT INTO "template_history" VALUES(1,'appointment',1795400000000,'added','预约提醒','事项：{{thing1.DATA}}');
INSERT INTO "template_history" VALUES(1,'appointment',1795403600000,'edited','预约提醒','事项：{{thing1.DATA}}
时间：{{time2.DATA}}');
CREATE TABLE template_lists (
    account   INTEGER NOT NULL,         -- accounts.id
    list      TEXT    NOT NULL,         -- which: template or subscription
    synced_at INTEGER NOT NULL,         -- when
    PRIMARY KEY (account, list)
) WITHOUT ROWID;
INSERT INTO "template_lists" VALUES(1,'template',1795403600000);
CREATE TABLE template_stops (
    account     INTEGER NOT NULL,       -- accounts.id
    template_id TEXT    NOT NULL,       -- which
    cause       TEXT    NOT NULL,       -- why, as a word
    errcode     INTEGER,                -- the errcode that said so; null if a list did
    since       INTEGER NOT NULL,       -- since when
    text        TEXT,                   -- the text that waiting messages were written for, where it is another by now
    PRIMARY KEY (account, template_id)
) WITHOUT ROWID;
INSERT INTO "template_stops" VALUES(1,'report','gone',NULL,1795403600000,'结果：{{phrase1.DATA}}');
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
INSERT INTO "templates" VALUES(1,'appointment','预约提醒','事项：{{thing1.DATA}}
时间：{{time2.DATA}}',NULL,'事项：复诊','医药护理','医药医疗',1795400000000,1795403600000,NULL,'template',NULL);
INSERT INTO "templates" VALUES(1,'report','报告提醒','结果：{{phrase1.DATA}}','{"phrase1":["已完成"]}','','','',1795400000000,1795400000000,1795403600000,'template',NULL);
CREATE TABLE webhook_events (
    id         BLOB    NOT NULL PRIMARY KEY,    -- the event's id, sixteen bytes of a UUID of version 7: the webhook-id
    webhook    INTEGER NOT NULL,                -- webhooks.id
    message    BLOB    NOT NULL,                -- messages.id
    status     INTEGER NOT NULL,                -- where the message stood, as in messages.status
    reason     TEXT,                            -- why
    msgid      INTEGER,                         -- its msgid
    at         INTEGER NOT NULL,                -- when that was
    state      INTEGER NOT NULL,                -- 0 waiting, 1 delivered, 2 failed
    begun_at   INTEGER NOT NULL,                -- since when it is tried: at, or when somebody asked for it again
    tries      INTEGER NOT NULL,                -- tries that were begun since
    due_at     INTEGER,                         -- when the next one is due; null if it does not wait
    ended_at   INTEGER,                         -- when it was delivered or given up
    last_error TEXT                             -- what came of the last try that failed
) WITHOUT ROWID;
INSERT INTO "webhook_events" VALUES(X'01A2062DF1A1765780118671C9B37A01',1,X'01A2062DE2007A3CA1B606DF54119170',3,NULL,7,1795400003000,0,1795400003000,1,1795400063000,NULL,'HTTP 500');
CREATE TABLE webhooks (
    id        INTEGER PRIMARY KEY,       -- what webhook_events holds
    name      TEXT    NOT NULL UNIQUE,   -- as in the configuration
    body      TEXT,                      -- courier's Subscription, as JSON; null once it is no longer configured
    off_since INTEGER                    -- since when it is switched off, because it said that it was gone
);
INSERT INTO "webhooks" VALUES(1,'his','{"name":"his","client":"his","statuses":["delivered","failed"],"accounts":["clinic"]}',NULL);
CREATE TABLE virtual_token_key (
    id  INTEGER PRIMARY KEY,    -- 0: there is one
    key BLOB NOT NULL           -- 32 random bytes, made when the first token is asked for
);
INSERT INTO "virtual_token_key" VALUES(0,X'5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a');
CREATE TABLE virtual_token_revocations (
    client        TEXT    NOT NULL,    -- the client's id
    account       INTEGER NOT NULL,    -- accounts.id
    issued_before INTEGER NOT NULL,    -- those issued before are no good, by the wall; ms
    PRIMARY KEY (client, account)
) WITHOUT ROWID;
INSERT INTO "virtual_token_revocations" VALUES('his',1,1795400000000);
CREATE INDEX messages_queued ON messages (account, priority, due_at) WHERE status = 0;
CREATE INDEX messages_expiry ON messages (expires_at) WHERE status = 0 AND expires_at IS NOT NULL;
CREATE INDEX messages_doubt ON messages (doubt_at) WHERE status = 0 AND doubt_at IS NOT NULL;
CREATE INDEX messages_receipt_due ON messages (receipt_due) WHERE status = 2 AND receipt_due IS NOT NULL;
CREATE INDEX messages_touser ON messages (touser_hash);
CREATE INDEX receipts_at ON receipts (at);
CREATE INDEX receipts_orphan ON receipts (at) WHERE message IS NULL;
CREATE INDEX nonces_expiry ON nonces (expires_at);
CREATE INDEX idempotency_expiry ON idempotency (expires_at);
CREATE INDEX flags_newest ON flags (account, at);
CREATE INDEX messages_unnamed ON messages (touser_hash) WHERE kind > 0;
CREATE INDEX receipts_unnamed ON receipts (account, openid) WHERE template_id IS NOT NULL;
CREATE INDEX template_history_at ON template_history (at);
CREATE INDEX messages_aside ON messages (account, template_id) WHERE status = 0 AND reason = 'template_stopped';
CREATE INDEX messages_put_off ON messages (touser_hash) WHERE status = 0 AND reason = 'frequency_limited';
CREATE UNIQUE INDEX messages_broadcast ON messages (broadcast, broadcast_row) WHERE broadcast IS NOT NULL;
CREATE INDEX messages_broadcast_queued ON messages (broadcast, due_at) WHERE broadcast IS NOT NULL AND status = 0;
CREATE INDEX messages_broadcast_ended ON messages (broadcast, status, broadcast_row) WHERE broadcast IS NOT NULL AND status >= 4;
CREATE INDEX broadcasts_alive ON broadcasts (state) WHERE state >= 3 AND tended = 0;
CREATE INDEX broadcast_bad_rows_line ON broadcast_bad_rows (broadcast, line);
CREATE INDEX recipients_confirm ON recipients (confirm_at) WHERE confirm_at IS NOT NULL;
CREATE INDEX recipients_left ON recipients (since) WHERE state = 2;
CREATE INDEX recipients_idle ON recipients (idle_since) WHERE idle_since IS NOT NULL;
CREATE INDEX suppressions_newest ON suppressions (account, at);
CREATE INDEX suppressions_expiry ON suppressions (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX messages_dead_letters ON messages (account, status, reason, ended_at) WHERE status = 4 OR status = 8;
CREATE INDEX webhook_events_due ON webhook_events (webhook, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_events_ended ON webhook_events (webhook, state, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX messages_ended ON messages (status, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX audit_subject ON audit (subject) WHERE subject IS NOT NULL;
CREATE INDEX audit_recipient ON audit (recipient) WHERE recipient IS NOT NULL;
CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE number = NEW.number) BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
COMMIT;
