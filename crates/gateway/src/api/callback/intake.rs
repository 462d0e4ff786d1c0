//! Takes an event in within the time that WeChat allows: into the store, or onto the spool when that is slow or away.
//! What lies on the spool is taken into the store, in order, as soon as it can be. It must not judge whose event it is.

use std::time::Duration;

use hongyan_courier::port::{AcceptError, Nonce, StoreError};
use hongyan_courier::receipt::ReceiptTaken;
use hongyan_courier::time::UnixMs;
use hongyan_wechat::callback::event::{self, Event};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::asking::{Asked, Told};
use super::told::told_by;
use super::{CallbackAccount, Callbacks, people};
use crate::metrics::spooled_events;

/// What the store may take of the five seconds that WeChat waits.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// So many are taken from the spool at once, which the store makes durable together.
const REPLAYED_AT_ONCE: usize = 256;
/// The pause when the store is still away.
const REPLAY_PAUSE: Duration = Duration::from_millis(500);

/// Where an event is kept.
pub(super) enum Kept {
    InTheStore,
    /// Whoever replies to it is to be asked now.
    OnTheSpool(Option<Asked>),
}

/// An event as it lies on the spool.
#[derive(Serialize, Deserialize)]
struct Spooled {
    account: String,
    /// The plain body.
    body: String,
    nonce: Option<SpooledNonce>,
}

#[derive(Serialize, Deserialize)]
struct SpooledNonce {
    nonce: String,
    expires_at: i64,
    body: Option<[u8; 32]>,
}

impl Callbacks {
    /// Keeps an event; durable when answered.
    pub(super) async fn take(
        &self,
        account: &CallbackAccount,
        (event, body): (&Event, &[u8]),
        nonce: Option<Nonce>,
    ) -> Result<Kept, AcceptError> {
        // While others wait on the spool the store is not asked: it is away, and they come first.
        if self.spool.is_empty() {
            let keeping = self.keep_and_pass_on(account, (event, body), nonce.clone(), false);
            match tokio::time::timeout(PATIENCE, keeping).await {
                Ok(Err(AcceptError::Store(error))) => {
                    tracing::warn!(account = %account.name, %error, "an event goes onto the spool");
                }
                Ok(kept) => return kept.map(|()| Kept::InTheStore),
                Err(_) => {
                    tracing::warn!(account = %account.name, "the store is slow: an event goes onto the spool");
                }
            }
        }
        if !nonce.as_ref().is_none_or(|nonce| self.spooled.take(nonce)) {
            return Err(AcceptError::NonceSeen);
        }
        let spooled = Spooled {
            account: account.name.to_string(),
            body: String::from_utf8_lossy(body).into_owned(),
            nonce: nonce.map(|nonce| SpooledNonce {
                nonce: nonce.nonce,
                expires_at: nonce.expires_at.0,
                body: nonce.body,
            }),
        };
        let record = serde_json::to_vec(&spooled).map_err(|error| unavailable(&error))?;
        let replied_to = account.hub.is_replied_to(event.name());
        let asked =
            replied_to.then(|| self.asking.begin(&spooled.account, spooled.body.as_bytes()));
        let appended = self.spool.append(record).await;
        appended.map_err(|error| unavailable(&error))?;
        spooled_events(self.spool.len());
        Ok(Kept::OnTheSpool(asked))
    }

    /// What an event tells of messages is kept; whoever asks for anything else may have it after that. Whoever replies is
    /// told so only where it is too `late` to be asked.
    async fn keep_and_pass_on(
        &self,
        account: &CallbackAccount,
        (event, body): (&Event, &[u8]),
        nonce: Option<Nonce>,
        late: bool,
    ) -> Result<(), AcceptError> {
        self.keep(account, event, nonce).await?;
        let passing = account.hub.pass_on(event.name(), body, late);
        passing.await.map_err(|error| unavailable(&error))
    }

    /// Keeps what an event tells, and spends the nonce it came with.
    pub async fn keep(
        &self,
        account: &CallbackAccount,
        event: &Event,
        mut nonce: Option<Nonce>,
    ) -> Result<Vec<ReceiptTaken>, AcceptError> {
        let mut taken = Vec::new();
        if let Some((openid, news)) = people::news(event) {
            let hearing = self
                .hearing
                .hear(&account.name, &openid, news, nonce.take());
            hearing.await?;
        }
        if let Some(policy) = account.receipts {
            for receipt in told_by(event, &account.name, policy) {
                taken.push(self.receipts.receive(receipt, nonce.take()).await?);
            }
        }
        // Whatever else it says has no effect; its address must not serve for another body all the same.
        if let Some(nonce) = nonce {
            self.ledger.spend(nonce, self.now()).await?;
        }
        Ok(taken)
    }

    /// Takes what lies on the spool into the store, until `stop`.
    pub async fn replay(&self, stop: CancellationToken) {
        loop {
            spooled_events(self.spool.len());
            let replaying = async {
                if self.spool.is_empty() {
                    self.spooled.forget();
                    self.asking.forget();
                }
                self.spool.filled().await;
                if !self.replay_some().await {
                    tokio::time::sleep(REPLAY_PAUSE).await;
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = replaying => {}
            }
        }
    }

    /// Answers whether it went well.
    async fn replay_some(&self) -> bool {
        let records = match self.spool.peek(REPLAYED_AT_ONCE).await {
            Ok(records) => records,
            Err(error) => {
                tracing::error!(%error, "cannot read the spool");
                return false;
            }
        };
        let replaying = records.iter().map(|record| self.replay_one(record));
        let done = futures::future::join_all(replaying).await;
        let taken = done.iter().take_while(|done| **done).count();
        if let Err(error) = self.spool.pop(taken).await {
            tracing::error!(%error, "cannot shorten the spool");
            return false;
        }
        taken == records.len()
    }

    /// Answers whether it is done with, for good or ill.
    async fn replay_one(&self, record: &[u8]) -> bool {
        let Ok(spooled) = serde_json::from_slice::<Spooled>(record) else {
            tracing::error!("what lies on the spool cannot be read: dropped");
            return true;
        };
        let body = spooled.body.as_bytes();
        let Some(account) = self.accounts.get(&spooled.account) else {
            tracing::warn!(
                account = spooled.account,
                "an event's account is gone: dropped"
            );
            return true;
        };
        let Ok(event) = event::parse(body) else {
            return true;
        };
        let nonce = spooled.nonce.map(|nonce| Nonce {
            owner: owner(account),
            nonce: nonce.nonce,
            expires_at: UnixMs(nonce.expires_at),
            body: nonce.body,
            act: None,
        });
        let late = match self.asking.told(&spooled.account, body) {
            Told::UnderWay => return false,
            Told::Done => false,
            Told::Not => true,
        };
        let keeping = self.keep_and_pass_on(account, (&event, body), nonce, late);
        match keeping.await {
            Ok(()) => true,
            Err(AcceptError::Store(StoreError::Corrupt(error))) => {
                tracing::error!(account = %account.name, error, "an event cannot be kept: dropped");
                true
            }
            Err(AcceptError::Store(_)) => false,
            Err(error) => {
                tracing::warn!(account = %account.name, %error, "an event on the spool was refused");
                true
            }
        }
    }
}

/// Whose the nonces of an account's pushes are.
pub(super) fn owner(account: &CallbackAccount) -> String {
    format!("callback:{}", account.name)
}

fn unavailable(error: &dyn std::error::Error) -> AcceptError {
    AcceptError::Store(StoreError::Unavailable(error.to_string()))
}
