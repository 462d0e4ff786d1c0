//! One message, and the small facts beside the messages: how much waits, how accounts stand, what is flagged.

use hongyan_courier::UnixMs;
use hongyan_courier::account::{AccountFlag, Flag, FlagSubject, Standing};
use hongyan_courier::message::{AccountName, Message, MessageId, Priority};
use hongyan_courier::port::Depth;
use rusqlite::{OptionalExtension, Row, params};

use super::Reader;
use crate::sqlite::base;
use crate::sqlite::codes;
use crate::sqlite::depth::Counts;
use crate::sqlite::fault::Fault;
use crate::sqlite::rows;

pub(in crate::sqlite) fn message(
    reader: &mut Reader,
    id: MessageId,
) -> Result<Option<Message>, Fault> {
    let found = base::find(&reader.conn, &mut reader.accounts, id)?;
    Ok(found.map(|(_, message)| message))
}

/// The most rows that are walked to count what is due of an account and priority, if not all that waits is due.
const DUE_COUNTED_MAX: i64 = 100_000;

/// How much waits, by what the writer counted. Of the rows mostly the first and the last are looked at.
pub(in crate::sqlite) fn depths(
    reader: &mut Reader,
    counts: &Counts,
    now: UnixMs,
) -> Result<Vec<Depth>, Fault> {
    let Reader { conn, accounts } = reader;
    let first =
        "SELECT min(due_at) FROM messages WHERE status = 0 AND account = ?1 AND priority = ?2";
    let mut first = conn.prepare_cached(first)?;
    let last =
        "SELECT max(due_at) FROM messages WHERE status = 0 AND account = ?1 AND priority = ?2";
    let mut last = conn.prepare_cached(last)?;
    let due = "SELECT count(*) FROM (SELECT 1 FROM messages WHERE status = 0 AND account = ?1 AND priority = ?2 \
        AND due_at <= ?3 LIMIT ?4)";
    let mut due = conn.prepare_cached(due)?;
    let mut depths = Vec::new();
    for (account, queued) in counts {
        let Some(number) = accounts.known(conn, account)? else {
            continue;
        };
        for priority in Priority::ALL {
            let queued = u64::try_from(queued[*priority as usize]).unwrap_or(0);
            if queued == 0 {
                continue;
            }
            let line = [number, codes::of_priority(*priority)];
            let moment = |row: &Row<'_>| row.get(0).map(|at: Option<i64>| at.map(UnixMs));
            let oldest = first.query_row(line, moment)?;
            let oldest_due = oldest.filter(|at| *at <= now);
            let past_due = match last.query_row(line, moment)? {
                _ if oldest_due.is_none() => 0,
                Some(latest) if latest > now => {
                    let of = params![line[0], line[1], now.0, DUE_COUNTED_MAX];
                    let counted: i64 = due.query_row(of, |row| row.get(0))?;
                    counted.unsigned_abs()
                }
                _ => queued,
            };
            depths.push(Depth {
                account: account.clone(),
                priority: *priority,
                queued,
                oldest_due,
                past_due,
            });
        }
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
    let standing = body.map(|body| serde_json::from_str(&body)).transpose()?;
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
