-- Which messages of a broadcast ended without a delivery: a few among millions, and what is looked for afterwards.
CREATE INDEX messages_broadcast_ended ON messages (broadcast, status, broadcast_row) WHERE broadcast IS NOT NULL AND status >= 4;
