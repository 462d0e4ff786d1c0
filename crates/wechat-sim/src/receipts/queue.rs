//! Which receipts follow a message, when, and the queue they wait in, ordered by the simulator's time.
//! Pure but for its seeded random numbers; it knows no sockets.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde::Deserialize;
use tokio::sync::oneshot;

use crate::config::ReceiptPolicy;
use crate::world::{Accepted, text_of};

/// WeChat posts an event three times in all.
const DELIVERIES: u8 = 3;
/// Between an unanswered delivery and the next.
const RETRY_AFTER_MS: i64 = 1_000;
/// A contradiction comes well after what it contradicts: which of two that come at once is the first is nobody's to say.
const CONTRADICTION_MS: i64 = 1_000;

/// The texts production uses, with their uneven blanks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Success,
    UserBlock,
    SystemFailed,
    FreqLimit,
}

impl Status {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::UserBlock => "failed:user block",
            Self::SystemFailed => "failed: system failed",
            Self::FreqLimit => "failed:freq limit",
        }
    }

    /// The same as an event for a subscription message has it: a code and its text.
    pub(super) fn of_subscription(self) -> (i64, &'static str) {
        let code = match self {
            Self::Success => return (0, "success"),
            Self::UserBlock => 43101,
            Self::SystemFailed => -1,
            Self::FreqLimit => 43117,
        };
        (code, text_of(code))
    }
}

/// What a push to the callback is about.
#[derive(Clone, Debug)]
pub(crate) enum About {
    /// A template message: `TEMPLATESENDJOBFINISH`.
    Message,
    /// A message of this subscription template: `subscribe_msg_sent_event`.
    Subscription(Box<str>),
    /// Something that a user did.
    User(Push),
}

/// What a user does that WeChat tells the account's callback.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event", deny_unknown_fields)]
pub enum Push {
    /// Follows the account.
    Subscribe,
    /// Follows it no longer.
    Unsubscribe,
    /// Answers the subscription dialogue: `subscribe_msg_popup_event`.
    Popup { template_id: String, accept: bool },
    /// Switches a template off in the settings: `subscribe_msg_change_event`.
    Change { template_id: String },
    /// Writes to the account: an ordinary message.
    Text { content: String },
}

/// One receipt that waits.
#[derive(Debug)]
pub(super) struct Pending {
    due_ms: i64,
    order: u64,
    pub(super) account: usize,
    pub(super) msgid: i64,
    pub(super) openid: Box<str>,
    /// Seconds; the same in every delivery.
    pub(super) created: i64,
    pub(super) status: Status,
    pub(super) about: About,
    deliveries_left: u8,
    /// The send that is not answered before this receipt has been posted.
    hold: Option<oneshot::Sender<()>>,
}

impl Pending {
    /// The waiting send may be answered.
    pub(super) fn release(&mut self) {
        if let Some(hold) = self.hold.take() {
            // The caller may have hung up.
            let _ = hold.send(());
        }
    }

    /// Counts a delivery that failed; none when that was the last.
    pub(super) fn again(mut self, now_ms: i64) -> Option<Self> {
        self.deliveries_left -= 1;
        self.due_ms = now_ms + RETRY_AFTER_MS;
        (self.deliveries_left > 0).then_some(self)
    }
}

/// Only in the order of their time; `order` keeps those of one instant in sequence.
#[derive(Debug)]
struct ByTime(Pending);

impl PartialEq for ByTime {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for ByTime {}

impl PartialOrd for ByTime {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByTime {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.0.due_ms, self.0.order).cmp(&(other.0.due_ms, other.0.order))
    }
}

#[derive(Debug)]
pub(super) struct Queue {
    pub(super) policy: ReceiptPolicy,
    pub(super) lost: u64,
    /// What was said first of each message; of one whose receipt was lost nothing was.
    said: HashMap<i64, Option<Status>>,
    heap: BinaryHeap<Reverse<ByTime>>,
    random: SmallRng,
    next_order: u64,
}

#[derive(Debug, Default)]
pub(super) struct Planned {
    pub(super) head_changed: bool,
    pub(super) hold: Option<oneshot::Receiver<()>>,
}

impl Queue {
    pub(super) fn new(policy: ReceiptPolicy, random_seed: u64) -> Self {
        Self {
            policy,
            lost: 0,
            said: HashMap::new(),
            heap: BinaryHeap::new(),
            random: SmallRng::seed_from_u64(random_seed.rotate_left(32)),
            next_order: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    pub(super) fn plan(
        &mut self,
        now_ms: i64,
        accepted: &Accepted,
        openid: &str,
        about: About,
    ) -> Planned {
        let mut planned = Planned::default();
        if self.happens(self.policy.lost) {
            self.lost += 1;
            self.said.insert(accepted.msgid, None);
            return planned;
        }
        let status = self.status();
        self.said.insert(accepted.msgid, Some(status));
        let mut due_ms = now_ms + self.delay_ms();
        let mut hold = None;
        if self.happens(self.policy.before_response) {
            // Ahead of any backlog: somebody waits for it.
            due_ms = 0;
            let (release, held) = oneshot::channel();
            hold = Some(release);
            planned.hold = Some(held);
        } else if self.happens(self.policy.reordered) {
            due_ms += i64::try_from(self.policy.delay_max_ms).unwrap_or(0) + 100;
        }
        let created = due_ms.max(now_ms).div_euclid(1000);
        let receipt = |queue: &mut Self, due_ms, status, hold| {
            let order = queue.next_order;
            queue.next_order += 1;
            queue.put_back(Pending {
                due_ms,
                order,
                account: accepted.account,
                msgid: accepted.msgid,
                openid: openid.into(),
                created,
                status,
                about: about.clone(),
                deliveries_left: DELIVERIES,
                hold,
            })
        };
        planned.head_changed = receipt(self, due_ms, status, hold);
        if self.happens(self.policy.duplicate) {
            let again_ms = due_ms.max(now_ms) + self.delay_ms();
            planned.head_changed |= receipt(self, again_ms, status, None);
        }
        if status == Status::Success && self.happens(self.policy.contradicted) {
            let later_ms = due_ms.max(now_ms) + CONTRADICTION_MS + self.delay_ms();
            planned.head_changed |= receipt(self, later_ms, Status::UserBlock, None);
        }
        planned
    }

    /// What was said first of a message: none if nothing was, or if there was no such message.
    pub(super) fn said(&self, msgid: i64) -> Option<Status> {
        self.said.get(&msgid).copied().flatten()
    }

    /// A push that no send caused; true when it is now the first in the queue.
    pub(super) fn push(&mut self, now_ms: i64, account: usize, openid: &str, push: Push) -> bool {
        let order = self.next_order;
        self.next_order += 1;
        self.put_back(Pending {
            due_ms: now_ms,
            order,
            account,
            // Ordinary messages have an id as well.
            msgid: now_ms * 1000 + i64::try_from(order % 1000).unwrap_or(0),
            openid: openid.into(),
            created: now_ms.div_euclid(1000),
            status: Status::Success,
            about: About::User(push),
            deliveries_left: DELIVERIES,
            hold: None,
        })
    }

    /// True when it is now the first in the queue.
    pub(super) fn put_back(&mut self, pending: Pending) -> bool {
        let order = pending.order;
        self.heap.push(Reverse(ByTime(pending)));
        self.heap
            .peek()
            .is_some_and(|Reverse(ByTime(head))| head.order == order)
    }

    /// The first if it is due; else how long to wait for it, if there is any.
    pub(super) fn take_due(&mut self, now_ms: i64) -> Result<Pending, Option<u64>> {
        let wait_ms = match self.heap.peek() {
            None => return Err(None),
            Some(Reverse(ByTime(head))) => head.due_ms - now_ms,
        };
        if let Ok(wait_ms @ 1..) = u64::try_from(wait_ms) {
            return Err(Some(wait_ms));
        }
        match self.heap.pop() {
            Some(Reverse(ByTime(pending))) => Ok(pending),
            None => Err(None),
        }
    }

    fn delay_ms(&mut self) -> i64 {
        let (least, most) = (self.policy.delay_min_ms, self.policy.delay_max_ms);
        let delay = self.random.random_range(least..=most.max(least));
        i64::try_from(delay).unwrap_or(i64::MAX / 4)
    }

    fn status(&mut self) -> Status {
        let policy = &self.policy;
        let shares = [
            (policy.user_block, Status::UserBlock),
            (policy.system_failed, Status::SystemFailed),
            (policy.freq_limit, Status::FreqLimit),
        ];
        let mut draw = self.random.random::<f64>();
        for (share, status) in shares {
            if draw < share {
                return status;
            }
            draw -= share;
        }
        Status::Success
    }

    fn happens(&mut self, share: f64) -> bool {
        share > 0.0 && self.random.random::<f64>() < share
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SimConfig;
    use crate::world::{SendRequest, TokenRequest, World};

    /// What is taken from the queue at `until_ms`, after `count` messages accepted at 0.
    fn taken(policy: ReceiptPolicy, count: u32, until_ms: i64) -> Vec<Pending> {
        let seed = SimConfig::demo().seed;
        let mut world = World::new(&seed);
        let account = &seed.accounts[0];
        let request = TokenRequest::new(&account.appid, &account.secret);
        let granted = world.stable_token(0, &request, false).unwrap();
        let mut queue = Queue::new(policy, 7);
        for _ in 0..count {
            let message = SendRequest {
                access_token: &granted.access_token,
                touser: "oAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                template_id: "t1",
                data: r#"{"thing1":{"value":"x"}}"#,
                ..SendRequest::default()
            };
            let accepted = world.send(0, &message).unwrap();
            queue.plan(0, &accepted, message.touser, About::Message);
        }
        std::iter::from_fn(|| queue.take_due(until_ms).ok()).collect()
    }

    #[test]
    fn statuses_come_in_their_shares() {
        let policy = ReceiptPolicy {
            user_block: 0.2,
            system_failed: 0.3,
            freq_limit: 0.1,
            ..ReceiptPolicy::default()
        };
        let taken = taken(policy, 1000, 1000);
        let expected = [
            (Status::UserBlock, 160..240),
            (Status::SystemFailed, 250..350),
            (Status::FreqLimit, 70..130),
            (Status::Success, 350..450),
        ];
        for (status, share) in expected {
            let count = taken.iter().filter(|one| one.status == status).count();
            assert!(share.contains(&count), "{status:?}: {count}");
        }
    }

    #[test]
    fn without_a_spread_the_order_holds_unless_some_are_held_back() {
        let even = ReceiptPolicy {
            delay_min_ms: 50,
            delay_max_ms: 50,
            ..ReceiptPolicy::default()
        };
        assert!(taken(even.clone(), 20, 49).is_empty());
        let in_order = taken(even.clone(), 20, 50);
        assert_eq!(in_order.len(), 20);
        assert!(in_order.is_sorted_by_key(|one| one.msgid));

        let held_back = ReceiptPolicy {
            reordered: 0.5,
            ..even
        };
        assert!(taken(held_back.clone(), 20, 50).len() < 20);
        let all = taken(held_back, 20, 1000);
        assert_eq!(all.len(), 20);
        assert!(!all.is_sorted_by_key(|one| one.msgid));
    }
}
