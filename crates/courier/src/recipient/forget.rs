//! Forgetting a recipient: what is known of the user goes, and messages stay as records that name nobody.
//! A message that is under way is left alone until it is not: it cannot be sent, or repeated, without whom it is for.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::delivery::Delivery;
use crate::message::{AccountName, Content, Status};
use crate::observer::{Event, Observer};
use crate::port::{AcceptError, Nonce, StoreError, Swept};
use crate::time::{Clock, UnixMs};

/// What stands in an openid's place begins with this; no openid of WeChat's does.
pub const PSEUDONYM: &str = "forgotten-";
/// The most messages that one transaction rewrites.
pub const BATCH: usize = 200;
/// The pause between two looks for users who left, and the most that are forgotten in one.
const ROUND: Duration = Duration::from_secs(60);
const AT_ONCE: usize = 500;

/// Who is to be forgotten, and as whom the records go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whom {
    /// Whose recipient.
    pub account: AccountName,
    /// The openid.
    pub openid: String,
    /// What stands in its place from now on.
    pub pseudonym: String,
}

impl Whom {
    /// A recipient, with a pseudonym that leads nowhere. `random` makes it.
    #[must_use]
    pub fn new(account: AccountName, openid: String, random: u64) -> Self {
        let pseudonym = format!("{PSEUDONYM}{random:016x}");
        Self {
            account,
            openid,
            pseudonym,
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
    /// So many are under way, or in doubt: they are as they were.
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
pub fn fate(delivery: &Delivery) -> Fate {
    match delivery.status {
        Status::Sending => Fate::Leave,
        Status::Queued if delivery.doubtful() => Fate::Leave,
        Status::Queued => Fate::Cancel,
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
    /// Forgets a recipient, at most `limit` messages at a time: suppressions, credits, flags and all that was heard go at
    /// once. Durable when answered. Not to be called again while it answers that there is no more.
    async fn forget(
        &self,
        whom: &Whom,
        limit: usize,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<Forgotten, AcceptError>;
    /// Users who left before this moment and are not forgotten, those first who left first.
    async fn departed(
        &self,
        left_before: UnixMs,
        limit: usize,
    ) -> Result<Vec<(AccountName, String)>, StoreError>;
}

/// Forgets recipients, at a person's word or when they left long ago.
pub struct Forgetter {
    /// Where they are known.
    pub store: Arc<dyn Forgetting>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whoever watches.
    pub observer: Arc<dyn Observer>,
    /// How long users are remembered after they left; none: for good.
    pub after_unsubscribe: Option<Duration>,
}

impl Forgetter {
    /// Forgets a recipient whole, as far as messages allow it.
    ///
    /// # Errors
    /// [`AcceptError`]; what was forgotten before it stays so.
    pub async fn forget(
        &self,
        whom: &Whom,
        mut nonce: Option<Nonce>,
    ) -> Result<Forgotten, AcceptError> {
        let mut all = Forgotten::default();
        loop {
            let now = self.clock.now();
            let step = self.store.forget(whom, BATCH, nonce.take(), now).await?;
            for one in &step.cancelled {
                self.observer.observe(&Event::Moved {
                    id: one.id,
                    account: one.account.clone(),
                    status: one.status,
                    reason: one.reason,
                    msgid: None,
                });
            }
            all.messages += step.messages;
            all.cancelled.extend(step.cancelled);
            all.under_way = step.under_way;
            if !step.more {
                return Ok(all);
            }
        }
    }

    /// Forgets those who left long ago, until told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        let Some(after) = self.after_unsubscribe else {
            return;
        };
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(ROUND) => {}
            }
            match self.round(after).await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "users who left were forgotten"),
                Err(error) => tracing::warn!(%error, "cannot forget those who left"),
            }
        }
    }

    /// One look; answers how many were forgotten.
    ///
    /// # Errors
    /// [`AcceptError`].
    pub async fn round(&self, after: Duration) -> Result<usize, AcceptError> {
        let before = self.clock.now().minus(after);
        let left = self.store.departed(before, AT_ONCE).await?;
        let count = left.len();
        for (account, openid) in left {
            let whom = Whom::new(account, openid, rand::random());
            self.forget(&whom, None).await?;
        }
        Ok(count)
    }
}
