//! Leases due messages of one account: each priority's share first, then whoever is next.
//! Messages whose recipient has a call under way are put off for a moment instead.

use std::collections::HashSet;

use hongyan_courier::UnixMs;
use hongyan_courier::delivery::Lease;
use hongyan_courier::message::{Message, MessageId, Priority};
use hongyan_courier::port::{BUSY_RECIPIENT_PAUSE, Claim, Claimed};
use rusqlite::{Connection, OptionalExtension, params};

use super::Op;
use crate::sqlite::base::Base;
use crate::sqlite::codes;
use crate::sqlite::fault::Fault;

/// How many more rows of a line are looked at than are wanted, in case their recipients are busy. What lies behind them
/// is found by the next claim, because those in front are put off.
const LOOK_PAST: usize = 128;

pub(in crate::sqlite) struct ClaimOp {
    pub(in crate::sqlite) claim: Claim,
    pub(in crate::sqlite) now: UnixMs,
}

/// One priority's due messages, oldest first.
struct Line {
    waiting: std::vec::IntoIter<(MessageId, String)>,
    /// There may be more than was looked at.
    cut: bool,
}

/// What a claim picks: whose turn it is, and whose is put off.
#[derive(Default)]
struct Pick {
    busy: HashSet<String>,
    chosen: Vec<MessageId>,
    put_off: Vec<MessageId>,
}

impl Pick {
    /// Takes at most `count` more from a line.
    fn fill(&mut self, line: &mut Line, count: usize) {
        let end = self.chosen.len() + count;
        while self.chosen.len() < end
            && let Some((id, openid)) = line.waiting.next()
        {
            if self.busy.insert(openid) {
                self.chosen.push(id);
            } else {
                self.put_off.push(id);
            }
        }
    }
}

impl Op for ClaimOp {
    type Answer = Claimed;
    const NAME: &'static str = "claim";

    fn rows(&self) -> usize {
        self.claim.limit()
    }

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn run(&mut self, base: &mut Base) -> Result<Claimed, Fault> {
        let Some(account) = base.accounts.known(&base.conn, &self.claim.account)? else {
            return Ok(Claimed::default());
        };
        if !base.is_current(&self.claim.by) {
            return Ok(Claimed::default());
        }
        let (pick, more) = self.pick(&base.conn, account)?;
        for id in pick.put_off {
            let later = self.now.plus(BUSY_RECIPIENT_PAUSE);
            base.change(id, self.now, |_, delivery| delivery.due_at = later)?;
        }
        let mut messages = Vec::with_capacity(pick.chosen.len());
        for id in pick.chosen {
            messages.extend(self.lease(base, id)?);
        }
        let next_due = if more {
            None
        } else {
            next_due(&base.conn, account)?
        };
        Ok(Claimed {
            messages,
            next_due,
            more,
        })
    }
}

impl ClaimOp {
    fn pick(&self, conn: &Connection, account: i64) -> Result<(Pick, bool), Fault> {
        let limit = self.claim.limit();
        let mut pick = Pick {
            busy: self.claim.busy.iter().cloned().collect(),
            ..Pick::default()
        };
        let mut lines = Vec::with_capacity(Priority::ALL.len());
        for priority in Priority::ALL {
            lines.push(line(conn, account, *priority, self.now, limit + LOOK_PAST)?);
        }
        for (line, share) in lines.iter_mut().zip(self.claim.shares) {
            pick.fill(line, share);
        }
        for line in &mut lines {
            let left = limit - pick.chosen.len();
            pick.fill(line, left);
        }
        let more = lines.iter().any(|line| line.cut || line.waiting.len() > 0);
        Ok((pick, more))
    }

    fn lease(&self, base: &mut Base, id: MessageId) -> Result<Option<Message>, Fault> {
        let lease = Lease {
            node: self.claim.by.node.to_string(),
            epoch: self.claim.by.epoch,
            at: self.now,
        };
        base.change(id, self.now, |_, delivery| delivery.take_lease(lease))?;
        Ok(base.leases.get(&id).cloned())
    }
}

fn line(
    conn: &Connection,
    account: i64,
    priority: Priority,
    now: UnixMs,
    count: usize,
) -> Result<Line, Fault> {
    let sql = "SELECT id, touser FROM messages WHERE status = 0 AND account = ?1 AND priority = ?2 AND due_at <= ?3 \
        ORDER BY due_at LIMIT ?4";
    let mut due = conn.prepare_cached(sql)?;
    let count_sql = i64::try_from(count).unwrap_or(i64::MAX);
    let found = due.query_map(
        params![account, codes::of_priority(priority), now.0, count_sql],
        |row| Ok((MessageId::from_bytes(row.get(0)?), row.get(1)?)),
    )?;
    let waiting: Vec<(MessageId, String)> = found.collect::<Result<_, _>>()?;
    Ok(Line {
        cut: waiting.len() == count,
        waiting: waiting.into_iter(),
    })
}

fn next_due(conn: &Connection, account: i64) -> Result<Option<UnixMs>, Fault> {
    let sql = "SELECT due_at FROM messages WHERE status = 0 AND account = ?1 AND priority = ?2 ORDER BY due_at LIMIT 1";
    let mut first = conn.prepare_cached(sql)?;
    let mut next: Option<UnixMs> = None;
    for priority in Priority::ALL {
        let due: Option<i64> = first
            .query_row(params![account, codes::of_priority(*priority)], |row| {
                row.get(0)
            })
            .optional()?;
        if let Some(due) = due.map(UnixMs) {
            next = Some(next.map_or(due, |known| known.min(due)));
        }
    }
    Ok(next)
}
