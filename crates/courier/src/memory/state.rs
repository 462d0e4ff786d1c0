//! What the store holds: rows, the order in which they wait, and what stands beside them.
//! Every change of a row goes through `change`, so that the waiting order cannot disagree with the rows.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::broadcasts::Kept;
use super::keys::{Keys, Nonces};
use super::outbox::Outbox;
use super::templates::Shelves;
use super::virtual_tokens::Tokens;
use crate::account::{AccountFlag, Flag, FlagSubject, Standing};
use crate::audit::Entry;
use crate::backlog::Lines;
use crate::broadcast::BroadcastId;
use crate::delivery::Delivery;
use crate::message::{AccountName, Content, Message, MessageId, Priority, Status};
use crate::port::Moved;
use crate::quota::QuotaRecord;
use crate::receipt::NewReceipt;
use crate::recipient::Recipient;
use crate::recipient::forget::Whom;
use crate::time::UnixMs;

/// Everything.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) rows: BTreeMap<MessageId, Row>,
    /// Queued messages in the order of their turn.
    pub(super) waiting: BTreeSet<Turn>,
    /// Every msgid ever settled, with its message.
    pub(super) msgids: HashMap<(AccountName, i64), MessageId>,
    /// Receipts that came, with when.
    pub(super) receipts: HashMap<ReceiptKey, UnixMs>,
    /// Receipts whose msgid is not known yet, in the order they came.
    pub(super) orphans: Vec<(NewReceipt, UnixMs)>,
    pub(super) nonces: Nonces,
    pub(super) audit: Vec<Entry>,
    pub(super) keys: Keys,
    pub(super) nodes: HashMap<String, Node>,
    pub(super) last_epoch: i64,
    pub(super) broadcasts: BTreeMap<BroadcastId, Kept>,
    /// Of recipients that had a call under way.
    pub(super) lines: Lines<(AccountName, String)>,
    /// Of whom anything was heard.
    pub(super) recipients: BTreeMap<(AccountName, String), Recipient>,
    /// Those of whom something is left to be forgotten.
    pub(super) forgetting: BTreeMap<(AccountName, String), Whom>,
    pub(super) outbox: Outbox,
    pub(super) shelves: Shelves,
    pub(super) virtual_tokens: Tokens,
    /// Oldest first.
    pub(super) flags: Vec<AccountFlag>,
    standings: HashMap<AccountName, Standing>,
    quotas: HashMap<AccountName, QuotaRecord>,
}

/// A message, with what only a store needs to know of it.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) message: Message,
    pub(super) ended_at: Option<UnixMs>,
}

/// Where a queued message stands in line: its account and priority, when it is due, its id.
pub(super) type Turn = (AccountName, Priority, UnixMs, MessageId);

/// By what a receipt is known again: account, msgid, openid, WeChat's time, WeChat's words.
pub(super) type ReceiptKey = (AccountName, i64, String, i64, String);

pub(super) fn receipt_key(receipt: &NewReceipt) -> ReceiptKey {
    (
        receipt.account.clone(),
        receipt.msgid,
        receipt.openid.clone(),
        receipt.create_time,
        receipt.status.clone(),
    )
}

/// A node that beats.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) epoch: i64,
    pub(super) beat_at: UnixMs,
}

impl State {
    pub(super) fn insert(&mut self, message: Message) {
        self.waiting.extend(turn(&message));
        self.count(message.content.broadcast, None, message.delivery.status);
        self.outbox.leave(None, &message, message.created_at);
        let row = Row {
            message,
            ended_at: None,
        };
        self.rows.insert(row.message.id, row);
    }

    /// Applies a step to a row, if there is one.
    pub(super) fn change<T>(
        &mut self,
        id: MessageId,
        now: UnixMs,
        step: impl FnOnce(&Content, &mut Delivery) -> T,
    ) -> Option<T> {
        let row = self.rows.get_mut(&id)?;
        if let Some(before) = turn(&row.message) {
            self.waiting.remove(&before);
        }
        let content = Arc::clone(&row.message.content);
        let before = row.message.delivery.status;
        let answer = step(&content, &mut row.message.delivery);
        self.waiting.extend(turn(&row.message));
        self.outbox.leave(Some(before), &row.message, now);
        row.ended_at = match row.message.delivery.is_over() {
            true => row.ended_at.or(Some(now)),
            false => None,
        };
        let after = row.message.delivery.status;
        self.count(content.broadcast, Some(before), after);
        Some(answer)
    }

    pub(super) fn status(&self, id: MessageId) -> Option<Status> {
        self.rows.get(&id).map(|row| row.message.delivery.status)
    }

    pub(super) fn moved(&self, id: MessageId) -> Option<Moved> {
        let delivery = &self.rows.get(&id)?.message.delivery;
        Some(Moved {
            status: delivery.status,
            reason: delivery.reason,
            msgid: delivery.msgid,
            due_at: delivery.due_at,
        })
    }

    /// Keeps a flag; the same one raised again only gets younger.
    pub(super) fn raise(&mut self, account: &AccountName, flag: Option<Flag>) {
        let Some(flag) = flag else { return };
        self.flags.retain(|known| {
            (
                &known.account,
                known.flag.subject,
                &known.flag.key,
                known.flag.reason,
            ) != (account, flag.subject, &flag.key, flag.reason)
        });
        self.flags.push(AccountFlag {
            account: account.clone(),
            flag,
        });
    }

    /// Takes back all flags about a subject.
    pub(super) fn lower(&mut self, account: &AccountName, subject: FlagSubject, key: &str) {
        self.flags.retain(|known| {
            (&known.account, known.flag.subject, known.flag.key.as_str()) != (account, subject, key)
        });
    }

    pub(super) fn flags(&self, account: &AccountName, limit: usize) -> Vec<AccountFlag> {
        let of_account = self.flags.iter().rev().filter(|f| f.account == *account);
        of_account.take(limit).cloned().collect()
    }

    pub(super) fn standing(&self, account: &AccountName) -> Standing {
        self.standings.get(account).cloned().unwrap_or_default()
    }

    pub(super) fn set_standing(&mut self, account: &AccountName, standing: Standing) {
        self.standings.insert(account.clone(), standing);
    }
}

impl State {
    pub(super) fn quota(&self, account: &AccountName) -> QuotaRecord {
        self.quotas.get(account).cloned().unwrap_or_default()
    }

    pub(super) fn set_quota(&mut self, account: &AccountName, record: QuotaRecord) {
        self.quotas.insert(account.clone(), record);
    }

    pub(super) fn queued_before(&self, account: &AccountName, until: UnixMs) -> [u64; 3] {
        let mut counts = [0; 3];
        let of_account = self.waiting.iter().filter(|(of, ..)| of == account);
        for (_, priority, ..) in of_account.filter(|(_, _, due, _)| *due < until) {
            counts[*priority as usize] += 1;
        }
        counts
    }
}

fn turn(message: &Message) -> Option<Turn> {
    let (content, delivery) = (&message.content, &message.delivery);
    (delivery.status == Status::Queued).then(|| {
        (
            content.account.clone(),
            content.priority,
            delivery.due_at,
            message.id,
        )
    })
}
