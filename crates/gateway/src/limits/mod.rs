//! How much is taken from whom: addresses before anything else, failed authentications, clients, accounts.
//! It must not know routes, nor how the counting is done: that is the limiter's.

pub mod address;
pub mod governor;
pub mod room;
pub mod standing;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hongyan_courier::port::limiter::{Allowance, RateLimiter, Verdict};
use http::request::Parts;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::api::error::Problem;
use crate::network::Network;
use room::Room;
use standing::Standing;

/// Addresses that are turned away for what they failed at; beyond it the oldest are let in again.
const TURNED_AWAY_MAX: u64 = 100_000;
/// Longer nobody is turned away at a time.
const TURNED_AWAY: Duration = Duration::from_secs(3600);

/// How much is taken from whom; where there is nothing, as much as comes.
#[derive(Clone, Debug, Default)]
pub struct Allowances {
    /// Requests of one address.
    pub ip: Option<Allowance>,
    /// Failed authentications of one address.
    pub failures: Option<Allowance>,
    /// Requests of one client.
    pub client: Option<Allowance>,
    /// The same for clients that have their own.
    pub clients: HashMap<String, Allowance>,
    /// Messages handed over for one account.
    pub account: Option<Allowance>,
    /// The same for accounts that have their own.
    pub accounts: HashMap<String, Allowance>,
}

/// Where somebody fails: so that those who fail at one do not close the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entry {
    /// The API's.
    Api,
    /// Users' way to WeChat and back.
    Oauth,
    /// That of WeChat's own calls.
    Compat,
}

impl Entry {
    fn rule(self) -> &'static str {
        match self {
            Self::Api => "failures",
            Self::Oauth => "oauth_failures",
            Self::Compat => "compat_failures",
        }
    }
}

/// The limits of a gateway.
pub struct Limits {
    allowances: ArcSwap<Allowances>,
    trusted: Vec<Network>,
    limiter: Arc<dyn RateLimiter>,
    /// Until when an address is turned away.
    turned_away: Cache<(Entry, IpAddr), Instant>,
    /// For bodies of those who have proved nothing yet, in KiB.
    unproven: Arc<Semaphore>,
}

impl Limits {
    pub fn new(
        allowances: Allowances,
        trusted: Vec<Network>,
        limiter: Arc<dyn RateLimiter>,
    ) -> Self {
        let turned_away = Cache::builder()
            .max_capacity(TURNED_AWAY_MAX)
            .time_to_live(TURNED_AWAY)
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self {
            allowances: ArcSwap::from_pointee(allowances),
            trusted,
            limiter,
            turned_away,
            unproven: Arc::new(Semaphore::new(room::UNPROVEN_KIB)),
        }
    }

    /// From now on so much is taken; what was counted so far still counts.
    pub fn replace(&self, allowances: Allowances) {
        self.allowances.store(Arc::new(allowances));
    }

    /// From where a request comes.
    pub fn address(&self, parts: &Parts) -> Option<IpAddr> {
        address::of(parts, &self.trusted)
    }

    /// Before anything is read of a request: whether its address may ask now.
    pub async fn knock(&self, entry: Entry, from: Option<IpAddr>) -> Result<(), Problem> {
        let Some(from) = from.map(address::counted) else {
            return Ok(());
        };
        let until = self.turned_away.get(&(entry, from));
        let wait = until.map_or(Duration::ZERO, |until| until.duration_since(Instant::now()));
        if !wait.is_zero() {
            told(entry.rule(), "");
            return Err(Problem::rate_limited(
                "too many requests of this address were refused; see that they are signed rightly, and come back",
                wait,
            ));
        }
        let Some(allowance) = self.allowances.load().ip else {
            return Ok(());
        };
        let verdict = self
            .limiter
            .take("ip", &from.to_string(), allowance, 1)
            .await;
        refuse(verdict, allowance, ("ip", ""), || {
            "this address asks too often".to_owned()
        })
    }

    /// Room in memory for the body of somebody who has proved nothing yet.
    pub fn room(&self) -> Room {
        Room::of(Arc::clone(&self.unproven))
    }

    /// Somebody at this address was not who they said.
    pub async fn failed(&self, entry: Entry, from: Option<IpAddr>) {
        let (Some(from), Some(allowance)) =
            (from.map(address::counted), self.allowances.load().failures)
        else {
            return;
        };
        let who = from.to_string();
        let verdict = self.limiter.take(entry.rule(), &who, allowance, 1).await;
        // What comes next would be one too many, so it is not looked at before its time.
        if !verdict.wait.is_zero() {
            self.turned_away
                .insert((entry, from), Instant::now() + verdict.wait);
        }
    }

    /// Whether a client may make one more request; where it stands then, if it has a limit.
    pub async fn client(&self, client: &str) -> Result<Option<Standing>, Problem> {
        let allowance = {
            let all = self.allowances.load();
            all.clients.get(client).copied().or(all.client)
        };
        let Some(allowance) = allowance else {
            return Ok(None);
        };
        let verdict = self.limiter.take("client", client, allowance, 1).await;
        refuse(verdict, allowance, ("client", client), || {
            "the client asks too often".to_owned()
        })?;
        Ok(Some(Standing::new(allowance, verdict)))
    }

    /// Whether so many messages may be handed over for an account now.
    pub async fn account(&self, account: &str, messages: usize) -> Result<(), Problem> {
        let allowance = {
            let all = self.allowances.load();
            all.accounts.get(account).copied().or(all.account)
        };
        let Some(allowance) = allowance else {
            return Ok(());
        };
        let count = u32::try_from(messages).unwrap_or(u32::MAX);
        let verdict = self
            .limiter
            .take("account", account, allowance, count)
            .await;
        refuse(verdict, allowance, ("account", account), || {
            format!("too many messages are handed over for the account {account}")
        })
    }

    /// Whether any account has a limit.
    pub fn knows_accounts(&self) -> bool {
        let all = self.allowances.load();
        all.account.is_some() || !all.accounts.is_empty()
    }
}

fn refuse(
    verdict: Verdict,
    allowance: Allowance,
    (limit, who): (&'static str, &str),
    why: impl FnOnce() -> String,
) -> Result<(), Problem> {
    if verdict.allowed {
        return Ok(());
    }
    told(limit, who);
    let problem = Problem::rate_limited(why(), verdict.wait);
    Err(problem.standing(Standing::new(allowance, verdict)))
}

/// `who` is a client or an account of the configuration: never what a stranger says.
fn told(limit: &'static str, who: &str) {
    metrics::counter!("hongyan_rate_limited_total", "limit" => limit, "name" => who.to_owned())
        .increment(1);
}

#[cfg(test)]
mod tests {
    use super::governor::GovernorLimiter;
    use super::*;

    const FEW: Allowance = Allowance {
        burst: 3,
        per_second: 1.0,
    };
    const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));
    const THERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)));

    fn limits(allowances: Allowances) -> Limits {
        Limits::new(allowances, Vec::new(), Arc::new(GovernorLimiter::default()))
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_fails_too_often_is_turned_away_before_anything_is_looked_at() {
        let limits = limits(Allowances {
            failures: Some(FEW),
            ..Allowances::default()
        });
        for _ in 0..3 {
            assert!(limits.knock(Entry::Api, HERE).await.is_ok());
            limits.failed(Entry::Api, HERE).await;
        }
        let problem = limits.knock(Entry::Api, HERE).await.unwrap_err();
        assert_eq!((problem.status, problem.code), (429, "rate_limited"));
        assert_eq!(problem.retry_after, Some(Duration::from_secs(1)));
        assert!(limits.knock(Entry::Api, THERE).await.is_ok());
        assert!(limits.knock(Entry::Oauth, HERE).await.is_ok());
        // From then on one a second.
        for _ in 0..2 {
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(limits.knock(Entry::Api, HERE).await.is_ok());
            limits.failed(Entry::Api, HERE).await;
            assert!(limits.knock(Entry::Api, HERE).await.is_err());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_right_is_not_counted_as_a_failure() {
        let limits = limits(Allowances {
            failures: Some(FEW),
            ..Allowances::default()
        });
        for _ in 0..100 {
            assert!(limits.knock(Entry::Api, HERE).await.is_ok());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_of_its_own_limit_has_no_other() {
        let limits = limits(Allowances {
            client: Some(FEW),
            clients: HashMap::from([("nightly".to_owned(), Allowance { burst: 9, ..FEW })]),
            ..Allowances::default()
        });
        let standing = limits.client("nightly").await.unwrap().unwrap();
        assert_eq!(standing.left, 8);
        for _ in 0..3 {
            assert!(limits.client("orders").await.is_ok());
        }
        let problem = limits.client("orders").await.unwrap_err();
        assert_eq!(problem.status, 429);
        assert!(problem.limit.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_counts_messages() {
        let limits = limits(Allowances {
            account: Some(FEW),
            ..Allowances::default()
        });
        assert!(limits.account("clinic", 3).await.is_ok());
        assert!(limits.account("clinic", 1).await.is_err());
        assert!(limits.account("school", 1).await.is_ok());
    }
}
