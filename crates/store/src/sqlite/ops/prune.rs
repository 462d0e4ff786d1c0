//! Forgets what is old, a few rows at a time, found by indexes that begin with their age.
//! From when on something is old is `courier::retention`'s to say.

use hongyan_courier::UnixMs;
use hongyan_courier::account::FlagSubject;
use hongyan_courier::broadcast::{BroadcastId, Wish};
use hongyan_courier::delivery::Attempt;
use hongyan_courier::message::Status;
use hongyan_courier::retention::Old;
use hongyan_courier::webhook::EventState;
use rusqlite::{Connection, params};

use super::keys::unpack;
use super::{Op, broadcast};
use crate::sqlite::base::Base;
use crate::sqlite::codes;
use crate::sqlite::fault::Fault;
use crate::sqlite::read::broadcast::find;

pub(in crate::sqlite) struct PruneOp {
    pub(in crate::sqlite) what: Old,
    pub(in crate::sqlite) before: UnixMs,
    pub(in crate::sqlite) limit: usize,
}

impl Op for PruneOp {
    type Answer = usize;
    const NAME: &'static str = "prune";

    fn rows(&self) -> usize {
        self.limit
    }

    fn now(&self) -> Option<UnixMs> {
        None
    }

    fn run(&mut self, base: &mut Base) -> Result<usize, Fault> {
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        let before = self.before.0;
        let forget = |sql: &str| -> Result<usize, Fault> {
            Ok(base.conn.prepare_cached(sql)?.execute([before, limit])?)
        };
        match self.what {
            Old::Messages(status) => messages(&base.conn, status, before, limit),
            Old::Receipts => forget(RECEIPTS),
            Old::OrphanReceipts => {
                let gone = forget(ORPHANS)?;
                base.orphans -= i64::try_from(gone).unwrap_or(i64::MAX);
                Ok(gone)
            }
            Old::Nonces => base.nonces.prune(&base.conn, before, self.limit),
            Old::Keys => keys(base, self.before, limit),
            Old::Suppressions => forget(SUPPRESSIONS),
            Old::Recipients => recipients(&base.conn, before, limit),
            Old::Flags => flags(&base.conn, before, limit),
            Old::TemplateHistory => forget(TEMPLATE_HISTORY),
            Old::Broadcasts => broadcasts(base, self.before, limit),
            Old::Events(state) => events(&base.conn, state, before, limit),
        }
    }
}

const ORPHANS: &str = "DELETE FROM receipts WHERE (msgid, account, openid, create_time, status) IN \
    (SELECT msgid, account, openid, create_time, status FROM receipts WHERE message IS NULL AND at < ?1 LIMIT ?2)";
const RECEIPTS: &str = "DELETE FROM receipts WHERE (msgid, account, openid, create_time, status) IN \
    (SELECT msgid, account, openid, create_time, status FROM receipts WHERE message IS NOT NULL AND at < ?1 LIMIT ?2)";
const SUPPRESSIONS: &str = "DELETE FROM suppressions WHERE (account, openid, template_id, reason) IN \
    (SELECT account, openid, template_id, reason FROM suppressions WHERE expires_at IS NOT NULL AND expires_at <= ?1 \
    LIMIT ?2)";
const TEMPLATE_HISTORY: &str = "DELETE FROM template_history WHERE (account, id, at) IN \
    (SELECT account, id, at FROM template_history WHERE at < ?1 LIMIT ?2)";

/// Keys that are over. That of a broadcast that it still names is kept on until it does not, so that it is not in the way of
/// the others. Answers how many of both.
fn keys(base: &mut Base, before: UnixMs, limit: i64) -> Result<usize, Fault> {
    let of_broadcasts = "SELECT scope, key, ids FROM (SELECT scope, key, ids FROM idempotency WHERE expires_at <= ?1 \
        ORDER BY expires_at, scope, key LIMIT ?2) WHERE length(ids) = 16 AND substr(ids, 1, 8) = zeroblob(8)";
    let mut find_old = base.conn.prepare_cached(of_broadcasts)?;
    let old = find_old.query_map([before.0, limit], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    let old: Vec<(String, String, Vec<u8>)> = old.collect::<Result<_, _>>()?;
    let mut kept = 0;
    for (scope, key, ids) in &old {
        let one = match broadcast::broadcast_of(&unpack(ids)) {
            Some(id) => find(&base.conn, &mut base.accounts, id)?,
            None => None,
        };
        let until = one.map(|one| one.key_until(before));
        if let Some(until) = until.filter(|until| *until > before) {
            let sql = "UPDATE idempotency SET expires_at = ?3 WHERE scope = ?1 AND key = ?2";
            base.conn
                .prepare_cached(sql)?
                .execute(params![scope, key, until.0])?;
            kept += 1;
        }
    }
    let forget = "DELETE FROM idempotency WHERE (scope, key) IN (SELECT scope, key FROM idempotency \
        WHERE expires_at <= ?1 ORDER BY expires_at, scope, key LIMIT ?2)";
    let mut forget = base.conn.prepare_cached(forget)?;
    let gone = forget.execute([before.0, limit - kept])?;
    Ok(gone + usize::try_from(kept).unwrap_or(0))
}

/// Messages that ended here. Their msgids are those of their calls, which saves an index on `msgids`; one that slips through
/// names a message that is gone, and is treated as unknown.
fn messages(conn: &Connection, status: Status, before: i64, limit: i64) -> Result<usize, Fault> {
    let sql = "SELECT rowid, account, msgid, attempts FROM messages INDEXED BY messages_ended \
        WHERE ended_at IS NOT NULL AND status = ?1 AND ended_at < ?2 LIMIT ?3";
    let mut old = conn.prepare_cached(sql)?;
    let found = old.query_map(params![codes::of_status(status), before, limit], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    })?;
    let found: Vec<(i64, i64, Option<i64>, Option<String>)> = found.collect::<Result<_, _>>()?;
    for (rowid, account, msgid, attempts) in &found {
        // What cannot be read is forgotten all the same: it would be in the way of all that is old.
        let attempts = attempts.as_deref().map(serde_json::from_str);
        let attempts: Vec<Attempt> = attempts.transpose().ok().flatten().unwrap_or_default();
        for msgid in attempts.iter().filter_map(|call| call.msgid).chain(*msgid) {
            conn.prepare_cached("DELETE FROM msgids WHERE msgid = ?1 AND account = ?2")?
                .execute(params![msgid, account])?;
        }
        conn.prepare_cached("DELETE FROM messages WHERE rowid = ?1")?
            .execute([rowid])?;
    }
    Ok(found.len())
}

/// Recipients of whom nothing decides any more, with what is left of their suppressions and credits: a few rows each.
fn recipients(conn: &Connection, before: i64, limit: i64) -> Result<usize, Fault> {
    let sql = "SELECT account, openid FROM recipients WHERE idle_since IS NOT NULL AND idle_since < ?1 LIMIT ?2";
    let mut idle = conn.prepare_cached(sql)?;
    let found = idle.query_map([before, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let found: Vec<(i64, String)> = found.collect::<Result<_, _>>()?;
    for (account, openid) in &found {
        for sql in [
            "DELETE FROM suppressions WHERE account = ?1 AND openid = ?2",
            "DELETE FROM credits WHERE account = ?1 AND openid = ?2",
            "DELETE FROM recipients WHERE account = ?1 AND openid = ?2",
        ] {
            conn.prepare_cached(sql)?
                .execute(params![account, openid])?;
        }
    }
    Ok(found.len())
}

/// Flags of recipients, account by account, as their index is ordered. There are few of other subjects to pass over.
fn flags(conn: &Connection, before: i64, limit: i64) -> Result<usize, Fault> {
    let sql = "DELETE FROM flags WHERE rowid IN (SELECT rowid FROM flags WHERE account = ?1 AND at < ?2 \
        AND subject = ?3 LIMIT ?4)";
    let mut forget = conn.prepare_cached(sql)?;
    let subject = FlagSubject::Recipient.as_str();
    by_number(conn, "SELECT id FROM accounts", limit, |account, left| {
        forget.execute(params![account, before, subject, left])
    })
}

/// Events that stand so, webhook by webhook, as their indexes are ordered.
fn events(conn: &Connection, state: EventState, before: i64, limit: i64) -> Result<usize, Fault> {
    let which = match state {
        EventState::Waiting => "due_at IS NOT NULL AND due_at < ?2 AND state = ?3",
        EventState::Delivered | EventState::Failed => {
            "ended_at IS NOT NULL AND ended_at < ?2 AND state = ?3"
        }
    };
    let sql = format!(
        "DELETE FROM webhook_events WHERE id IN (SELECT id FROM webhook_events WHERE webhook = ?1 AND {which} LIMIT ?4)"
    );
    let mut forget = conn.prepare_cached(&sql)?;
    let state = codes::of_event_state(state);
    by_number(conn, "SELECT id FROM webhooks", limit, |webhook, left| {
        forget.execute(params![webhook, before, state, left])
    })
}

/// Forgets for one number after the other, at most `limit` in all. Answers how many.
fn by_number(
    conn: &Connection,
    numbers: &str,
    limit: i64,
    mut forget: impl FnMut(i64, i64) -> rusqlite::Result<usize>,
) -> Result<usize, Fault> {
    let mut all = conn.prepare_cached(numbers)?;
    let numbers = all.query_map([], |row| row.get(0))?;
    let numbers: Vec<i64> = numbers.collect::<Result<_, _>>()?;
    let mut gone = 0;
    for number in numbers {
        let left = limit - i64::try_from(gone).unwrap_or(i64::MAX);
        if left == 0 {
            break;
        }
        gone += forget(number, left)?;
    }
    Ok(gone)
}

/// Ends broadcasts that nobody ever started, and forgets those that ended, each after its bad rows. Answers how many rows that
/// took. Their ids begin with when they were made, so that the young ones are not looked at.
fn broadcasts(base: &mut Base, before: UnixMs, limit: i64) -> Result<usize, Fault> {
    let young = BroadcastId::first_of(before).number();
    let ids = |conn: &Connection, sql: &str, limit: i64| -> Result<Vec<i64>, Fault> {
        let mut find = conn.prepare_cached(sql)?;
        let found = find.query_map([young, before.0, limit], |row| row.get(0))?;
        Ok(found.collect::<Result<_, _>>()?)
    };
    let mut left = limit;
    let forsaken = "SELECT id FROM broadcasts WHERE id < ?1 AND state < 3 AND created_at < ?2 ORDER BY id LIMIT ?3";
    for id in ids(&base.conn, forsaken, limit)? {
        let id = BroadcastId::from_number(id);
        if let Some(mut one) = find(&base.conn, &mut base.accounts, id)?
            && one.apply(Wish::Cancel, before) == Ok(true)
        {
            broadcast::update(&base.conn, &one)?;
            left -= 1;
        }
    }
    let ended = "SELECT id FROM broadcasts WHERE id < ?1 AND tended = 1 AND ended_at < ?2 ORDER BY id LIMIT ?3";
    let bad = "DELETE FROM broadcast_bad_rows WHERE rowid IN \
        (SELECT rowid FROM broadcast_bad_rows WHERE broadcast = ?1 LIMIT ?2)";
    for id in ids(&base.conn, ended, left)? {
        let gone = base.conn.prepare_cached(bad)?.execute([id, left])?;
        left -= i64::try_from(gone).unwrap_or(i64::MAX);
        if left <= 0 {
            break;
        }
        for sql in [
            "DELETE FROM broadcast_progress WHERE broadcast = ?1",
            "DELETE FROM broadcasts WHERE id = ?1",
        ] {
            base.conn.prepare_cached(sql)?.execute([id])?;
        }
        left -= 1;
    }
    Ok(usize::try_from(limit - left).unwrap_or(0))
}
