//! The messages as jobs: claim, look, settle, release, and the heartbeats that leases hang on.
//! The steps themselves are `delivery`'s; here rows are picked and their surroundings kept.

use std::collections::HashSet;

use super::state::{Node, State};
use crate::backlog::LOOK_PAST;
use crate::delivery::{CONTENT_MINUTE, Lease, LeaseRef, Look, Settlement};
use crate::message::{AccountName, Content, Message, MessageId, Priority, Reason, Status};
use crate::port::{Claim, Claimed, LEASE_GRACE, Moved};
use crate::recipient::Hold;
use crate::time::UnixMs;

const FIRST_ID: MessageId = MessageId::from_bytes([0; 16]);
const LAST_ID: MessageId = MessageId::from_bytes([255; 16]);

/// What a claim picks: whose turn it is, and whose is put off because their recipient is busy.
#[derive(Default)]
struct Pick {
    busy: HashSet<String>,
    chosen: Vec<MessageId>,
    put_off: Vec<(MessageId, String, Priority)>,
    held: Vec<(MessageId, Hold)>,
    /// Of stopped templates.
    aside: Vec<MessageId>,
}

impl Pick {
    /// Takes at most `count` more from a line, and looks at not many more than that.
    fn fill<'a>(
        &mut self,
        line: &mut impl Iterator<Item = &'a Message>,
        count: usize,
        (held, stopped): (impl Fn(&Message) -> Option<Hold>, impl Fn(&Message) -> bool),
    ) {
        let end = self.chosen.len() + count;
        for _ in 0..count + LOOK_PAST {
            if self.chosen.len() == end {
                return;
            }
            let Some(message) = line.next() else { return };
            if stopped(message) {
                self.aside.push(message.id);
                continue;
            }
            let openid = message.content.touser.clone();
            if self.busy.contains(&openid) {
                let priority = message.content.priority;
                self.put_off.push((message.id, openid, priority));
            } else if let Some(hold) = held(message) {
                self.held.push((message.id, hold));
            } else {
                self.busy.insert(openid);
                self.chosen.push(message.id);
            }
        }
    }
}

impl State {
    pub(super) fn claim(&mut self, claim: &Claim, now: UnixMs) -> Claimed {
        if !self.is_current(&claim.by) {
            return Claimed::default();
        }
        let mut pick = Pick {
            busy: claim.busy.iter().cloned().collect(),
            ..Pick::default()
        };
        let more = {
            let line = |priority: &Priority| self.due(&claim.account, *priority, now);
            let held = |message: &Message| self.held_back(message, claim, now);
            let stopped = |message: &Message| {
                message.delivery.may_be_parked() && self.is_stopped(&message.content)
            };
            let mut lines: Vec<_> = Priority::ALL.iter().map(line).collect();
            let mut room = claim.at_most;
            let mut fill = |nth: usize, line: &mut _, count: usize| {
                let before = pick.chosen.len();
                pick.fill(line, count.min(room[nth]), (held, stopped));
                room[nth] -= pick.chosen.len() - before;
                pick.chosen.len()
            };
            let mut chosen = 0;
            for (nth, line) in lines.iter_mut().enumerate() {
                chosen = fill(nth, line, claim.shares[nth]);
            }
            for (nth, line) in lines.iter_mut().enumerate() {
                chosen = fill(nth, line, claim.limit() - chosen);
            }
            let open = |nth: &usize| claim.at_most[*nth] > 0;
            (0..lines.len())
                .filter(open)
                .any(|nth| lines[nth].next().is_some())
        };
        self.pick_held_back(&mut pick, claim, now);
        if let Some(id) = self.better_probe(claim, &pick.chosen, now) {
            pick.chosen = vec![id];
        }
        for (id, openid, priority) in pick.put_off {
            let recipient = (claim.account.clone(), openid);
            let later = self.lines.after_the_last(recipient, priority, now);
            self.change(id, now, |_, delivery| delivery.due_at = later);
        }
        let suppressed = pick.held.into_iter().filter_map(|(id, hold)| {
            self.change(id, now, |_, delivery| match hold {
                Hold::End(reason) => {
                    delivery.suppress(reason);
                }
                Hold::Until(end) => delivery.put_off(end),
            });
            self.swept(id)
                .filter(|swept| swept.status == Status::Suppressed)
        });
        let suppressed = suppressed.collect();
        for id in pick.aside {
            self.change(id, now, |_, delivery| delivery.park(now));
        }
        let messages = pick
            .chosen
            .iter()
            .filter_map(|id| self.lease(*id, claim, now));
        Claimed {
            messages: messages.collect(),
            suppressed,
            next_due: if more { None } else { self.next_due(claim) },
            more,
        }
    }

    /// For a probe that would take a message which was never called: one in doubt, as long as its window is open.
    fn better_probe(&self, claim: &Claim, chosen: &[MessageId], now: UnixMs) -> Option<MessageId> {
        let in_doubt = |id: &MessageId| self.rows[id].message.delivery.doubt.is_some();
        if !claim.probe || chosen.is_empty() || chosen.iter().any(in_doubt) {
            return None;
        }
        let waiting = self.waiting.iter().map(|(.., id)| &self.rows[id].message);
        waiting
            .filter(|message| message.content.account == claim.account)
            .filter(|message| message.delivery.may_be_repeated(message.content.kind, now))
            .max_by_key(|message| message.delivery.doubt)
            .map(|message| message.id)
    }

    fn lease(&mut self, id: MessageId, claim: &Claim, now: UnixMs) -> Option<Message> {
        let lease = Lease {
            node: claim.by.node.to_string(),
            epoch: claim.by.epoch,
            at: now,
        };
        self.change(id, now, |_, delivery| delivery.take_lease(lease))?;
        self.find(id)
    }

    fn due(
        &self,
        account: &AccountName,
        priority: Priority,
        now: UnixMs,
    ) -> impl Iterator<Item = &Message> {
        let first = (account.clone(), priority, UnixMs(i64::MIN), FIRST_ID);
        let last = (account.clone(), priority, now, LAST_ID);
        self.waiting
            .range(first..=last)
            .filter_map(|(.., id)| self.rows.get(id))
            .map(|row| &row.message)
    }

    fn next_due(&self, claim: &Claim) -> Option<UnixMs> {
        let first = |priority: &Priority| {
            let account = || claim.account.clone();
            let first = (account(), *priority, UnixMs(i64::MIN), FIRST_ID);
            let last = (account(), *priority, UnixMs(i64::MAX), LAST_ID);
            let (_, _, due, _) = self.waiting.range(first..=last).next()?;
            Some(*due)
        };
        let open = |priority: &&Priority| claim.at_most[**priority as usize] > 0;
        Priority::ALL.iter().filter(open).filter_map(first).min()
    }

    /// What is due and in doubt although its priority is held back: its window closes.
    fn pick_held_back(&self, pick: &mut Pick, claim: &Claim, now: UnixMs) {
        for (nth, priority) in Priority::ALL.iter().enumerate() {
            if claim.at_most[nth] > 0 {
                continue;
            }
            let due = self.due(&claim.account, *priority, now);
            let mut doubtful = due.filter(|message| message.delivery.doubt.is_some());
            let room = claim.limit() - pick.chosen.len();
            pick.fill(
                &mut doubtful,
                room,
                (|_: &Message| None, |_: &Message| false),
            );
        }
    }

    pub(super) fn look(&mut self, lease: LeaseRef, now: UnixMs) -> Look {
        let objection = self.objection(lease, now);
        self.change(lease.id, now, |content, delivery| {
            delivery.look(content.kind, lease.lease_seq, objection, now)
        })
        .unwrap_or(Look::LeaseGone)
    }

    pub(super) fn settle(&mut self, s: &Settlement, now: UnixMs) -> Moved {
        let called_at = s.attempt.as_ref().map_or(now, |attempt| attempt.at);
        let unique = self.content_is_unique(s.id, called_at);
        let settled = self.change(s.id, now, |content, delivery| {
            let settled = delivery.settle(content, s, unique, now);
            (content.account.clone(), settled)
        });
        if let Some((account, settled)) = settled {
            self.raise(&account, settled.flag);
            if let Some((openid, news)) = settled.news {
                self.hear(&account, &openid, &[news], now);
            }
            self.stop(&account, settled.stop);
            if let Some((msgid, _)) = settled.msgid {
                self.msgids.insert((account.clone(), msgid), s.id);
                self.join_orphans(now, usize::MAX, |receipt| {
                    receipt.account == account && receipt.msgid == msgid
                });
            }
        }
        // Forgotten meanwhile: there is nothing left to move, and nobody will ever tell.
        self.moved(s.id).unwrap_or(Moved {
            status: Status::Unconfirmed,
            reason: Some(Reason::OutcomeUnknown),
            msgid: None,
            due_at: now,
        })
    }

    /// Whether no other message of the same content may have gone to the same openid shortly before. It matters only to
    /// a message in doubt, so it is asked only of one: going through all rows for each settlement would be quadratic.
    fn content_is_unique(&self, id: MessageId, called_at: UnixMs) -> bool {
        let since = called_at.minus(CONTENT_MINUTE);
        let own = self.rows.get(&id);
        let Some(own) = own.filter(|own| own.message.delivery.doubtful()) else {
            return true;
        };
        !self.rows.values().any(|row| {
            row.message.id != id
                && same_content(&row.message.content, &own.message.content)
                && row.message.delivery.may_have_called_since(since)
        })
    }

    pub(super) fn release(&mut self, lease: LeaseRef, now: UnixMs) {
        self.change(lease.id, now, |_, delivery| {
            delivery.release(lease.lease_seq, now);
        });
    }

    pub(super) fn beat(
        &mut self,
        node: &str,
        known: Option<i64>,
        in_flight: &[LeaseRef],
        now: UnixMs,
    ) -> i64 {
        let in_force = self.nodes.get(node).map(|node| node.epoch);
        if known.is_none() || known != in_force {
            self.last_epoch += 1;
            let epoch = self.last_epoch;
            self.nodes.insert(
                node.to_owned(),
                Node {
                    epoch,
                    beat_at: now,
                },
            );
            self.take_back_gone(now);
            return epoch;
        }
        for lease in self.forgotten_leases(node, in_flight, now) {
            self.change(lease.id, now, |content, delivery| {
                delivery.let_lapse(content.kind, lease.lease_seq, now);
            });
        }
        if let Some(node) = self.nodes.get_mut(node) {
            node.beat_at = now;
        }
        in_force.unwrap_or_default()
    }

    /// Leases of a node that it does not know of, although the answer to their claim must have come by now.
    fn forgotten_leases(&self, node: &str, in_flight: &[LeaseRef], now: UnixMs) -> Vec<LeaseRef> {
        let known: HashSet<&LeaseRef> = in_flight.iter().collect();
        let leases = self.rows.values().filter_map(|row| {
            let delivery = &row.message.delivery;
            let lease = delivery.lease.as_ref()?;
            let named = LeaseRef {
                id: row.message.id,
                lease_seq: delivery.lease_seq,
            };
            let old = lease.at.plus(LEASE_GRACE) < now;
            (lease.node == node && old && !known.contains(&named)).then_some(named)
        });
        leases.collect()
    }

    pub(super) fn reclaim(&mut self, silent_since: UnixMs, now: UnixMs) -> usize {
        self.nodes.retain(|_, node| node.beat_at >= silent_since);
        self.take_back_gone(now)
    }

    /// Takes back every lease that hangs on no epoch in force.
    fn take_back_gone(&mut self, now: UnixMs) -> usize {
        let gone = self.rows.values().filter_map(|row| {
            let lease = row.message.delivery.lease.as_ref()?;
            let node = self.nodes.get(&lease.node);
            node.is_none_or(|node| node.epoch != lease.epoch)
                .then_some(row.message.id)
        });
        let gone: Vec<MessageId> = gone.collect();
        for id in &gone {
            self.change(*id, now, |content, delivery| {
                delivery.take_back(content.kind, now);
            });
        }
        gone.len()
    }
}

fn same_content(one: &Content, other: &Content) -> bool {
    let parts = |c: &Content| {
        (
            c.account.clone(),
            c.touser.clone(),
            c.template_id.clone(),
            c.url.clone(),
            c.miniprogram.clone(),
            c.data.clone(),
        )
    };
    parts(one) == parts(other)
}
