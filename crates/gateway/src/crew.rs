//! The tasks that come and go with the configuration: those of each account, and those of what WeChat pushes.
//! It must not decide when: whoever applies a configuration does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hongyan_courier::message::AccountName;
use hongyan_courier::quota::Quotas;
use hongyan_courier::template::book::Book;
use hongyan_courier::token::Keeper;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::callback::Callbacks;
use crate::auth::bearer::keys::KeySet;

/// Whose tasks they are, and what ends them all.
pub struct Crew {
    pub keeper: Arc<Keeper>,
    pub quotas: Arc<Quotas>,
    pub book: Arc<Book>,
    /// Waited for at the end.
    pub tasks: TaskTracker,
    /// Nothing more is taken on.
    pub stop: CancellationToken,
    /// Nothing is under way any more.
    pub last: CancellationToken,
    pub at_work: AtWork,
}

/// What ends some of them.
#[derive(Default)]
pub struct AtWork {
    accounts: Mutex<HashMap<AccountName, [CancellationToken; 2]>>,
    pushes: tokio::sync::Mutex<Option<(CancellationToken, TaskTracker)>>,
}

impl Crew {
    /// Begins an account's tasks: its token is kept until the very end, since what is under way needs it.
    pub fn hire(&self, account: &AccountName) {
        let (stop, last) = (self.stop.child_token(), self.last.child_token());
        let tasks = &self.tasks;
        tasks.spawn(Arc::clone(&self.quotas).watch(account.clone(), stop.clone()));
        tasks.spawn(Arc::clone(&self.book).keep(account.clone(), stop.clone()));
        tasks.spawn(Arc::clone(&self.keeper).keep(account.clone(), last.clone()));
        self.accounts().insert(account.clone(), [stop, last]);
    }

    /// Ends an account's tasks.
    pub fn dismiss(&self, account: &AccountName) {
        for token in self.accounts().remove(account).into_iter().flatten() {
            token.cancel();
        }
    }

    /// From now on these take in what waits on disk, and pass it on; those before end first, since they share a disk. And
    /// these keys are kept fresh.
    pub async fn take_over(&self, callbacks: Arc<Callbacks>, key_sets: &[Arc<KeySet>]) {
        let mut pushes = self.at_work.pushes.lock().await;
        if let Some((stop, tasks)) = pushes.take() {
            stop.cancel();
            tasks.close();
            tasks.wait().await;
        }
        let (stop, tasks) = (self.last.child_token(), TaskTracker::new());
        for consumer in callbacks.consumers() {
            let running = consumer.run(stop.clone());
            self.tasks.spawn(tasks.track_future(running));
        }
        for set in key_sets {
            let (set, ending) = (Arc::clone(set), stop.clone());
            // A fetch that is under way need not be waited for.
            let keeping = async move {
                tokio::select! {
                    () = ending.cancelled() => {}
                    () = set.keep(ending.clone()) => {}
                }
            };
            self.tasks.spawn(tasks.track_future(keeping));
        }
        let ending = stop.clone();
        let replaying = async move { callbacks.replay(ending).await };
        self.tasks.spawn(tasks.track_future(replaying));
        *pushes = Some((stop, tasks));
    }

    fn accounts(&self) -> std::sync::MutexGuard<'_, HashMap<AccountName, [CancellationToken; 2]>> {
        let accounts = self.at_work.accounts.lock();
        accounts.unwrap_or_else(PoisonError::into_inner)
    }
}
