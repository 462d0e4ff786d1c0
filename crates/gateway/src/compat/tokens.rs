//! The virtual tokens in force: issued, believed, revoked. It must not know how one is written.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use hongyan_courier::message::AccountName;
use hongyan_courier::port::{AcceptError, Nonce, Revocation, StoreError, VirtualTokens};
use hongyan_courier::time::{Clock, UnixMs};

use super::mint::{Claim, Mint};
use super::pace::Pace;
use crate::auth::client::{Client, Clients};
use crate::clock::SystemClock;

/// A client gets no new tokens by force more often than this: a second wish within it is the first one's twin.
const FORCE_PAUSE_MS: i64 = 30_000;

/// The tokens of all clients.
pub struct Tokens {
    mint: Mint,
    store: Arc<dyn VirtualTokens>,
    revoked: RwLock<HashMap<(String, AccountName), UnixMs>>,
    clock: Arc<SystemClock>,
    /// Who came with bad ones lately.
    pub pace: Pace,
}

/// Why a token is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotBelieved {
    /// Nobody vouches for it.
    Forged,
    /// It was genuine, and its time is over.
    Expired,
    /// It was genuine, and was revoked.
    Revoked,
}

impl Tokens {
    /// Reads the store's key and what was revoked.
    pub async fn open(
        store: Arc<dyn VirtualTokens>,
        clock: Arc<SystemClock>,
    ) -> Result<Arc<Self>, StoreError> {
        let key = store.key(rand::random()).await?;
        let revoked = store.revocations().await?.into_iter();
        let revoked = revoked.map(|one| ((one.client, one.account), one.issued_before));
        Ok(Arc::new(Self {
            pace: Pace::default(),
            mint: Mint::new(key),
            revoked: RwLock::new(revoked.collect()),
            store,
            clock,
        }))
    }

    /// A token of a client for an account; none if the client has no secret to vouch for it.
    pub fn issue(&self, client: &Client, account: &AccountName) -> Option<String> {
        // Never one that a revocation of this very moment would kill.
        let revoked = self.revoked_before(&client.identity.client, account);
        let claim = Claim {
            client: client.identity.client.to_string(),
            account: account.clone(),
            issued_at: revoked.map_or(self.clock.wall(), |before| before.max(self.clock.wall())),
        };
        let newest = client.keys.first()?;
        Some(self.mint.issue(&claim, newest, rand::random()))
    }

    /// What a token is for, if it is to be believed.
    pub fn believe(&self, token: &str, clients: &Clients) -> Result<Claim, NotBelieved> {
        let claim = self.mint.read(token, clients);
        let claim = claim.ok_or(NotBelieved::Forged)?;
        if claim.expired(self.clock.wall()) {
            return Err(NotBelieved::Expired);
        }
        match self.revoked_before(&claim.client, &claim.account) {
            Some(before) if claim.issued_at < before => Err(NotBelieved::Revoked),
            _ => Ok(claim),
        }
    }

    /// Revokes what a client has for these accounts.
    pub async fn revoke(
        &self,
        client: &str,
        accounts: Vec<AccountName>,
        nonce: Option<Nonce>,
    ) -> Result<(), AcceptError> {
        // What was issued within this millisecond is meant too.
        let issued_before = UnixMs(self.clock.wall().0 + 1);
        let revocation = |account: &AccountName| Revocation {
            client: client.to_owned(),
            account: account.clone(),
            issued_before,
        };
        let which = accounts.iter().map(revocation).collect();
        self.store.revoke(which, nonce, self.clock.now()).await?;
        let mut revoked = self.revoked.write().unwrap_or_else(PoisonError::into_inner);
        for account in accounts {
            let before = revoked
                .entry((client.to_owned(), account))
                .or_insert(issued_before);
            *before = issued_before.max(*before);
        }
        Ok(())
    }

    /// The same at the client's own wish, unless it was just done.
    pub async fn renew(&self, client: &str, account: &AccountName) -> Result<(), AcceptError> {
        let just_now = self.clock.wall().0 - FORCE_PAUSE_MS;
        let before = self.revoked_before(client, account);
        if before.is_some_and(|before| before.0 > just_now) {
            return Ok(());
        }
        self.revoke(client, vec![account.clone()], None).await
    }

    fn revoked_before(&self, client: &str, account: &AccountName) -> Option<UnixMs> {
        let revoked = self.revoked.read().unwrap_or_else(PoisonError::into_inner);
        let key = (client.to_owned(), account.clone());
        revoked.get(&key).copied()
    }
}
