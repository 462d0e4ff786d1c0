//! Events that wait for their webhooks, and those that ended. When one is due is `webhook`'s to say.

use std::collections::BTreeMap;

use super::state::State;
use crate::message::{Message, MessageId, Status};
use crate::time::UnixMs;
use crate::webhook::{
    Again, Backlog, Event, EventId, EventState, GIVE_UP_AFTER, Kept, Subscription, TAKEN_FOR,
    Taken, Verdict, is_told,
};

/// Every event, oldest first, and for whom such are left.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) webhooks: Vec<Subscription>,
    events: BTreeMap<EventId, Entry>,
    /// The webhooks that are switched off, and since when.
    off: BTreeMap<String, UnixMs>,
}

#[derive(Debug)]
struct Entry {
    kept: Kept,
    ended_at: Option<UnixMs>,
}

impl Entry {
    fn end(&mut self, state: EventState, now: UnixMs) {
        self.kept.state = state;
        self.kept.due_at = None;
        self.ended_at = Some(now);
    }
}

impl Outbox {
    /// Leaves the events of a step.
    pub(super) fn leave(&mut self, before: Option<Status>, message: &Message, now: UnixMs) {
        let (content, status) = (&message.content, message.delivery.status);
        if self.webhooks.is_empty() || !is_told(before, status) {
            return;
        }
        for hook in self.webhooks.iter().filter(|w| w.wants(content, status)) {
            let event = Event::new(&hook.name, message, now);
            let entry = Entry {
                kept: Kept {
                    event,
                    state: EventState::Waiting,
                    begun_at: now,
                    tries: 0,
                    due_at: Some(now),
                    last_error: None,
                },
                ended_at: None,
            };
            self.events.insert(entry.kept.event.id, entry);
        }
    }

    fn of<'a>(&'a mut self, webhook: &'a str) -> impl Iterator<Item = &'a mut Entry> {
        let all = self.events.values_mut();
        all.filter(move |entry| entry.kept.event.webhook == webhook)
    }

    /// What is taken out, as it is with this try.
    fn take(&mut self, webhook: &str, limit: usize, now: UnixMs) -> Vec<Kept> {
        if self.off.contains_key(webhook) {
            return Vec::new();
        }
        let due = |entry: &&mut Entry| entry.kept.due_at.is_some_and(|at| at <= now);
        let mut due: Vec<_> = self.of(webhook).filter(due).collect();
        due.sort_by_key(|entry| entry.kept.due_at);
        let mut taken = Vec::new();
        for entry in due {
            if taken.len() == limit {
                break;
            }
            if entry.kept.begun_at.plus(GIVE_UP_AFTER) < now {
                entry.end(EventState::Failed, now);
                continue;
            }
            entry.kept.tries += 1;
            entry.kept.due_at = Some(now.plus(TAKEN_FOR));
            taken.push(entry.kept.clone());
        }
        taken
    }

    pub(super) fn tried(&mut self, tries: Vec<(EventId, Verdict)>, now: UnixMs) {
        for (id, verdict) in tries {
            let Some(entry) = self.events.get_mut(&id) else {
                continue;
            };
            match verdict {
                Verdict::Delivered => entry.end(EventState::Delivered, now),
                _ if entry.kept.state != EventState::Waiting => {}
                Verdict::Again { at, why } => {
                    entry.kept.due_at = Some(at);
                    entry.kept.last_error = Some(why);
                }
                Verdict::GivenUp { why } => {
                    entry.kept.last_error = Some(why);
                    entry.end(EventState::Failed, now);
                }
                Verdict::Gone { why } => {
                    entry.kept.due_at = Some(now);
                    entry.kept.last_error = Some(why);
                    let webhook = entry.kept.event.webhook.clone();
                    self.off.entry(webhook).or_insert(now);
                }
            }
        }
    }

    pub(super) fn resume(&mut self, webhook: &str) -> bool {
        self.off.remove(webhook).is_some()
    }

    pub(super) fn backlogs(&self) -> Vec<Backlog> {
        let backlog = |hook: &Subscription| {
            let of = |state| {
                self.events.values().filter(move |entry| {
                    let kept = &entry.kept;
                    kept.event.webhook == hook.name && kept.state == state
                })
            };
            Backlog {
                webhook: hook.name.clone(),
                waiting: of(EventState::Waiting).count() as u64,
                oldest: of(EventState::Waiting)
                    .map(|entry| entry.kept.event.at)
                    .min(),
                failed: of(EventState::Failed).count() as u64,
                failed_at: of(EventState::Failed)
                    .filter_map(|entry| entry.ended_at)
                    .max(),
                off_since: self.off.get(&hook.name).copied(),
            }
        };
        self.webhooks.iter().map(backlog).collect()
    }

    pub(super) fn page(
        &self,
        webhook: &str,
        state: Option<EventState>,
        before: Option<EventId>,
        limit: usize,
    ) -> Vec<Kept> {
        let newest_first = self.events.values().rev().map(|entry| &entry.kept);
        let wanted = newest_first.filter(|kept| {
            kept.event.webhook == webhook
                && state.is_none_or(|state| kept.state == state)
                && before.is_none_or(|before| kept.event.id < before)
        });
        wanted.take(limit).cloned().collect()
    }

    pub(super) fn post_again(
        &mut self,
        webhook: &str,
        which: Again,
        limit: usize,
        is_there: impl Fn(MessageId) -> bool,
        now: UnixMs,
    ) -> usize {
        let meant = |entry: &&mut Entry| match which {
            _ if !is_there(entry.kept.event.message) => false,
            Again::One(id) => entry.kept.event.id == id,
            Again::Failed(since) => {
                entry.kept.state == EventState::Failed && entry.kept.event.at >= since
            }
        };
        let mut again = 0;
        for entry in self.of(webhook).filter(meant).take(limit) {
            entry.kept.state = EventState::Waiting;
            entry.kept.begun_at = now;
            entry.kept.tries = 0;
            entry.kept.due_at = Some(now);
            entry.ended_at = None;
            again += 1;
        }
        again
    }

    /// Forgets events that stand so: by when they ended or, if they wait, by when they were due.
    pub(super) fn prune(&mut self, state: EventState, before: UnixMs, limit: usize) -> usize {
        let old = |entry: &Entry| {
            let since = entry.ended_at.or(entry.kept.due_at);
            entry.kept.state == state && since.is_some_and(|at| at < before)
        };
        let all = self.events.iter().filter(|(_, entry)| old(entry));
        let gone: Vec<EventId> = all.map(|(id, _)| *id).take(limit).collect();
        for id in &gone {
            self.events.remove(id);
        }
        gone.len()
    }
}

impl State {
    pub(super) fn take_events(&mut self, webhook: &str, limit: usize, now: UnixMs) -> Vec<Taken> {
        let taken = self.outbox.take(webhook, limit, now);
        let with_message = |kept: Kept| Taken {
            message: self.find(kept.event.message),
            event: kept.event,
            begun_at: kept.begun_at,
            tries: kept.tries,
        };
        taken.into_iter().map(with_message).collect()
    }
}
