-- What a human should look at, counted without reading the table; only what ended badly is in it.
CREATE INDEX messages_dead_letters ON messages (account, status, reason, ended_at) WHERE status = 4 OR status = 8;
