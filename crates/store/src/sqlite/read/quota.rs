//! What is known of an account's quota, and how much waits for what is left of it.

use hongyan_courier::UnixMs;
use hongyan_courier::message::{AccountName, Priority};
use hongyan_courier::quota::QuotaRecord;
use rusqlite::{OptionalExtension, params};

use super::Reader;
use crate::sqlite::codes;
use crate::sqlite::fault::Fault;

pub(in crate::sqlite) fn quota(
    reader: &mut Reader,
    account: &AccountName,
) -> Result<QuotaRecord, Fault> {
    let sql =
        "SELECT body FROM quotas JOIN accounts ON accounts.id = quotas.account WHERE name = ?1";
    let mut find = reader.conn.prepare_cached(sql)?;
    let body: Option<String> = find
        .query_row([account.as_str()], |row| row.get(0))
        .optional()?;
    let record = body.map(|body| serde_json::from_str(&body)).transpose()?;
    Ok(record.unwrap_or_default())
}

/// It walks a range of the index of what is alive, not the table.
pub(in crate::sqlite) fn queued_before(
    reader: &mut Reader,
    account: &AccountName,
    until: UnixMs,
) -> Result<[u64; 3], Fault> {
    let Reader { conn, accounts } = reader;
    let mut counts = [0; 3];
    let Some(account) = accounts.known(conn, account)? else {
        return Ok(counts);
    };
    let sql = "SELECT count(*) FROM messages WHERE status = 0 AND account = ?1 AND priority = ?2 AND due_at < ?3";
    let mut count = conn.prepare_cached(sql)?;
    for (found, priority) in counts.iter_mut().zip(Priority::ALL) {
        let of = params![account, codes::of_priority(*priority), until.0];
        *found = count
            .query_row(of, |row| row.get::<_, i64>(0))?
            .unsigned_abs();
    }
    Ok(counts)
}
