//! One account's lane: how many calls it has under way, whether it may have more, and what it knows of its backlog.
//! Pure state; an outage of WeChat closes the lane, so that it costs time and not messages.

use std::sync::Arc;
use std::time::Duration;

use super::gate::Gate;
use super::kinds::KindGate;
use super::slot::Ended;
use super::steer::LaneView;
use crate::kind::ByKind;
use crate::message::{AccountName, Kind};
use crate::recipient::RecipientLimit;
use crate::time::UnixMs;

/// After so many calls in a row without a definite answer a lane closes.
pub const FAILURES_TO_CLOSE: u32 = 5;
/// A lane whose calls had no answer for so long may be stuck: it leaves the slots that are free to others.
const PATIENCE: Duration = Duration::from_millis(500);
/// The first and the longest pause before a probe goes out on a closed lane.
const PROBE_PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How a call went, as far as its lane is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// A definite answer about the message: WeChat is well.
    Fine,
    /// No connection, no answer in time, or 5xx.
    Failing,
    /// WeChat is too busy: failing, and to be spared.
    Busy,
    /// Too fast: nothing more until then.
    Paused(UnixMs),
    /// The account cannot send: a probe goes out then.
    Stopped(UnixMs),
}

/// What a lane knows of the messages that wait in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backlog {
    /// More may be due.
    More,
    /// So many were stored lately and are due; nothing else is, as far as is known.
    Few(usize),
    /// Nothing is due before then, as far as is known.
    Until(Option<UnixMs>),
}

/// One account's lane.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) account: AccountName,
    pub(super) in_flight: usize,
    pub(super) turn: usize,
    /// How often the account may write to one recipient.
    pub(super) limits: Arc<[RecipientLimit]>,
    /// The most calls at a time: what is configured, and of that as much as the others leave.
    wish: usize,
    cap: usize,
    /// Its account is gone: no more calls begin.
    retired: bool,
    backlog: Backlog,
    looked_at: UnixMs,
    /// When its last answer came, or the first of the calls that are under way began.
    answered_at: UnixMs,
    failures: u32,
    /// Set while the lane is closed: when the next probe may go, and the pause that led there.
    closed: Option<(UnixMs, Duration)>,
    /// Closed because WeChat said that the account cannot send, not because calls failed.
    stopped: bool,
    paused_until: UnixMs,
    /// The rate allows nothing more until then.
    paced_until: UnixMs,
    /// Messages that WeChat took.
    taken: ByKind<u64>,
    /// When it took the last of them.
    taken_at: ByKind<Option<UnixMs>>,
    pub(super) gate: Gate,
    /// What holds back a kind besides template messages.
    pub(super) kinds: ByKind<KindGate>,
}

impl Lane {
    pub(super) fn new(account: AccountName, cap: usize) -> Self {
        Self {
            account,
            in_flight: 0,
            turn: 0,
            limits: Arc::default(),
            wish: cap,
            cap,
            retired: false,
            backlog: Backlog::More,
            looked_at: UnixMs(0),
            answered_at: UnixMs(0),
            failures: 0,
            closed: None,
            stopped: false,
            paused_until: UnixMs(0),
            paced_until: UnixMs(0),
            taken: ByKind::default(),
            taken_at: ByKind::default(),
            gate: Gate::default(),
            kinds: ByKind::default(),
        }
    }

    pub(super) fn enlist(&mut self, cap: usize) {
        self.wish = cap;
        self.retired = false;
        // What was stored meanwhile nobody told it of.
        self.backlog = Backlog::More;
    }

    pub(super) fn bound(&mut self, most: usize) {
        self.cap = self.wish.min(most);
    }

    pub(super) fn retire(&mut self) {
        self.retired = true;
    }

    /// How many more calls may begin now; one at a time on a closed lane, when its probe is due.
    pub(super) fn capacity(&self, now: UnixMs) -> usize {
        if self.retired {
            return 0;
        }
        match self.closed {
            Some((probe_at, _)) => usize::from(self.in_flight == 0 && now >= probe_at),
            None if now < self.paused_until.max(self.paced_until) => 0,
            None => self.room().saturating_sub(self.in_flight),
        }
    }

    /// How many calls may be under way. A failing one is not replaced, so that no more messages come into doubt until the
    /// lane closes than were under way when it began.
    fn room(&self) -> usize {
        let failures = usize::try_from(self.failures).unwrap_or(usize::MAX);
        self.cap.saturating_sub(failures).max(1)
    }

    /// A slot was taken for it.
    pub(super) fn took(&mut self, now: UnixMs) {
        if self.in_flight == 0 {
            self.answered_at = now;
        }
        self.in_flight += 1;
    }

    /// Whether its calls are under way without an answer for so long that it may be stuck.
    pub(super) fn is_slow(&self, now: UnixMs) -> bool {
        self.in_flight > 0 && now.since(self.answered_at) >= PATIENCE
    }

    /// How many a claim should ask for: all that may begin, but not more than are known to wait, because the slots of a
    /// claim are kept from messages that come in meanwhile.
    pub(super) fn demand(&self, now: UnixMs) -> usize {
        match self.backlog {
            Backlog::Few(count) => self.capacity(now).min(count),
            Backlog::More | Backlog::Until(_) => self.capacity(now),
        }
    }

    /// When it lets a call go again, or a probe if it is closed; none if it lets calls go now.
    pub(super) fn opens_at(&self, now: UnixMs) -> Option<UnixMs> {
        let paused_until = (now < self.paused_until).then_some(self.paused_until);
        self.closed.map(|(probe_at, _)| probe_at).or(paused_until)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// Whether the store may hold something that is due; `poll` is how long it is believed that it does not.
    pub(super) fn wants(&self, now: UnixMs, poll: Duration) -> bool {
        self.capacity(now) > 0 && self.backlog_due(now, poll)
    }

    fn backlog_due(&self, now: UnixMs, poll: Duration) -> bool {
        match self.backlog {
            Backlog::More | Backlog::Few(_) => true,
            Backlog::Until(due) => {
                due.is_some_and(|due| now >= due) || now >= self.looked_at.plus(poll)
            }
        }
    }

    /// Whether nothing that is stored could go before a message that comes in now.
    pub(super) fn is_clear(&self, now: UnixMs) -> bool {
        !self.is_closed()
            && matches!(self.backlog, Backlog::Until(due) if due.is_none_or(|due| now < due))
    }

    /// When to look again although nothing happens in between; never while a slot must come back first.
    pub(super) fn next_look(&self, poll: Duration) -> UnixMs {
        const NEVER: UnixMs = UnixMs(i64::MAX);
        if self.retired {
            return NEVER;
        }
        let open = match self.closed {
            Some(_) if self.in_flight > 0 => return NEVER,
            Some((probe_at, _)) => probe_at,
            None if self.in_flight >= self.room() => return NEVER,
            None => self.paused_until.max(self.paced_until),
        };
        let known = match self.backlog {
            Backlog::More | Backlog::Few(_) => UnixMs(0),
            Backlog::Until(due) => due.unwrap_or(NEVER).min(self.looked_at.plus(poll)),
        };
        known.max(open)
    }

    /// Whether more is known to be due than there were slots for.
    pub(super) fn has_more(&self) -> bool {
        !self.retired && matches!(self.backlog, Backlog::More | Backlog::Few(_))
    }

    /// A message waits in the store from `due` on.
    pub(super) fn waiting(&mut self, due: UnixMs, now: UnixMs) {
        self.backlog = match self.backlog {
            Backlog::Until(_) if due <= now => Backlog::Few(1),
            Backlog::Until(known) => Backlog::Until(Some(known.map_or(due, |k| k.min(due)))),
            Backlog::Few(count) if due <= now => Backlog::Few(count + 1),
            known @ (Backlog::Few(_) | Backlog::More) => known,
        };
    }

    /// A claim was begun; what it does not see counts from here.
    pub(super) fn looking(&mut self, now: UnixMs) {
        self.looked_at = now;
        self.backlog = Backlog::Until(None);
    }

    /// What a claim saw.
    pub(super) fn looked(&mut self, more: bool, next_due: Option<UnixMs>, now: UnixMs) {
        if more {
            self.backlog = Backlog::More;
        } else if let Some(due) = next_due {
            self.waiting(due, now);
        }
    }

    /// What opened since it was last looked at may have messages that are due.
    pub(super) fn look(&mut self, now: UnixMs) {
        if self.gate.look(self.in_flight, now) {
            self.backlog = Backlog::More;
        }
    }

    /// The rate allows nothing more until then; what was looked for is still to be found.
    pub(super) fn paced(&mut self, until: UnixMs) {
        self.paced_until = until;
        self.backlog = Backlog::More;
    }

    /// What a call that ended says of the rate and of the quota.
    pub(super) fn count(&mut self, ended: &Ended, now: UnixMs) {
        let began = ended.began;
        self.gate.pace.called(now);
        match ended.health {
            // On a closed lane nothing but probes go, which overtax nobody.
            Health::Busy if self.is_closed() => {}
            Health::Busy => self.gate.pace.busy(began, now),
            Health::Paused(_) => self.gate.pace.overtaxed(began, now),
            Health::Fine if ended.accepted => {
                self.gate.pace.well(now);
                if ended.kind == Kind::Template {
                    self.gate.spent();
                }
                self.taken[ended.kind as usize] += 1;
                self.taken_at[ended.kind as usize] = Some(now);
            }
            Health::Fine | Health::Failing | Health::Stopped(_) => {}
        }
    }

    /// What stopped it may be over.
    pub(super) fn probe_now(&mut self, now: UnixMs) {
        if let Some((probe_at, _)) = &mut self.closed
            && self.stopped
        {
            *probe_at = now.min(*probe_at);
        }
    }

    pub(super) fn view(&mut self, now: UnixMs) -> LaneView {
        self.look(now);
        LaneView {
            probe_at: self.closed.map(|(probe_at, _)| probe_at),
            stopped: self.stopped && self.is_closed(),
            paused_until: (now < self.paused_until).then_some(self.paused_until),
            in_flight: self.in_flight,
            rate: self.gate.pace.limit(),
            held: self.gate.at_most(self.in_flight).map(|room| room == 0),
            taken: self.taken,
            kinds: self.kinds.each_ref().map(KindGate::held),
            taken_at: self.taken_at,
        }
    }

    /// Takes note of how a call went. Answers whether the lane opened or closed by it.
    pub(super) fn record(&mut self, health: Health, probe: bool, now: UnixMs) -> bool {
        let was_closed = self.is_closed();
        if health != Health::Failing {
            self.answered_at = now;
        }
        match health {
            Health::Fine => self.open(probe),
            Health::Paused(until) => {
                self.open(probe);
                self.paused_until = self.paused_until.max(until);
            }
            Health::Stopped(until) => {
                // Of calls begun before, none may shorten the stop.
                let known = self.closed.filter(|_| self.stopped && !probe);
                let until = known.map_or(until, |(at, _)| at.max(until));
                self.closed = Some((until, PROBE_PAUSE.0));
                self.stopped = true;
            }
            Health::Failing | Health::Busy => {
                self.failures = self.failures.saturating_add(1);
                match self.closed {
                    // What was under way when the lane closed says nothing new.
                    Some(_) if !probe => {}
                    Some((_, pause)) => self.close((pause * 2).min(PROBE_PAUSE.1), now),
                    None if self.failures >= FAILURES_TO_CLOSE => self.close(PROBE_PAUSE.0, now),
                    None => {}
                }
            }
        }
        was_closed != self.is_closed()
    }

    /// A good answer to a call that was begun before the account was stopped says nothing about it now.
    fn open(&mut self, probe: bool) {
        self.failures = 0;
        if probe || !self.stopped {
            self.closed = None;
            self.stopped = false;
        }
    }

    fn close(&mut self, pause: Duration, now: UnixMs) {
        self.closed = Some((now.plus(pause), pause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLL: Duration = Duration::from_secs(1);

    fn lane() -> Lane {
        Lane::new("clinic".into(), 10)
    }

    #[test]
    fn five_failures_close_a_lane_and_one_good_probe_opens_it() {
        let (mut lane, now) = (lane(), UnixMs(1_000_000));
        for n in 1..=5 {
            assert_eq!(lane.record(Health::Failing, false, now), n == 5);
        }
        assert_eq!(lane.capacity(now), 0);
        let probe_at = now.plus(PROBE_PAUSE.0);
        assert_eq!(lane.capacity(probe_at), 1);
        assert!(!lane.record(Health::Failing, true, probe_at));
        assert_eq!(
            lane.capacity(probe_at.plus(PROBE_PAUSE.0)),
            0,
            "the pause grows"
        );
        assert!(lane.record(Health::Fine, true, probe_at.plus(Duration::from_secs(2))));
        assert_eq!(lane.capacity(now), 10);
    }

    #[test]
    fn a_stopped_lane_is_opened_by_its_probe_alone() {
        let (mut lane, now) = (lane(), UnixMs(1_000_000));
        let midnight = now.plus(Duration::from_secs(3_600));
        assert!(lane.record(Health::Stopped(midnight), false, now));
        assert!(
            !lane.record(Health::Fine, false, now),
            "it was begun before"
        );
        assert!(!lane.record(Health::Paused(now.next_minute()), false, now));
        assert_eq!(lane.capacity(now.next_minute()), 0);
        assert_eq!(lane.capacity(midnight), 1);
        let soon = now.plus(Duration::from_secs(60));
        assert!(!lane.record(Health::Stopped(soon), false, now));
        assert_eq!(lane.capacity(soon), 0, "nor is the stop made shorter");
        assert!(lane.record(Health::Fine, true, midnight));
        assert_eq!(lane.capacity(midnight), 10);
    }

    #[test]
    fn a_call_that_failed_is_not_replaced_until_one_goes_well() {
        let (mut lane, now) = (lane(), UnixMs(1_000_000));
        lane.in_flight = 10;
        for failed in 1..=4 {
            lane.record(Health::Failing, false, now);
            lane.in_flight -= 1;
            assert_eq!(lane.capacity(now), 0, "{failed} failed");
        }
        lane.record(Health::Fine, false, now);
        assert_eq!(lane.capacity(now), 4);
        let mut narrow = Lane::new("school".into(), 1);
        narrow.record(Health::Failing, false, now);
        assert_eq!(narrow.capacity(now), 1, "a lane is never shut by less");
    }

    #[test]
    fn stragglers_do_not_lengthen_the_pause() {
        let (mut lane, now) = (lane(), UnixMs(1_000_000));
        for _ in 0..100 {
            lane.record(Health::Failing, false, now);
        }
        assert_eq!(lane.capacity(now.plus(PROBE_PAUSE.0)), 1);
    }

    #[test]
    fn a_claim_for_a_few_leaves_the_other_slots_to_newcomers() {
        let (mut lane, now) = (lane(), UnixMs(1_000_000));
        assert_eq!(lane.demand(now), 10, "before the first look");
        lane.looking(now);
        lane.waiting(now, now);
        lane.waiting(now.plus(POLL), now);
        lane.waiting(now, now);
        assert_eq!((lane.demand(now), lane.capacity(now)), (2, 10));
        lane.looked(true, None, now);
        assert_eq!(lane.demand(now), 10, "there are more than were known");
    }

    #[test]
    fn what_is_stored_while_a_claim_is_under_way_is_not_forgotten() {
        let (mut lane, now) = (lane(), UnixMs(1_000_000));
        lane.looking(now);
        lane.waiting(now, now);
        lane.looked(false, None, now);
        assert!(lane.wants(now, POLL));
    }

    #[test]
    fn a_lane_is_clear_until_something_is_due() {
        let (mut lane, now) = (lane(), UnixMs(1_000_000));
        assert!(!lane.is_clear(now), "not before the first look");
        lane.looking(now);
        lane.looked(false, Some(now.plus(POLL)), now);
        assert!(lane.is_clear(now));
        assert!(!lane.is_clear(now.plus(POLL)));
    }
}
