//! Leases due messages of one account: each priority's share first, then whoever is next.
//! Messages whose recipient has a call under way are put off for a moment instead.

use std::collections::{HashMap, HashSet};

use hongyan_courier::UnixMs;
use hongyan_courier::backlog::{self, LOOK_PAST};
use hongyan_courier::delivery::Lease;
use hongyan_courier::message::{Message, MessageId, Priority};
use hongyan_courier::next::SAFE_WINDOW;
use hongyan_courier::port::{Claim, Claimed, Swept};
use hongyan_courier::recipient::Hold;
use rusqlite::{Connection, OptionalExtension, params};

use super::Op;
use crate::sqlite::base::Base;
use crate::sqlite::codes;
use crate::sqlite::fault::Fault;
use crate::sqlite::held::{self, Held};
use crate::sqlite::rows::{self, Found};

/// By account and openid.
pub(in crate::sqlite) type Lines = backlog::Lines<(i64, String)>;

pub(in crate::sqlite) struct ClaimOp {
    pub(in crate::sqlite) claim: Claim,
    pub(in crate::sqlite) now: UnixMs,
}

/// What a claim picks: whose turn it is, and whose is put off.
#[derive(Default)]
struct Pick {
    busy: HashSet<String>,
    seen: HashSet<MessageId>,
    chosen: Vec<Found>,
    put_off: Vec<(MessageId, String, Priority)>,
    held: Vec<(MessageId, Hold)>,
    /// Whose limits hold back what, so that a recipient's line is not looked through for each of its messages.
    limited: HashMap<(String, Priority), Hold>,
    /// Of stopped templates.
    aside: Vec<MessageId>,
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
        let (mut pick, more) = self.pick(base, account)?;
        if self.claim.at_most.contains(&0) {
            self.pick_held_back(base, &mut pick, account)?;
        }
        if let Some(better) = self.better_probe(base, account, &pick.chosen)? {
            pick.chosen = vec![better];
        }
        for id in pick.aside {
            base.change(id, self.now, |_, delivery| delivery.park(self.now))?;
        }
        for (id, openid, priority) in pick.put_off {
            let recipient = (account, openid);
            let later = base.lines.after_the_last(recipient, priority, self.now);
            base.change(id, self.now, |_, delivery| delivery.due_at = later)?;
        }
        let suppressed = self.hold_back(base, pick.held)?;
        let messages = base.lease(pick.chosen, &self.lease())?;
        let next_due = if more {
            None
        } else {
            self.next_due(&base.conn, account)?
        };
        Ok(Claimed {
            messages,
            suppressed,
            next_due,
            more,
        })
    }
}

impl ClaimOp {
    /// Each priority's share first; what is left over goes to whoever is next.
    fn pick(&self, base: &mut Base, account: i64) -> Result<(Pick, bool), Fault> {
        let limit = self.claim.limit();
        let mut pick = Pick {
            busy: self.claim.busy.iter().cloned().collect(),
            ..Pick::default()
        };
        let mut more = [false; Priority::ALL.len()];
        let mut room = self.claim.at_most;
        for (nth, priority) in Priority::ALL.iter().enumerate() {
            if room[nth] == 0 {
                continue;
            }
            let count = self.claim.shares[nth].min(room[nth]);
            let before = pick.chosen.len();
            more[nth] = self.fill(base, &mut pick, (account, *priority), count)?;
            room[nth] -= pick.chosen.len() - before;
        }
        for (nth, priority) in Priority::ALL.iter().enumerate() {
            let left = (limit - pick.chosen.len()).min(room[nth]);
            if left > 0 && more[nth] {
                more[nth] = self.fill(base, &mut pick, (account, *priority), left)?;
            }
        }
        Ok((pick, more.contains(&true)))
    }

    /// Takes at most `count` more of one priority's due messages, oldest first. Answers whether there may be others.
    fn fill(
        &self,
        base: &mut Base,
        pick: &mut Pick,
        (account, priority): (i64, Priority),
        count: usize,
    ) -> Result<bool, Fault> {
        let Base {
            conn,
            accounts,
            held,
            stops,
            ..
        } = base;
        let stops = stops.get(&account);
        let end = pick.chosen.len() + count;
        let at_most = pick.seen.len() + count + LOOK_PAST;
        let mut due = conn.prepare_cached(rows::select!(
            "WHERE status = 0 AND account = ?1 AND priority = ?2 AND due_at <= ?3 ORDER BY due_at"
        ))?;
        let mut found = due.query(params![account, codes::of_priority(priority), self.now.0])?;
        let mut looked = 0;
        while let Some(row) = found.next()? {
            if pick.chosen.len() == end || looked == at_most {
                return Ok(true);
            }
            looked += 1;
            let message = rows::read(row, |id| accounts.name(conn, id))?;
            if !pick.seen.insert(message.id) {
                continue;
            }
            if stops.is_some_and(|stops| stops.contains_key(&message.content.template_id))
                && message.delivery.may_be_parked()
            {
                pick.aside.push(message.id);
                continue;
            }
            let openid = message.content.touser.clone();
            if pick.busy.contains(&openid) {
                pick.put_off.push((message.id, openid, priority));
            } else if let Some(hold) =
                self.hold(conn, held, (account, &message), &mut pick.limited)?
            {
                pick.held.push((message.id, hold));
            } else {
                pick.busy.insert(openid);
                pick.chosen.push((rows::rowid(row)?, message));
            }
        }
        Ok(false)
    }

    /// What is due and in doubt although its priority is held back: its window closes.
    fn pick_held_back(&self, base: &mut Base, pick: &mut Pick, account: i64) -> Result<(), Fault> {
        let Base { conn, accounts, .. } = base;
        let mut doubtful = conn.prepare_cached(rows::select!(
            "INDEXED BY messages_doubt WHERE status = 0 AND doubt_at IS NOT NULL AND doubt_at > ?1 AND account = ?2 \
             AND due_at <= ?3 ORDER BY doubt_at"
        ))?;
        let mut found =
            doubtful.query(params![self.now.minus(SAFE_WINDOW).0, account, self.now.0])?;
        while pick.chosen.len() < self.claim.limit()
            && let Some(row) = found.next()?
        {
            let message = rows::read(row, |id| accounts.name(conn, id))?;
            let held = self.claim.at_most[message.content.priority as usize] == 0;
            if held && pick.busy.insert(message.content.touser.clone()) {
                pick.chosen.push((rows::rowid(row)?, message));
            }
        }
        Ok(())
    }

    /// What holds a message back that was never in doubt.
    fn hold(
        &self,
        conn: &Connection,
        held: &Held,
        (account, message): (i64, &Message),
        limited: &mut HashMap<(String, Priority), Hold>,
    ) -> Result<Option<Hold>, Fault> {
        if message.delivery.doubtful() {
            return Ok(None);
        }
        let hold = held.hold(conn, account, &message.content, self.now)?;
        if hold.is_some() || self.claim.limits.is_empty() {
            return Ok(hold);
        }
        let line = (message.content.touser.clone(), message.content.priority);
        if let Some(known) = limited.get(&line) {
            return Ok(Some(*known));
        }
        let over = held::over_limit(conn, account, &self.claim.limits, message, self.now)?;
        if let Some(over) = over {
            limited.insert(line, over);
        }
        Ok(over)
    }

    /// Ends what is suppressed and puts off what waits. Answers what ended.
    fn hold_back(
        &self,
        base: &mut Base,
        held: Vec<(MessageId, Hold)>,
    ) -> Result<Vec<Swept>, Fault> {
        let mut ended = Vec::new();
        for (id, hold) in held {
            let changed = base.change(id, self.now, |_, delivery| match hold {
                Hold::End(reason) => delivery.suppress(reason),
                Hold::Until(end) => {
                    delivery.put_off(end);
                    false
                }
            })?;
            if let Some(changed) = changed.filter(|changed| changed.answer) {
                ended.push(changed.swept(id));
            }
        }
        Ok(ended)
    }

    /// For a probe that would take a message which was never called: one in doubt, as long as its window is open.
    fn better_probe(
        &self,
        base: &mut Base,
        account: i64,
        chosen: &[Found],
    ) -> Result<Option<Found>, Fault> {
        let in_doubt = |(_, message): &Found| message.delivery.doubt.is_some();
        if !self.claim.probe || chosen.is_empty() || chosen.iter().any(in_doubt) {
            return Ok(None);
        }
        let Base { conn, accounts, .. } = base;
        let mut youngest = conn.prepare_cached(rows::select!(
            "INDEXED BY messages_doubt WHERE status = 0 AND doubt_at IS NOT NULL AND doubt_at > ?1 AND account = ?2 \
             ORDER BY doubt_at DESC"
        ))?;
        let mut found = youngest.query(params![self.now.minus(SAFE_WINDOW).0, account])?;
        while let Some(row) = found.next()? {
            let message = rows::read(row, |id| accounts.name(conn, id))?;
            let kind = message.content.kind;
            if message.delivery.may_be_repeated(kind, self.now) {
                return Ok(Some((rows::rowid(row)?, message)));
            }
        }
        Ok(None)
    }

    fn next_due(&self, conn: &Connection, account: i64) -> Result<Option<UnixMs>, Fault> {
        let sql = "SELECT due_at FROM messages WHERE status = 0 AND account = ?1 AND priority = ?2 ORDER BY due_at LIMIT 1";
        let mut first = conn.prepare_cached(sql)?;
        let mut next: Option<UnixMs> = None;
        for (nth, priority) in Priority::ALL.iter().enumerate() {
            if self.claim.at_most[nth] == 0 {
                continue;
            }
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

    fn lease(&self) -> Lease {
        Lease {
            node: self.claim.by.node.to_string(),
            epoch: self.claim.by.epoch,
            at: self.now,
        }
    }
}
