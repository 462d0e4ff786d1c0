//! One message, and the small facts beside the messages: how much waits, how accounts stand, what is flagged.

use hongyan_courier::UnixMs;
use hongyan_courier::account::{AccountFlag, Flag, FlagSubject, Standing};
use hongyan_courier::message::{AccountName, Message, MessageId, Priority};
use hongyan_courier::port::Depth;
use rusqlite::{OptionalExtension, params};

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

/// How much waits, by what the writer counted. Of the rows only those that are due are walked.
pub(in crate::sqlite) fn depths(
    reader: &mut Reader,
    counts: &Counts,
    now: UnixMs,
) -> Result<Vec<Depth>, Fault> {
    let Reader { conn, accounts } = reader;
    let sql = "SELECT min(due_at), count(*) FROM messages WHERE status = 0 AND account = ?1 AND priority = ?2 AND due_at <= ?3";
    let mut due = conn.prepare_cached(sql)?;
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
            let of = params![number, codes::of_priority(*priority), now.0];
            let (oldest, past_due): (Option<i64>, i64) =
                due.query_row(of, |row| Ok((row.get(0)?, row.get(1)?)))?;
            depths.push(Depth {
                account: account.clone(),
                priority: *priority,
                queued,
                oldest_due: oldest.map(UnixMs),
                past_due: past_due.unsigned_abs(),
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
