//! How the accounts fare: what the token keeper knows and what the dispatcher reported last, as one word each.
//! It must not change anything about an account.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hongyan_courier::account::Trouble;
use hongyan_courier::message::AccountName;
use hongyan_courier::observer::{Event, Observer, Source};
use hongyan_courier::token::{Keeper, View};

/// What the dispatcher said last of accounts whose messages WeChat does not take. What the keeper says is in its view:
/// that a token came must not erase it.
#[derive(Debug, Default)]
pub struct Reports {
    closed: Mutex<BTreeMap<AccountName, String>>,
}

impl Reports {
    fn closed(&self) -> MutexGuard<'_, BTreeMap<AccountName, String>> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Reports {
    fn observe(&self, event: &Event) {
        if let Event::Standing {
            account,
            source: Source::Lane,
            stopped,
        } = event
        {
            match stopped {
                Some(detail) => self.closed().insert(account.clone(), detail.clone()),
                None => self.closed().remove(account),
            };
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Ok,
    /// Something is wrong, and messages wait or may wait.
    Degraded,
    /// Nothing is sent until an operator acts or WeChat relents.
    Stopped,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Stopped => "stopped",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Condition {
    pub state: State,
    /// What an operator should read.
    pub detail: Option<String>,
    /// Calls found it out, and nothing else is wrong.
    pub by_calls: bool,
}

/// Tells how accounts fare.
pub struct Conditions {
    pub keeper: Arc<Keeper>,
    pub reports: Arc<Reports>,
}

impl Conditions {
    pub fn new(keeper: &Arc<Keeper>, reports: Arc<Reports>) -> Self {
        Self {
            keeper: Arc::clone(keeper),
            reports,
        }
    }

    pub fn of(&self, account: &AccountName) -> (Condition, Option<View>) {
        let view = self.keeper.view(account);
        let reported = self.reports.closed().get(account).cloned();
        (condition(view.as_ref(), reported), view)
    }
}

fn condition(view: Option<&View>, reported: Option<String>) -> Condition {
    let degraded = |detail: &str| Condition {
        state: State::Degraded,
        detail: Some(detail.to_owned()),
        by_calls: false,
    };
    let Some(view) = view else {
        return degraded("the account is not configured");
    };
    if let Some(stop) = &view.standing.stop {
        return Condition {
            state: State::Stopped,
            detail: Some(stop.detail.clone()),
            by_calls: false,
        };
    }
    let trouble = view.standing.trouble.as_ref();
    if trouble.is_some_and(Trouble::is_serious) {
        return degraded(
            "WeChat rejects the account's tokens although they are fresh: something outside may be refreshing them",
        );
    }
    if let Some(detail) = reported {
        return Condition {
            by_calls: true,
            ..degraded(&detail)
        };
    }
    // One rejection is nothing to act on: the next token is on its way.
    let is_replaced = trouble.is_some() && view.token.is_some() && !view.failing;
    if !view.usable && !is_replaced {
        return degraded("there is no usable token yet");
    }
    Condition {
        state: State::Ok,
        detail: None,
        by_calls: false,
    }
}

#[cfg(test)]
mod tests;
