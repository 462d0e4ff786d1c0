//! One message, and the small facts beside the messages: how much waits, how accounts stand, what is flagged.

use hongyan_courier::UnixMs;
use hongyan_courier::account::{AccountFlag, Flag, FlagSubject, Standing};
use hongyan_courier::message::{AccountName, Message, MessageId};
use hongyan_courier::port::Depth;
use rusqlite::{OptionalExtension, params};

use super::Reader;
use crate::sqlite::base;
use crate::sqlite::codes;
use crate::sqlite::fault::Fault;
use crate::sqlite::rows;

pub(in crate::sqlite) fn message(
    reader: &mut Reader,
    id: MessageId,
) -> Result<Option<Message>, Fault> {
    base::find(&reader.conn, &mut reader.accounts, id)
}

/// How much waits. It walks the index of what is alive, not the table.
pub(in crate::sqlite) fn depths(reader: &mut Reader, now: UnixMs) -> Result<Vec<Depth>, Fault> {
    let Reader { conn, accounts } = reader;
    let sql = "SELECT account, priority, count(*), min(due_at), sum(due_at <= ?1) FROM messages WHERE status = 0 \
        GROUP BY account, priority";
    let mut count = conn.prepare_cached(sql)?;
    let mut found = count.query([now.0])?;
    let mut depths = Vec::new();
    while let Some(row) = found.next()? {
        let oldest = UnixMs(row.get(3)?);
        depths.push(Depth {
            account: accounts.name(conn, row.get(0)?)?,
            priority: codes::priority(row.get(1)?)?,
            queued: row.get::<_, i64>(2)?.unsigned_abs(),
            oldest_due: (oldest <= now).then_some(oldest),
            past_due: row.get::<_, i64>(4)?.unsigned_abs(),
        });
    }
    depths
        .sort_by(|one, other| (&one.account, one.priority).cmp(&(&other.account, other.priority)));
    Ok(depths)
}

pub(in crate::sqlite) fn standing(
    reader: &mut Reader,
    account: &AccountName,
) -> Result<Standing, Fault> {
    let sql = "SELECT body FROM standings JOIN accounts ON accounts.id = standings.account WHERE name = ?1";
    let mut find = reader.conn.prepare_cached(sql)?;
    let body: Option<String> = find
        .query_row([account.as_str()], |row| row.get(0))
        .optional()?;
    let standing = body.map(|body| serde_json::from_str(&body)).transpose();
    let standing = standing.map_err(|error| Fault::Unreadable(error.to_string()))?;
    Ok(standing.unwrap_or_default())
}

pub(in crate::sqlite) fn flags(
    reader: &mut Reader,
    account: &AccountName,
    limit: usize,
) -> Result<Vec<AccountFlag>, Fault> {
    let Reader { conn, accounts } = reader;
    let Some(number) = accounts.known(conn, account)? else {
        return Ok(Vec::new());
    };
    let sql = "SELECT subject, key, reason, errcode, at FROM flags WHERE account = ?1 ORDER BY at DESC, rowid DESC LIMIT ?2";
    let mut find = conn.prepare_cached(sql)?;
    let mut found = find.query(params![number, i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut flags = Vec::new();
    while let Some(row) = found.next()? {
        let subject: String = row.get(0)?;
        let known = FlagSubject::from_word(&subject);
        let flag = Flag {
            subject: known.ok_or_else(|| Fault::Unreadable(format!("flag of a {subject}")))?,
            key: row.get(1)?,
            reason: rows::reason(&row.get::<_, String>(2)?)?,
            errcode: row.get(3)?,
            at: UnixMs(row.get(4)?),
        };
        flags.push(AccountFlag {
            account: account.clone(),
            flag,
        });
    }
    Ok(flags)
}
