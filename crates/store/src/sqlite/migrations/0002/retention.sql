-- Messages are kept for a time that depends on where they ended: what may be forgotten is found by both. One that ended is
-- written into it once, as into the index that it stands for.
DROP INDEX messages_ended;
CREATE INDEX messages_ended ON messages (status, ended_at) WHERE ended_at IS NOT NULL;
