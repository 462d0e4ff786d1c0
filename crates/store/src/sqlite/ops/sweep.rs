//! What time does to messages that wait. An index finds those whose moment may have come; the step decides.

use hongyan_courier::UnixMs;
use hongyan_courier::delivery::Delivery;
use hongyan_courier::message::{Content, Kind, MessageId};
use hongyan_courier::next::SAFE_WINDOW;
use hongyan_courier::port::{Sweep, Swept};
use rusqlite::{Params, params};

use super::{Op, receipt};
use crate::sqlite::base::Base;
use crate::sqlite::codes;
use crate::sqlite::fault::Fault;

pub(in crate::sqlite) struct SweepOp {
    pub(in crate::sqlite) what: Sweep,
    pub(in crate::sqlite) limit: usize,
    pub(in crate::sqlite) now: UnixMs,
}

impl Op for SweepOp {
    type Answer = Vec<Swept>;
    const NAME: &'static str = "sweep";

    fn rows(&self) -> usize {
        self.limit
    }

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn run(&mut self, base: &mut Base) -> Result<Vec<Swept>, Fault> {
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        let now = self.now;
        match self.what {
            Sweep::Orphans => orphans(base, limit, now),
            Sweep::Expired => {
                let sql = "SELECT id FROM messages INDEXED BY messages_expiry WHERE status = 0 AND expires_at IS NOT NULL AND expires_at <= ?1 \
                    LIMIT ?2";
                let due = ids(base, sql, params![now.0, limit])?;
                apply(base, due, now, |_, delivery| delivery.expire(now))
            }
            Sweep::MissingReceipts => {
                let sql = "SELECT id FROM messages INDEXED BY messages_receipt_due WHERE status = 2 AND receipt_due IS NOT NULL AND receipt_due <= ?1 \
                    LIMIT ?2";
                let due = ids(base, sql, params![now.0, limit])?;
                apply(base, due, now, |_, delivery| delivery.miss_receipt(now))
            }
            Sweep::ClosedWindows => {
                let mut due = Vec::new();
                for kind in Kind::ALL {
                    due.extend(closed_windows(base, *kind, limit, now)?);
                }
                due.truncate(self.limit);
                apply(base, due, now, |content, delivery| {
                    delivery.close_window(content.kind, now)
                })
            }
        }
    }
}

/// Messages of a kind whose doubt is older than its window.
fn closed_windows(
    base: &Base,
    kind: Kind,
    limit: i64,
    now: UnixMs,
) -> Result<Vec<MessageId>, Fault> {
    let oldest_open = if kind.repeatable() {
        now.minus(SAFE_WINDOW)
    } else {
        now
    };
    let sql = "SELECT id FROM messages INDEXED BY messages_doubt WHERE status = 0 AND doubt_at IS NOT NULL AND doubt_at <= ?1 AND kind = ?2 LIMIT ?3";
    ids(
        base,
        sql,
        params![oldest_open.0, codes::of_kind(kind), limit],
    )
}

fn ids(base: &Base, sql: &str, params: impl Params) -> Result<Vec<MessageId>, Fault> {
    let mut find = base.conn.prepare_cached(sql)?;
    let found = find.query_map(params, |row| row.get(0).map(MessageId::from_bytes))?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn apply(
    base: &mut Base,
    due: Vec<MessageId>,
    now: UnixMs,
    step: impl Fn(&Content, &mut Delivery) -> bool,
) -> Result<Vec<Swept>, Fault> {
    let mut swept = Vec::new();
    for id in due {
        let changed = base.change(id, now, &step)?;
        if let Some(changed) = changed.filter(|changed| changed.answer) {
            swept.push(changed.swept(id));
        }
    }
    Ok(swept)
}

fn orphans(base: &mut Base, limit: i64, now: UnixMs) -> Result<Vec<Swept>, Fault> {
    let mut swept = Vec::new();
    for (id, _) in receipt::join_orphans(base, limit, now)? {
        if let Some(message) = base.find(id)? {
            swept.push(Swept {
                id,
                account: message.content.account.clone(),
                status: message.delivery.status,
                reason: message.delivery.reason,
            });
        }
    }
    Ok(swept)
}
