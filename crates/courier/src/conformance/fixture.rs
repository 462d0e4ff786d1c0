//! What the promises are told with: messages, calls, settlements, receipts and moments.
//! Nothing here is asserted.

use std::sync::Arc;
use std::time::Duration;

use hongyan_wechat::errcode::{Endpoint, classify};

use super::Stores;
use crate::delivery::{Attempt, Policy, ReceiptWord, Settlement};
use crate::delivery::{LeaseRef, Outcome};
use crate::message::{AccountName, Content, Kind, Message, MessageId, Priority, Reason, Status};
use crate::next::Roll;
use crate::port::{
    Accept, Accepted, Claim, Claimed, IdempotencyKey, Moved, NewMessage, NodeEpoch, Nonce,
};
use crate::receipt::{NewReceipt, ReceiptTaken};
use crate::retention::{ENDS, Old};
use crate::time::UnixMs;

/// When the tests begin.
pub const NOW: UnixMs = UnixMs(1_795_400_000_000);
/// The account of most messages.
pub const ACCOUNT: &str = "clinic";
/// The node of most leases.
pub const NODE: &str = "n1";
/// The settings of the account.
pub const POLICY: Policy = Policy {
    max_retries: 3,
    receipt_timeout: Some(Duration::from_secs(3_600)),
    receipt_retries: 1,
};

/// So many seconds after the beginning.
#[must_use]
pub fn at(seconds: u64) -> UnixMs {
    NOW.plus(Duration::from_secs(seconds))
}

/// A plain message to somebody.
#[must_use]
pub fn content(openid: &str) -> Content {
    Content {
        account: ACCOUNT.into(),
        client: "his".into(),
        kind: Kind::Template,
        priority: Priority::Normal,
        touser: openid.into(),
        template_id: "appointment".into(),
        url: None,
        miniprogram: None,
        data: format!(r#"{{"thing1":{{"value":"{openid}"}}}}"#),
        extras: None,
        reference: None,
        trace_id: None,
        send_at: None,
        broadcast: None,
    }
}

/// The same as a kind that cannot be repeated.
#[must_use]
pub fn subscription(openid: &str) -> Content {
    Content {
        kind: Kind::Subscription,
        ..content(openid)
    }
}

/// A message about to be stored.
#[must_use]
pub fn new(content: Content, now: UnixMs) -> NewMessage {
    NewMessage {
        not_before: None,
        id: MessageId::new(now),
        content: Arc::new(content),
        expires_at: None,
        dedupe: None,
        permit: None,
    }
}

/// A call that hands over messages, and nothing else.
#[must_use]
pub fn call(messages: Vec<NewMessage>) -> Accept {
    Accept {
        nonce: None,
        idempotency: None,
        messages,
        broadcast: None,
    }
}

/// A nonce that lives for ten minutes.
#[must_use]
pub fn nonce(nonce: &str, now: UnixMs) -> Nonce {
    Nonce {
        owner: "his".into(),
        nonce: nonce.into(),
        expires_at: now.plus(Duration::from_secs(600)),
        body: None,
        act: None,
    }
}

/// A key that lives for a day, given with a body that is this byte all over.
#[must_use]
pub fn key(key: &str, body: u8, now: UnixMs) -> IdempotencyKey {
    IdempotencyKey {
        scope: "his POST /v1/messages".into(),
        key: key.into(),
        body: [body; 32],
        expires_at: now.plus(Duration::from_secs(86_400)),
    }
}

/// The lease of a message that was just claimed.
#[must_use]
pub fn lease(message: &Message) -> LeaseRef {
    LeaseRef {
        id: message.id,
        lease_seq: message.delivery.lease_seq,
    }
}

/// WeChat took it.
#[must_use]
pub fn accepted(msgid: i64) -> Outcome {
    Outcome::Accepted { msgid: Some(msgid) }
}

/// WeChat answered this errcode.
#[must_use]
pub fn answered(errcode: i64) -> Outcome {
    Outcome::Answered {
        class: classify(Endpoint::TemplateSend, errcode),
        errcode,
    }
}

/// How a claimed message's turn went, with a call begun at `called_at`.
#[must_use]
pub fn settlement(message: &Message, outcome: Outcome, called_at: UnixMs) -> Settlement {
    let (errcode, msgid) = match &outcome {
        Outcome::Accepted { msgid } => (Some(0), *msgid),
        Outcome::Answered { errcode, .. } => (Some(*errcode), None),
        Outcome::InDoubt | Outcome::NotCalled { .. } | Outcome::Unwritable => (None, None),
    };
    let called = !matches!(outcome, Outcome::NotCalled { .. } | Outcome::Unwritable);
    let attempt = Attempt {
        at: called_at,
        errcode,
        errmsg: "as told".into(),
        rid: Some("64e5d2d0-7ae1e3a1-0c2f5bd6".into()),
        took_ms: 12,
        msgid,
        generation: message.delivery.generation,
    };
    Settlement {
        id: message.id,
        generation: message.delivery.generation,
        lease_seq: message.delivery.lease_seq,
        attempt: called.then_some(attempt),
        outcome,
        policy: POLICY,
        roll: Roll(0.5),
    }
}

/// A receipt for the messages of [`ACCOUNT`].
#[must_use]
pub fn receipt(msgid: i64, openid: &str, word: ReceiptWord) -> NewReceipt {
    let status = match word {
        ReceiptWord::Success => "success",
        ReceiptWord::Failed(Reason::UserBlocked) => "failed:user block",
        ReceiptWord::Failed(_) => "failed: system failed",
    };
    NewReceipt {
        account: ACCOUNT.into(),
        msgid,
        template_id: None,
        openid: openid.into(),
        word,
        status: status.into(),
        create_time: NOW.0 / 1_000,
        policy: POLICY,
        roll: Roll(0.5),
    }
}

/// An event for a message of a kind without msgid, so many seconds after the beginning. `event` is the event's own id.
#[must_use]
pub fn sent_event(event: i64, openid: &str, word: ReceiptWord, seconds: i64) -> NewReceipt {
    NewReceipt {
        template_id: Some("appointment".into()),
        create_time: NOW.0 / 1_000 + seconds,
        ..receipt(event, openid, word)
    }
}

/// A claim for so many messages of any priority.
#[must_use]
pub fn claim(by: &NodeEpoch, limit: usize) -> Claim {
    Claim {
        by: by.clone(),
        account: ACCOUNT.into(),
        shares: [limit, 0, 0],
        at_most: [usize::MAX; 3],
        busy: Vec::new(),
        limits: Arc::default(),
        probe: false,
    }
}

impl Stores {
    /// Hands over a call that must be taken.
    pub async fn take(&self, call: Accept, now: UnixMs) -> Accepted {
        self.queue.accept(call, now).await.unwrap()
    }

    /// Stores one message.
    pub async fn store(&self, content: Content, now: UnixMs) -> MessageId {
        let taken = self.take(call(vec![new(content, now)]), now).await;
        taken[0].unwrap().id
    }

    /// A message that must be there.
    pub async fn message(&self, id: MessageId) -> Message {
        self.ledger.find(id).await.unwrap().unwrap()
    }

    /// Where a message stands.
    pub async fn status(&self, id: MessageId) -> Status {
        self.message(id).await.delivery.status
    }

    /// A node's first beat.
    pub async fn join(&self, node: &str, now: UnixMs) -> NodeEpoch {
        let epoch = self.queue.beat(node, None, Vec::new(), now).await.unwrap();
        NodeEpoch {
            node: node.into(),
            epoch,
        }
    }

    /// A claim that must be answered.
    pub async fn claim(&self, claim: Claim, now: UnixMs) -> Claimed {
        self.queue.claim(claim, now).await.unwrap()
    }

    /// Claims the one message that is due.
    pub async fn claim_one(&self, by: &NodeEpoch, now: UnixMs) -> Message {
        let mut claimed = self.claim(claim(by, 1), now).await.messages;
        claimed.pop().unwrap()
    }

    /// A message stored and claimed at once, by a node that joins for it.
    pub async fn leased(&self, content: Content, now: UnixMs) -> (NodeEpoch, Message) {
        self.store(content, now).await;
        let by = self.join(NODE, now).await;
        let message = self.claim_one(&by, now).await;
        (by, message)
    }

    /// Settles a claimed message whose call was begun and ended at `now`.
    pub async fn settle(&self, message: &Message, outcome: Outcome, now: UnixMs) -> Moved {
        let settlement = settlement(message, outcome, now);
        self.queue.settle(settlement, now).await.unwrap()
    }

    /// A message that WeChat has, with this msgid.
    pub async fn sent(&self, content: Content, msgid: i64, now: UnixMs) -> Message {
        let (_, message) = self.leased(content, now).await;
        self.settle(&message, accepted(msgid), now).await;
        self.message(message.id).await
    }

    /// Hands over a receipt that must be taken.
    pub async fn receive(&self, receipt: NewReceipt, now: UnixMs) -> ReceiptTaken {
        self.ledger.receive(receipt, None, now).await.unwrap()
    }

    /// Joins kept receipts, as the sweeper does all the time.
    pub async fn join_orphans(&self, now: UnixMs) {
        let what = crate::port::Sweep::Orphans;
        self.ledger.sweep(what, 100, now).await.unwrap();
    }

    /// Forgets what is old, as the pruner does all the time. Answers how many.
    pub async fn prune(&self, what: Old, before: UnixMs, limit: usize) -> usize {
        self.ledger.prune(what, before, limit).await.unwrap()
    }

    /// Forgets all messages that ended before a moment. Answers how many.
    pub async fn prune_messages(&self, before: UnixMs) -> usize {
        let mut gone = 0;
        for status in ENDS {
            gone += self.prune(Old::Messages(status), before, 1_000).await;
        }
        gone
    }

    /// The flags of [`ACCOUNT`], as (key, reason).
    pub async fn flags(&self) -> Vec<(String, Reason)> {
        let account = AccountName::from(ACCOUNT);
        let flags = self.standings.flags(&account, 100).await.unwrap();
        flags
            .into_iter()
            .map(|of| (of.flag.key, of.flag.reason))
            .collect()
    }
}
