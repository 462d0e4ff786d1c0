//! A broadcast as a row, its rows as they came, and what of it waits. It knows the columns and nothing of why they change.

use std::sync::Arc;

use hongyan_courier::UnixMs;
use hongyan_courier::broadcast::port::{BroadcastFilter, DUE_COUNTED_MAX};
use hongyan_courier::broadcast::rows::{BadRow, Fault as RowFault};
use hongyan_courier::broadcast::{
    Broadcast, BroadcastId, Cursor, Order, Place, Progress, State, Upload,
};
use hongyan_courier::message::AccountName;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};

use super::{Reader, page};
use crate::sqlite::accounts::Accounts;
use crate::sqlite::codes;
use crate::sqlite::fault::Fault;

/// A query whose rows [`of_row`] understands.
macro_rules! select {
    ($tail:literal) => {
        concat!(
            "SELECT id, created_at, account, client, source, recipe, rate, send_at, expires_at, state, started_at, ",
            "running_since, settled_before, ended_at, stored, complete, seen_byte, seen_lines, columns, rows, bad, ",
            "next_openid, cursor_byte, cursor_lines, cursor_row, accepted, refused, sent, delivered, failed, suppressed, ",
            "cancelled, expired, unconfirmed, blanked FROM broadcasts ",
            $tail
        )
    };
}

/// One broadcast, as the connection sees it.
pub(in crate::sqlite) fn find(
    conn: &Connection,
    accounts: &mut Accounts,
    id: BroadcastId,
) -> Result<Option<Broadcast>, Fault> {
    let mut find = conn.prepare_cached(select!(
        "JOIN broadcast_progress ON broadcast = id WHERE id = ?1"
    ))?;
    let mut found = find.query([id.number()])?;
    let row = found.next()?;
    row.map(|row| of_row(row, |id| accounts.name(conn, id)))
        .transpose()
}

/// Where a broadcast stands, how far its rows have become messages and how many were forgotten, without what was ordered.
pub(in crate::sqlite) fn stands(
    conn: &Connection,
    id: BroadcastId,
) -> Result<Option<(State, Cursor, u64)>, Fault> {
    let sql = "SELECT state, cursor_byte, cursor_lines, cursor_row, blanked FROM broadcasts \
        JOIN broadcast_progress ON broadcast = id WHERE id = ?1";
    let mut find = conn.prepare_cached(sql)?;
    let mut found = find.query([id.number()])?;
    let Some(row) = found.next()? else {
        return Ok(None);
    };
    let state = codes::broadcast_state(row.get(0)?)?;
    let blanked: i64 = row.get(4)?;
    Ok(Some((state, cursor(row, 1)?, blanked.unsigned_abs())))
}

/// A page of them, newest first.
pub(in crate::sqlite) fn page(
    reader: &mut Reader,
    filter: &BroadcastFilter,
    limit: usize,
) -> Result<Vec<Broadcast>, Fault> {
    let mut sql = String::from(select!("JOIN broadcast_progress ON broadcast = id WHERE 1"));
    let mut values: Vec<Value> = Vec::new();
    let template_id = "json_extract(recipe, '$.template_id')";
    if !page::within(reader, &filter.within, template_id, &mut sql, &mut values)? {
        return Ok(Vec::new());
    }
    let Reader { conn, accounts } = reader;
    if let Some(account) = &filter.account {
        let Some(number) = accounts.known(conn, account)? else {
            return Ok(Vec::new());
        };
        sql.push_str(" AND account = ?");
        values.push(number.into());
    }
    if let Some(state) = filter.state {
        sql.push_str(" AND state = ?");
        values.push(codes::of_broadcast_state(state).into());
    }
    if let Some(before) = filter.before {
        sql.push_str(" AND id < ?");
        values.push(before.number().into());
    }
    sql.push_str(" ORDER BY id DESC LIMIT ");
    sql.push_str(&limit.to_string());
    let mut find = conn.prepare(&sql)?;
    let mut found = find.query(params_from_iter(values))?;
    let mut page = Vec::new();
    while let Some(row) = found.next()? {
        page.push(of_row(row, |id| accounts.name(conn, id))?);
    }
    Ok(page)
}

/// An account's that have not ended and have rows, newest first.
pub(in crate::sqlite) fn with_rows(
    reader: &mut Reader,
    account: &AccountName,
    limit: usize,
) -> Result<Vec<Broadcast>, Fault> {
    let Reader { conn, accounts } = reader;
    let Some(account) = accounts.known(conn, account)? else {
        return Ok(Vec::new());
    };
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut find = conn.prepare_cached(select!(
        "JOIN broadcast_progress ON broadcast = id WHERE account = ?1 AND state < 5 AND columns IS NOT NULL \
        ORDER BY id DESC LIMIT ?2"
    ))?;
    let mut found = find.query([account, limit])?;
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        all.push(of_row(row, |id| accounts.name(conn, id))?);
    }
    Ok(all)
}

/// What must be looked after, with how much of it is due.
pub(in crate::sqlite) fn alive(reader: &mut Reader, now: UnixMs) -> Result<Vec<Broadcast>, Fault> {
    let Reader { conn, accounts } = reader;
    let mut alive = Vec::new();
    let mut find = conn.prepare_cached(select!(
        "INDEXED BY broadcasts_alive JOIN broadcast_progress ON broadcast = id WHERE state >= 3 AND tended = 0"
    ))?;
    let mut found = find.query([])?;
    while let Some(row) = found.next()? {
        alive.push(of_row(row, |id| accounts.name(conn, id))?);
    }
    for one in &mut alive {
        if matches!(one.state, State::Running | State::Paused) {
            one.due = due(conn, one.id, one.due_until(now))?;
        }
    }
    Ok(alive)
}

fn due(conn: &Connection, id: BroadcastId, until: i64) -> Result<u64, Fault> {
    let sql = "SELECT count(*) FROM (SELECT 1 FROM messages INDEXED BY messages_broadcast_queued \
        WHERE broadcast = ?1 AND status = 0 AND due_at <= ?2 LIMIT ?3)";
    let most = i64::try_from(DUE_COUNTED_MAX).unwrap_or(i64::MAX);
    let mut count = conn.prepare_cached(sql)?;
    let due: i64 = count.query_row([id.number(), until, most], |row| row.get(0))?;
    Ok(due.unsigned_abs())
}

/// Bytes of its rows from there on, about as many as wanted.
pub(in crate::sqlite) fn rows(
    conn: &Connection,
    id: BroadcastId,
    from: u64,
    about: usize,
) -> Result<Vec<u8>, Fault> {
    let sql = "SELECT at, bytes FROM broadcast_pieces WHERE broadcast = ?1 AND at >= \
        (SELECT max(at) FROM broadcast_pieces WHERE broadcast = ?1 AND at <= ?2) ORDER BY at";
    let from = signed(from);
    let mut find = conn.prepare_cached(sql)?;
    let mut found = find.query([id.number(), from])?;
    let mut bytes = Vec::new();
    while bytes.len() < about
        && let Some(row) = found.next()?
    {
        let at: i64 = row.get(0)?;
        let piece = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        let passed = usize::try_from(from - at).unwrap_or(0);
        bytes.extend_from_slice(piece.get(passed..).unwrap_or_default());
    }
    Ok(bytes)
}

/// The first of those that are passed over.
pub(in crate::sqlite) fn bad_rows(
    reader: &mut Reader,
    id: BroadcastId,
    limit: usize,
) -> Result<Vec<BadRow>, Fault> {
    let sql = "SELECT line, problem, problem_zh FROM broadcast_bad_rows WHERE broadcast = ?1 ORDER BY line, rowid LIMIT ?2";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut find = reader.conn.prepare_cached(sql)?;
    let found = find.query_map(params![id.number(), limit], |row| {
        Ok(BadRow {
            line: row.get::<_, i64>(0)?.unsigned_abs(),
            fault: RowFault {
                english: row.get(1)?,
                chinese: row.get(2)?,
            },
        })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// A row that [`select`] gave, with the name of its account.
fn of_row(
    row: &Row<'_>,
    name: impl FnOnce(i64) -> Result<AccountName, Fault>,
) -> Result<Broadcast, Fault> {
    let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
    let moment =
        |column| -> Result<_, Fault> { Ok(row.get::<_, Option<i64>>(column)?.map(UnixMs)) };
    let unreadable = |error: serde_json::Error| Fault::Unreadable(error.to_string());
    let recipe: String = row.get(5)?;
    let columns: Option<String> = row.get(18)?;
    let columns = columns.map(|json| serde_json::from_str(&json)).transpose();
    let order = Order {
        account: name(row.get(2)?)?,
        client: row.get(3)?,
        source: codes::broadcast_source(row.get(4)?)?,
        recipe: serde_json::from_str(&recipe).map_err(unreadable)?,
        rate: row.get(6)?,
        send_at: moment(7)?,
        expires_at: moment(8)?,
    };
    Ok(Broadcast {
        id: BroadcastId::from_number(row.get(0)?),
        created_at: UnixMs(row.get(1)?),
        order: Arc::new(order),
        state: codes::broadcast_state(row.get(9)?)?,
        started_at: moment(10)?,
        running_since: moment(11)?,
        settled_before: number(12)?,
        ended_at: moment(13)?,
        blanked: number(34)?,
        upload: Upload {
            stored: number(14)?,
            complete: row.get(15)?,
            seen: Place {
                byte: number(16)?,
                lines: number(17)?,
            },
            columns: columns.map_err(unreadable)?,
            rows: number(19)?,
            bad: number(20)?,
            next_openid: row.get(21)?,
        },
        cursor: cursor(row, 22)?,
        progress: Progress {
            accepted: number(25)?,
            refused: number(26)?,
            sent: number(27)?,
            delivered: number(28)?,
            failed: number(29)?,
            suppressed: number(30)?,
            cancelled: number(31)?,
            expired: number(32)?,
            unconfirmed: number(33)?,
        },
        due: 0,
    })
}

/// A place in the rows, in three columns from there on.
fn cursor(row: &Row<'_>, first: usize) -> Result<Cursor, Fault> {
    let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
    Ok(Cursor {
        place: Place {
            byte: number(first)?,
            lines: number(first + 1)?,
        },
        row: number(first + 2)?,
    })
}

/// A count as SQLite keeps it.
pub(in crate::sqlite) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
