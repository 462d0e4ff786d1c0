//! Forgetting a recipient: what is known of the user goes, and messages stay as records that name nobody.
//! A message that is under way is left alone until it is not: it cannot be sent, or repeated, or joined with a receipt that
//! names no message, without whom it is for. The store remembers whose are left, and they are looked at again.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::delivery::Delivery;
use crate::kind::{Kind, ReceiptBy};
use crate::message::{AccountName, Content, Status};
use crate::observer::{Event, Observer};
use crate::port::{AcceptError, Nonce, StoreError, Swept};
use crate::time::{Clock, UnixMs};

/// What stands in an openid's place begins with this; no openid of WeChat's does.
pub const PSEUDONYM: &str = "forgotten-";
/// The most messages that one transaction rewrites.
pub const BATCH: usize = 200;
/// The pause between two looks for users who left or are not forgotten whole, and the most of either in one.
const ROUND: Duration = Duration::from_secs(60);
const AT_ONCE: usize = 500;
/// No users are forgotten because they left.
const NEVER: u64 = u64::MAX;

/// Who is to be forgotten, and as whom the records go on.
#[derive(Clone, PartialEq, Eq)]
pub struct Whom {
    /// Whose recipient.
    pub account: AccountName,
    /// The openid.
    pub openid: String,
    /// What stands in its place from now on.
    pub pseudonym: String,
    /// Messages that were accepted later are not meant: they are new.
    pub until: UnixMs,
}

hongyan_wechat::debug_without!(
    Whom: account, pseudonym, until; openid
);

impl Whom {
    /// A recipient, with a pseudonym that leads nowhere. `random` makes it.
    #[must_use]
    pub fn new(account: AccountName, openid: String, random: u64, until: UnixMs) -> Self {
        let pseudonym = format!("{PSEUDONYM}{random:016x}");
        Self {
            account,
            openid,
            pseudonym,
            until,
        }
    }
}

/// What a step of forgetting did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// So many messages name nobody now.
    pub messages: usize,
    /// Those of them that waited, and were cancelled.
    pub cancelled: Vec<Swept>,
    /// So many rows of broadcasts will be no messages.
    pub rows: usize,
    /// So many are under way, in doubt, or wait for a receipt that names nobody else: they are as they were.
    pub under_way: usize,
    /// Whether there are more to be looked at.
    pub more: bool,
}

/// What becomes of a message whose recipient is to be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It names nobody from now on.
    Scrub,
    /// It waits, so it is cancelled first.
    Cancel,
    /// It is under way, or in doubt.
    Leave,
}

/// What becomes of a message that stands like this.
#[must_use]
pub fn fate(kind: Kind, delivery: &Delivery) -> Fate {
    match delivery.status {
        Status::Sending => Fate::Leave,
        Status::Queued if delivery.doubtful() => Fate::Leave,
        Status::Queued => Fate::Cancel,
        // Its receipt finds it by the openid alone.
        Status::Sent if kind.traits().receipt == ReceiptBy::Match && !delivery.is_over() => {
            Fate::Leave
        }
        _ => Fate::Scrub,
    }
}

/// The content without whom it was for and what it said.
#[must_use]
pub fn scrubbed(content: &Content, pseudonym: &str) -> Content {
    Content {
        touser: pseudonym.to_owned(),
        url: None,
        miniprogram: None,
        data: "{}".to_owned(),
        extras: None,
        reference: None,
        ..content.clone()
    }
}

/// A store that can forget.
#[async_trait]
pub trait Forgetting: Send + Sync {
    /// Forgets a recipient, at most `limit` messages at a time. The first time suppressions, credits, flags and all that
    /// was heard go; the last time, receipts that found no message. In between it is remembered as
    /// [`unfinished`](Self::unfinished). Durable when answered.
    async fn forget(
        &self,
        whom: &Whom,
        limit: usize,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<Forgotten, AcceptError>;
    /// Blanks the rows of recipients in an account's broadcasts that have not ended, so that none becomes a message any more.
    /// Answers how many.
    async fn forget_rows(
        &self,
        account: &AccountName,
        openids: HashSet<String>,
        now: UnixMs,
    ) -> Result<usize, StoreError>;
    /// Recipients of whom something is left because it was under way.
    async fn unfinished(&self, limit: usize) -> Result<Vec<Whom>, StoreError>;
    /// Users who left before this moment and are not forgotten, those first who left first.
    async fn departed(
        &self,
        left_before: UnixMs,
        limit: usize,
    ) -> Result<Vec<(AccountName, String)>, StoreError>;
}

/// How long users are remembered after they left. It may change while the program runs.
#[derive(Debug)]
pub struct AfterUnsubscribe {
    millis: AtomicU64,
    changed: Notify,
}

impl AfterUnsubscribe {
    /// So long; none: for good.
    #[must_use]
    pub fn new(after: Option<Duration>) -> Self {
        Self {
            millis: AtomicU64::new(millis(after)),
            changed: Notify::new(),
        }
    }

    /// So long from now on. Whoever left longer ago is forgotten at once.
    pub fn set(&self, after: Option<Duration>) {
        if self.millis.swap(millis(after), Ordering::Relaxed) != millis(after) {
            self.changed.notify_one();
        }
    }

    /// How long at present.
    #[must_use]
    pub fn get(&self) -> Option<Duration> {
        let millis = self.millis.load(Ordering::Relaxed);
        (millis != NEVER).then(|| Duration::from_millis(millis))
    }
}

fn millis(after: Option<Duration>) -> u64 {
    let millis = after.map(|after| u64::try_from(after.as_millis()).unwrap_or(NEVER));
    millis.unwrap_or(NEVER)
}

/// Forgets recipients, at a person's word or when they left long ago.
pub struct Forgetter {
    /// Where they are known.
    pub store: Arc<dyn Forgetting>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whoever watches.
    pub observer: Arc<dyn Observer>,
    /// How long users are remembered after they left.
    pub after_unsubscribe: Arc<AfterUnsubscribe>,
    /// What is done to the end even if nobody waits for it any more.
    pub tasks: TaskTracker,
}

impl Forgetter {
    /// Forgets a recipient of this account, as far as messages allow it; the rest follows as they end. Answers the
    /// pseudonym, and what was done. A caller who hangs up stops nothing.
    ///
    /// # Errors
    /// [`AcceptError`]; what was forgotten before it stays so.
    pub async fn forget(
        self: &Arc<Self>,
        account: AccountName,
        openid: String,
        nonce: Option<Nonce>,
    ) -> Result<(Whom, Forgotten), AcceptError> {
        let this = Arc::clone(self);
        let whom = Whom::new(account, openid, rand::random(), self.clock.now());
        let forgetting = async move { this.forget_whole(whom, nonce).await };
        let forgotten = self.tasks.spawn(forgetting).await;
        forgotten.map_err(|error| StoreError::Unavailable(error.to_string()))?
    }

    async fn forget_whole(
        &self,
        mut whom: Whom,
        nonce: Option<Nonce>,
    ) -> Result<(Whom, Forgotten), AcceptError> {
        let mut all = self.step(&whom, nonce).await?;
        let openids = HashSet::from([whom.openid.clone()]);
        let now = self.clock.now();
        let rows = self.store.forget_rows(&whom.account, openids, now).await?;
        // A row that became a message meanwhile is meant too.
        whom.until = self.clock.now();
        self.rest(&whom, &mut all).await?;
        all.rows = rows;
        all.more = false;
        Ok((whom, all))
    }

    async fn rest(&self, whom: &Whom, all: &mut Forgotten) -> Result<(), AcceptError> {
        loop {
            let step = self.step(whom, None).await?;
            all.messages += step.messages;
            all.cancelled.extend(step.cancelled);
            all.under_way = step.under_way;
            if !step.more {
                return Ok(());
            }
        }
    }

    async fn step(&self, whom: &Whom, nonce: Option<Nonce>) -> Result<Forgotten, AcceptError> {
        let now = self.clock.now();
        let step = self.store.forget(whom, BATCH, nonce, now).await?;
        for one in &step.cancelled {
            self.observer.observe(&Event::Moved {
                id: one.id,
                account: one.account.clone(),
                status: one.status,
                reason: one.reason,
                msgid: None,
            });
        }
        Ok(step)
    }

    /// Forgets those who left long ago, and what is left of others, until told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(ROUND) => {}
                () = self.after_unsubscribe.changed.notified() => {}
            }
            match self.round().await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "users who left were forgotten"),
                Err(error) => tracing::warn!(%error, "cannot forget those who are to be forgotten"),
            }
        }
    }

    /// One look; answers how many were forgotten because they had left.
    ///
    /// # Errors
    /// [`AcceptError`].
    pub async fn round(&self) -> Result<usize, AcceptError> {
        for whom in self.store.unfinished(AT_ONCE).await? {
            self.rest(&whom, &mut Forgotten::default()).await?;
        }
        let Some(after) = self.after_unsubscribe.get() else {
            return Ok(0);
        };
        let now = self.clock.now();
        let left = self.store.departed(now.minus(after), AT_ONCE).await?;
        let mut of_account: BTreeMap<AccountName, HashSet<String>> = BTreeMap::new();
        for (account, openid) in &left {
            let openids = of_account.entry(account.clone()).or_default();
            openids.insert(openid.clone());
        }
        for (account, openids) in of_account {
            self.store.forget_rows(&account, openids, now).await?;
        }
        let count = left.len();
        for (account, openid) in left {
            let whom = Whom::new(account, openid, rand::random(), self.clock.now());
            self.rest(&whom, &mut Forgotten::default()).await?;
        }
        Ok(count)
    }
}
