//! A broadcast: one request that becomes many messages. Here is what it is, where it stands, and every step it may take,
//! as pure functions; how its rows are read and become messages is in the modules below. A store applies the steps.

pub mod expand;
mod forecast;
pub mod port;
pub mod recipe;
pub mod rows;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::message::{AccountName, Kind, MessageId, Priority, Status, words};
use crate::time::UnixMs;

/// A broadcast's id: when it was made, and chance; so ids sort by time. Shown as 16 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BroadcastId(i64);

/// How many of an id's bits are chance; those above them are milliseconds, enough for another century.
const CHANCE_BITS: u32 = 21;

impl BroadcastId {
    /// An id for a broadcast made at `now`.
    #[must_use]
    pub fn new(now: UnixMs) -> Self {
        let chance = i64::from(rand::random::<u32>() >> (u32::BITS - CHANCE_BITS));
        Self((now.0.max(0) << CHANCE_BITS | chance) & i64::MAX)
    }

    /// All that were made before `now` come before this one.
    #[must_use]
    pub const fn first_of(now: UnixMs) -> Self {
        Self(now.0 << CHANCE_BITS)
    }

    /// The number that a store keeps.
    #[must_use]
    pub const fn number(self) -> i64 {
        self.0
    }

    /// The id in the place of a message's, where what a key stored is kept.
    #[must_use]
    pub fn as_message_id(self) -> MessageId {
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&self.0.to_be_bytes());
        MessageId::from_bytes(bytes)
    }

    /// The id that stood in the place of a message's.
    #[must_use]
    pub fn of_message_id(id: MessageId) -> Option<Self> {
        let (before, number) = id.as_bytes().split_at(8);
        let number = i64::from_be_bytes(number.try_into().ok()?);
        (before == [0; 8]).then_some(Self(number))
    }

    /// The id of a number that a store kept.
    #[must_use]
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }
}

impl fmt::Display for BroadcastId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The text is not a broadcast's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a broadcast's id: 16 hex digits were expected")]
pub struct NotABroadcastId;

impl FromStr for BroadcastId {
    type Err = NotABroadcastId;

    fn from_str(text: &str) -> Result<Self, NotABroadcastId> {
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = i64::from_str_radix(text, 16).ok().filter(|_| digits);
        number.map(Self).ok_or(NotABroadcastId)
    }
}

/// Which row of which broadcast a message was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BroadcastRow {
    /// The broadcast.
    pub id: BroadcastId,
    /// The row, counted from 0 without the bad ones.
    pub row: u64,
}

words! {
    /// Where a broadcast stands.
    State {
        /// It has no recipients yet.
        Draft = "draft",
        /// Some of its rows are here.
        Uploading = "uploading",
        /// All of its rows are here; it waits to be started.
        Ready = "ready",
        /// Its rows become messages, or their messages are being sent.
        Running = "running",
        /// Nothing of it is sent until it is resumed.
        Paused = "paused",
        /// Every row has become a message, and none of them waits.
        Done = "done",
        /// What had not been sent will not be.
        Cancelled = "cancelled",
    }
}

impl State {
    /// Whether nothing more will be made of its rows.
    #[must_use]
    pub fn ended(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled)
    }
}

words! {
    /// Where its recipients come from.
    Source {
        /// Rows that are handed over.
        Rows = "rows",
        /// Everybody who follows the account when it is started.
        Followers = "followers",
    }
}

/// What is wished of a broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Begin. Once begun, it changes nothing.
    Start,
    /// Hold everything that has not been sent.
    Pause,
    /// Go on.
    Resume,
    /// Cancel everything that has not been sent.
    Cancel,
    /// Everything was done: the wish of whoever expands it.
    Finish,
}

/// The broadcast does not allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WishRefused {
    /// Its state does not.
    #[error("the broadcast is {0}")]
    State(State),
    /// Rows are missing.
    #[error(
        "the broadcast is {0}: hand over all of its rows first, the last of them with last=true"
    )]
    Incomplete(State),
    /// It has no row that could be sent.
    #[error("the broadcast has no row that can be sent")]
    Empty,
}

/// How much of the rows is here.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Upload {
    /// So many bytes are stored; the next come at this offset.
    pub stored: u64,
    /// Nothing more will come.
    pub complete: bool,
    /// So far they were looked through, up to the end of a row.
    pub seen: Place,
    /// The header's columns after `openid`; none until the header is here.
    pub columns: Option<Vec<String>>,
    /// So many of the rows are good.
    pub rows: u64,
    /// So many are bad and will be passed over.
    pub bad: u64,
    /// For all followers: after whom to go on asking.
    pub next_openid: Option<String>,
}

hongyan_wechat::debug_without!(Upload: stored, complete, seen, columns, rows, bad; next_openid);

/// A place in the rows: the beginning of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// So many bytes lie before it.
    pub byte: u64,
    /// So many line ends lie before it.
    pub lines: u64,
}

/// How far the rows have become messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Where the next row begins.
    pub place: Place,
    /// So many good rows lie before it.
    pub row: u64,
}

/// What became of the rows. Kept with every change of a message, so that nobody has to count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows that became messages.
    pub accepted: u64,
    /// Rows whose values no message may have.
    pub refused: u64,
    /// With WeChat, its receipt awaited or not to be expected.
    pub sent: u64,
    /// Received.
    pub delivered: u64,
    /// Refused for good.
    pub failed: u64,
    /// Not sent, because the recipient is suppressed.
    pub suppressed: u64,
    /// Cancelled before they were sent.
    pub cancelled: u64,
    /// Too late to be sent.
    pub expired: u64,
    /// Nobody can tell.
    pub unconfirmed: u64,
}

impl Progress {
    /// Messages that wait or are being sent.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.accepted.saturating_sub(self.settled())
    }

    /// Messages that are with WeChat or have ended.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.sent
            + self.delivered
            + self.failed
            + self.suppressed
            + self.cancelled
            + self.expired
            + self.unconfirmed
    }

    /// Counts messages in a status, by so many more or fewer. What waits is what is left over.
    pub fn count(&mut self, status: Status, more: i64) {
        if let Some(counter) = self.counter(status) {
            *counter = counter.saturating_add_signed(more);
        }
    }

    fn counter(&mut self, status: Status) -> Option<&mut u64> {
        match status {
            Status::Queued | Status::Sending => None,
            Status::Sent => Some(&mut self.sent),
            Status::Delivered => Some(&mut self.delivered),
            Status::Failed => Some(&mut self.failed),
            Status::Suppressed => Some(&mut self.suppressed),
            Status::Cancelled => Some(&mut self.cancelled),
            Status::Expired => Some(&mut self.expired),
            Status::Unconfirmed => Some(&mut self.unconfirmed),
        }
    }
}

/// A broadcast about to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct NewBroadcast {
    /// Its id, unless it turns out to be known already.
    pub id: BroadcastId,
    /// What it is.
    pub order: Order,
}

/// What a caller asked for; it never changes.
#[derive(Clone, PartialEq)]
pub struct Order {
    /// The account that sends.
    pub account: AccountName,
    /// The client that asked.
    pub client: String,
    /// Where its recipients come from.
    pub source: Source,
    /// A message as a caller writes one, without its recipient; its texts may name columns.
    pub recipe: Map<String, Value>,
    /// At most so many messages a second; none for as fast as they go.
    pub rate: Option<u32>,
    /// Not to begin before.
    pub send_at: Option<UnixMs>,
    /// Nothing of it is sent after.
    pub expires_at: Option<UnixMs>,
}

hongyan_wechat::debug_without!(
    Order: account, client, source, rate, send_at, expires_at; recipe
);

impl Order {
    /// The template as it is written, which may name columns.
    pub fn template_id(&self) -> &str {
        let id = self.recipe.get("template_id");
        id.and_then(Value::as_str).unwrap_or_default()
    }

    /// How urgent its messages are, unless the rows say that.
    #[must_use]
    pub fn priority(&self) -> Option<Priority> {
        let word = self.recipe.get("priority")?;
        Priority::deserialize(word).ok()
    }

    /// What sort of messages they are.
    #[must_use]
    pub fn kind(&self) -> Kind {
        let word = self.recipe.get("kind");
        let kind = word.and_then(|word| Kind::deserialize(word).ok());
        kind.unwrap_or(Kind::Template)
    }
}

/// A broadcast as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Broadcast {
    /// Its id.
    pub id: BroadcastId,
    /// When it was made.
    pub created_at: UnixMs,
    /// What was asked for.
    pub order: Arc<Order>,
    /// Where it stands.
    pub state: State,
    /// How much of its rows is here.
    pub upload: Upload,
    /// How far its rows have become messages.
    pub cursor: Cursor,
    /// What became of them.
    pub progress: Progress,
    /// When it was first started.
    pub started_at: Option<UnixMs>,
    /// Since when it has been running without a pause.
    pub running_since: Option<UnixMs>,
    /// So many of its messages were settled by then.
    pub settled_before: u64,
    /// When it was done or cancelled.
    pub ended_at: Option<UnixMs>,
    /// So many of its rows were forgotten with their recipients.
    pub blanked: u64,
    /// So many of its messages are queued and due within a moment, or of one that is paused not held; counted up to a bound,
    /// and only for whoever expands it.
    pub due: u64,
}

impl Broadcast {
    /// A broadcast that was just made.
    #[must_use]
    pub fn begin(new: NewBroadcast, now: UnixMs) -> Self {
        let state = match new.order.source {
            Source::Rows => State::Draft,
            Source::Followers => State::Ready,
        };
        Self {
            id: new.id,
            created_at: now,
            order: Arc::new(new.order),
            state,
            upload: Upload::default(),
            cursor: Cursor::default(),
            progress: Progress::default(),
            started_at: None,
            running_since: None,
            settled_before: 0,
            ended_at: None,
            blanked: 0,
            due: 0,
        }
    }

    /// Applies a wish. Answers whether it changed anything.
    pub fn apply(&mut self, wish: Wish, now: UnixMs) -> Result<bool, WishRefused> {
        use State::{Cancelled, Done, Draft, Paused, Ready, Running, Uploading};
        let next = match (wish, self.state) {
            (Wish::Start, Draft | Uploading) => return Err(WishRefused::Incomplete(self.state)),
            (Wish::Start, Ready) if self.is_empty() => return Err(WishRefused::Empty),
            (Wish::Start, Ready) | (Wish::Resume, Paused) => Running,
            (Wish::Pause, Running) => Paused,
            (Wish::Cancel, Draft | Uploading | Ready | Running | Paused) => Cancelled,
            (Wish::Finish, Running) => Done,
            // Done already, or on its way: to ask twice is no error.
            (Wish::Start, Running | Paused | Done)
            | (Wish::Pause, Paused)
            | (Wish::Resume, Running)
            | (Wish::Cancel, Cancelled)
            | (Wish::Finish, _) => return Ok(false),
            (_, state) => return Err(WishRefused::State(state)),
        };
        self.state = next;
        if next == Running {
            self.started_at.get_or_insert(now);
            self.running_since = Some(now);
            self.settled_before = self.progress.settled();
        } else {
            self.running_since = None;
        }
        if next.ended() {
            self.ended_at = Some(now);
        }
        Ok(true)
    }

    /// Takes note of rows that came. The caller has checked that they fit where they came.
    pub fn took(&mut self, upload: Upload) {
        self.state = if upload.complete && self.order.source == Source::Rows {
            State::Ready
        } else if self.state == State::Draft {
            State::Uploading
        } else {
            self.state
        };
        self.upload = upload;
    }

    /// Whether rows may come.
    #[must_use]
    pub fn takes_rows(&self) -> bool {
        self.order.source == Source::Rows && matches!(self.state, State::Draft | State::Uploading)
    }

    /// Whether nobody has started it yet.
    #[must_use]
    pub const fn is_unstarted(&self) -> bool {
        matches!(self.state, State::Draft | State::Uploading | State::Ready)
    }

    /// Good rows that have not become messages.
    #[must_use]
    pub fn rows_left(&self) -> u64 {
        self.upload.rows.saturating_sub(self.cursor.row)
    }

    /// Whether nothing more may become a message, because what it says is of yesterday.
    #[must_use]
    pub fn is_too_late(&self, now: UnixMs) -> bool {
        self.order.expires_at.is_some_and(|at| now >= at)
    }

    /// Good rows that will not become messages, because it is too late for them.
    #[must_use]
    pub fn rows_expired(&self, now: UnixMs) -> u64 {
        let too_late = match self.state {
            State::Running | State::Paused => self.is_too_late(now),
            // For nothing else it is done with rows left.
            State::Done => true,
            State::Draft | State::Uploading | State::Ready | State::Cancelled => false,
        };
        if too_late { self.rows_left() } else { 0 }
    }

    /// Whether every row has become a message or cannot become one.
    #[must_use]
    pub fn is_expanded(&self) -> bool {
        self.upload.complete && self.rows_left() == 0
    }

    /// Until when the key that it was ordered with names it: as long as it has not ended, and a day. A repeat that did not
    /// find it would be sent a second time.
    #[must_use]
    pub fn key_until(&self, now: UnixMs) -> UnixMs {
        self.ended_at.unwrap_or(now).plus(KEY_AFTER_END)
    }

    /// Until when what is due of it is counted, in Unix milliseconds; of one that is paused, until all that is not held.
    #[must_use]
    pub fn due_until(&self, now: UnixMs) -> i64 {
        match self.state {
            State::Paused => port::HELD_MS - 1,
            _ => now.0.saturating_add(port::DUE_WITHIN_MS),
        }
    }

    fn is_empty(&self) -> bool {
        self.order.source == Source::Rows && self.upload.rows == 0
    }
}

/// How long after its end a broadcast's key still names it.
const KEY_AFTER_END: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests;
