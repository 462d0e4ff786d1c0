//! The small integers that stand for the words of the domain in rows. A number, once given, keeps its meaning.
//! It knows nothing of tables.

use hongyan_courier::broadcast::{Source, State};
use hongyan_courier::message::{Kind, Priority, Status};
use hongyan_courier::recipient::Following;
use hongyan_courier::webhook::EventState;

use super::fault::Fault;
use crate::fnv;

pub(super) fn of_status(status: Status) -> i64 {
    match status {
        Status::Queued => 0,
        Status::Sending => 1,
        Status::Sent => 2,
        Status::Delivered => 3,
        Status::Failed => 4,
        Status::Suppressed => 5,
        Status::Cancelled => 6,
        Status::Expired => 7,
        Status::Unconfirmed => 8,
    }
}

pub(super) fn of_kind(kind: Kind) -> i64 {
    match kind {
        Kind::Template => 0,
        Kind::Subscription => 1,
        Kind::OneTime => 2,
        Kind::MiniProgram => 3,
    }
}

pub(super) fn of_priority(priority: Priority) -> i64 {
    match priority {
        Priority::High => 0,
        Priority::Normal => 1,
        Priority::Bulk => 2,
    }
}

pub(super) fn of_following(state: Following) -> i64 {
    match state {
        Following::Unknown => 0,
        Following::Subscribed => 1,
        Following::Unsubscribed => 2,
        Following::Blacklisted => 3,
        Following::Dead => 4,
    }
}

pub(super) fn following(code: i64) -> Result<Following, Fault> {
    known(Following::ALL, of_following, code, "state of a recipient")
}

pub(super) fn of_broadcast_state(state: State) -> i64 {
    match state {
        State::Draft => 0,
        State::Uploading => 1,
        State::Ready => 2,
        State::Running => 3,
        State::Paused => 4,
        State::Done => 5,
        State::Cancelled => 6,
    }
}

pub(super) fn of_broadcast_source(source: Source) -> i64 {
    match source {
        Source::Rows => 0,
        Source::Followers => 1,
    }
}

pub(super) fn broadcast_state(code: i64) -> Result<State, Fault> {
    known(State::ALL, of_broadcast_state, code, "broadcast state")
}

pub(super) fn broadcast_source(code: i64) -> Result<Source, Fault> {
    known(Source::ALL, of_broadcast_source, code, "broadcast source")
}

pub(super) fn of_event_state(state: EventState) -> i64 {
    match state {
        EventState::Waiting => 0,
        EventState::Delivered => 1,
        EventState::Failed => 2,
    }
}

pub(super) fn event_state(code: i64) -> Result<EventState, Fault> {
    known(EventState::ALL, of_event_state, code, "event state")
}

pub(super) fn status(code: i64) -> Result<Status, Fault> {
    known(Status::ALL, of_status, code, "status")
}

pub(super) fn kind(code: i64) -> Result<Kind, Fault> {
    known(Kind::ALL, of_kind, code, "kind")
}

pub(super) fn priority(code: i64) -> Result<Priority, Fault> {
    known(Priority::ALL, of_priority, code, "priority")
}

fn known<T: Copy>(all: &[T], code_of: fn(T) -> i64, code: i64, what: &str) -> Result<T, Fault> {
    let found = all.iter().copied().find(|value| code_of(*value) == code);
    found.ok_or_else(|| Fault::Unreadable(format!("{what} {code}")))
}

/// By which an openid is looked up.
pub(super) fn openid_hash(openid: &str) -> i64 {
    fnv::hash(openid.as_bytes()).cast_signed()
}
