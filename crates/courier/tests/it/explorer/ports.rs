//! A node's ports, each call of which goes through the node's fate before it reaches the store or WeChat.
//! The store is real, and shared; a call that cannot have changed anything is no point to strike at.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use hongyan_courier::UnixMs;
use hongyan_courier::account::{AccountFlag, Standing};
use hongyan_courier::delivery::{
    CancelRefused, Cancelled, LeaseRef, Look, RetryRefused, Settlement,
};
use hongyan_courier::memory::MemoryStore;
use hongyan_courier::message::{AccountName, Message, MessageId, Status};
use hongyan_courier::port::{
    Accept, AcceptError, Accepted, CacheError, ChangeError, Claim, Claimed, Depth, Fence, Filter,
    Granted, Ledger, Moved, Nonce, Queue, SendCall, Standings, StoreError, Sweep, Swept, Token,
    TokenCache, TokenMode, Upstream,
};
use hongyan_courier::receipt::{NewReceipt, ReceiptTaken};
use hongyan_courier::recipient::{Hold, Recipients, hold};
use hongyan_courier::retention::Old;
use hongyan_courier::token::MemoryTokenCache;
use hongyan_wechat::error::{CallError, NotSentCause};

use super::fate::{Away, Fate, Whereto};
use super::upkeep::{Upkeep, is_swept};
use super::wechat::{WeChat, message_of};
use crate::rig::upstream::{Answer, in_doubt, not_sent};

/// A freeze between the last check and the first byte that is longer than this is beyond what can be promised:
/// the safe window and it together stay inside WeChat's ten minutes.
const LONGEST_FREEZE_AT_THE_WIRE: Duration = Duration::from_secs(100);

/// One node's way to the world.
pub(crate) struct NodePorts {
    pub(crate) fate: Arc<Fate>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) cache: Arc<MemoryTokenCache>,
    pub(crate) wechat: Arc<WeChat>,
    /// Messages whose call was begun and whose settlement is not durable yet.
    open_calls: Mutex<HashSet<MessageId>>,
    pub(crate) most_open_calls: Mutex<usize>,
    /// Messages that were looked at for a call, and whether their recipients were suppressed at that moment.
    looked: Mutex<HashMap<MessageId, bool>>,
    /// Leases that a heartbeat or a reclaim met.
    pub(super) met: Mutex<HashSet<(Upkeep, Vec<LeaseRef>)>>,
}

impl NodePorts {
    pub(crate) fn new(
        fate: Arc<Fate>,
        store: &Arc<MemoryStore>,
        cache: &Arc<MemoryTokenCache>,
        wechat: &Arc<WeChat>,
    ) -> Arc<Self> {
        Arc::new(Self {
            fate,
            store: store.clone(),
            cache: cache.clone(),
            wechat: wechat.clone(),
            open_calls: Mutex::default(),
            most_open_calls: Mutex::default(),
            looked: Mutex::default(),
            met: Mutex::default(),
        })
    }

    fn call_begins(&self, wire_id: &str) {
        let id = message_of(wire_id);
        let mut open = self.open_calls.lock().unwrap();
        open.insert(id);
        let mut most = self.most_open_calls.lock().unwrap();
        *most = open.len().max(*most);
    }

    /// The messages, as far as they matter: nobody asks where nothing can strike any more.
    pub(super) async fn rows(&self) -> Vec<Message> {
        if self.fate.counts() {
            self.store.page(Filter::default(), 100).await.unwrap()
        } else {
            Vec::new()
        }
    }
}

/// Whether a message's recipient is not to be written to.
pub(super) async fn is_suppressed(store: &MemoryStore, message: &Message, now: UnixMs) -> bool {
    let content = &message.content;
    let known = store.recipient(&content.account, &content.touser);
    let known = known.await.unwrap().suppressions;
    let hold = hold(&known, &content.template_id, now);
    matches!(hold, Some(Hold::End(_)))
}

#[async_trait]
impl Queue for NodePorts {
    async fn accept(&self, call: Accept, now: UnixMs) -> Result<Accepted, AcceptError> {
        let effect = self.store.accept(call, now);
        self.fate.pass(Whereto::Store, true, effect).await
    }

    async fn claim(&self, claim: Claim, now: UnixMs) -> Result<Claimed, StoreError> {
        let due = |m: &Message| m.delivery.status == Status::Queued && m.delivery.due_at <= now;
        let due = self.rows().await.iter().any(due);
        let effect = self.store.claim(claim, now);
        self.fate.pass(Whereto::Store, due, effect).await
    }

    async fn look(&self, lease: LeaseRef, now: UnixMs) -> Result<Look, StoreError> {
        let effect = async {
            let message = self.store.find(lease.id).await.unwrap();
            let suppressed = is_suppressed(&self.store, &message.unwrap(), now).await;
            self.looked.lock().unwrap().insert(lease.id, suppressed);
            self.store.look(lease, now).await
        };
        self.fate.pass(Whereto::Store, true, effect).await
    }

    async fn settle(&self, settlement: Settlement, now: UnixMs) -> Result<Moved, StoreError> {
        let id = settlement.id;
        let effect = self.store.settle(settlement, now);
        let moved = self.fate.pass(Whereto::Store, true, effect).await?;
        self.open_calls.lock().unwrap().remove(&id);
        Ok(moved)
    }

    async fn release(&self, leases: Vec<LeaseRef>, now: UnixMs) -> Result<(), StoreError> {
        let effect = self.store.release(leases, now);
        self.fate.pass(Whereto::Store, true, effect).await
    }

    async fn beat(
        &self,
        node: &str,
        known: Option<i64>,
        in_flight: Vec<LeaseRef>,
        now: UnixMs,
    ) -> Result<i64, StoreError> {
        let leased = self.meets(Upkeep::Beat, |_| true).await;
        let effect = self.store.beat(node, known, in_flight, now);
        let new = |epoch: &i64| known.is_some_and(|known| known != *epoch);
        self.keep_up(leased, new, effect).await
    }

    async fn reclaim(&self, silent_since: UnixMs, now: UnixMs) -> Result<usize, StoreError> {
        let leased = self.meets(Upkeep::Reclaim, |lease| lease.node != self.fate.node);
        let leased = leased.await;
        let effect = self.store.reclaim(silent_since, now);
        self.keep_up(leased, |count| *count > 0, effect).await
    }
}

#[async_trait]
impl Ledger for NodePorts {
    async fn find(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.store.find(id).await
    }

    async fn page(&self, filter: Filter, limit: usize) -> Result<Vec<Message>, StoreError> {
        self.store.page(filter, limit).await
    }

    async fn cancel(
        &self,
        id: MessageId,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<Cancelled, ChangeError<CancelRefused>> {
        self.store.cancel(id, nonce, now).await
    }

    async fn retry(
        &self,
        id: MessageId,
        force: bool,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<Moved, ChangeError<RetryRefused>> {
        self.store.retry(id, force, nonce, now).await
    }

    async fn receive(
        &self,
        receipt: NewReceipt,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<ReceiptTaken, AcceptError> {
        let effect = self.store.receive(receipt, nonce, now);
        self.fate.pass(Whereto::Store, true, effect).await
    }

    async fn spend(&self, nonce: Nonce, now: UnixMs) -> Result<(), AcceptError> {
        self.store.spend(nonce, now).await
    }

    async fn sweep(
        &self,
        what: Sweep,
        limit: usize,
        now: UnixMs,
    ) -> Result<Vec<Swept>, StoreError> {
        let rows = self.rows().await;
        let moves = rows.iter().any(|message| is_swept(message, what, now));
        let effect = self.store.sweep(what, limit, now);
        self.keep_up(moves, |swept| !swept.is_empty(), effect).await
    }

    async fn prune(&self, what: Old, before: UnixMs, limit: usize) -> Result<usize, StoreError> {
        self.store.prune(what, before, limit).await
    }

    async fn depths(&self, now: UnixMs) -> Result<Vec<Depth>, StoreError> {
        self.store.depths(now).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.store.ready().await
    }
}

#[async_trait]
impl Standings for NodePorts {
    async fn standing(&self, account: &AccountName) -> Result<Standing, StoreError> {
        self.store.standing(account).await
    }

    async fn set_standing(
        &self,
        account: &AccountName,
        standing: Standing,
    ) -> Result<(), StoreError> {
        let effect = self.store.set_standing(account, standing);
        self.fate.pass(Whereto::Store, true, effect).await
    }

    async fn flags(
        &self,
        account: &AccountName,
        limit: usize,
    ) -> Result<Vec<AccountFlag>, StoreError> {
        self.store.flags(account, limit).await
    }
}

#[async_trait]
impl TokenCache for NodePorts {
    async fn get(&self, account: &AccountName) -> Result<Option<Token>, CacheError> {
        let effect = self.cache.get(account);
        self.fate.pass(Whereto::Elsewhere, false, effect).await
    }

    async fn put(
        &self,
        account: &AccountName,
        token: Token,
        fence: Fence,
    ) -> Result<bool, CacheError> {
        let effect = self.cache.put(account, token, fence);
        self.fate.pass(Whereto::Elsewhere, true, effect).await
    }

    async fn lock(
        &self,
        account: &AccountName,
        for_at_most: Duration,
        now: UnixMs,
    ) -> Result<Option<Fence>, CacheError> {
        let effect = self.cache.lock(account, for_at_most, now);
        let taken = |fence: &Option<Fence>| fence.is_some();
        self.fate
            .pass_quietly(Whereto::Elsewhere, taken, effect)
            .await
    }

    async fn unlock(&self, account: &AccountName, fence: Fence) -> Result<(), CacheError> {
        let effect = self.cache.unlock(account, fence);
        self.fate.pass(Whereto::Elsewhere, false, effect).await
    }
}

#[async_trait]
impl Upstream for NodePorts {
    async fn send(&self, call: SendCall) -> Answer {
        let begun = tokio::time::Instant::now();
        let effect = async {
            // What froze for longer than this has been given up by its own timer.
            if begun.elapsed() > LONGEST_FREEZE_AT_THE_WIRE {
                return Ok(Err(in_doubt()));
            }
            // The gate is asked on a connection that stands, with nothing to wait for before the first byte.
            if call.repeat.as_ref().is_some_and(|allowed| !allowed()) {
                return Ok(Err(not_sent(NotSentCause::NotAllowed)));
            }
            self.call_begins(&call.wire_id);
            // A repeat goes to whoever may have the message already.
            let looked = self
                .looked
                .lock()
                .unwrap()
                .remove(&message_of(&call.wire_id));
            let heedless = call.repeat.is_none() && looked != Some(false);
            Ok::<Answer, Unreachable>(self.wechat.send(call, heedless).await)
        };
        match self.fate.pass(Whereto::Elsewhere, true, effect).await {
            Ok(answer) => answer,
            Err(Unreachable) => Err(in_doubt()),
        }
    }

    async fn fetch_token(
        &self,
        _account: &AccountName,
        mode: TokenMode,
    ) -> Result<Granted, CallError> {
        let effect = async { Ok::<_, Unreachable>(self.wechat.fetch_token(mode).await) };
        match self.fate.pass(Whereto::Elsewhere, true, effect).await {
            Ok(granted) => granted,
            Err(Unreachable) => Err(in_doubt()),
        }
    }
}

/// WeChat does not go away with the store.
struct Unreachable;

impl Away for Unreachable {
    fn away() -> Self {
        Self
    }
}
