//! For which webhooks a move leaves an event, remembered by the writer so that nothing is asked where there are none.
//! Who wants what is `courier::webhook`'s to say.

use hongyan_courier::UnixMs;
use hongyan_courier::message::{Message, Reason, Status};
use hongyan_courier::webhook::{Event, Subscription, is_told};
use rusqlite::{Connection, params};

use super::codes;
use super::fault::Fault;

/// The webhooks that are configured, by number.
#[derive(Debug, Default)]
pub(super) struct Hooks(Vec<(i64, Subscription)>);

const LEAVE: &str = "INSERT INTO webhook_events (id, webhook, message, status, reason, msgid, at, state, begun_at, tries, \
    due_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?7, 0, ?7)";

impl Hooks {
    pub(super) fn load(conn: &Connection) -> Result<Self, Fault> {
        let sql = "SELECT id, body FROM webhooks WHERE body IS NOT NULL ORDER BY id";
        let mut all = conn.prepare_cached(sql)?;
        let mut found = all.query([])?;
        let mut hooks = Vec::new();
        while let Some(row) = found.next()? {
            let body: String = row.get(1)?;
            let body = serde_json::from_str(&body);
            let body = body.map_err(|error| Fault::Unreadable(error.to_string()))?;
            hooks.push((row.get(0)?, body));
        }
        Ok(Self(hooks))
    }

    /// Leaves the events of a step that was written just now.
    pub(super) fn leave(
        &self,
        conn: &Connection,
        before: Option<Status>,
        message: &Message,
        now: UnixMs,
    ) -> Result<(), Fault> {
        let (content, status) = (&message.content, message.delivery.status);
        if self.0.is_empty() || !is_told(before, status) {
            return Ok(());
        }
        for (number, hook) in self.0.iter().filter(|(_, w)| w.wants(content, status)) {
            let event = Event::new(&hook.name, message, now);
            conn.prepare_cached(LEAVE)?.execute(params![
                event.id.as_bytes().as_slice(),
                number,
                event.message.as_bytes().as_slice(),
                codes::of_status(event.status),
                event.reason.map(Reason::as_str),
                event.msgid,
                event.at.0,
            ])?;
        }
        Ok(())
    }

    /// Whether these and no others are configured already.
    pub(super) fn are(&self, webhooks: &[Subscription]) -> bool {
        self.0.len() == webhooks.len() && self.0.iter().all(|(_, known)| webhooks.contains(known))
    }
}
