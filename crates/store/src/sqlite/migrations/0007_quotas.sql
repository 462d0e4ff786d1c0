-- How much of their quotas accounts have spent.
CREATE TABLE quotas (
    account INTEGER PRIMARY KEY,    -- accounts.id
    body    TEXT NOT NULL           -- courier's QuotaRecord, as JSON
);

-- What ended badly and may want a human: failed and unconfirmed messages, newest last, with what they are counted by.
CREATE INDEX messages_bad ON messages (status, id, account, reason) WHERE status = 4 OR status = 8;
