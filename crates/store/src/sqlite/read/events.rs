//! A webhook's events as an operator sees them, and how many wait.

use hongyan_courier::UnixMs;
use hongyan_courier::message::MessageId;
use hongyan_courier::webhook::{Backlog, Event, EventId, EventState, Kept};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row};

use super::Reader;
use crate::sqlite::codes;
use crate::sqlite::fault::Fault;
use crate::sqlite::rows;

/// A query whose rows [`kept`] understands.
macro_rules! select {
    ($tail:literal) => {
        concat!(
            "SELECT id, message, status, reason, msgid, at, state, begun_at, tries, due_at, last_error FROM webhook_events ",
            $tail
        )
    };
}
pub(in crate::sqlite) use select;

/// A row that [`select`] gave.
pub(in crate::sqlite) fn kept(webhook: &str, row: &Row<'_>) -> Result<Kept, Fault> {
    let reason: Option<String> = row.get(3)?;
    Ok(Kept {
        event: Event {
            id: EventId::from_bytes(row.get(0)?),
            webhook: webhook.to_owned(),
            message: MessageId::from_bytes(row.get(1)?),
            status: codes::status(row.get(2)?)?,
            reason: reason.map(|word| rows::reason(&word)).transpose()?,
            msgid: row.get(4)?,
            at: UnixMs(row.get(5)?),
        },
        state: codes::event_state(row.get(6)?)?,
        begun_at: UnixMs(row.get(7)?),
        tries: row.get(8)?,
        due_at: row.get::<_, Option<i64>>(9)?.map(UnixMs),
        last_error: row.get(10)?,
    })
}

/// What `webhook_events` call a webhook of this name; none if it was never configured.
pub(in crate::sqlite) fn number(conn: &Connection, webhook: &str) -> Result<Option<i64>, Fault> {
    let mut find = conn.prepare_cached("SELECT id FROM webhooks WHERE name = ?1")?;
    let number = find.query_row([webhook], |row| row.get(0));
    Ok(number.optional()?)
}

pub(in crate::sqlite) fn page(
    reader: &mut Reader,
    webhook: &str,
    state: Option<EventState>,
    before: Option<EventId>,
    limit: usize,
) -> Result<Vec<Kept>, Fault> {
    let Some(number) = number(&reader.conn, webhook)? else {
        return Ok(Vec::new());
    };
    let mut sql = String::from(select!("WHERE webhook = ?"));
    let mut values = vec![Value::from(number)];
    if let Some(state) = state {
        sql.push_str(" AND state = ?");
        values.push(codes::of_event_state(state).into());
    }
    if let Some(before) = before {
        sql.push_str(" AND id < ?");
        values.push(before.as_bytes().to_vec().into());
    }
    sql.push_str(" ORDER BY id DESC LIMIT ");
    sql.push_str(&limit.to_string());
    // Not cached: an operator asks for it, and there are several shapes.
    let mut find = reader.conn.prepare(&sql)?;
    let mut found = find.query(rusqlite::params_from_iter(values))?;
    let mut page = Vec::new();
    while let Some(row) = found.next()? {
        page.push(kept(webhook, row)?);
    }
    Ok(page)
}

/// It walks the indexes of what waits and of what was given up, not the table.
pub(in crate::sqlite) fn backlogs(reader: &mut Reader) -> Result<Vec<Backlog>, Fault> {
    let sql = "SELECT name, off_since, \
        (SELECT count(*) FROM webhook_events WHERE webhook = webhooks.id AND due_at IS NOT NULL), \
        (SELECT count(*) FROM webhook_events WHERE webhook = webhooks.id AND state = 2 AND ended_at IS NOT NULL), \
        (SELECT min(at) FROM webhook_events WHERE webhook = webhooks.id AND due_at IS NOT NULL), \
        (SELECT max(ended_at) FROM webhook_events WHERE webhook = webhooks.id AND state = 2 AND ended_at IS NOT NULL) \
        FROM webhooks WHERE body IS NOT NULL ORDER BY name";
    let mut count = reader.conn.prepare_cached(sql)?;
    let mut found = count.query([])?;
    let mut backlogs = Vec::new();
    while let Some(row) = found.next()? {
        backlogs.push(Backlog {
            webhook: row.get(0)?,
            off_since: row.get::<_, Option<i64>>(1)?.map(UnixMs),
            waiting: row.get::<_, i64>(2)?.unsigned_abs(),
            failed: row.get::<_, i64>(3)?.unsigned_abs(),
            oldest: row.get::<_, Option<i64>>(4)?.map(UnixMs),
            failed_at: row.get::<_, Option<i64>>(5)?.map(UnixMs),
        });
    }
    Ok(backlogs)
}
