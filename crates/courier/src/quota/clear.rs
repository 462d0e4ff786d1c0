//! Clearing an account's quotas, by an operator alone: ten times a month, counted durably before each call.

use hongyan_wechat::errcode::Class;
use hongyan_wechat::error::CallError;

use super::{Parts, QuotaRecord, Quotas, month_end};
use crate::message::{AccountName, Kind};
use crate::port::StoreError;
use crate::time::UnixMs;

/// WeChat's answer when the month's clearings are spent.
const NO_MORE_CLEARINGS: i64 = 48_006;

/// The quotas were cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cleared {
    /// How often it may be done again this month, as far as is known here.
    pub left: u8,
}

/// The quotas were not cleared, or nobody can tell.
#[derive(Debug, thiserror::Error)]
pub enum ClearError {
    /// No such account.
    #[error("there is no such account")]
    NoSuchAccount,
    /// The month's clearings are spent.
    #[error("WeChat lets quotas be cleared ten times a month, and this month's are spent")]
    Spent {
        /// When the next month begins.
        again_at: UnixMs,
    },
    /// WeChat refused, or could not be reached.
    #[error("the quota was not cleared: {0}")]
    Failed(String),
    /// The call may have been heard: it counts.
    #[error(
        "nobody can tell whether the quota was cleared, so it counts as one of the month's ten: {0}"
    )]
    InDoubt(String),
    /// It could not be counted, so it was not done.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Quotas {
    /// Clears the day's quotas of all of an account's calls, with its token where it has one.
    pub async fn clear(&self, account: &AccountName) -> Result<Cleared, ClearError> {
        let found = self
            .accounts
            .get(account)
            .ok_or(ClearError::NoSuchAccount)?;
        let _turn = found.clearing.lock().await;
        let now = self.parts.clock.now();
        let change = |change: &dyn Fn(&mut QuotaRecord)| {
            let mut held = found.held();
            change(&mut held.record);
            held.record.clone()
        };
        if found.held().record.clearings_left(now) == 0 {
            let again_at = month_end(now);
            return Err(ClearError::Spent { again_at });
        }
        // A clearing that a restart would forget is not made.
        let counted = change(&|record| record.cleared(now));
        if let Err(error) = self.parts.book.set_quota(account, counted).await {
            change(&|record| record.not_cleared(now));
            return Err(error.into());
        }
        match self.ask_to_clear(account).await {
            Ok(()) => {
                tracing::info!(%account, "the account's quotas were cleared");
                // What WeChat said before is of no use; it is asked anew.
                let record = change(&QuotaRecord::untell);
                self.persist(account, record).await;
                for kind in Kind::ALL {
                    self.parts.slots.allow(account, *kind, None);
                    self.parts.slots.probe(account, *kind, now);
                }
                found.nudge.notify_one();
                let left = found.held().record.clearings_left(now);
                Ok(Cleared { left })
            }
            Err(error) if in_doubt(&error) => {
                found.nudge.notify_one();
                Err(ClearError::InDoubt(error.to_string()))
            }
            Err(CallError::Refused(error)) if error.code == NO_MORE_CLEARINGS => {
                let again_at = month_end(now);
                let record = change(&|record| {
                    record.not_cleared(now);
                    record.no_clearing_before = Some(again_at);
                });
                self.persist(account, record).await;
                Err(ClearError::Spent { again_at })
            }
            Err(error) => {
                let record = change(&|record| record.not_cleared(now));
                self.persist(account, record).await;
                Err(ClearError::Failed(error.to_string()))
            }
        }
    }

    /// By the token where there is one that WeChat takes, else by the secret.
    async fn ask_to_clear(&self, account: &AccountName) -> Result<(), CallError> {
        let Parts { keeper, desk, .. } = &self.parts;
        if let Ok(token) = keeper.current(account) {
            let answer = desk.clear(account, Some(&token.secret)).await;
            if !keeper.answered(account, &token, &answer) {
                return answer;
            }
        }
        desk.clear(account, None).await
    }
}

fn in_doubt(error: &CallError) -> bool {
    match error {
        CallError::InDoubt(_) => true,
        CallError::Refused(error) => error.class() == Class::Busy,
        CallError::NotSent(_) => false,
    }
}
