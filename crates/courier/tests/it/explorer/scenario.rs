//! The stories that are explored: what is sent, what WeChat does with it, what callers wish.
//! What befalls the nodes meanwhile is in `fate`.

use std::time::Duration;

use hongyan_courier::delivery::Policy;
use hongyan_courier::message::{Kind, Reason};

use super::wechat::{Script, Turn, When, Word};
use crate::rig::seconds;

/// One story.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The recipients' numbers, one for each message.
    pub(crate) recipients: Vec<usize>,
    /// Slots of each node.
    pub(crate) slots: usize,
    /// Whether the messages are those of a node that died with their calls under way.
    pub(crate) left_behind: bool,
    pub(crate) script: Script,
    /// Messages expire so long after they were handed over.
    pub(crate) expires_in: Option<Duration>,
    /// Whoever ends undelivered is retried once, with force where it is needed.
    pub(crate) retried: bool,
    /// No recipient is to be written to from the beginning.
    pub(crate) suppressed: bool,
}

impl Scenario {
    pub(crate) fn new(name: &str, turns: &[Turn]) -> Self {
        Self {
            name: name.to_owned(),
            kind: Kind::Template,
            recipients: vec![1],
            slots: 1,
            left_behind: false,
            script: Script {
                turns: turns.to_vec(),
                ..Script::default()
            },
            expires_in: None,
            retried: false,
            suppressed: false,
        }
    }

    pub(crate) fn words(mut self, words: &[Word]) -> Self {
        self.script.words = words.to_vec();
        self
    }

    pub(crate) fn repeats_answer(mut self, errcode: i64) -> Self {
        self.script.repeat_errcode = errcode;
        self
    }

    pub(crate) fn expires_in(mut self, how_long: Duration) -> Self {
        self.expires_in = Some(how_long);
        self
    }

    pub(crate) fn retried(mut self) -> Self {
        self.retried = true;
        self
    }

    pub(crate) fn suppressed(mut self) -> Self {
        self.suppressed = true;
        self
    }

    pub(crate) fn to(mut self, recipients: &[usize]) -> Self {
        self.recipients = recipients.to_vec();
        self
    }

    /// Two messages, with a slot for each on every node; the one that is called second meets these turns.
    pub(crate) fn beside(mut self, others: &[Turn]) -> Self {
        self.recipients = vec![1, 2];
        self.slots = 2;
        self.script.others = Some(others.to_vec());
        self
    }

    /// The first call of each message is a dead node's.
    pub(crate) fn left_behind(mut self) -> Self {
        self.left_behind = true;
        self
    }

    /// The same story with a kind that cannot be repeated, and that gets no receipts.
    pub(crate) fn as_subscription(&self) -> Self {
        let mut other = self.clone();
        other.name = format!("{}, subscription", self.name);
        other.kind = Kind::Subscription;
        other.script.words = Vec::new();
        other
    }

    pub(crate) fn policy(&self) -> Policy {
        let receipts = !self.script.words.is_empty();
        Policy {
            max_retries: 2,
            receipt_timeout: receipts.then_some(seconds(60)),
            receipt_retries: 1,
        }
    }

    /// How long after the end something of it may still be under way.
    pub(crate) fn aftermath(&self) -> Duration {
        let others = self.script.others.iter().flatten();
        let late = self
            .script
            .turns
            .iter()
            .chain(others)
            .map(|turn| match turn {
                Turn::Late(delay) => *delay,
                _ => Duration::ZERO,
            });
        late.max().unwrap_or_default() + seconds(8)
    }
}

pub(crate) fn success(when: When) -> Word {
    Word {
        failed: None,
        when,
        times: 1,
    }
}

pub(crate) fn failure(reason: Reason, when: When) -> Word {
    Word {
        failed: Some(reason),
        when,
        times: 1,
    }
}

pub(crate) fn twice(word: Word) -> Word {
    Word { times: 2, ..word }
}

/// A while after the answer.
pub(crate) const LATER: When = When::After(Duration::from_secs(3));

/// Everything that can become of a call.
pub(crate) const TURNS: [Turn; 12] = [
    Turn::Judged,
    Turn::AnswerLost,
    Turn::JudgedBusy,
    Turn::Busy,
    Turn::Lost,
    Turn::NoConnection,
    Turn::TokenDies,
    Turn::Refused(43004),
    Turn::Refused(43117),
    Turn::Refused(45011),
    Turn::Refused(99_999),
    Turn::Late(Duration::from_secs(58)),
];

/// The stories told with every kind of blow, on every test run.
pub(crate) fn stories() -> Vec<Scenario> {
    let system_failed = |when| failure(Reason::SystemFailed, when);
    let blocked = |when| failure(Reason::UserBlocked, when);
    let templates = vec![
        Scenario::new("all is well", &[]),
        Scenario::new(
            "the answer is lost after the acceptance",
            &[Turn::AnswerLost],
        ),
        Scenario::new("busy, but accepted", &[Turn::JudgedBusy]),
        Scenario::new("busy, and not accepted", &[Turn::Busy]),
        Scenario::new("no connection", &[Turn::NoConnection]),
        Scenario::new("the token dies", &[Turn::TokenDies]),
        Scenario::new("refused", &[Turn::Refused(43004)]),
        Scenario::new(
            "in doubt, then refused",
            &[Turn::AnswerLost, Turn::Refused(43004)],
        ),
        Scenario::new("the request comes late", &[Turn::Late(seconds(58))]),
        Scenario::new("in doubt, then expired", &[Turn::Lost, Turn::Lost]).expires_in(seconds(5)),
        Scenario::new("expires on the way", &[Turn::NoConnection]).expires_in(seconds(2)),
        Scenario::new("two for one recipient", &[Turn::AnswerLost]).to(&[1, 1]),
        Scenario::new("two recipients", &[Turn::JudgedBusy]).to(&[1, 2]),
    ];
    let (both_kinds, at_once) = at_once();
    let templates = [templates, both_kinds].concat();
    let subscriptions: Vec<_> = templates.iter().map(Scenario::as_subscription).collect();
    let special = vec![
        Scenario::new("a repeat answered 44007", &[Turn::AnswerLost]).repeats_answer(44007),
        Scenario::new("a repeat answered 40241", &[Turn::JudgedBusy]).repeats_answer(40241),
        Scenario::new("received", &[]).words(&[success(LATER)]),
        Scenario::new("received before the answer", &[]).words(&[success(When::Early)]),
        Scenario::new("received twice, answer lost", &[Turn::AnswerLost])
            .words(&[twice(success(When::Early))]),
        Scenario::new("blocked", &[]).words(&[twice(blocked(LATER))]),
        Scenario::new("system failed, then received", &[])
            .words(&[twice(system_failed(LATER)), success(LATER)]),
        Scenario::new(
            "system failed before the answer, answer lost",
            &[Turn::AnswerLost],
        )
        .words(&[system_failed(When::Early), success(When::Early)]),
        Scenario::new("refused, retried", &[Turn::Refused(43004)]).retried(),
        Scenario::new(
            "refused, retried, answer lost",
            &[Turn::Refused(43004), Turn::AnswerLost],
        )
        .retried(),
        Scenario::new(
            "in doubt, refused, forced",
            &[Turn::AnswerLost, Turn::Refused(43004)],
        )
        .retried(),
        Scenario::new("blocked, retried", &[])
            .words(&[blocked(LATER)])
            .retried(),
        Scenario::new("receipt missing, forced", &[])
            .words(&[blocked(When::After(seconds(90)))])
            .retried(),
    ];
    [templates, subscriptions, at_once, special].concat()
}

/// Two calls on one node, and calls of a dead one: those that are told with both kinds, and those that are not.
fn at_once() -> (Vec<Scenario>, Vec<Scenario>) {
    let late = Turn::Late(seconds(58));
    let both_kinds = vec![
        Scenario::new("two at once, both in doubt", &[Turn::AnswerLost])
            .beside(&[Turn::JudgedBusy]),
        Scenario::new("left behind", &[Turn::Judged]).left_behind(),
    ];
    let others = vec![
        Scenario::new("two at once", &[]).beside(&[]),
        Scenario::new("two at once, the token dies", &[]).beside(&[Turn::TokenDies]),
        Scenario::new("two at once, one late", &[late]).beside(&[Turn::Busy]),
        Scenario::new("left behind, refused", &[Turn::Lost, Turn::Refused(43004)]).left_behind(),
        Scenario::new("three with two slots", &[Turn::JudgedBusy])
            .beside(&[])
            .to(&[1, 2, 1]),
    ];
    (both_kinds, others)
}

/// Every two turns after each other, with every habit of receipts.
pub(crate) fn pairs() -> Vec<Scenario> {
    let system_failed = |when| failure(Reason::SystemFailed, when);
    let habits: [Vec<Word>; 5] = [
        Vec::new(),
        vec![success(LATER)],
        vec![twice(success(When::Early))],
        vec![twice(system_failed(LATER)), success(LATER)],
        vec![failure(Reason::UserBlocked, When::Early)],
    ];
    let mut all = Vec::new();
    for first in TURNS {
        for second in TURNS {
            for (n, words) in habits.iter().enumerate() {
                let name = format!("{first:?}, {second:?}, receipts {n}");
                let story = Scenario::new(&name, &[first, second]).words(words);
                if n == 0 {
                    all.push(story.as_subscription());
                    all.push(story.clone().retried());
                }
                all.push(story);
            }
        }
    }
    all
}

/// Every turn beside every other on one node, and every turn of a dead node's call before every other.
pub(crate) fn pairs_at_once() -> Vec<Scenario> {
    let mut all = Vec::new();
    for first in TURNS {
        for second in TURNS {
            let name = format!("{first:?} beside {second:?}");
            let beside = Scenario::new(&name, &[first]).beside(&[second]);
            let name = format!("{first:?} left behind, {second:?}");
            let left = Scenario::new(&name, &[first, second]).left_behind();
            all.extend([beside.as_subscription(), left.as_subscription()]);
            all.push(beside.clone().words(&[success(When::Early)]));
            all.extend([beside, left]);
        }
    }
    all
}

/// A call in doubt that nobody ever answers.
pub(crate) fn doubt_without_end() -> Scenario {
    Scenario::new(
        "doubt without end",
        &[&[Turn::AnswerLost][..], &[Turn::Lost; 30]].concat(),
    )
}
