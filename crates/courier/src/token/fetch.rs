//! One fetch of an account's token: by one node at a time, remembered before it is made, and taken or refused after it.

use std::time::Duration;

use hongyan_wechat::error::CallError;

use super::refresh::RefreshError;
use super::{Account, IDLE, Keeper, budget, refusal};
use crate::account::Standing;
use crate::message::AccountName;
use crate::observer::{Event, Sought, Source, Tier};
use crate::port::{Fence, Token, TokenMode};
use crate::time::UnixMs;

/// How long one node may be at fetching before another may try.
const LOCK: Duration = Duration::from_secs(30);
/// The pause while another node fetches.
const LOCKED_PAUSE: Duration = Duration::from_millis(200);

impl Keeper {
    /// One fetch, or the pause before it may be tried again.
    pub(super) async fn fetch(
        &self,
        account: &AccountName,
        found: &Account,
        mode: TokenMode,
    ) -> Result<(), Duration> {
        let fence = match self
            .parts
            .cache
            .lock(account, LOCK, self.parts.clock.now())
            .await
        {
            Ok(Some(fence)) => Some(fence),
            Ok(None) => return Err(LOCKED_PAUSE),
            Err(error) => {
                // The stable endpoint hands every node the same token, so each may ask for itself.
                tracing::warn!(%error, %account, "fetching without the shared cache");
                None
            }
        };
        let fetched = self.fetch_locked(account, found, mode, fence).await;
        if let Some(fence) = fence
            && let Err(error) = self.parts.cache.unlock(account, fence).await
        {
            tracing::warn!(%error, %account, "cannot release the token lock; it runs out by itself");
        }
        fetched
    }

    async fn fetch_locked(
        &self,
        account: &AccountName,
        found: &Account,
        mode: TokenMode,
        fence: Option<Fence>,
    ) -> Result<(), Duration> {
        if self.adopt_shared(account, found).await {
            return Ok(());
        }
        let now = self.parts.clock.now();
        let count = |standing: &mut Standing| {
            if mode == TokenMode::Forced {
                budget::forced_now(&mut standing.forced, now);
            }
            if let Some(trouble) = &mut standing.trouble {
                trouble.fetched(now);
                budget::refetched(&mut standing.refetched_until, now);
            }
        };
        let mut spent = found.held().standing.clone();
        count(&mut spent);
        // A fetch that a restart would forget is not made; and one that is not made does not count.
        let counts = spent.trouble.is_some() || mode == TokenMode::Forced;
        if counts && !self.persist(account, spent).await {
            return Err(Duration::from_secs(1));
        }
        let wishes = {
            let mut held = found.held();
            count(&mut held.standing);
            held.wishes.served_by(mode)
        };
        let answer = self.parts.upstream.fetch_token(account, mode).await;
        let now = self.parts.clock.now();
        let (said, done) = match answer {
            Ok(granted) => {
                let token = Token {
                    secret: granted.secret,
                    expires_at: now.plus(granted.expires_in),
                    fetched_at: now,
                };
                self.take(account, found, token, fence).await;
                (Ok(()), Ok(()))
            }
            Err(error) => {
                let pause = self.failed(account, found, &error, now).await;
                (Err(RefreshError::Failed(error.to_string())), Err(pause))
            }
        };
        wishes.answer(&said);
        let meanwhile = found.held().wishes.served_meanwhile();
        meanwhile.answer(&said);
        done
    }

    /// Another node may have fetched one meanwhile. One that was rejected is not taken from there: it is tried again only
    /// if the endpoint hands it out again, which is rationed.
    async fn adopt_shared(&self, account: &AccountName, found: &Account) -> bool {
        let sought = match self.parts.cache.get(account).await {
            Err(_) => Sought::Error,
            Ok(shared) => match shared.is_some_and(|token| self.adopt(found, token)) {
                true => Sought::Hit,
                false => Sought::Miss,
            },
        };
        self.parts.observer.token_sought(Tier::Shared, sought);
        sought == Sought::Hit
    }

    fn adopt(&self, found: &Account, shared: Token) -> bool {
        let mut held = found.held();
        let wanted = held.wishes.mode().is_some();
        let known = held
            .token
            .as_ref()
            .is_some_and(|own| own.secret == shared.secret);
        let bad = held
            .standing
            .trouble
            .as_ref()
            .is_some_and(|t| t.rejected == shared.secret.fingerprint());
        let fresh = self.parts.clock.now().plus(LOCK) < shared.expires_at;
        if wanted || known || bad || !fresh {
            return false;
        }
        held.take(shared);
        drop(held);
        (self.parts.ready)();
        true
    }

    async fn take(
        &self,
        account: &AccountName,
        found: &Account,
        token: Token,
        fence: Option<Fence>,
    ) {
        let expires_at = token.expires_at;
        let (was_stopped, standing) = {
            let mut held = found.held();
            let was_stopped = held.standing.stop.is_some();
            held.asked_at = Some(token.fetched_at);
            held.take(token.clone());
            (was_stopped, held.standing.clone())
        };
        if let Some(fence) = fence
            && let Err(error) = self.parts.cache.put(account, token, fence).await
        {
            tracing::warn!(%error, %account, "cannot share the token");
        }
        if was_stopped {
            self.persist(account, standing).await;
            self.parts.observer.observe(&Event::Standing {
                account: account.clone(),
                source: Source::Token,
                stopped: None,
            });
        }
        self.parts.observer.observe(&Event::TokenFetched {
            account: account.clone(),
            expires_at: Some(expires_at),
        });
        (self.parts.ready)();
    }

    async fn failed(
        &self,
        account: &AccountName,
        found: &Account,
        error: &CallError,
        now: UnixMs,
    ) -> Duration {
        tracing::warn!(%account, %error, "cannot fetch a token");
        self.parts.observer.observe(&Event::TokenFetched {
            account: account.clone(),
            expires_at: None,
        });
        let stop = match error {
            CallError::Refused(refusal) => refusal::stop(refusal, found.habit().probe, now),
            CallError::NotSent(_) | CallError::InDoubt(_) => None,
        };
        let standing = {
            let mut held = found.held();
            held.asked_at = Some(now);
            match stop {
                Some(mut stop) => {
                    stop.since = held
                        .standing
                        .stop
                        .as_ref()
                        .map_or(now, |before| before.since);
                    held.standing.stop = Some(stop);
                }
                None => {
                    let times = held.failing.map_or(0, |(times, _)| times) + 1;
                    let pause = Duration::from_secs(1 << times.min(6)).min(IDLE);
                    held.failing = Some((times, now.plus(pause)));
                }
            }
            held.standing.clone()
        };
        if let Some(stop) = &standing.stop {
            let stopped = Some(stop.detail.clone());
            self.parts.observer.observe(&Event::Standing {
                account: account.clone(),
                source: Source::Token,
                stopped,
            });
            self.persist(account, standing).await;
        }
        Duration::from_millis(1)
    }
}
