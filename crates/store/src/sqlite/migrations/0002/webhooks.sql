-- Events out: what clients are told of their messages by webhook.

-- The webhooks by number. A number is never used again.
CREATE TABLE webhooks (
    id        INTEGER PRIMARY KEY,       -- what webhook_events holds
    name      TEXT    NOT NULL UNIQUE,   -- as in the configuration
    body      TEXT,                      -- courier's Subscription, as JSON; null once it is no longer configured
    off_since INTEGER                    -- since when it is switched off, because it said that it was gone
);

-- That a message moved, for one webhook. Left by the transaction that moved it.
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

-- What is posted next, for each webhook.
CREATE INDEX webhook_events_due ON webhook_events (webhook, due_at) WHERE due_at IS NOT NULL;
-- What may be forgotten.
CREATE INDEX webhook_events_ended ON webhook_events (webhook, state, ended_at) WHERE ended_at IS NOT NULL;
