//! How an account's sending is steered from outside: by its quota, its rate and its quiet hours.
//! Nothing here sends; what is set holds from the next look of whoever claims.

use std::time::Duration;

use super::lane::{Health, Lane};
use super::slot::Slots;
use crate::kind::ByKind;
use crate::message::{AccountName, Kind, Message, Priority};
use crate::quota::Allowance;
use crate::rate::PerSecond;
use crate::time::UnixMs;

/// An account's lane, for operators and for its quota's keeper.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LaneView {
    /// Closed: nothing goes but a probe, from then on.
    pub probe_at: Option<UnixMs>,
    /// Closed because WeChat said that the account cannot send, not because calls failed.
    pub stopped: bool,
    /// Nothing goes until then, because it went too fast.
    pub paused_until: Option<UnixMs>,
    /// Calls under way.
    pub in_flight: usize,
    /// The rate in force, in calls a second; none if nothing limits it.
    pub rate: Option<PerSecond>,
    /// Which priorities are held back, by quiet hours or for want of quota.
    pub held: [bool; 3],
    /// So many messages of each kind were taken by WeChat since the process began.
    pub taken: ByKind<u64>,
    /// When the last of them was.
    pub taken_at: ByKind<Option<UnixMs>>,
}

impl Slots {
    /// How an account's lane is; none for an account that has none.
    #[must_use]
    pub fn lane(&self, account: &AccountName, now: UnixMs) -> Option<LaneView> {
        self.with_lane(account, |lane| lane.view(now))
    }

    /// When a message that is due then may go, as far as quiet hours go.
    #[must_use]
    pub fn put_off(&self, account: &AccountName, priority: Priority, due: UnixMs) -> UnixMs {
        let hours = self.hours_of(account);
        hours.map_or(due, |hours| hours.put_off(priority, due))
    }

    /// When a message that waits may go, as far as is known: when it is due and there is a token (`token_at`, if there is
    /// none), and nothing of its account holds it back any more: a lane that lets nothing go, quiet hours, the day's quota.
    #[must_use]
    pub fn may_go_at(&self, message: &Message, token_at: Option<UnixMs>, now: UnixMs) -> UnixMs {
        let (content, delivery) = (&message.content, &message.delivery);
        let held = |lane: &mut Lane| {
            (
                lane.opens_at(now),
                lane.gate.spent_until(content.priority, now),
            )
        };
        let held = self.with_lane(&content.account, held);
        let (opens_at, renewed_at) = held.unwrap_or_default();
        let latest = |at: UnixMs, other: Option<UnixMs>| other.map_or(at, |other| at.max(other));
        let at = latest(latest(delivery.due_at, token_at), opens_at);
        // The window of a repeat closes, whatever the hour.
        if let Some(end) = delivery.window_end(content.kind) {
            return at.min(end);
        }
        let at = latest(at, renewed_at);
        let earliest = at.max(now);
        let quiet = self.put_off(&content.account, content.priority, earliest);
        if quiet > earliest { quiet } else { at }
    }

    /// What is left of an account's quota for a kind; none if it is not known.
    pub fn allow(&self, account: &AccountName, kind: Kind, allowance: Option<Allowance>) {
        self.steer(account, |lane| {
            lane.gate.allowances[kind as usize] = allowance
        });
    }

    /// The most that an operator wants an account to send.
    pub fn limit_rate(&self, account: &AccountName, ceiling: Option<PerSecond>) {
        self.steer(account, |lane| lane.gate.pace.configure(ceiling));
    }

    /// The most that WeChat says an account may send: so many calls in a time.
    pub fn told_rate(&self, account: &AccountName, allowed: Option<(u64, Duration)>) {
        self.steer(account, |lane| lane.gate.pace.told(allowed));
    }

    /// An account was found stopped before this process began: nothing goes until then.
    pub fn stop_until(&self, account: &AccountName, until: UnixMs, now: UnixMs) {
        self.steer(account, |lane| {
            lane.record(Health::Stopped(until), false, now);
        });
    }

    /// What stopped an account may be over: one probe goes out now.
    pub fn probe(&self, account: &AccountName, now: UnixMs) {
        self.steer(account, |lane| lane.probe_now(now));
    }

    fn steer(&self, account: &AccountName, set: impl FnOnce(&mut Lane)) {
        self.with_lane(account, set);
        self.wake();
    }
}
