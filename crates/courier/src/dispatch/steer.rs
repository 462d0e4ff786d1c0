//! How an account's sending is steered from outside: by its quota, its rate and its quiet hours.
//! Nothing here sends; what is set holds from the next look of whoever claims.

use std::time::Duration;

use hongyan_wechat::errcode::Class;

use super::kinds::{Entered, KindHold, KindTurn};
use super::lane::{Health, Lane};
use super::slot::Slots;
use crate::kind::ByKind;
use crate::message::{AccountName, Content, Kind, Message, Priority};
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
    /// Which kinds WeChat does not take, though it may take the others.
    pub kinds: ByKind<Option<KindHold>>,
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
        let of = (content.kind, content.priority);
        let [opens_at, renewed_at] = self.holds(&content.account, of, now);
        let at = latest(delivery.due_at, [token_at, opens_at]);
        // The window of a repeat closes, whatever the hour.
        if let Some(end) = delivery.window_end(content.kind) {
            return at.min(end);
        }
        let at = latest(at, [renewed_at]);
        let earliest = at.max(now);
        let quiet = self.put_off(&content.account, content.priority, earliest);
        if quiet > earliest { quiet } else { at }
    }

    /// Until when nothing new of a kind and a priority goes, as far as is known: for want of a token (until `token_at`), or
    /// because its account holds it back; none if it goes now.
    #[must_use]
    pub fn held_until(
        &self,
        account: &AccountName,
        (kind, priority): (Kind, Priority),
        token_at: Option<UnixMs>,
        now: UnixMs,
    ) -> Option<UnixMs> {
        let [opens_at, renewed_at] = self.holds(account, (kind, priority), now);
        let holds = [token_at, opens_at, renewed_at];
        let at = self.put_off(account, priority, latest(now, holds));
        // A lane whose probe is due is closed all the same.
        (at > now || holds.iter().any(Option::is_some)).then_some(at)
    }

    /// When its lane lets something of a kind go again, and when there is quota again for a priority; each none if that is
    /// now.
    fn holds(
        &self,
        account: &AccountName,
        (kind, priority): (Kind, Priority),
        now: UnixMs,
    ) -> [Option<UnixMs>; 2] {
        let held = |lane: &mut Lane| {
            let of_kind = lane.kinds[kind as usize].opens_at(priority, now);
            [
                lane.opens_at(now).max(of_kind),
                lane.gate.spent_until(priority, now),
            ]
        };
        self.with_lane(account, held).unwrap_or_default()
    }

    /// What is left of an account's quota for a kind; none if it is not known.
    pub fn allow(&self, account: &AccountName, kind: Kind, allowance: Option<Allowance>) {
        self.steer(account, |lane| match kind {
            Kind::Template => lane.gate.allowance = allowance,
            other => lane.kinds[other as usize].allowance = allowance,
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

    /// The quota of a kind was found spent before this process began: nothing of it goes until then, and of template
    /// messages' nothing of the account.
    pub fn stop_until(&self, account: &AccountName, kind: Kind, until: UnixMs, now: UnixMs) {
        self.steer(account, |lane| match kind {
            Kind::Template => {
                lane.record(Health::Stopped(until), false, now);
            }
            other => lane.kinds[other as usize].stop_until(until),
        });
    }

    /// What stopped a kind may be over: one probe goes out now.
    pub fn probe(&self, account: &AccountName, kind: Kind, now: UnixMs) {
        self.steer(account, |lane| match kind {
            Kind::Template => lane.probe_now(now),
            other => lane.kinds[other as usize].probe_now(now),
        });
    }

    /// What holds back a message's kind now; none of template messages, which are held back at claims.
    pub(super) fn held_back(&self, content: &Content, now: UnixMs) -> Option<KindHold> {
        if content.kind == Kind::Template {
            return None;
        }
        let held = self.with_lane(&content.account, |lane| {
            lane.kinds[content.kind as usize].held_back(content.priority, now)
        });
        held.flatten()
    }

    /// Whether a call for a message may begin; else what holds its kind back. Each that may is told of by
    /// [`left`](Self::left) when it is over.
    pub(super) fn enter(&self, content: &Content, now: UnixMs) -> Result<Entered, KindHold> {
        const ENTERED: Result<Entered, KindHold> = Ok(Entered { probe: false });
        if content.kind == Kind::Template {
            return ENTERED;
        }
        let entered = self.with_lane(&content.account, |lane| {
            lane.kinds[content.kind as usize].enter(content.priority, now)
        });
        entered.unwrap_or(ENTERED)
    }

    /// Such a call is over; `class` is its answer's, none if there was none.
    pub(super) fn left(
        &self,
        content: &Content,
        entered: Entered,
        class: Option<Class>,
        now: UnixMs,
    ) -> KindTurn {
        if content.kind == Kind::Template {
            return KindTurn::Same;
        }
        let turned = self.with_lane(&content.account, |lane| {
            lane.kinds[content.kind as usize].left(entered, class, now)
        });
        turned.unwrap_or(KindTurn::Same)
    }

    fn steer(&self, account: &AccountName, set: impl FnOnce(&mut Lane)) {
        self.with_lane(account, set);
        self.wake();
    }
}

fn latest<const N: usize>(at: UnixMs, others: [Option<UnixMs>; N]) -> UnixMs {
    others.into_iter().flatten().fold(at, UnixMs::max)
}
