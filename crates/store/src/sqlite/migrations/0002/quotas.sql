-- How much of their quotas accounts have spent.
CREATE TABLE quotas (
    account INTEGER PRIMARY KEY,    -- accounts.id
    body    TEXT NOT NULL           -- courier's QuotaRecord, as JSON
);
