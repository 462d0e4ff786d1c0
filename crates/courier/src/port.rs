//! What the domain needs of the outside. Each port has a conformance suite that every adapter passes. `now` is always
//! an argument. Errors tell the caller what to do: try again later, or give up with these words.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hongyan_wechat::AccessToken;
use hongyan_wechat::error::CallError;

use crate::account::{AccountFlag, Standing};
use crate::audit::Act;
use crate::broadcast::BroadcastId;
use crate::broadcast::port::Expansion;
use crate::delivery::{CancelRefused, Cancelled, LeaseRef, Look, RetryRefused, Settlement};
use crate::dispatch::Permit;
use crate::message::{AccountName, Content, Message, MessageId, Priority, Reason, Status};
use crate::reach::Reach;
use crate::receipt::{NewReceipt, ReceiptTaken};
use crate::recipient::RecipientLimit;
use crate::retention::Old;
use crate::time::UnixMs;

mod dead_letters;
pub mod limiter;
pub mod quota;
mod tokens;
mod virtual_tokens;

pub use dead_letters::{Again, DeadLetterOffice, DeadLetters};
pub use tokens::{CacheError, Fence, Token, TokenCache};
pub use virtual_tokens::{Revocation, VirtualTokens};

// ── errors ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/// The store could not do it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Its queue is full: come again in a moment. Nothing was done.
    #[error("the store is overloaded")]
    Overloaded,
    /// There is no room for it on the disk. Nothing was done.
    #[error("the disk is full")]
    Full,
    /// It is away or broken; whether the last call was done is not known.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// What is stored cannot be read.
    #[error("the store holds what this version cannot read: {0}")]
    Corrupt(String),
}

/// A call was not accepted; nothing of it is stored.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AcceptError {
    /// This nonce was used before.
    #[error("this nonce was used before")]
    NonceSeen,
    /// The same idempotency key came with another body.
    #[error("this idempotency key was used with another body")]
    IdempotencyMismatch,
    /// The rows' broadcast does not run, or is not where they are.
    #[error("the broadcast has moved on")]
    BroadcastMoved,
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A change that a caller asked for was not made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ChangeError<R: std::error::Error> {
    /// This nonce was used before.
    #[error("this nonce was used before")]
    NonceSeen,
    /// No such message.
    #[error("no such message")]
    NotFound,
    /// The message does not allow it.
    #[error(transparent)]
    Refused(R),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

// ── accepting ───────────────────────────────────────────────────────────────────────────────────────────────────────

/// A nonce, to be spent in the transaction that makes the change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce {
    /// Whose: a client's id, or `callback:<account>`.
    pub owner: String,
    /// The nonce itself.
    pub nonce: String,
    /// When it may be forgotten, by the wall.
    pub expires_at: UnixMs,
    /// For a signature that does not bind the body: the body's hash, with which the nonce may come again.
    pub body: Option<[u8; 32]>,
    /// What is written down once the change is made, in its transaction.
    pub act: Option<Box<Act>>,
}

/// A caller's key, by which the same request is known again.
#[derive(Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// What the key is unique within: client and route, or client, account and openid.
    pub scope: String,
    /// The key as given.
    pub key: String,
    /// Hash of what came with it.
    pub body: [u8; 32],
    /// When it may be forgotten, by the wall.
    pub expires_at: UnixMs,
}

hongyan_wechat::debug_without!(
    IdempotencyKey: body, expires_at; scope, key
);

/// A message about to be stored.
#[derive(Debug)]
pub struct NewMessage {
    /// Its id, unless it turns out to be known already.
    pub id: MessageId,
    /// What was handed over.
    pub content: Arc<Content>,
    /// Not to be claimed before; none: at once, or at `send_at`.
    pub not_before: Option<UnixMs>,
    /// Not to be sent after.
    pub expires_at: Option<UnixMs>,
    /// `client_msg_id`, as a key of its own.
    pub dedupe: Option<IdempotencyKey>,
    /// A free sender slot: stored already leased, and handed over after the commit.
    pub permit: Option<Permit>,
}

/// One call that hands over messages.
#[derive(Debug)]
pub struct Accept {
    /// To be spent with it.
    pub nonce: Option<Nonce>,
    /// By which the whole call is known again.
    pub idempotency: Option<IdempotencyKey>,
    /// The messages; stored all or none.
    pub messages: Vec<NewMessage>,
    /// The rows of a broadcast that they were made of.
    pub broadcast: Option<Expansion>,
}

/// A message that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its id.
    pub id: MessageId,
    /// Where it stands.
    pub status: Status,
    /// Why, if this very call ended it: its recipient is suppressed.
    pub reason: Option<Reason>,
    /// Whether it was stored by an earlier call.
    pub replayed: bool,
}

/// What became of each message of an accepted call, in the order given.
pub type Accepted = Vec<Result<Stored, DedupeMismatch>>;

/// The same `client_msg_id` came before with another content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this client_msg_id was used with another content")]
pub struct DedupeMismatch;

// ── claiming ────────────────────────────────────────────────────────────────────────────────────────────────────────

/// A node and the epoch its leases hang on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEpoch {
    /// The node's id.
    pub node: Arc<str>,
    /// Bumped when its leases are reclaimed.
    pub epoch: i64,
}

/// Asks for due messages of one account, for free slots.
#[derive(Clone)]
pub struct Claim {
    /// Who claims.
    pub by: NodeEpoch,
    /// Whose messages.
    pub account: AccountName,
    /// At most so many of each priority first, in the order of [`Priority::ALL`]; what is left goes to any.
    pub shares: [usize; 3],
    /// At most so many of each priority in all: what is held back is as if it were not due. A message in doubt is never
    /// held back, because its window closes.
    pub at_most: [usize; 3],
    /// Openids that have a call under way; their messages are put off, one [behind the other](crate::backlog).
    pub busy: Vec<String>,
    /// How often the account may write to one recipient. Messages beyond that are put off.
    pub limits: Arc<[RecipientLimit]>,
    /// The account's lane is closed, and this is its probe: rather than a message that was never called, one in doubt is
    /// taken, due or not, while its window is open. Else an outage would put another message in doubt with every probe.
    pub probe: bool,
}

hongyan_wechat::debug_without!(
    Claim: by, account, shares, at_most, limits, probe; busy
);

impl Claim {
    /// At most so many in all.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.shares.iter().sum()
    }
}

/// How long the first message waits whose recipient has a call under way; each further one so long again.
pub const BUSY_RECIPIENT_PAUSE: Duration = Duration::from_millis(100);

/// How old a lease must be before a heartbeat frees it for not being in flight: its claim's answer may be on its way.
pub const LEASE_GRACE: Duration = Duration::from_secs(5);

/// The answer to a claim.
#[derive(Debug, Default)]
pub struct Claimed {
    /// Leased by now.
    pub messages: Vec<Message>,
    /// Ended instead, because their recipients are suppressed.
    pub suppressed: Vec<Swept>,
    /// When the account's next waiting message is due, if all that was due is leased.
    pub next_due: Option<UnixMs>,
    /// Whether more was due than was asked for.
    pub more: bool,
}

/// What a settlement did to the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Where it stands now.
    pub status: Status,
    /// Why.
    pub reason: Option<Reason>,
    /// Its msgid.
    pub msgid: Option<i64>,
    /// When it is due, if it waits.
    pub due_at: UnixMs,
}

/// The messages as jobs.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Stores messages durably before it answers. A message with a permit is stored leased and handed over after the
    /// commit, whether or not anybody still waits for the answer.
    async fn accept(&self, call: Accept, now: UnixMs) -> Result<Accepted, AcceptError>;
    /// Leases due messages to a node; none if its epoch is gone.
    async fn claim(&self, claim: Claim, now: UnixMs) -> Result<Claimed, StoreError>;
    /// The look just before the call. For a kind that cannot be repeated the mark is durable when `Go` is answered.
    async fn look(&self, lease: LeaseRef, now: UnixMs) -> Result<Look, StoreError>;
    /// Records how a leased message's turn went; durable when answered. May be done twice.
    async fn settle(&self, settlement: Settlement, now: UnixMs) -> Result<Moved, StoreError>;
    /// Gives back leases whose calls were not made.
    async fn release(&self, leases: Vec<LeaseRef>, now: UnixMs) -> Result<(), StoreError>;
    /// Says that a node lives; frees its leases older than [`LEASE_GRACE`] that are not in `in_flight`. A call that is
    /// marked may be out: it is taken back instead.
    ///
    /// `known` is the epoch that this very process had from its last beat, none at its first. If that is not the epoch in
    /// force, what the node still holds was claimed by a former process of its name, or is gone anyway: it is taken back
    /// (not released: its calls may be out) and a new epoch begins. Answers the epoch in force; another one than last time
    /// means that the leases were taken back: stop sending, drop all.
    async fn beat(
        &self,
        node: &str,
        known: Option<i64>,
        in_flight: Vec<LeaseRef>,
        now: UnixMs,
    ) -> Result<i64, StoreError>;
    /// Takes back the leases of nodes that have not beaten since `silent_since`, and of gone epochs. Answers how many.
    async fn reclaim(&self, silent_since: UnixMs, now: UnixMs) -> Result<usize, StoreError>;
}

// ── the record ──────────────────────────────────────────────────────────────────────────────────────────────────────

/// Which messages to list; newest first.
#[derive(Clone, Default)]
pub struct Filter {
    /// Of this account.
    pub account: Option<AccountName>,
    /// In this status.
    pub status: Option<Status>,
    /// For this reason.
    pub reason: Option<Reason>,
    /// To this openid.
    pub touser: Option<String>,
    /// By this template.
    pub template_id: Option<String>,
    /// Whose last call was answered with this errcode.
    pub code: Option<i64>,
    /// Which WeChat, or the compatible door, gave this msgid.
    pub msgid: Option<i64>,
    /// With this word of the caller's.
    pub reference: Option<String>,
    /// Accepted at this moment or later.
    pub since: Option<UnixMs>,
    /// Accepted before this moment.
    pub until: Option<UnixMs>,
    /// Ended at this moment or later.
    pub ended_since: Option<UnixMs>,
    /// Of this broadcast.
    pub broadcast: Option<BroadcastId>,
    /// Older than this message.
    pub before: Option<MessageId>,
    /// Not beyond this.
    pub within: Reach,
}

hongyan_wechat::debug_without!(
    Filter: account, status, reason, template_id, code, msgid, since, until, ended_since, broadcast, before, within; touser, reference
);

/// What time does to messages that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// `expires_at` passed.
    Expired,
    /// The window of a call in doubt closed.
    ClosedWindows,
    /// The receipt is overdue.
    MissingReceipts,
    /// A receipt came before its msgid was stored, both at once.
    Orphans,
}

/// A message that was moved without anybody asking for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    /// Which.
    pub id: MessageId,
    /// Whose.
    pub account: AccountName,
    /// Where it stands now, and why.
    pub status: Status,
    /// Why.
    pub reason: Option<Reason>,
}

/// How much waits, by account and priority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Depth {
    /// Whose.
    pub account: AccountName,
    /// Which.
    pub priority: Priority,
    /// So many are queued.
    pub queued: u64,
    /// The oldest of those that are due has been due since.
    pub oldest_due: Option<UnixMs>,
    /// So many are due by now; counted to a bound where others are not.
    pub past_due: u64,
}

/// The messages as records.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// One message.
    async fn find(&self, id: MessageId) -> Result<Option<Message>, StoreError>;
    /// A page of messages, newest first.
    async fn page(&self, filter: Filter, limit: usize) -> Result<Vec<Message>, StoreError>;
    /// Cancels a message.
    async fn cancel(
        &self,
        id: MessageId,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<Cancelled, ChangeError<CancelRefused>>;
    /// Sends a message again.
    async fn retry(
        &self,
        id: MessageId,
        force: bool,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<Moved, ChangeError<RetryRefused>>;
    /// Takes a receipt; durable when answered. `NonceSeen` if its URL came before with another body.
    async fn receive(
        &self,
        receipt: NewReceipt,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<ReceiptTaken, AcceptError>;
    /// Spends a nonce for a change that is made elsewhere.
    async fn spend(&self, nonce: Nonce, now: UnixMs) -> Result<(), AcceptError>;
    /// Applies what time does, to at most `limit` messages.
    async fn sweep(&self, what: Sweep, limit: usize, now: UnixMs)
    -> Result<Vec<Swept>, StoreError>;
    /// Forgets what is older than `before`, or carries a moment that has come by then; at most `limit` records. Answers how many, so that fewer than `limit` means that
    /// no more is old.
    async fn prune(&self, what: Old, before: UnixMs, limit: usize) -> Result<usize, StoreError>;
    /// How much waits.
    async fn depths(&self, now: UnixMs) -> Result<Vec<Depth>, StoreError>;
    /// Whether changes become durable at present: it goes the way that every change goes, and changes nothing.
    async fn ready(&self) -> Result<(), StoreError>;
}

/// How accounts stand, across restarts.
#[async_trait]
pub trait Standings: Send + Sync {
    /// How an account stands.
    async fn standing(&self, account: &AccountName) -> Result<Standing, StoreError>;
    /// Durable when answered.
    async fn set_standing(
        &self,
        account: &AccountName,
        standing: Standing,
    ) -> Result<(), StoreError>;
    /// What is flagged of an account, newest first.
    async fn flags(
        &self,
        account: &AccountName,
        limit: usize,
    ) -> Result<Vec<AccountFlag>, StoreError>;
}

// ── WeChat ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/// How a token is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenMode {
    /// `stable_token`, which hands everybody the same token.
    Stable,
    /// `stable_token` with `force_refresh`, which kills the old token.
    Forced,
    /// `token`, which kills the one before the last.
    Plain,
}

/// A fresh token and how long it lasts.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The token.
    pub secret: AccessToken,
    /// From now on.
    pub expires_in: Duration,
}

/// Asked between dialling and writing: may the call still go out?
pub type Gate = Arc<dyn Fn() -> bool + Send + Sync>;

/// One call that sends a message.
#[derive(Clone)]
pub struct SendCall {
    /// The message's content.
    pub content: Arc<Content>,
    /// What goes on the wire as `client_msg_id`.
    pub wire_id: String,
    /// The account's token.
    pub token: AccessToken,
    /// A repeat of a call in doubt: goes over a fresh connection and asks the gate just before the first byte.
    pub repeat: Option<Gate>,
}

/// WeChat, as far as the domain needs it.
#[async_trait]
pub trait Upstream: Send + Sync {
    /// Sends a message. Answers the msgid, where the kind has one.
    async fn send(&self, call: SendCall) -> Result<Option<i64>, CallError>;
    /// Fetches a token.
    async fn fetch_token(
        &self,
        account: &AccountName,
        mode: TokenMode,
    ) -> Result<Granted, CallError>;
}
