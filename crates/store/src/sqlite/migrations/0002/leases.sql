-- Which messages are leased, written once for each commit. An index that has them besides those that wait would be changed
-- twice for each message.
CREATE TABLE leased (
    rowids TEXT NOT NULL    -- of messages in status 1, as a JSON list; the one row
);
INSERT INTO leased (rowids) SELECT json_group_array(rowid) FROM messages WHERE status = 1;

DROP INDEX messages_live;
CREATE INDEX messages_queued ON messages (account, priority, due_at) WHERE status = 0;
