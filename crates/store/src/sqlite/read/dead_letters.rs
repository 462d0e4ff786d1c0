//! How many messages ended badly, by account, status and reason. It walks the index of such messages, not the table.

use hongyan_courier::UnixMs;
use hongyan_courier::message::MessageId;
use hongyan_courier::port::DeadLetters;
use rusqlite::params;

use super::Reader;
use crate::sqlite::codes;
use crate::sqlite::fault::Fault;
use crate::sqlite::rows;

/// SQLite gives the other columns of a group from the row that has its maximum.
const COUNTED: &str = "SELECT account, status, reason, count(*), max(ended_at), rowid FROM messages \
    INDEXED BY messages_dead_letters WHERE (status = 4 OR status = 8) AND ended_at >= ?1 \
    GROUP BY account, status, reason ORDER BY count(*) DESC";

pub(in crate::sqlite) fn counted(
    reader: &mut Reader,
    since: UnixMs,
) -> Result<Vec<DeadLetters>, Fault> {
    let Reader { conn, accounts } = reader;
    let mut count = conn.prepare_cached(COUNTED)?;
    let mut id_of = conn.prepare_cached("SELECT id FROM messages WHERE rowid = ?1")?;
    let mut found = count.query([since.0])?;
    let mut heaps = Vec::new();
    while let Some(row) = found.next()? {
        let reason: Option<String> = row.get(2)?;
        let example = id_of.query_row(params![row.get::<_, i64>(5)?], |row| row.get(0))?;
        heaps.push(DeadLetters {
            account: accounts.name(conn, row.get(0)?)?,
            status: codes::status(row.get(1)?)?,
            reason: reason.as_deref().map(rows::reason).transpose()?,
            count: row.get::<_, i64>(3)?.unsigned_abs(),
            last_at: UnixMs(row.get(4)?),
            example: MessageId::from_bytes(example),
        });
    }
    Ok(heaps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::schema;

    #[test]
    fn what_ended_badly_is_counted_without_reading_the_table() {
        let mut conn = rusqlite::Connection::open_in_memory().unwrap();
        schema::migrate(&mut conn, schema::LATEST).unwrap();
        let plan = format!("EXPLAIN QUERY PLAN {COUNTED}");
        let mut plan = conn.prepare(&plan).unwrap();
        let lines = plan.query_map([0], |row| row.get::<_, String>(3)).unwrap();
        let lines: Vec<String> = lines.map(Result::unwrap).collect();
        assert!(
            lines
                .iter()
                .any(|line| line.contains("USING COVERING INDEX messages_dead_letters")),
            "{lines:?}"
        );
    }
}
