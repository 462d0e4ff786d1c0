//! What broadcasts need of a store. Each adapter passes `conformance::broadcasting`. `now` is always an argument.

use async_trait::async_trait;

use super::rows::BadRow;
use super::{
    Broadcast, BroadcastId, Cursor, NewBroadcast, Source, State, Upload, Wish, WishRefused,
};
use crate::message::AccountName;
use crate::port::{AcceptError, ChangeError, IdempotencyKey, Nonce, StoreError, Swept};
use crate::reach::Reach;
use crate::time::UnixMs;

/// How many bad rows of a broadcast are kept to be shown; the rest are only counted.
pub const BAD_ROWS_KEPT: usize = 1_000;
/// Messages of a broadcast are held by being put off for so long: no clock will ever come there.
pub const HELD_MS: i64 = 1 << 50;
/// A message that is due within so many milliseconds counts as due for whoever looks how many are.
pub const DUE_WITHIN_MS: i64 = 1_000;
/// So many due messages are counted before it is enough to know that there are many.
pub const DUE_COUNTED_MAX: u64 = 2_000;

/// Rows that become messages, or cannot, in the transaction that stores those messages.
#[derive(Clone, Debug, PartialEq)]
pub struct Expansion {
    /// Of which broadcast. It must be running.
    pub id: BroadcastId,
    /// How far it was when they were read; anywhere else by now, and nothing is stored.
    pub from: Cursor,
    /// How far it is with them.
    pub to: Cursor,
    /// Rows among them whose values no message may have.
    pub refused: Vec<BadRow>,
    /// How many rows had been forgotten when they were read; more by now, and nothing is stored.
    pub blanked: u64,
}

/// Which broadcasts to list; newest first.
#[derive(Clone, Debug, Default)]
pub struct BroadcastFilter {
    /// Of this account.
    pub account: Option<AccountName>,
    /// In this state.
    pub state: Option<State>,
    /// Older than this one.
    pub before: Option<BroadcastId>,
    /// Not beyond this.
    pub within: Reach,
}

/// Rows that were looked through and are to be kept.
#[derive(Clone, Default, PartialEq)]
pub struct Append {
    /// Where they belong; so many bytes must be stored by then.
    pub offset: u64,
    /// They themselves.
    pub bytes: Vec<u8>,
    /// How much is here with them.
    pub upload: Upload,
    /// The bad ones among them.
    pub bad: Vec<BadRow>,
}

hongyan_wechat::debug_without!(
    Append: offset, upload, bad; bytes
);

/// A page of an account's followers.
#[derive(Clone, Default, PartialEq)]
pub struct Follow {
    /// Those of the page. Whoever is known already is passed over.
    pub openids: Vec<String>,
    /// After whom the page came that they are of; another one by now, and nothing is stored.
    pub after: Option<String>,
    /// After whom the next page begins. The same as `after` while parts of this page are still to come.
    pub next: Option<String>,
    /// Nobody comes after them.
    pub last: bool,
}

hongyan_wechat::debug_without!(
    Follow: last; openids, after, next
);

/// The rows do not belong here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendRefused {
    /// Other bytes come next.
    #[error("{0} bytes are stored: go on at offset {0}")]
    Offset(u64),
    /// It takes no rows any more.
    #[error("the broadcast is {0} and takes no rows")]
    State(State),
}

impl Expansion {
    /// Whether rows may become messages of a broadcast that stands so: it runs, is where they were read, and they say what
    /// they said.
    #[must_use]
    pub fn belongs_to(&self, state: State, cursor: Cursor, blanked: u64) -> bool {
        state == State::Running && cursor == self.from && blanked == self.blanked
    }
}

impl Append {
    /// Whether the rows belong to a broadcast as it stands.
    pub fn check(&self, broadcast: &Broadcast) -> Result<(), AppendRefused> {
        if !broadcast.takes_rows() {
            return Err(AppendRefused::State(broadcast.state));
        }
        if broadcast.upload.stored != self.offset {
            return Err(AppendRefused::Offset(broadcast.upload.stored));
        }
        Ok(())
    }
}

impl Follow {
    /// Whether the followers belong to a broadcast as it stands.
    #[must_use]
    pub fn belongs_to(&self, broadcast: &Broadcast) -> bool {
        broadcast.state == State::Running
            && broadcast.order.source == Source::Followers
            && !broadcast.upload.complete
            && broadcast.upload.next_openid == self.after
    }
}

/// What was done so that a broadcast's messages stand as its state says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Enforced {
    /// The state that it was done for, which somebody may have changed just before; none if it is gone.
    pub state: Option<State>,
    /// Messages that ended by it.
    pub ended: Vec<Swept>,
    /// Messages that were held, or let go.
    pub changed: usize,
    /// Whether there is more to do.
    pub more: bool,
}

/// The broadcasts.
#[async_trait]
pub trait Broadcasts: Send + Sync {
    /// Stores a new broadcast. Answers its id, and whether an earlier call with the same key stored it.
    async fn create(
        &self,
        new: NewBroadcast,
        key: Option<IdempotencyKey>,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<(BroadcastId, bool), AcceptError>;
    /// One broadcast.
    async fn broadcast(&self, id: BroadcastId) -> Result<Option<Broadcast>, StoreError>;
    /// A page of them, newest first.
    async fn broadcasts(
        &self,
        filter: BroadcastFilter,
        limit: usize,
    ) -> Result<Vec<Broadcast>, StoreError>;
    /// Those that whoever expands them must look after: what runs, is held, or was ended and has something left.
    async fn alive(&self, now: UnixMs) -> Result<Vec<Broadcast>, StoreError>;
    /// Keeps rows; durable when answered.
    async fn append(
        &self,
        id: BroadcastId,
        append: Append,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<Broadcast, ChangeError<AppendRefused>>;
    /// Keeps a part of a page of followers as rows, each openid once. Answers whether it belonged there.
    async fn follow(
        &self,
        id: BroadcastId,
        follow: Follow,
        now: UnixMs,
    ) -> Result<bool, StoreError>;
    /// Bytes of the rows from there on, at least one while there are any, and about as many as wanted.
    async fn rows(&self, id: BroadcastId, from: u64, about: usize) -> Result<Vec<u8>, StoreError>;
    /// The first bad and refused rows by their lines.
    async fn bad_rows(&self, id: BroadcastId, limit: usize) -> Result<Vec<BadRow>, StoreError>;
    /// Applies a wish; durable when answered.
    async fn wish(
        &self,
        id: BroadcastId,
        wish: Wish,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<Broadcast, ChangeError<WishRefused>>;
    /// Makes at most `limit` messages stand as the broadcast's state says: held while it is paused, let go while it runs,
    /// cancelled once it is. What ended is also rid of its rows, a little at a time.
    async fn enforce(
        &self,
        id: BroadcastId,
        limit: usize,
        now: UnixMs,
    ) -> Result<Enforced, StoreError>;
}
