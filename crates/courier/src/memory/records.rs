//! The messages as records: what callers ask and want changed, what WeChat says later, what time does.
//! The steps themselves are `delivery`'s.

use std::collections::BTreeMap;

use super::state::{Row, State, receipt_key};
use crate::delivery::{
    Addressed, CancelRefused, Cancelled, Delivery, ReceiptRecord, RetryRefused, may_be_to,
    the_one_meant,
};
use crate::kind::ReceiptBy;
use crate::message::{AccountName, Content, Message, MessageId, Priority, Status};
use crate::port::{ChangeError, Depth, Filter, Moved, Sweep, Swept};
use crate::receipt::{NewReceipt, ReceiptTaken};
use crate::recipient::News;
use crate::time::UnixMs;

impl State {
    pub(super) fn find(&self, id: MessageId) -> Option<Message> {
        self.rows.get(&id).map(|row| row.message.clone())
    }

    pub(super) fn page(&self, filter: &Filter, limit: usize) -> Vec<Message> {
        let ended = |row: &&Row| {
            let since = filter.ended_since;
            since.is_none_or(|since| row.ended_at.is_some_and(|at| at >= since))
        };
        let newest_first = self.rows.values().rev().filter(ended);
        let newest_first = newest_first.map(|row| &row.message);
        let by_msgid = |message: &Message| {
            let Some(msgid) = filter.msgid else {
                return true;
            };
            let known = self.msgids.get(&(message.content.account.clone(), msgid));
            known == Some(&message.id) || message.id.number() == msgid
        };
        let wanted = newest_first.filter(|message| fits(filter, message) && by_msgid(message));
        wanted.take(limit).cloned().collect()
    }

    pub(super) fn cancel(
        &mut self,
        id: MessageId,
        now: UnixMs,
    ) -> Result<Cancelled, ChangeError<CancelRefused>> {
        self.change(id, now, |_, delivery| delivery.cancel())
            .ok_or(ChangeError::NotFound)?
            .map_err(ChangeError::Refused)
    }

    pub(super) fn retry(
        &mut self,
        id: MessageId,
        force: bool,
        now: UnixMs,
    ) -> Result<Moved, ChangeError<RetryRefused>> {
        let message = self.find(id).ok_or(ChangeError::NotFound)?;
        let paused = self.is_paused(&message.content);
        self.change(id, now, |content, delivery| {
            delivery.retry(content, force, now)?;
            if paused {
                delivery.hold();
            }
            Ok(())
        })
        .ok_or(ChangeError::NotFound)?
        .map_err(ChangeError::Refused)?;
        self.moved(id).ok_or(ChangeError::NotFound)
    }

    pub(super) fn receive(&mut self, receipt: NewReceipt, now: UnixMs) -> ReceiptTaken {
        if self.receipts.insert(receipt_key(&receipt), now).is_some() {
            return ReceiptTaken::Known;
        }
        if let Some((id, status)) = self.join(&receipt, false, now) {
            return ReceiptTaken::Joined(id, status);
        }
        // Of whoever it is about, even if another program sent the message.
        if let Some(news) = News::of_receipt(&receipt) {
            self.hear(&receipt.account, &receipt.openid, &[news], now);
        }
        self.orphans.push((receipt, now));
        ReceiptTaken::Orphan
    }

    /// Joins a receipt with its message, if that is known; `heard` is one that was kept until now.
    fn join(
        &mut self,
        receipt: &NewReceipt,
        heard: bool,
        now: UnixMs,
    ) -> Option<(MessageId, Status)> {
        let (id, by) = self.meant_by(receipt)?;
        let record = ReceiptRecord::new(receipt.status.clone(), now);
        let policy = match self.is_of_a_cancelled_broadcast(id) {
            true => receipt.policy.sending_no_more(),
            false => receipt.policy,
        };
        let received = self.change(id, now, |content, delivery| {
            let said = (receipt.word, record);
            delivery.receive(content, by, said, (policy, receipt.roll), now)
        })?;
        self.raise(&receipt.account, received.flag);
        if let Some(news) = News::of_joined(receipt, &received.effect, heard, now) {
            self.hear(&receipt.account, &receipt.openid, &[news], now);
        }
        let content = &self.rows.get(&id)?.message.content;
        if content.names_nobody() {
            let mut key = receipt_key(receipt);
            let at = self.receipts.remove(&key);
            key.2.clone_from(&content.touser);
            self.receipts.insert(key, at.unwrap_or(now));
        }
        Some((id, self.status(id)?))
    }

    fn meant_by(&self, receipt: &NewReceipt) -> Option<(MessageId, Addressed)> {
        let by_match = |message: &Message| {
            message.content.kind.traits().receipt == ReceiptBy::Match
                && message.content.account == receipt.account
                && message.content.touser == receipt.openid
        };
        let known = (receipt.account.clone(), receipt.msgid);
        let of_kind = |id: &MessageId| {
            let row = self.rows.get(id);
            row.is_some_and(|row| {
                let content = &row.message.content;
                let by_match = content.kind.traits().receipt == ReceiptBy::Match;
                by_match == receipt.template_id.is_some()
                    && may_be_to(&content.touser, &receipt.openid)
            })
        };
        if let Some(id) = self.msgids.get(&known).filter(|id| of_kind(id)) {
            return Some((*id, Addressed::Msgid(receipt.msgid)));
        }
        let messages = self.rows.values().map(|row| &row.message);
        let candidates = messages.filter(|message| by_match(message));
        let template_id = receipt.template_id.as_deref()?;
        let meant = the_one_meant(candidates, template_id, receipt.event_at())?;
        Some((meant, Addressed::Match))
    }

    /// Joins at most `limit` kept receipts whose msgid is known by now. Answers whose they were.
    pub(super) fn join_orphans(
        &mut self,
        now: UnixMs,
        limit: usize,
        which: impl Fn(&NewReceipt) -> bool,
    ) -> Vec<MessageId> {
        let mut joined = Vec::new();
        for (receipt, at) in std::mem::take(&mut self.orphans) {
            let wanted = joined.len() < limit && which(&receipt);
            match if wanted {
                self.join(&receipt, true, now)
            } else {
                None
            } {
                Some((id, _)) => joined.push(id),
                None => self.orphans.push((receipt, at)),
            }
        }
        joined
    }

    pub(super) fn sweep(&mut self, what: Sweep, limit: usize, now: UnixMs) -> Vec<Swept> {
        let moved = match what {
            Sweep::Orphans => self.join_orphans(now, limit, |_| true),
            Sweep::Expired => self.sweep_rows(
                limit,
                now,
                |message| message.delivery.expires_at,
                |_, delivery| delivery.expire(now),
            ),
            Sweep::ClosedWindows => self.sweep_rows(
                limit,
                now,
                |message| message.delivery.window_end(message.content.kind),
                |content, delivery| delivery.close_window(content.kind, now),
            ),
            Sweep::MissingReceipts => self.sweep_rows(
                limit,
                now,
                |message| message.delivery.receipt_due,
                |_, delivery| delivery.miss_receipt(now),
            ),
        };
        moved.into_iter().filter_map(|id| self.swept(id)).collect()
    }

    /// Applies a step to messages that have not ended and whose moment has come.
    fn sweep_rows(
        &mut self,
        limit: usize,
        now: UnixMs,
        moment: impl Fn(&Message) -> Option<UnixMs>,
        step: impl Fn(&Content, &mut Delivery) -> bool,
    ) -> Vec<MessageId> {
        let come = |row: &&Row| moment(&row.message).is_some_and(|at| at <= now);
        let alive = self.rows.values().filter(|row| row.ended_at.is_none());
        let due: Vec<MessageId> = alive.filter(come).map(|row| row.message.id).collect();
        let mut moved = Vec::new();
        for id in due {
            if moved.len() < limit && self.change(id, now, &step).unwrap_or(false) {
                moved.push(id);
            }
        }
        moved
    }

    pub(super) fn swept(&self, id: MessageId) -> Option<Swept> {
        let message = &self.rows.get(&id)?.message;
        Some(Swept {
            id,
            account: message.content.account.clone(),
            status: message.delivery.status,
            reason: message.delivery.reason,
        })
    }

    pub(super) fn depths(&self, now: UnixMs) -> Vec<Depth> {
        let mut depths: BTreeMap<(AccountName, Priority), Depth> = BTreeMap::new();
        for (account, priority, due, _) in &self.waiting {
            let key = (account.clone(), *priority);
            let depth = depths.entry(key).or_insert_with(|| Depth {
                account: account.clone(),
                priority: *priority,
                queued: 0,
                oldest_due: None,
                past_due: 0,
            });
            depth.queued += 1;
            if *due <= now {
                depth.past_due += 1;
                depth.oldest_due.get_or_insert(*due);
            }
        }
        depths.into_values().collect()
    }
}

fn fits(filter: &Filter, message: &Message) -> bool {
    fn is<T: PartialEq>(wanted: Option<&T>, found: Option<&T>) -> bool {
        wanted.is_none() || wanted == found
    }
    let (content, delivery) = (&message.content, &message.delivery);
    is(filter.account.as_ref(), Some(&content.account))
        && is(filter.status.as_ref(), Some(&delivery.status))
        && is(filter.reason.as_ref(), delivery.reason.as_ref())
        && is(filter.touser.as_ref(), Some(&content.touser))
        && is(filter.template_id.as_ref(), Some(&content.template_id))
        && is(filter.code.as_ref(), delivery.last_errcode.as_ref())
        && is(filter.reference.as_ref(), content.reference.as_ref())
        && filter
            .broadcast
            .is_none_or(|id| content.broadcast.is_some_and(|of| of.id == id))
        && filter.since.is_none_or(|since| message.created_at >= since)
        && filter.until.is_none_or(|until| message.created_at < until)
        && filter.before.is_none_or(|before| message.id < before)
        && filter.within.has(&content.account, &content.template_id)
}
