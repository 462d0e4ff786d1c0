//! What is known of one account's token, and what to do next about it: fetch, or wait until when. Pure.

use std::time::Duration;

use super::budget::{may_force, refetch_at};
use super::refresh::Wishes;
use crate::account::{Standing, Trouble};
use crate::message::Reason;
use crate::port::{Token, TokenMode};
use crate::time::UnixMs;

/// A token is renewed this long before its end at the earliest, and a minute later at the latest: WeChat hands out the
/// same one before that.
const RENEW: Duration = Duration::from_secs(5 * 60);
const RENEW_SPREAD: Duration = Duration::from_secs(60);
/// A token is not used for a call that might reach WeChat after its end.
const MARGIN: Duration = Duration::from_secs(10);
/// However soon a token ends, and however often operators ask, it is not fetched more often than this.
const LEAST_PAUSE: Duration = Duration::from_secs(10);

/// One account's token.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) token: Option<Token>,
    pub(super) rejected: bool,
    pub(super) standing: Standing,
    /// Set after a fetch that failed for a passing reason: how often in a row, and when to try again.
    pub(super) failing: Option<(u16, UnixMs)>,
    /// When the endpoint answered last, whatever it said.
    pub(super) asked_at: Option<UnixMs>,
    /// Where in the renewal minute this node renews, between 0 and 1.
    pub(super) spread: f64,
    /// Operators ask for a new one, and wait.
    pub(super) wishes: Wishes,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Fetch(TokenMode),
    Wait(UnixMs),
}

/// There is no token to send with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoToken {
    /// When there may be one.
    pub until: UnixMs,
    /// Why not now.
    pub reason: Reason,
}

impl Held {
    pub(super) fn new(standing: Standing, spread: f64) -> Self {
        Self {
            token: None,
            rejected: false,
            standing,
            failing: None,
            asked_at: None,
            spread,
            wishes: Wishes::default(),
        }
    }

    /// The token to send with now.
    pub(super) fn usable(&self, now: UnixMs) -> Result<&Token, NoToken> {
        match &self.token {
            Some(token) if !self.rejected && now.plus(MARGIN) < token.expires_at => Ok(token),
            _ => {
                let reason = match (&self.standing.stop, self.rejected) {
                    (Some(_), _) => Reason::AccountUnusable,
                    (None, true) => Reason::TokenRejected,
                    (None, false) => Reason::UpstreamUnavailable,
                };
                Err(NoToken {
                    until: self.wait_until(now),
                    reason,
                })
            }
        }
    }

    fn wait_until(&self, now: UnixMs) -> UnixMs {
        const SOON: Duration = Duration::from_millis(500);
        match self.next(TokenMode::Stable, now) {
            Step::Wait(at) => at.max(now.plus(SOON)),
            Step::Fetch(_) => now.plus(SOON),
        }
    }

    /// What to do next, for an account whose usual mode is `usual`.
    pub(super) fn next(&self, usual: TokenMode, now: UnixMs) -> Step {
        if let Some(mode) = self.wishes.mode() {
            return Step::Fetch(mode);
        }
        let at = self.not_before(now);
        if now < at {
            return Step::Wait(at);
        }
        let again = self.standing.trouble.as_ref().is_some_and(|of| of.again);
        let force = again
            && self.needs_another()
            && usual == TokenMode::Stable
            && may_force(&self.standing.forced, now);
        Step::Fetch(if force { TokenMode::Forced } else { usual })
    }

    fn not_before(&self, now: UnixMs) -> UnixMs {
        let mut at = match &self.token {
            Some(token) if !self.rejected => {
                let spread = RENEW_SPREAD.mul_f64(self.spread);
                token
                    .expires_at
                    .minus(RENEW)
                    .plus(spread)
                    .max(token.fetched_at.plus(LEAST_PAUSE))
            }
            _ => now,
        };
        if let Some((_, retry_at)) = self.failing {
            at = at.max(retry_at);
        }
        if let Some(stop) = &self.standing.stop {
            at = at.max(stop.probe_at);
        }
        // A stopped account is probed at its own pace: what the endpoint refuses hands out no token to be rationed.
        let rationed = self.needs_another() && self.standing.stop.is_none();
        if rationed && let Some(trouble) = &self.standing.trouble {
            let ration = refetch_at(self.standing.refetched_until);
            at = at.max(trouble.next_fetch()).max(ration);
        }
        at
    }

    /// Whether the token in use is what the endpoint answered last.
    pub(super) fn is_the_last(&self, now: UnixMs) -> bool {
        let fetched_at = self.usable(now).ok().map(|token| token.fetched_at);
        fetched_at.is_some() && fetched_at == self.asked_at
    }

    /// When the endpoint may be asked again for nothing but a wish; none if it may be now.
    pub(super) fn ask_again_at(&self, now: UnixMs) -> Option<UnixMs> {
        let at = self.asked_at?.plus(LEAST_PAUSE);
        (now < at).then_some(at)
    }

    fn needs_another(&self) -> bool {
        self.rejected || self.token.is_none()
    }

    /// Whether this is the token in use, as it was fetched last: the endpoint may hand the same one out twice, and what
    /// came of calls with it before says nothing of it now.
    fn is_in_use(&self, token: &Token) -> bool {
        !self.rejected && self.token.as_ref() == Some(token)
    }

    /// A call was rejected with `token`. Answers whether that is news.
    pub(super) fn reject(&mut self, token: &Token, now: UnixMs) -> bool {
        if !self.is_in_use(token) {
            return false;
        }
        self.rejected = true;
        let rejected = token.secret.fingerprint();
        match &mut self.standing.trouble {
            Some(trouble) => trouble.go_on(rejected),
            None => {
                self.standing.trouble = Some(Trouble::begin(rejected, token.fetched_at, now));
            }
        }
        true
    }

    /// A call was accepted with `token`. Answers whether that ended trouble: an older token's acceptance says nothing of
    /// the one that is in use.
    pub(super) fn accept(&mut self, token: &Token) -> bool {
        // First what is cheap: in the usual case there is no trouble.
        let ends = self.standing.trouble.is_some() && self.is_in_use(token);
        if ends {
            self.standing.trouble = None;
        }
        ends
    }

    /// Whatever stopped the account may be mended: it is tried again now.
    pub(super) fn probe_now(&mut self, now: UnixMs) {
        if let Some(stop) = &mut self.standing.stop {
            stop.probe_at = stop.probe_at.min(now);
        }
        if let Some((_, retry_at)) = &mut self.failing {
            *retry_at = now.min(*retry_at);
        }
    }

    /// A token came. It is tried even if it was rejected before: WeChat may take it by now, and if not, the next fetch is
    /// forced. Fetches are rationed, so a try comes once in ten minutes, and costs no more calls than there are slots.
    pub(super) fn take(&mut self, token: Token) {
        self.failing = None;
        self.standing.stop = None;
        self.rejected = false;
        self.token = Some(token);
    }
}
