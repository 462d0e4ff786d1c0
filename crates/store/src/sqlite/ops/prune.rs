//! Forgets what is old, a little at a time: ended messages with their msgids, receipts, nonces, keys, suppressions
//! that ran out.

use std::time::Duration;

use hongyan_courier::UnixMs;
use hongyan_courier::delivery::Attempt;
use rusqlite::{Connection, params};

use super::Op;
use super::broadcast;
use crate::sqlite::base::Base;
use crate::sqlite::fault::Fault;

/// How long a receipt waits for its msgid. One that was not settled by then was sent by another program.
const ORPHANS_KEPT: Duration = Duration::from_secs(2 * 86_400);

pub(in crate::sqlite) struct PruneOp {
    pub(in crate::sqlite) ended_before: UnixMs,
    pub(in crate::sqlite) limit: usize,
    pub(in crate::sqlite) now: UnixMs,
}

impl Op for PruneOp {
    type Answer = usize;
    const NAME: &'static str = "prune";

    fn rows(&self) -> usize {
        self.limit
    }

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn run(&mut self, base: &mut Base) -> Result<usize, Fault> {
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        let (before, now) = (self.ended_before.0, self.now.0);
        let mut gone = messages(&base.conn, before, limit)?;
        let orphaned = before.max(self.now.minus(ORPHANS_KEPT).0);
        let orphans = forget(&base.conn, ORPHANS, orphaned, limit)?;
        base.orphans -= i64::try_from(orphans).unwrap_or(i64::MAX);
        gone += orphans;
        gone += broadcast::prune(base, self.ended_before, limit)?;
        gone += base.nonces.prune(&base.conn, now, limit)?;
        for (sql, until) in [(RECEIPTS, before), (KEYS, now), (SUPPRESSIONS, now)] {
            gone += forget(&base.conn, sql, until, limit)?;
        }
        Ok(gone)
    }
}

fn forget(conn: &Connection, sql: &str, until: i64, limit: i64) -> Result<usize, Fault> {
    Ok(conn.prepare_cached(sql)?.execute([until, limit])?)
}

const ORPHANS: &str = "DELETE FROM receipts WHERE (msgid, account, openid, create_time, status) IN \
    (SELECT msgid, account, openid, create_time, status FROM receipts WHERE message IS NULL AND at < ?1 LIMIT ?2)";
const RECEIPTS: &str = "DELETE FROM receipts WHERE (msgid, account, openid, create_time, status) IN \
    (SELECT msgid, account, openid, create_time, status FROM receipts WHERE message IS NOT NULL AND at < ?1 LIMIT ?2)";
const SUPPRESSIONS: &str = "DELETE FROM suppressions WHERE (account, openid, template_id, reason) IN \
    (SELECT account, openid, template_id, reason FROM suppressions WHERE expires_at IS NOT NULL AND expires_at <= ?1 \
    LIMIT ?2)";
const KEYS: &str = "DELETE FROM idempotency WHERE (scope, key) IN \
    (SELECT scope, key FROM idempotency WHERE expires_at <= ?1 LIMIT ?2)";

/// Messages that ended long ago. Their msgids are those of their calls, which saves an index on `msgids`; one that slips
/// through names a message that is gone, and is treated as unknown.
fn messages(conn: &Connection, before: i64, limit: i64) -> Result<usize, Fault> {
    let sql = "SELECT rowid, account, msgid, attempts FROM messages WHERE ended_at IS NOT NULL AND ended_at < ?1 LIMIT ?2";
    let mut old = conn.prepare_cached(sql)?;
    let found = old.query_map([before, limit], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    })?;
    let found: Vec<(i64, i64, Option<i64>, Option<String>)> = found.collect::<Result<_, _>>()?;
    for (rowid, account, msgid, attempts) in &found {
        let attempts: Vec<Attempt> = match attempts {
            Some(text) => serde_json::from_str(text)?,
            None => Vec::new(),
        };
        for msgid in attempts.iter().filter_map(|call| call.msgid).chain(*msgid) {
            conn.prepare_cached("DELETE FROM msgids WHERE msgid = ?1 AND account = ?2")?
                .execute(params![msgid, account])?;
        }
        conn.prepare_cached("DELETE FROM messages WHERE rowid = ?1")?
            .execute([rowid])?;
    }
    Ok(found.len())
}
