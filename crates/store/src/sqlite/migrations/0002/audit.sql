
-- Who did what, to what, from where. Entries are added and never changed.
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
CREATE INDEX audit_subject ON audit (subject) WHERE subject IS NOT NULL;
CREATE INDEX audit_recipient ON audit (recipient) WHERE recipient IS NOT NULL;
CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE number = NEW.number) BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
