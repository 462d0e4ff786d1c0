//! What must hold at the end of every run, by the truth of what was called, accepted and seen.
//! The numbers are those of the model of delivery.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use hongyan_courier::UnixMs;
use hongyan_courier::message::{Kind, Message, MessageId, Reason, Status};
use hongyan_courier::next::SAFE_WINDOW;

use super::scenario::Scenario;
use super::wechat::{Acceptance, Call, Known, Truth};

/// What a judge needs to know of a run.
pub(crate) struct Evidence<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) truth: &'a Truth,
    pub(crate) messages: &'a [Message],
    /// How often each message was retried with force.
    pub(crate) forced: &'a HashMap<MessageId, usize>,
    /// Whether anything befell the nodes.
    pub(crate) struck: bool,
    /// Whether something of a node was held up between its check and its first byte.
    pub(crate) frozen: bool,
    /// Messages whose recipients are not to be written to in the end.
    pub(crate) suppressed: &'a HashSet<MessageId>,
}

/// What is known of one message.
struct Case<'a> {
    message: &'a Message,
    calls: Vec<&'a Call>,
    accepted: Vec<&'a Acceptance>,
    forced: usize,
}

/// The promises that were broken.
pub(crate) fn broken(evidence: &Evidence<'_>) -> Vec<String> {
    let mut broken = Vec::new();
    let wanted = evidence.scenario.recipients.len();
    if evidence.messages.len() != wanted {
        let found = evidence.messages.len();
        broken.push(format!(
            "I0: {found} messages are stored instead of {wanted}"
        ));
    }
    for message in evidence.messages {
        let of = |id: MessageId| id == message.id;
        let case = Case {
            message,
            calls: evidence
                .truth
                .calls
                .iter()
                .filter(|c| of(c.message))
                .collect(),
            accepted: evidence
                .truth
                .accepted
                .iter()
                .filter(|a| of(a.message))
                .collect(),
            forced: evidence.forced.get(&message.id).copied().unwrap_or(0),
        };
        let judged = [
            copies(&case),
            window(&case, evidence.frozen),
            ending(&case),
            truthful(&case),
            doubt(&case),
            later_truth(&case),
            generations(&case),
            needless(&case, evidence),
            heedless(&case),
            unheard(&case, evidence),
        ];
        let status = message.delivery.status;
        broken.extend(
            judged
                .into_iter()
                .flatten()
                .map(|what| format!("{what} ({status})")),
        );
    }
    broken
}

fn says_nothing_seen(status: Status) -> bool {
    matches!(
        status,
        Status::Failed | Status::Cancelled | Status::Expired | Status::Suppressed
    )
}

/// I1: one generation is accepted once, and a user sees one copy, and one more for each force.
fn copies(case: &Case<'_>) -> Option<String> {
    let seen = case.accepted.iter().filter(|a| a.seen).count();
    if case.message.content.kind == Kind::Subscription {
        let maybe = case
            .calls
            .iter()
            .filter(|c| c.known == Known::Maybe)
            .count();
        return (maybe > 1 + case.forced)
            .then(|| format!("I1: {maybe} calls may have been accepted"));
    }
    let mut by_wire_id: HashMap<&str, usize> = HashMap::new();
    for accepted in &case.accepted {
        *by_wire_id.entry(&accepted.wire_id).or_default() += 1;
    }
    if by_wire_id.values().any(|count| *count > 1) {
        return Some("I1: one generation was accepted twice".into());
    }
    (seen > 1 + case.forced).then(|| format!("I1: the user saw {seen} copies"))
}

/// Beyond the safe window nothing is repeated.
fn window(case: &Case<'_>, frozen: bool) -> Option<String> {
    let bound = SAFE_WINDOW + Duration::from_secs(if frozen { 100 } else { 0 });
    let mut first: HashMap<&str, UnixMs> = HashMap::new();
    for call in &case.calls {
        let late = first.get(&*call.wire_id).map(|begun| call.at.since(*begun));
        if let Some(late) = late.filter(|late| *late > bound) {
            return Some(format!("W: a call was repeated after {late:?}"));
        }
        if call.known == Known::Maybe {
            first.entry(&call.wire_id).or_insert(call.at);
        }
    }
    None
}

/// I2: everything ends.
fn ending(case: &Case<'_>) -> Option<String> {
    let over = case.message.delivery.is_over();
    (!over).then(|| "I2: it never ended".into())
}

/// I3: what a status says of the user is true.
fn truthful(case: &Case<'_>) -> Option<String> {
    let status = case.message.delivery.status;
    let seen = case.accepted.iter().any(|a| a.seen);
    if says_nothing_seen(status) && seen {
        return Some("I3: but the user saw it".into());
    }
    if status == Status::Delivered && !seen {
        return Some("I3: but the user saw nothing".into());
    }
    let unaccepted = status == Status::Sent && case.accepted.is_empty();
    unaccepted.then(|| "I3: but WeChat never accepted it".into())
}

/// I4: no end says "not sent" while a call may have been accepted. A failed receipt tells of its generation.
fn doubt(case: &Case<'_>) -> Option<String> {
    let told_failed = |wire_id: &str| {
        let of_generation = case.accepted.iter().filter(|a| a.wire_id == wire_id);
        of_generation.clone().any(|a| a.offered && !a.seen)
    };
    let unresolved = case
        .calls
        .iter()
        .any(|call| call.known == Known::Maybe && !told_failed(&call.wire_id));
    let wrong = says_nothing_seen(case.message.delivery.status) && unresolved;
    wrong.then(|| "I4: while a call may have been accepted".into())
}

/// I5, I6: an acceptance or a receipt that a node has taken is never lost again.
fn later_truth(case: &Case<'_>) -> Option<String> {
    let delivery = &case.message.delivery;
    let settled = |msgid: Option<i64>| {
        msgid.is_some() && delivery.attempts.iter().any(|call| call.msgid == msgid)
    };
    let received = case
        .accepted
        .iter()
        .any(|a| a.told && a.seen && settled(a.msgid));
    if received && delivery.status != Status::Delivered {
        return Some("I6: although a receipt said that the user got it".into());
    }
    let accepted = delivery
        .attempts
        .iter()
        .any(|call| call.errcode == Some(0) && call.generation == delivery.generation);
    let forgotten = accepted && case.forced == 0 && delivery.reason == Some(Reason::OutcomeUnknown);
    forgotten.then(|| "I5: although its acceptance is known".into())
}

/// G: what is sent anew is new to WeChat, which would swallow it as a repeat of what it has.
fn generations(case: &Case<'_>) -> Option<String> {
    let attempts = case.message.delivery.attempts.iter();
    let taken = attempts.filter(|call| call.errcode == Some(0));
    let taken: HashSet<u32> = taken.map(|call| call.generation).collect();
    let known: HashSet<&str> = case.accepted.iter().map(|a| &*a.wire_id).collect();
    (taken.len() > known.len()).then(|| "G: a generation was swallowed".into())
}

/// R1: no first call goes out to a recipient of whom its look could see that they are not to be written to.
fn heedless(case: &Case<'_>) -> Option<String> {
    let mut calls = case.calls.iter();
    let heedless = calls.any(|call| call.heedless);
    heedless.then(|| "R1: it was called although its recipient was suppressed".into())
}

/// R2: who may be written to again is.
fn unheard(case: &Case<'_>, evidence: &Evidence<'_>) -> Option<String> {
    let suppressed = evidence.suppressed.contains(&case.message.id);
    let lost = case.message.delivery.status == Status::Suppressed && !suppressed;
    lost.then(|| "R2: although its recipient is not suppressed any more".into())
}

/// Where nothing went wrong, nothing is left open.
fn needless(case: &Case<'_>, evidence: &Evidence<'_>) -> Option<String> {
    let plain = !evidence.struck
        && evidence.scenario.script.turns.is_empty()
        && evidence.scenario.script.others.iter().all(Vec::is_empty)
        && !evidence.scenario.left_behind
        && !evidence.scenario.retried
        && case.message.delivery.status == Status::Unconfirmed;
    plain.then(|| "Q: although nothing went wrong".into())
}
