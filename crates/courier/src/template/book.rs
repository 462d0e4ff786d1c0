//! The lists of accounts, kept in step with WeChat's: fetched at start, from time to time, when an answer to a message
//! gives cause, and when somebody asks. One task an account fetches them; whoever waits for a fetch waits for that one.

mod denied;
mod known;
mod prompts;
mod ration;
mod shelf;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use hongyan_wechat::AccessToken;
use hongyan_wechat::errcode::{AccountFault, Class};
use hongyan_wechat::error::CallError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::catalogue::{Listed, Templates, Update};
use crate::by_account::ByAccount;
use crate::kind::ListOf;
use crate::message::{AccountName, Kind};
use crate::observer::{Event, Observer};
use crate::port::StoreError;
use crate::time::Clock;
use crate::token::Keeper;
use shelf::Shelf;

pub use known::{Known, List, Lists, Lookup};
pub use prompts::Prompts;

/// How often it is looked whether there is a token to fetch with.
const TOKEN_POLL: Duration = Duration::from_millis(500);
/// The first pause after a fetch that failed; it doubles up to the usual time between two.
const FAILED_PAUSE: Duration = Duration::from_secs(60);
/// Answers to messages cause a fetch no more often than this.
const PROMPT_PAUSE: Duration = Duration::from_secs(60);
/// Messages called back in one transaction.
const CALL_BACK_BATCH: usize = 500;

/// WeChat, as far as lists are concerned.
#[async_trait]
pub trait Source: Send + Sync {
    /// One of the account's lists, whole, as WeChat gives it now.
    async fn templates(
        &self,
        account: &AccountName,
        of: ListOf,
        token: &AccessToken,
    ) -> Result<Vec<Listed>, CallError>;
}

/// What a book is made of.
pub struct Parts {
    /// Where lists are kept.
    pub templates: Arc<dyn Templates>,
    /// Where they come from.
    pub source: Arc<dyn Source>,
    /// The accounts' tokens.
    pub keeper: Arc<Keeper>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whoever watches.
    pub observer: Arc<dyn Observer>,
    /// What answers of WeChat call for.
    pub prompts: Arc<Prompts>,
    /// The usual time between two fetches.
    pub every: Duration,
}

/// The lists of all accounts.
pub struct Book {
    parts: Parts,
    shelves: ByAccount<Shelf>,
}

/// The last fetch.
#[derive(Clone)]
struct Outcome {
    /// It was begun after this many had been asked for.
    covers: u64,
    result: Result<Arc<Update>, SyncError>,
}

/// A list could not be fetched; what was known of it before stands.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SyncError {
    /// There is no such account.
    #[error("there is no such account")]
    NoSuchAccount,
    /// There is nothing to ask with.
    #[error("the account has no usable token at present")]
    NoToken,
    /// WeChat gives the account no such list: it may not send what is in it.
    #[error("WeChat gives this account no list of templates: {0}")]
    NotGranted(String),
    /// WeChat did not answer with a list.
    #[error("WeChat did not list the templates: {0}")]
    WeChat(String),
    /// The token was not good any more: there will be another soon.
    #[error("WeChat did not list the templates: {0}")]
    Rejected(String),
    /// It could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The gateway is stopping.
    #[error("the gateway is stopping")]
    Stopping,
}

impl SyncError {
    fn is_not_granted(&self) -> bool {
        matches!(self, Self::NotGranted(_))
    }
}

impl Lists for Book {
    fn known(&self, account: &AccountName) -> Arc<Known> {
        let shelf = self.shelves.get(account);
        shelf.map(|shelf| shelf.known()).unwrap_or_default()
    }

    fn was_looked_for(&self, account: &AccountName, kind: Kind, template_id: &str) -> bool {
        let (shelf, list) = (self.shelves.get(account), kind.traits().list);
        let now = self.parts.clock.now();
        shelf
            .zip(list)
            .is_some_and(|(shelf, of)| shelf.denied().has(of, template_id, now))
    }
}

impl Book {
    /// A book of these accounts; reads what is known of them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(
        parts: Parts,
        accounts: impl IntoIterator<Item = AccountName>,
    ) -> Result<Arc<Self>, StoreError> {
        let book = Self {
            parts,
            shelves: ByAccount::default(),
        };
        for account in accounts {
            book.add(account).await?;
        }
        Ok(Arc::new(book))
    }

    /// Takes one more account on; reads what is known of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add(&self, account: AccountName) -> Result<(), StoreError> {
        let known = Known::of(self.parts.templates.catalogue(&account).await?);
        self.parts.observer.observe(&Event::TemplatesStopped {
            account: account.clone(),
            count: known.stops.len(),
        });
        let never = Outcome {
            covers: 0,
            result: Err(SyncError::NoToken),
        };
        let shelf = Shelf::new(known, never);
        self.parts.prompts.add(account.clone());
        self.shelves.insert(account, shelf);
        Ok(())
    }

    /// Lets go of an account that nobody keeps any more.
    pub fn remove(&self, account: &AccountName) {
        self.shelves.remove(account);
        self.parts.prompts.remove(account);
    }

    /// Has the lists fetched. Answers what that changed, by a fetch that was begun after it was asked for.
    ///
    /// # Errors
    /// [`SyncError`].
    pub async fn sync(&self, account: &AccountName) -> Result<Arc<Update>, SyncError> {
        let shelf = self.shelves.get(account).ok_or(SyncError::NoSuchAccount)?;
        let ticket = shelf.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut done = shelf.outcome.subscribe();
        shelf.wanted.notify_one();
        let outcome = done.wait_for(|outcome| outcome.covers >= ticket).await;
        outcome.map_or(Err(SyncError::Stopping), |outcome| outcome.result.clone())
    }

    /// Has the lists fetched once more for templates that are in none. How often that is done for unknown ids is rationed;
    /// for one that was [looked for](Lists::was_looked_for) just before it is not done again. Nobody waits longer than
    /// `patience`.
    pub async fn look_again(
        &self,
        account: &AccountName,
        wanted: &[(Kind, &str)],
        patience: Duration,
    ) {
        let Some(shelf) = self.shelves.get(account) else {
            return;
        };
        let (known, now) = (shelf.known(), self.parts.clock.now());
        let new = |(kind, id): &(Kind, &str)| {
            let of = kind.traits().list?;
            let unlisted = matches!(
                known.look_up(*kind, id),
                Lookup::Unknown | Lookup::Unverified
            );
            (unlisted && !shelf.denied().has(of, id, now)).then_some(of)
        };
        let lists: BTreeSet<ListOf> = wanted.iter().filter_map(new).collect();
        if lists.is_empty() || !shelf.may_look(now) {
            return;
        }
        match tokio::time::timeout(patience, self.sync(account)).await {
            Ok(Err(SyncError::Stopping)) => {}
            Ok(_) => shelf.deny(wanted, self.parts.clock.now()),
            Err(_) => lists
                .into_iter()
                .for_each(|of| shelf.failed(of, "WeChat has not answered yet".to_owned())),
        }
    }

    /// Ends a stop. Its messages that wait go on. Answers whether there was one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn resume(
        &self,
        account: &AccountName,
        template_id: &str,
    ) -> Result<bool, StoreError> {
        let was = self.parts.templates.resume(account, template_id).await?;
        if was {
            tracing::info!(%account, template_id, "the template was resumed");
            self.reload(account, None).await?;
            self.call_back().await?;
        }
        Ok(was)
    }

    /// Keeps one account's lists in step until told to stop.
    pub async fn keep(self: Arc<Self>, account: AccountName, stop: CancellationToken) {
        let Some(shelf) = self.shelves.get(&account) else {
            return;
        };
        // A former process may have ended a stop and not lived to call all messages back.
        if let Err(error) = self.call_back().await {
            tracing::warn!(%error, "cannot call messages back");
        }
        let mut pauses = Pauses::new(self.parts.every);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = shelf.wanted.notified() => {
                    // Many may have asked for the one that is over by now.
                    if shelf.outcome.borrow().covers >= shelf.asked.load(Ordering::SeqCst) {
                        continue;
                    }
                }
                () = tokio::time::sleep_until(pauses.next) => {}
                () = pauses.prompted(&self.parts.prompts, &account) => pauses.prompt = Instant::now() + PROMPT_PAUSE,
            }
            let covers = shelf.asked.load(Ordering::SeqCst);
            let result = tokio::select! {
                () = stop.cancelled() => break,
                result = self.fetch(&account) => result,
            };
            self.tell(&account, &result);
            pauses.after(&result);
            shelf.outcome.send_replace(Outcome { covers, result });
        }
        shelf.outcome.send_replace(Outcome {
            covers: u64::MAX,
            result: Err(SyncError::Stopping),
        });
    }

    /// Fetches every list. What one of them changed stands although another could not be fetched; an account need not have
    /// all of them.
    async fn fetch(&self, account: &AccountName) -> Result<Arc<Update>, SyncError> {
        let (mut fetched, mut failed) = (None::<Update>, None::<SyncError>);
        for of in ListOf::ALL {
            let error = match self.fetch_list(account, *of).await {
                Ok(update) => {
                    fetched.get_or_insert_default().add(update);
                    continue;
                }
                Err(error) => error,
            };
            if let Some(shelf) = self.shelves.get(account) {
                shelf.failed(*of, error.to_string());
            }
            // The first that is one: that a list is not granted may well be as it should be.
            if failed.as_ref().is_none_or(SyncError::is_not_granted) {
                failed = Some(error);
            }
        }
        match (fetched, failed) {
            (Some(update), None | Some(SyncError::NotGranted(_))) => Ok(Arc::new(update)),
            (None, None) => Ok(Arc::default()),
            (_, Some(error)) => Err(error),
        }
    }

    async fn fetch_list(&self, account: &AccountName, of: ListOf) -> Result<Update, SyncError> {
        let keeper = &self.parts.keeper;
        if !keeper.ready(account) {
            return Err(SyncError::NoToken);
        }
        let token = keeper.current(account).map_err(|_| SyncError::NoToken)?;
        let answer = self
            .parts
            .source
            .templates(account, of, &token.secret)
            .await;
        let rejected = keeper.answered(account, &token, &answer);
        let error = match answer {
            Ok(list) => return self.take_over(account, (of, list)).await,
            Err(error) => error,
        };
        let granted = match &error {
            CallError::Refused(refusal) => {
                refusal.class() != Class::Account(AccountFault::Capability)
            }
            _ => true,
        };
        Err(match (rejected, granted) {
            (true, _) => SyncError::Rejected(error.to_string()),
            (_, false) => SyncError::NotGranted(error.to_string()),
            _ => SyncError::WeChat(error.to_string()),
        })
    }

    async fn take_over(
        &self,
        account: &AccountName,
        (of, list): (ListOf, Vec<Listed>),
    ) -> Result<Update, SyncError> {
        let Parts {
            templates, clock, ..
        } = &self.parts;
        let update = templates.take_over(account, of, list, clock.now()).await?;
        log(account, &update);
        self.reload(account, Some(of)).await?;
        if !update.resumed.is_empty() {
            self.call_back().await?;
        }
        Ok(update)
    }

    /// Knows what is stored by now; one of the lists may just have been fetched.
    async fn reload(
        &self,
        account: &AccountName,
        fetched: Option<ListOf>,
    ) -> Result<(), StoreError> {
        if let Some(shelf) = self.shelves.get(account) {
            let known = Known::of(self.parts.templates.catalogue(account).await?);
            self.parts.observer.observe(&Event::TemplatesStopped {
                account: account.clone(),
                count: known.stops.len(),
            });
            shelf.renew(known, fetched);
        }
        Ok(())
    }

    async fn call_back(&self) -> Result<(), StoreError> {
        let Parts {
            templates, clock, ..
        } = &self.parts;
        while templates.call_back(CALL_BACK_BATCH, clock.now()).await? == CALL_BACK_BATCH {}
        Ok(())
    }

    fn tell(&self, account: &AccountName, result: &Result<Arc<Update>, SyncError>) {
        match result {
            Ok(_) => {}
            // Not an event: it is so at every start, or always.
            Err(SyncError::NoToken | SyncError::NotGranted(_)) => return,
            Err(error) => tracing::warn!(%account, %error, "a list of templates stays as it was"),
        }
        self.parts.observer.observe(&Event::TemplatesSynced {
            account: account.clone(),
            at: result.is_ok().then(|| self.parts.clock.now()),
        });
    }
}

fn log(account: &AccountName, update: &Update) {
    for stop in &update.stopped {
        tracing::warn!(
            %account, template_id = stop.template_id, cause = stop.cause.as_str(),
            "a template is stopped: its messages wait until it is resumed"
        );
    }
    for template_id in &update.resumed {
        tracing::info!(%account, template_id, "the template is as it was: its messages go on");
    }
}

/// When the next fetch is due.
struct Pauses {
    every: Duration,
    failed: Duration,
    next: Instant,
    /// Answers to messages are not heeded before.
    prompt: Instant,
}

impl Pauses {
    fn new(every: Duration) -> Self {
        let now = Instant::now();
        Self {
            every,
            failed: FAILED_PAUSE,
            next: now,
            prompt: now,
        }
    }

    async fn prompted(&self, prompts: &Prompts, account: &AccountName) {
        tokio::time::sleep_until(self.prompt).await;
        prompts.prompted(account).await;
    }

    fn after(&mut self, result: &Result<Arc<Update>, SyncError>) {
        let pause = match result {
            Ok(_) | Err(SyncError::NotGranted(_)) => {
                self.failed = FAILED_PAUSE;
                self.every
            }
            Err(SyncError::NoToken | SyncError::Rejected(_)) => TOKEN_POLL,
            Err(_) => {
                let pause = self.failed.min(self.every);
                self.failed = self.failed.saturating_mul(2);
                pause
            }
        };
        self.next = Instant::now() + pause;
    }
}
