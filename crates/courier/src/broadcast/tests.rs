//! The steps of a broadcast, as a table over every state and wish.

use super::*;

fn broadcast(source: Source, state: State) -> Broadcast {
    let order = Order {
        account: "clinic".into(),
        client: "his".into(),
        source,
        recipe: Map::new(),
        rate: None,
        send_at: None,
        expires_at: None,
    };
    let id = BroadcastId::new(UnixMs(1_000));
    let mut broadcast = Broadcast::begin(NewBroadcast { id, order }, UnixMs(1_000));
    broadcast.state = state;
    broadcast.upload.rows = 10;
    broadcast.upload.complete = !matches!(state, State::Draft | State::Uploading);
    broadcast
}

/// What each wish leads to, in the order of [`State::ALL`]; `None` where it is refused.
const TABLE: [(Wish, [Option<State>; 7]); 5] = {
    use State::{Cancelled, Done, Draft, Paused, Ready, Running, Uploading};
    const NO: Option<State> = None;
    let start = [
        NO,
        NO,
        Some(Running),
        Some(Running),
        Some(Paused),
        Some(Done),
        NO,
    ];
    let pause = [NO, NO, NO, Some(Paused), Some(Paused), NO, NO];
    let resume = [NO, NO, NO, Some(Running), Some(Running), NO, NO];
    let end = Some(Cancelled);
    let cancel = [end, end, end, end, end, NO, end];
    let finish = [
        Some(Draft),
        Some(Uploading),
        Some(Ready),
        Some(Done),
        Some(Paused),
        Some(Done),
        Some(Cancelled),
    ];
    [
        (Wish::Start, start),
        (Wish::Pause, pause),
        (Wish::Resume, resume),
        (Wish::Cancel, cancel),
        (Wish::Finish, finish),
    ]
};

#[test]
fn every_wish_leads_where_the_table_says() {
    for (wish, row) in TABLE {
        for (state, next) in State::ALL.iter().zip(row) {
            let mut one = broadcast(Source::Rows, *state);
            let changed = one.apply(wish, UnixMs(2_000));
            assert_eq!(changed.is_ok(), next.is_some(), "{wish:?} of {state}");
            let stands = next.unwrap_or(*state);
            assert_eq!(one.state, stands, "{wish:?} of {state}");
            assert_eq!(changed.unwrap_or(false), stands != *state);
            let ended = stands.ended() && stands != *state;
            assert_eq!(one.ended_at.is_some(), ended);
        }
    }
}

#[test]
fn nothing_is_started_without_rows() {
    let mut empty = broadcast(Source::Rows, State::Ready);
    empty.upload.rows = 0;
    assert_eq!(empty.apply(Wish::Start, UnixMs(0)), Err(WishRefused::Empty));
    // Who follows the account is asked once it runs.
    let mut followers = broadcast(Source::Followers, State::Ready);
    followers.upload = Upload::default();
    assert_eq!(followers.apply(Wish::Start, UnixMs(0)), Ok(true));
}

#[test]
fn what_waits_is_what_is_left_over() {
    let mut progress = Progress {
        accepted: 9,
        ..Progress::default()
    };
    for status in Status::ALL {
        progress.count(*status, 1);
    }
    assert_eq!((progress.settled(), progress.waiting()), (7, 2));
    progress.count(Status::Sent, -1);
    assert_eq!((progress.sent, progress.waiting()), (0, 3));
}

#[test]
fn a_pause_does_not_count_into_the_forecast() {
    let at = |seconds: i64| UnixMs(seconds * 1_000);
    let mut one = broadcast(Source::Rows, State::Ready);
    one.upload.rows = 1_000;
    one.apply(Wish::Start, at(0)).unwrap();
    assert_eq!(one.forecast(at(10)), None, "nothing has been sent yet");
    one.cursor.row = 100;
    (one.progress.accepted, one.progress.sent) = (100, 100);
    assert_eq!(one.pace(at(10)), Some(10.0));
    assert_eq!(one.forecast(at(10)), Some(at(100)));
    one.apply(Wish::Pause, at(10)).unwrap();
    assert_eq!(one.forecast(at(500)), None);
    one.apply(Wish::Resume, at(1_000)).unwrap();
    one.cursor.row = 200;
    (one.progress.accepted, one.progress.sent) = (200, 200);
    assert_eq!(one.forecast(at(1_010)), Some(at(1_090)));
}

#[test]
fn a_forecast_is_not_later_than_anything_may_be_sent() {
    let at = |seconds: i64| UnixMs(seconds * 1_000);
    let mut one = broadcast(Source::Rows, State::Ready);
    one.upload.rows = 1_000;
    one.apply(Wish::Start, at(0)).unwrap();
    one.cursor.row = 200;
    (one.progress.accepted, one.progress.sent) = (200, 100);
    for (expires_at, end) in [(None, 100), (Some(101), 100), (Some(99), 99), (Some(9), 10)] {
        one.order = Arc::new(Order {
            expires_at: expires_at.map(at),
            ..Order::clone(&one.order)
        });
        assert_eq!(one.forecast(at(10)), Some(at(end)), "{expires_at:?}");
    }
}

#[test]
fn rows_that_were_left_when_their_time_was_over_have_expired() {
    let at = |seconds: i64| UnixMs(seconds * 1_000);
    for state in State::ALL {
        let mut one = broadcast(Source::Rows, *state);
        one.order = Arc::new(Order {
            expires_at: Some(at(100)),
            ..Order::clone(&one.order)
        });
        one.cursor.row = 4;
        let expired = |now: UnixMs| one.rows_expired(now);
        let ends = matches!(state, State::Running | State::Paused | State::Done);
        assert_eq!(expired(at(100)), if ends { 6 } else { 0 }, "{state}");
        // What is done has no more to come, whatever a clock says.
        let done = *state == State::Done;
        assert_eq!(expired(at(99)), if done { 6 } else { 0 }, "{state}");
    }
    let mut one = broadcast(Source::Rows, State::Done);
    one.cursor.row = 10;
    assert_eq!(one.rows_expired(at(100)), 0);
}

#[test]
fn ids_sort_by_time_and_survive_text() {
    let (early, late) = (
        BroadcastId::new(UnixMs(1_000)),
        BroadcastId::new(UnixMs(2_000)),
    );
    assert!(early < late);
    assert_eq!(early.to_string().parse(), Ok(early));
    assert_eq!(early.to_string().len(), 16);
    assert!(BroadcastId::new(UnixMs(4_000_000_000_000)).number() > 0);
    for wrong in [
        "",
        "+00000000000001",
        "x000000000000000",
        "f000000000000000",
    ] {
        assert_eq!(
            wrong.parse::<BroadcastId>(),
            Err(NotABroadcastId),
            "{wrong}"
        );
    }
}
