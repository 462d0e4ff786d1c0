//! Turns rows into messages, only as far ahead of the senders as they need: neither memory nor the queue grows with a
//! broadcast. Where it stands is in the store alone, so whoever takes over after a crash goes on exactly there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::port::{Broadcasts, DUE_COUNTED_MAX, Expansion, Follow};
use super::recipe::Press;
use super::rows::forget::is_forgotten;
use super::rows::{BadRow, Fault, Next, ROW_BYTES_MAX, Reader, Row};
use super::{Broadcast, BroadcastId, BroadcastRow, Order, Source, State, Wish};
use crate::accept::Acceptor;
use crate::message::{AccountName, Content, MessageId};
use crate::observer::{Event, Observer};
use crate::port::{Accept, AcceptError, ChangeError, NewMessage, StoreError};
use crate::time::{Clock, UnixMs};

/// The most messages that one transaction stores: everybody else's wait for it.
const BATCH: u64 = 200;
/// How many due messages of a broadcast may wait: enough for the fastest sender until the next look.
const AHEAD: u64 = DUE_COUNTED_MAX;
/// How many may wait at all, be it for a recipient's turn or for the morning.
const WAITING_MAX: u64 = 20_000;
/// How often it looks while something runs.
const LOOK: Duration = Duration::from_millis(20);
/// How often it looks while nothing does; whoever changes a broadcast wakes it.
const IDLE: Duration = Duration::from_secs(1);
/// How long it waits after WeChat did not list followers.
const FOLLOWERS_PAUSE: Duration = Duration::from_secs(10);
/// The most followers that one transaction keeps.
const FOLLOWERS_BATCH: usize = 500;
/// The most messages that one transaction holds, lets go or cancels.
const ENFORCE_BATCH: usize = 200;
/// At a rate, so much of a second's messages may go at once.
const BURST: f64 = 0.1;

/// Makes messages of what callers write.
pub trait Drafts: Send + Sync {
    /// The message of a row as a caller would have written it.
    fn draft(&self, order: &Order, body: &str, now: UnixMs) -> Result<Content, Undrafted>;
}

/// No message can be made of a row. Both say what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undrafted {
    /// The row is to blame: it is passed over.
    Refused(Fault),
    /// What is wrong may pass, because its template is stopped or its account is not configured: the row waits, as a
    /// message would.
    NotNow(Fault),
}

/// A page of followers as WeChat lists them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FollowerPage {
    /// Their openids; none on the page after the last.
    pub openids: Vec<String>,
    /// After whom the next page begins, if there may be one.
    pub next: Option<String>,
}

hongyan_wechat::debug_without!(
    FollowerPage: ; openids, next
);

/// Who follows an account.
#[async_trait]
pub trait Followers: Send + Sync {
    /// The page that begins after this follower, or why it cannot be had now.
    async fn page(
        &self,
        account: &AccountName,
        after: Option<&str>,
    ) -> Result<FollowerPage, String>;
}

/// What expanding is made of.
pub struct Parts {
    /// The broadcasts.
    pub broadcasts: Arc<dyn Broadcasts>,
    /// Where their messages come in.
    pub acceptor: Acceptor,
    /// Makes messages of rows.
    pub drafts: Arc<dyn Drafts>,
    /// Who follows an account.
    pub followers: Arc<dyn Followers>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whoever watches.
    pub observer: Arc<dyn Observer>,
    /// Told when a broadcast changed.
    pub wake: Arc<Notify>,
}

/// Expands broadcasts.
pub struct Expander {
    parts: Parts,
    paces: Mutex<HashMap<BroadcastId, Pace>>,
    /// Calls that list followers: a slow one holds up no other broadcast.
    asking: TaskTracker,
    stop: CancellationToken,
}

/// What is remembered of a broadcast between two looks; all of it may be forgotten.
#[derive(Debug)]
struct Pace {
    /// What its rate allows at present, in messages.
    allowed: f64,
    at: UnixMs,
    /// The state that its messages were brought to, and which run of it: a message that was held between two may still be.
    enforced: Option<(State, Option<UnixMs>)>,
    /// Its next row waits, and is not looked at before.
    rows_at: UnixMs,
    /// A page of followers is being asked for.
    asking: bool,
    followers_at: UnixMs,
}

impl Expander {
    /// An expander that remembers nothing yet, and works until told to stop.
    #[must_use]
    pub fn new(parts: Parts, stop: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            parts,
            paces: Mutex::default(),
            asking: TaskTracker::new(),
            stop,
        })
    }

    /// Expands until told to stop.
    pub async fn run(self: Arc<Self>) {
        loop {
            let runs = self.round().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "cannot look after broadcasts");
                false
            });
            let pause = if runs { LOOK } else { IDLE };
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = self.parts.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.asking.close();
        self.asking.wait().await;
    }

    /// Looks after every broadcast once. Answers whether one of them runs; the first error, where there are any.
    pub async fn round(self: &Arc<Self>) -> Result<bool, StoreError> {
        let alive = self.parts.broadcasts.alive(self.now()).await?;
        self.forget_all_but(&alive);
        let (mut runs, mut failed) = (false, None);
        for broadcast in &alive {
            runs |= broadcast.state == State::Running;
            // What is wrong with one is no reason to leave the others alone.
            if let Err(error) = self.tend(broadcast).await {
                failed.get_or_insert(error);
            }
        }
        failed.map_or(Ok(runs), Err)
    }

    async fn tend(self: &Arc<Self>, broadcast: &Broadcast) -> Result<(), StoreError> {
        self.enforce(broadcast).await?;
        if broadcast.state == State::Running {
            self.advance(broadcast).await?;
        }
        Ok(())
    }

    fn now(&self) -> UnixMs {
        self.parts.clock.now()
    }

    /// Makes the messages that were stored before stand as the broadcast's state says.
    async fn enforce(&self, broadcast: &Broadcast) -> Result<(), StoreError> {
        let stands = (broadcast.state, broadcast.running_since);
        let done = self.with_pace(broadcast, |pace| pace.enforced == Some(stands));
        match broadcast.state {
            State::Running if done => return Ok(()),
            // Messages come back from their calls to be held too.
            State::Paused if done && broadcast.due == 0 => return Ok(()),
            _ => {}
        }
        let state = loop {
            let (broadcasts, now) = (&self.parts.broadcasts, self.now());
            let enforced = broadcasts.enforce(broadcast.id, ENFORCE_BATCH, now).await?;
            for one in enforced.ended {
                self.parts.observer.observe(&Event::Moved {
                    id: one.id,
                    account: one.account,
                    status: one.status,
                    reason: one.reason,
                    msgid: None,
                });
            }
            if enforced.changed > 0 && enforced.state == Some(State::Running) {
                let slots = &self.parts.acceptor.slots;
                slots.waiting(&broadcast.order.account, now, now);
            }
            if !enforced.more {
                break enforced.state;
            }
        };
        let stands = (state == Some(stands.0)).then_some(stands);
        self.with_pace(broadcast, |pace| pace.enforced = stands);
        Ok(())
    }

    async fn advance(self: &Arc<Self>, broadcast: &Broadcast) -> Result<(), StoreError> {
        let now = self.now();
        if broadcast.order.send_at.is_some_and(|at| now < at) {
            return Ok(());
        }
        if broadcast.is_expanded() || broadcast.is_too_late(now) {
            if broadcast.progress.waiting() == 0 {
                self.finish(broadcast).await?;
            }
            return Ok(());
        }
        if broadcast.order.source == Source::Followers && !broadcast.upload.complete {
            self.ask_for_followers(broadcast);
        }
        self.expand(broadcast).await
    }

    async fn finish(&self, broadcast: &Broadcast) -> Result<(), StoreError> {
        let (broadcasts, now) = (&self.parts.broadcasts, self.now());
        match broadcasts.wish(broadcast.id, Wish::Finish, None, now).await {
            // Refused or gone: somebody else was faster.
            Ok(_) | Err(ChangeError::Refused(_) | ChangeError::NotFound) => Ok(()),
            Err(ChangeError::Store(error)) => Err(error),
            Err(ChangeError::NonceSeen) => Ok(()),
        }
    }

    /// Has the next page of followers asked for, unless that is under way.
    fn ask_for_followers(self: &Arc<Self>, broadcast: &Broadcast) {
        let now = self.now();
        let begins = self.with_pace(broadcast, |pace| {
            let begins = !pace.asking && now >= pace.followers_at;
            pace.asking |= begins;
            begins
        });
        if !begins {
            return;
        }
        let (this, broadcast) = (Arc::clone(self), broadcast.clone());
        self.asking.spawn(async move {
            let asked = tokio::select! {
                () = this.stop.cancelled() => Ok(()),
                asked = this.follow(&broadcast) => asked,
            };
            if let Err(error) = asked {
                tracing::warn!(%error, broadcast = %broadcast.id, "cannot keep followers");
            }
            this.with_pace(&broadcast, |pace| pace.asking = false);
            this.parts.wake.notify_one();
        });
    }

    /// Asks for the next page of followers and keeps it.
    async fn follow(&self, broadcast: &Broadcast) -> Result<(), StoreError> {
        let after = broadcast.upload.next_openid.clone();
        let account = &broadcast.order.account;
        let page = match self.parts.followers.page(account, after.as_deref()).await {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(%account, broadcast = %broadcast.id, error, "WeChat does not list the followers; asking again");
                let later = self.now().plus(FOLLOWERS_PAUSE);
                self.with_pace(broadcast, |pace| pace.followers_at = later);
                return Ok(());
            }
        };
        // WeChat may name somebody to go on after although nobody comes; a page after itself would never end.
        let ends = page.openids.is_empty() || page.next.is_none() || page.next == after;
        let mut parts: Vec<Vec<String>> = page
            .openids
            .chunks(FOLLOWERS_BATCH)
            .map(<[String]>::to_vec)
            .collect();
        let final_part = parts.pop().unwrap_or_default();
        for openids in parts {
            let part = Follow {
                openids,
                after: after.clone(),
                next: after.clone(),
                last: false,
            };
            if !self.keep(broadcast, part).await? {
                return Ok(());
            }
        }
        let next = page.next.or_else(|| after.clone());
        let part = Follow {
            openids: final_part,
            after,
            next,
            last: ends,
        };
        self.keep(broadcast, part).await.map(|_| ())
    }

    async fn keep(&self, broadcast: &Broadcast, part: Follow) -> Result<bool, StoreError> {
        let (broadcasts, now) = (&self.parts.broadcasts, self.now());
        broadcasts.follow(broadcast.id, part, now).await
    }

    /// Turns as many rows into messages as there is room for.
    async fn expand(&self, broadcast: &Broadcast) -> Result<(), StoreError> {
        let waiting = WAITING_MAX.saturating_sub(broadcast.progress.waiting());
        let mut room = AHEAD.saturating_sub(broadcast.due).min(waiting);
        let mut cursor = broadcast.cursor;
        let now = self.now();
        if self.with_pace(broadcast, |pace| now < pace.rows_at) {
            return Ok(());
        }
        while room > 0 {
            let wanted = self.allowed(broadcast, room.min(BATCH));
            if wanted == 0 {
                return Ok(());
            }
            let batch = self.read(broadcast, cursor, wanted).await?;
            let Some((expansion, messages)) = batch else {
                return Ok(());
            };
            let (count, to) = (messages.len() as u64, expansion.to);
            let call = Accept {
                nonce: None,
                idempotency: None,
                messages,
                broadcast: Some(expansion),
            };
            match self.parts.acceptor.accept(call).await {
                Ok(_) => {}
                // The store is busy with what matters more, or somebody paused or cancelled it: the next look will tell.
                Err(AcceptError::Store(StoreError::Overloaded) | AcceptError::BroadcastMoved) => {
                    return Ok(());
                }
                Err(AcceptError::Store(error)) => return Err(error),
                Err(error) => return Err(StoreError::Unavailable(error.to_string())),
            }
            self.spend(broadcast, count);
            cursor = to;
            room = room.saturating_sub(count.max(1));
        }
        Ok(())
    }

    /// The next rows, as messages; nothing if none is here.
    async fn read(
        &self,
        broadcast: &Broadcast,
        from: super::Cursor,
        wanted: u64,
    ) -> Result<Option<(Expansion, Vec<NewMessage>)>, StoreError> {
        let Some(columns) = &broadcast.upload.columns else {
            return Ok(None);
        };
        let broadcasts = &self.parts.broadcasts;
        let begin = from.place.byte;
        let piece = broadcasts
            .rows(broadcast.id, begin, 2 * ROW_BYTES_MAX)
            .await?;
        let whole = begin + piece.len() as u64 >= broadcast.upload.stored;
        let last = broadcast.upload.complete && whole;
        let unreadable =
            |what: String| StoreError::Corrupt(format!("the rows of {}: {what}", broadcast.id));
        let press = Press::new(&broadcast.order.recipe, columns)
            .map_err(|error| unreadable(error.to_string()))?;
        let mut reader = Reader::new(&piece, from.place, last);
        if begin == 0 {
            reader
                .header()
                .map_err(|error| unreadable(error.to_string()))?;
        }
        let (mut to, mut messages, mut refused) = (from, Vec::new(), Vec::new());
        while to.row - from.row < wanted {
            to.place = reader.place();
            match reader
                .next(columns)
                .map_err(|error| unreadable(error.to_string()))?
            {
                Next::Nothing => break,
                Next::Bad(_) => {}
                Next::Row(row) => {
                    match self.message(broadcast, &press, &row, to.row) {
                        Ok(message) => messages.push(message),
                        Err(Undrafted::Refused(fault)) => refused.push(BadRow {
                            line: row.line,
                            fault,
                        }),
                        Err(Undrafted::NotNow(fault)) => {
                            let problem = fault.english;
                            tracing::debug!(broadcast = %broadcast.id, line = row.line, problem, "a row waits");
                            let rows_at = self.now().plus(IDLE);
                            self.with_pace(broadcast, |pace| pace.rows_at = rows_at);
                            break;
                        }
                    }
                    to.row += 1;
                }
            }
            to.place = reader.place();
        }
        let expansion = Expansion {
            id: broadcast.id,
            from,
            to,
            refused,
            blanked: broadcast.blanked,
        };
        Ok((to != from).then_some((expansion, messages)))
    }

    fn message(
        &self,
        broadcast: &Broadcast,
        press: &Press,
        row: &Row,
        nth: u64,
    ) -> Result<NewMessage, Undrafted> {
        let now = self.now();
        let order = &broadcast.order;
        if is_forgotten(&row.openid) {
            let fault = Fault::new("its recipient was forgotten", "该用户的数据已删除");
            return Err(Undrafted::Refused(fault));
        }
        let mut content = self.parts.drafts.draft(order, &press.body(row), now)?;
        content.broadcast = Some(BroadcastRow {
            id: broadcast.id,
            row: nth,
        });
        Ok(NewMessage {
            not_before: None,
            id: MessageId::new(now),
            content: Arc::new(content),
            expires_at: order.expires_at,
            dedupe: None,
            permit: None,
        })
    }

    /// How many of the wanted messages the rate allows now.
    fn allowed(&self, broadcast: &Broadcast, wanted: u64) -> u64 {
        let Some(rate) = broadcast.order.rate.map(f64::from) else {
            return wanted;
        };
        let now = self.now();
        self.with_pace(broadcast, |pace| {
            let passed = now.since(pace.at).as_secs_f64();
            pace.allowed = (pace.allowed + passed * rate).min((rate * BURST).max(1.0));
            pace.at = now;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a small number that is not negative"
            )]
            let allowed = pace.allowed as u64;
            allowed.min(wanted)
        })
    }

    fn spend(&self, broadcast: &Broadcast, count: u64) {
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        self.with_pace(broadcast, |pace| {
            pace.allowed = (pace.allowed - count as f64).max(0.0);
        });
    }

    fn with_pace<T>(&self, broadcast: &Broadcast, look: impl FnOnce(&mut Pace) -> T) -> T {
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = || Pace {
            allowed: 1.0,
            at: self.now(),
            enforced: None,
            rows_at: UnixMs(0),
            asking: false,
            followers_at: UnixMs(0),
        };
        look(paces.entry(broadcast.id).or_insert_with(begun))
    }

    fn forget_all_but(&self, alive: &[Broadcast]) {
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        paces.retain(|id, _| alive.iter().any(|one| one.id == *id));
    }
}
