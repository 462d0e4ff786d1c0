-- Kinds of messages besides template messages, and receipts that name no msgid. messages.kind: 2 one-time subscription,
-- 3 subscription message of a mini-program.

ALTER TABLE messages ADD COLUMN
    extras TEXT;        -- what the kind has besides (page, title …), as JSON; null for nothing
ALTER TABLE receipts ADD COLUMN
    template_id TEXT;   -- of which template, where the event is for a kind without msgid; null for a template message's

-- Whose messages a receipt without msgid can be about. Template messages are not in it.
CREATE INDEX messages_unnamed ON messages (touser_hash) WHERE kind > 0;
-- Receipts that name no msgid, by whom they are for, who may be forgotten. Those of template messages are not in it.
CREATE INDEX receipts_unnamed ON receipts (account, openid) WHERE template_id IS NOT NULL;
