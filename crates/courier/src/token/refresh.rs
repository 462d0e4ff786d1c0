//! New tokens on an operator's wish. A forced wish is served by a forced fetch alone that begins after it came: whoever
//! fears a leak is not to be told of a fetch that leaves the old token alive. A plain one is served by any.

use tokio::sync::oneshot;

use super::{Keeper, budget};
use crate::message::AccountName;
use crate::port::TokenMode;
use crate::time::UnixMs;

/// Why there is no new token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefreshError {
    /// WeChat would not take another forced refresh now.
    #[error("WeChat allows a forced refresh every 30 seconds and 20 a day; try again later")]
    TooOften {
        /// When it would.
        again_at: UnixMs,
    },
    /// The endpoint was asked a moment ago, and gave nothing that could be answered with.
    #[error("a token was asked for less than 10 seconds ago in vain; try again later")]
    TooSoon {
        /// When it may be asked again.
        again_at: UnixMs,
    },
    /// The fetch failed, in its own words.
    #[error("{0}")]
    Failed(String),
    /// Nobody fetches any more.
    #[error("the gateway is stopping")]
    Stopping,
    /// The account is not configured.
    #[error("there is no such account")]
    NoSuchAccount,
}

#[derive(Debug)]
struct Wish {
    mode: TokenMode,
    answer: oneshot::Sender<Result<(), RefreshError>>,
}

/// What operators wait for.
#[derive(Debug, Default)]
pub(super) struct Wishes(Vec<Wish>);

impl Wishes {
    /// How to fetch for them: forced, if any of them is.
    pub(super) fn mode(&self) -> Option<TokenMode> {
        let forced = self.0.iter().find(|wish| wish.mode == TokenMode::Forced);
        forced.or(self.0.first()).map(|wish| wish.mode)
    }

    /// Takes those that a fetch which begins now will serve.
    pub(super) fn served_by(&mut self, mode: TokenMode) -> Self {
        let serves = |wish: &mut Wish| mode == TokenMode::Forced || wish.mode != TokenMode::Forced;
        Self(self.0.extract_if(.., serves).collect())
    }

    /// Takes those that a fetch which ends now serves although they came while it was under way. Were each of them to have
    /// one of its own, two callers in turn could keep the endpoint busy.
    pub(super) fn served_meanwhile(&mut self) -> Self {
        self.served_by(TokenMode::Stable)
    }

    pub(super) fn answer(self, result: &Result<(), RefreshError>) {
        for wish in self.0 {
            // Nobody waits any more: fine.
            let _ = wish.answer.send(result.clone());
        }
    }
}

impl Keeper {
    /// Fetches a new token on an operator's wish, and answers how it went. A plain wish within ten seconds of a fetch is
    /// content with what that brought.
    pub async fn refresh(&self, account: &AccountName, force: bool) -> Result<(), RefreshError> {
        let found = self
            .accounts
            .get(account)
            .ok_or(RefreshError::NoSuchAccount)?;
        let mode = match (force, found.habit().mode) {
            (true, TokenMode::Stable) => TokenMode::Forced,
            (_, usual) => usual,
        };
        let (answer, answered) = oneshot::channel();
        {
            let mut held = found.held();
            let now = self.parts.clock.now();
            if mode == TokenMode::Forced
                && let Some(again_at) = budget::force_again_at(&held.standing.forced, now)
            {
                return Err(RefreshError::TooOften { again_at });
            }
            if mode != TokenMode::Forced
                && let Some(again_at) = held.ask_again_at(now)
            {
                return match held.is_the_last(now) && !force {
                    true => Ok(()),
                    false => Err(RefreshError::TooSoon { again_at }),
                };
            }
            held.wishes.0.push(Wish { mode, answer });
        }
        found.nudge.notify_one();
        answered.await.unwrap_or(Err(RefreshError::Stopping))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forced_wish_waits_for_a_forced_fetch_whatever_comes_after_it() {
        let mut wishes = Wishes::default();
        assert_eq!(wishes.mode(), None);
        let mut answers = Vec::new();
        for mode in [TokenMode::Stable, TokenMode::Forced, TokenMode::Stable] {
            let (answer, answered) = oneshot::channel();
            wishes.0.push(Wish { mode, answer });
            answers.push(answered);
        }
        assert_eq!(wishes.mode(), Some(TokenMode::Forced));
        wishes.served_by(TokenMode::Stable).answer(&Ok(()));
        let served = answers.iter_mut().map(|answer| answer.try_recv().is_ok());
        assert_eq!(served.collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(wishes.mode(), Some(TokenMode::Forced));
        wishes.served_by(TokenMode::Forced).answer(&Ok(()));
        assert_eq!(answers[1].try_recv(), Ok(Ok(())));
        assert_eq!(wishes.mode(), None);
    }
}
