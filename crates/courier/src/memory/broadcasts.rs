//! Broadcasts in memory: their rows as they came, and what is counted of their messages.
//! The steps themselves are `broadcast`'s and `delivery`'s.

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;

use super::MemoryStore;
use super::keys::{Known, OtherBody};
use super::state::State;
use crate::broadcast::port::{
    Append, AppendRefused, BAD_ROWS_KEPT, BroadcastFilter, Broadcasts, DUE_COUNTED_MAX, Enforced,
    Expansion, Follow,
};
use crate::broadcast::rows::{BadRow, OPENID, forget, write_row};
use crate::broadcast::{
    Broadcast, BroadcastId, BroadcastRow, NewBroadcast, Place, State as Stands, Wish, WishRefused,
};
use crate::delivery::Delivery;
use crate::message::{AccountName, Content, MessageId, Status};
use crate::port::{AcceptError, Accepted, ChangeError, IdempotencyKey, Nonce, StoreError};
use crate::time::UnixMs;

/// A broadcast, with what only a store needs to know of it.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) broadcast: Broadcast,
    bytes: Vec<u8>,
    pub(super) bad: Vec<BadRow>,
    followers: HashSet<String>,
    /// Nothing of it needs to be looked after.
    pub(super) tended: bool,
}

impl State {
    /// Whether rows may become messages.
    pub(super) fn may_expand(&self, expansion: &Expansion) -> bool {
        self.broadcasts
            .get(&expansion.id)
            .is_some_and(|Kept { broadcast: one, .. }| {
                expansion.belongs_to(one.state, one.cursor, one.blanked)
            })
    }

    /// The rows have become messages.
    pub(super) fn expanded(&mut self, expansion: Expansion, accepted: &Accepted) {
        let Some(kept) = self.broadcasts.get_mut(&expansion.id) else {
            return;
        };
        kept.broadcast.cursor = expansion.to;
        let progress = &mut kept.broadcast.progress;
        progress.accepted += accepted.iter().flatten().count() as u64;
        progress.refused += expansion.refused.len() as u64;
        keep_bad(&mut kept.bad, expansion.refused);
    }

    /// A message of a broadcast stands elsewhere, or is new.
    pub(super) fn count(&mut self, of: Option<BroadcastRow>, from: Option<Status>, to: Status) {
        let Some(of) = of.filter(|_| from != Some(to)) else {
            return;
        };
        if let Some(kept) = self.broadcasts.get_mut(&of.id) {
            if let Some(from) = from {
                kept.broadcast.progress.count(from, -1);
            }
            kept.broadcast.progress.count(to, 1);
        }
    }

    pub(super) fn is_of_a_cancelled_broadcast(&self, message: MessageId) -> bool {
        let of = self
            .rows
            .get(&message)
            .and_then(|row| row.message.content.broadcast);
        let kept = of.and_then(|of| self.broadcasts.get(&of.id));
        kept.is_some_and(|kept| kept.broadcast.state == Stands::Cancelled)
    }

    pub(super) fn is_paused(&self, content: &Content) -> bool {
        let kept = content.broadcast.and_then(|of| self.broadcasts.get(&of.id));
        kept.is_some_and(|kept| kept.broadcast.state == Stands::Paused)
    }

    /// Blanks the rows of these recipients. Answers how many.
    pub(super) fn forget_rows(
        &mut self,
        account: &AccountName,
        openids: &HashSet<String>,
    ) -> Result<usize, StoreError> {
        let mut blanked = 0;
        for kept in self.broadcasts.values_mut() {
            let one = &mut kept.broadcast;
            let Some(columns) = &one.upload.columns else {
                continue;
            };
            if one.order.account != *account || one.state.ended() {
                continue;
            }
            let piece = (&kept.bytes[..], Place::default(), one.upload.complete);
            let found = forget::find(piece, columns, openids);
            let found = found.map_err(|error| StoreError::Corrupt(error.to_string()))?;
            for row in &found.rows {
                let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
                let row = kept.bytes.get_mut(place(row.start)..place(row.end));
                forget::blank(row.unwrap_or_default());
            }
            one.blanked += found.rows.len() as u64;
            blanked += found.rows.len();
            if one.upload.complete {
                kept.followers.retain(|openid| !openids.contains(openid));
            }
        }
        Ok(blanked)
    }

    fn shown(&self, kept: &Kept, now: Option<UnixMs>) -> Broadcast {
        let mut broadcast = kept.broadcast.clone();
        if let Some(now) = now {
            let until = broadcast.due_until(now);
            let due = |id: &&MessageId| {
                let at = self.rows[*id].message.delivery.due_at;
                at.0 <= until
            };
            let waiting = self.waiting_of(broadcast.id);
            let due = waiting.iter().filter(due).count() as u64;
            broadcast.due = due.min(DUE_COUNTED_MAX);
        }
        broadcast
    }

    fn waiting_of(&self, id: BroadcastId) -> Vec<MessageId> {
        let of = |message: &&MessageId| {
            let of = self.rows[*message].message.content.broadcast;
            of.is_some_and(|of| of.id == id)
        };
        let waiting = self.waiting.iter().map(|(.., message)| message);
        waiting.filter(of).copied().collect()
    }

    fn enforce(&mut self, id: BroadcastId, limit: usize, now: UnixMs) -> Enforced {
        let Some(state) = self.broadcasts.get(&id).map(|kept| kept.broadcast.state) else {
            return Enforced::default();
        };
        let step: fn(&mut Delivery) -> bool = match state {
            Stands::Paused => Delivery::hold,
            Stands::Running => Delivery::let_go,
            Stands::Cancelled => |delivery| delivery.cancel().is_ok(),
            _ => |_| false,
        };
        let mut enforced = Enforced {
            state: Some(state),
            ..Enforced::default()
        };
        let mut messages = self.waiting_of(id);
        if state == Stands::Cancelled {
            let sending = self.rows.values().filter(|row| {
                let delivery = &row.message.delivery;
                let of = row.message.content.broadcast;
                delivery.status == Status::Sending
                    && !delivery.cancel_requested
                    && of.is_some_and(|of| of.id == id)
            });
            messages.extend(sending.map(|row| row.message.id));
        }
        for message in messages {
            if enforced.changed == limit {
                enforced.more = true;
                return enforced;
            }
            if self.change(message, now, |_, delivery| step(delivery)) == Some(true) {
                enforced.changed += 1;
                let ended = self.swept(message).filter(|one| one.status.ended());
                enforced.ended.extend(ended);
            }
        }
        let alive = |row: &super::state::Row| {
            let of = row.message.content.broadcast;
            of.is_some_and(|of| of.id == id) && row.message.delivery.status == Status::Sending
        };
        let under_way = self.rows.values().any(alive);
        if let Some(kept) = self.broadcasts.get_mut(&id)
            && state.ended()
        {
            kept.bytes.clear();
            kept.followers.clear();
            kept.tended = !under_way;
        }
        enforced
    }
}

impl Known {
    /// The broadcast that the key stored, if it stored one.
    fn broadcast(&self) -> Option<BroadcastId> {
        let id = self.ids.first().copied()?.ok()?;
        BroadcastId::of_message_id(id)
    }

    /// Whether the key stands for what it stored. A broadcast that is there says so itself.
    pub(super) fn stands(&self, all: &BTreeMap<BroadcastId, Kept>, now: UnixMs) -> bool {
        let kept = self.broadcast().and_then(|id| all.get(&id));
        now < kept.map_or(self.until, |kept| kept.broadcast.key_until(now))
    }
}

fn keep_bad(kept: &mut Vec<BadRow>, more: Vec<BadRow>) {
    kept.extend(more);
    kept.sort_by_key(|one| one.line);
    kept.truncate(BAD_ROWS_KEPT);
}

#[async_trait]
impl Broadcasts for MemoryStore {
    async fn create(
        &self,
        new: NewBroadcast,
        key: Option<IdempotencyKey>,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<(BroadcastId, bool), AcceptError> {
        let mut state = self.state();
        if nonce
            .as_ref()
            .is_some_and(|nonce| !state.nonces.allows(nonce))
        {
            return Err(AcceptError::NonceSeen);
        }
        let stands = |known: &Known| known.stands(&state.broadcasts, now);
        let find = |key| state.keys.find_while(key, stands);
        let known = match key.as_ref().and_then(find) {
            Some(Err(OtherBody)) => return Err(AcceptError::IdempotencyMismatch),
            Some(Ok(known)) => known.broadcast(),
            None => None,
        };
        state.spend(nonce.as_ref());
        if let Some(id) = known.filter(|id| state.broadcasts.contains_key(id)) {
            return Ok((id, true));
        }
        let id = new.id;
        state.note(nonce.as_ref());
        if let Some(key) = &key {
            state.keys.keep(key, vec![Ok(id.as_message_id())]);
        }
        let kept = Kept {
            broadcast: Broadcast::begin(new, now),
            bytes: Vec::new(),
            bad: Vec::new(),
            followers: HashSet::new(),
            tended: false,
        };
        state.broadcasts.insert(id, kept);
        Ok((id, false))
    }

    async fn broadcast(&self, id: BroadcastId) -> Result<Option<Broadcast>, StoreError> {
        let state = self.state();
        Ok(state
            .broadcasts
            .get(&id)
            .map(|kept| state.shown(kept, None)))
    }

    async fn broadcasts(
        &self,
        filter: BroadcastFilter,
        limit: usize,
    ) -> Result<Vec<Broadcast>, StoreError> {
        let state = self.state();
        let newest_first = state.broadcasts.values().rev();
        let wanted = newest_first.filter(|kept| {
            let one = &kept.broadcast;
            filter
                .account
                .as_ref()
                .is_none_or(|account| one.order.account == *account)
                && filter.state.is_none_or(|state| one.state == state)
                && filter.before.is_none_or(|before| one.id < before)
                && filter
                    .within
                    .has(&one.order.account, one.order.template_id())
        });
        let page = wanted.take(limit).map(|kept| state.shown(kept, None));
        Ok(page.collect())
    }

    async fn alive(&self, now: UnixMs) -> Result<Vec<Broadcast>, StoreError> {
        use Stands::{Cancelled, Done, Paused, Running};
        let state = self.state();
        let alive = state.broadcasts.values().filter(|kept| {
            let stands = kept.broadcast.state;
            matches!(stands, Running | Paused | Cancelled | Done) && !kept.tended
        });
        Ok(alive.map(|kept| state.shown(kept, Some(now))).collect())
    }

    async fn append(
        &self,
        id: BroadcastId,
        append: Append,
        nonce: Option<Nonce>,
        _now: UnixMs,
    ) -> Result<Broadcast, ChangeError<AppendRefused>> {
        let mut state = self.state();
        if !state.spend(nonce.as_ref()) {
            return Err(ChangeError::NonceSeen);
        }
        let kept = state.broadcasts.get_mut(&id).ok_or(ChangeError::NotFound)?;
        append
            .check(&kept.broadcast)
            .map_err(ChangeError::Refused)?;
        kept.bytes.extend(append.bytes);
        keep_bad(&mut kept.bad, append.bad);
        kept.broadcast.took(append.upload);
        Ok(kept.broadcast.clone())
    }

    async fn follow(
        &self,
        id: BroadcastId,
        follow: Follow,
        _now: UnixMs,
    ) -> Result<bool, StoreError> {
        let mut state = self.state();
        let Some(kept) = state.broadcasts.get_mut(&id) else {
            return Ok(false);
        };
        if !follow.belongs_to(&kept.broadcast) {
            return Ok(false);
        }
        let mut upload = kept.broadcast.upload.clone();
        if upload.columns.is_none() {
            write_row(&mut kept.bytes, [OPENID]);
            upload.seen.lines = 1;
        }
        for openid in follow.openids {
            if kept.followers.insert(openid.clone()) {
                write_row(&mut kept.bytes, [openid.as_str()]);
                upload.rows += 1;
                upload.seen.lines += 1;
            }
        }
        upload.columns = Some(Vec::new());
        upload.stored = kept.bytes.len() as u64;
        upload.seen = Place {
            byte: upload.stored,
            ..upload.seen
        };
        upload.next_openid = follow.next;
        upload.complete = follow.last;
        kept.broadcast.took(upload);
        Ok(true)
    }

    async fn rows(&self, id: BroadcastId, from: u64, about: usize) -> Result<Vec<u8>, StoreError> {
        let state = self.state();
        let bytes = state.broadcasts.get(&id).map(|kept| &kept.bytes[..]);
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let rest = bytes.and_then(|bytes| bytes.get(from..)).unwrap_or(&[]);
        Ok(rest[..rest.len().min(about)].to_vec())
    }

    async fn bad_rows(&self, id: BroadcastId, limit: usize) -> Result<Vec<BadRow>, StoreError> {
        let state = self.state();
        let bad = state.broadcasts.get(&id).map_or(&[][..], |kept| &kept.bad);
        Ok(bad.iter().take(limit).cloned().collect())
    }

    async fn wish(
        &self,
        id: BroadcastId,
        wish: Wish,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<Broadcast, ChangeError<WishRefused>> {
        let mut state = self.state();
        if !state.spend(nonce.as_ref()) {
            return Err(ChangeError::NonceSeen);
        }
        let kept = state.broadcasts.get_mut(&id).ok_or(ChangeError::NotFound)?;
        let changed = kept.broadcast.apply(wish, now);
        changed.map_err(ChangeError::Refused)?;
        let broadcast = kept.broadcast.clone();
        state.note(nonce.as_ref());
        Ok(broadcast)
    }

    async fn enforce(
        &self,
        id: BroadcastId,
        limit: usize,
        now: UnixMs,
    ) -> Result<Enforced, StoreError> {
        Ok(self.state().enforce(id, limit, now))
    }
}
