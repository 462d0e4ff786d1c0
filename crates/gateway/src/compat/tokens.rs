//! The virtual tokens in force: issued, believed, revoked. It must not know how one is written.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use hongyan_courier::message::AccountName;
use hongyan_courier::port::{AcceptError, Nonce, Revocation, StoreError, VirtualTokens};
use hongyan_courier::time::{Clock, UnixMs};
use tokio_util::task::TaskTracker;

use super::mint::{Claim, Mint};
use super::pace::Pace;
use crate::auth::client::{Clients, Identity};
use crate::auth::signature::SigningKey;
use crate::clock::SystemClock;

/// A client gets no new tokens by force more often than this: a second wish within it is the first one's twin.
const FORCE_PAUSE_MS: i64 = 30_000;

/// The tokens of all clients.
pub struct Tokens {
    mint: Mint,
    store: Arc<dyn VirtualTokens>,
    /// By client and account, when what was issued before is good no more.
    revoked: RwLock<HashMap<String, HashMap<AccountName, UnixMs>>>,
    clock: Arc<SystemClock>,
    /// What is done to the end even if nobody waits for it any more.
    tasks: TaskTracker,
    /// One client after the other has its tokens revoked at its own wish.
    renewing: tokio::sync::Mutex<()>,
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
        let mut revoked: HashMap<String, HashMap<_, _>> = HashMap::new();
        for one in store.revocations().await? {
            let of_client = revoked.entry(one.client).or_default();
            of_client.insert(one.account, one.issued_before);
        }
        Ok(Arc::new(Self {
            pace: Pace::default(),
            mint: Mint::new(key),
            revoked: RwLock::new(revoked),
            store,
            clock,
            tasks: TaskTracker::new(),
            renewing: tokio::sync::Mutex::default(),
        }))
    }

    /// A token of a client for an account, for which this secret of the client vouches: it is good as long as that is.
    pub fn issue(&self, client: &Identity, secret: &SigningKey, account: &AccountName) -> String {
        // Never one that a revocation of this very moment would kill.
        let revoked = self.revoked_before(&client.client, account);
        let claim = Claim {
            client: client.client.to_string(),
            account: account.clone(),
            issued_at: revoked.map_or(self.clock.wall(), |before| before.max(self.clock.wall())),
        };
        self.mint.issue(&claim, secret, rand::random())
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

    /// Revokes what a client has for these accounts. A caller who hangs up stops nothing: what is stored is in force.
    pub async fn revoke(
        self: &Arc<Self>,
        client: &str,
        accounts: Vec<AccountName>,
        nonce: Option<Nonce>,
    ) -> Result<(), AcceptError> {
        let (this, client) = (Arc::clone(self), client.to_owned());
        self.to_the_end(async move { this.revoke_now(&client, accounts, nonce).await })
            .await
    }

    async fn revoke_now(
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
        let of_client = revoked.entry(client.to_owned()).or_default();
        for account in accounts {
            let before = of_client.entry(account).or_insert(issued_before);
            *before = issued_before.max(*before);
        }
        Ok(())
    }

    /// The same at the client's own wish, unless it was just done: programs that share a client wish for it together.
    pub async fn renew(
        self: &Arc<Self>,
        client: &str,
        account: &AccountName,
    ) -> Result<(), AcceptError> {
        let this = Arc::clone(self);
        let (client, account) = (client.to_owned(), account.clone());
        self.to_the_end(async move {
            let _alone = this.renewing.lock().await;
            let just_now = this.clock.wall().0 - FORCE_PAUSE_MS;
            let before = this.revoked_before(&client, &account);
            if before.is_some_and(|before| before.0 > just_now) {
                return Ok(());
            }
            this.revoke_now(&client, vec![account], None).await
        })
        .await
    }

    async fn to_the_end(
        &self,
        doing: impl Future<Output = Result<(), AcceptError>> + Send + 'static,
    ) -> Result<(), AcceptError> {
        let done = self.tasks.spawn(doing).await;
        done.map_err(|error| StoreError::Unavailable(error.to_string()))?
    }

    fn revoked_before(&self, client: &str, account: &AccountName) -> Option<UnixMs> {
        let revoked = self.revoked.read().unwrap_or_else(PoisonError::into_inner);
        revoked.get(client)?.get(account).copied()
    }
}
