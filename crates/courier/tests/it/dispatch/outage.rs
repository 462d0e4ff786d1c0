//! An outage of WeChat costs time, not messages: five failures in a row close the account's lane, and one probe at a time
//! looks whether it is over. Other accounts go on.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hongyan_courier::message::{Content, Status};
use hongyan_courier::next::SAFE_WINDOW;
use hongyan_wechat::error::{CallError, NotSentCause};

use crate::rig::clock::NOW;
use crate::rig::node::Settings;
use crate::rig::stage::Stage;
use crate::rig::upstream::{LATENCY, Sent, in_doubt, most_at_once, not_sent, refused};
use crate::rig::{ACCOUNT, WITHOUT_RECEIPTS, calls, seconds};

const OTHER: &str = "school";
const SLOTS: usize = 10;
/// Slots that one of several accounts does not take.
const LEFT_TO_OTHERS: usize = SLOTS / 4;
const MESSAGES: usize = 200;
/// The longest pause between two probes.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// An outage of so long, for one account; then everything that may be sent is.
async fn outage(lasts: Duration, fails: fn() -> CallError) -> Stage {
    let over = NOW.plus(lasts);
    let settings = Settings::new(SLOTS, &[ACCOUNT, OTHER], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| {
        wechat.on_send(move |sent| {
            let out = sent.account.as_str() == ACCOUNT && sent.at < over;
            if out { Err(fails()) } else { Ok(None) }
        })
    });
    let stage = stage.await;
    stage.hand_over(calls(ACCOUNT, 0..MESSAGES)).await;
    stage.until_at(NOW.plus(seconds(10))).await;
    stage.hand_over(calls(OTHER, 0..MESSAGES)).await;
    stage.until_at(NOW.plus(seconds(13))).await;
    stage.assert_all(OTHER, Status::Sent, MESSAGES).await;
    stage.until_at(over.plus(LONGEST_PAUSE + seconds(5))).await;
    stage
}

/// The calls that failed after the lane was closed.
fn probes(stage: &Stage, lasts: Duration) -> Vec<Sent> {
    let sends = stage.wechat.sends(ACCOUNT);
    let failed = sends.into_iter().filter(|sent| sent.at < NOW.plus(lasts));
    failed.skip(SLOTS - LEFT_TO_OTHERS).collect()
}

fn assert_probed(probes: &[Sent]) {
    assert_eq!(most_at_once(probes), 1, "one at a time");
    let mut design = seconds(1);
    for two in probes.windows(2) {
        design = (design * 2).min(LONGEST_PAUSE);
        let pause = two[1].at.since(two[0].until);
        let range = design..=design + Duration::from_millis(1_100);
        assert!(range.contains(&pause), "{pause:?} instead of {design:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn five_failures_in_a_row_close_a_lane_and_one_probe_at_a_time_goes_out() {
    let answers: [fn() -> CallError; 3] =
        [|| not_sent(NotSentCause::Connect), in_doubt, || refused(-1)];
    for fails in answers {
        let lasts = seconds(7 * 60);
        let stage = outage(lasts, fails).await;
        let probes = probes(&stage, lasts);
        assert_probed(&probes);
        // 1, 2, 4, 8, 16, 32 seconds, then every minute.
        assert!((11..=12).contains(&probes.len()), "{}", probes.len());
        stage.assert_all(ACCOUNT, Status::Sent, MESSAGES).await;
    }
}

#[tokio::test(start_paused = true)]
async fn fewer_failures_close_nothing() {
    let settings = Settings::new(1, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| {
        let nth = AtomicU32::new(0);
        wechat.on_send(move |_| {
            let nth = nth.fetch_add(1, Ordering::Relaxed);
            let fails = nth % 5 != 4;
            if fails {
                Err(not_sent(NotSentCause::Connect))
            } else {
                Ok(None)
            }
        })
    });
    let stage = stage.await;
    stage.hand_over(calls(ACCOUNT, 0..MESSAGES)).await;
    stage.all_over().await;
    // While there are messages enough, one follows the other.
    let sends = &stage.wechat.sends(ACCOUNT)[..MESSAGES];
    let pauses = sends.windows(2).map(|two| two[1].at.since(two[0].until));
    let longest = pauses.max().unwrap();
    assert!(longest < Duration::from_millis(100), "{longest:?}");
    stage.assert_all(ACCOUNT, Status::Sent, MESSAGES).await;
}

#[tokio::test(start_paused = true)]
async fn hours_without_a_connection_fail_no_message_and_leave_no_doubt() {
    let lasts = seconds(3 * 3_600);
    let stage = outage(lasts, || not_sent(NotSentCause::Connect)).await;
    assert_probed(&probes(&stage, lasts));
    stage.assert_all(ACCOUNT, Status::Sent, MESSAGES).await;
    let messages = stage.messages(ACCOUNT).await;
    let calls = messages
        .iter()
        .map(|message| message.delivery.attempts.len());
    assert_eq!(
        calls.max(),
        Some(1),
        "a connection that never stood is no call"
    );
}

#[tokio::test(start_paused = true)]
async fn an_outage_within_the_window_leaves_nothing_unconfirmed() {
    let stage = outage(seconds(6 * 60), in_doubt).await;
    stage.assert_all(ACCOUNT, Status::Sent, MESSAGES).await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_beyond_the_window_leaves_no_more_unconfirmed_than_were_called() {
    let lasts = seconds(3_600);
    let stage = outage(lasts, in_doubt).await;
    let tally = stage.tally(ACCOUNT).await;
    let unconfirmed = tally[&Status::Unconfirmed];
    // What was under way when it began; then the probes need a new message only when a window closes.
    let windows = usize::try_from(lasts.as_secs() / SAFE_WINDOW.as_secs()).unwrap() + 1;
    assert!(unconfirmed <= SLOTS + windows, "{tally:?}");
    assert_eq!(tally[&Status::Sent] + unconfirmed, MESSAGES, "{tally:?}");
}

/// So that calls fail one by one, with other messages waiting for their slots.
fn not_together(content: &Content) -> Duration {
    LATENCY * (1 + u32::from(content.touser.as_bytes()[27] % 8))
}

#[tokio::test(start_paused = true)]
async fn no_more_messages_come_into_doubt_than_there_are_slots() {
    let settings = Settings::new(SLOTS, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| {
        wechat.takes(not_together).on_send(|_| Err(in_doubt()))
    });
    let stage = stage.await;
    stage.hand_over(calls(ACCOUNT, 0..MESSAGES)).await;
    stage.until_at(NOW.plus(SAFE_WINDOW - seconds(10))).await;
    let sends = stage.wechat.sends(ACCOUNT);
    let called: HashSet<&str> = sends.iter().map(|sent| &*sent.wire_id).collect();
    assert!(called.len() <= SLOTS, "{} in doubt", called.len());
    assert!(sends.len() > SLOTS, "and probes went out");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_away_for_ten_minutes_leaves_in_doubt_what_was_under_way() {
    const QUEUED: usize = 4_000;
    let (away, back) = (NOW.plus(seconds(2)), NOW.plus(seconds(602)));
    // Until then calls are still written to connections that stood before, and nothing comes back.
    let noticed = away.plus(seconds(1));
    let settings = Settings::new(SLOTS, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| {
        wechat
            .takes(not_together)
            .on_send(move |sent| match sent.at {
                at if at >= back || sent.until < away => Ok(None),
                at if at < noticed => Err(in_doubt()),
                _ => Err(not_sent(NotSentCause::Connect)),
            })
    });
    let stage = stage.await;
    stage.hand_over(calls(ACCOUNT, 0..QUEUED)).await;
    stage.until_at(back.plus(LONGEST_PAUSE + seconds(5))).await;
    let tally = stage.tally(ACCOUNT).await;
    let unconfirmed = tally.get(&Status::Unconfirmed).copied().unwrap_or(0);
    assert!((1..=SLOTS).contains(&unconfirmed), "{tally:?}");
    let accepted = tally[&Status::Sent];
    let open = tally[&Status::Queued] + tally.get(&Status::Sending).copied().unwrap_or(0);
    assert_eq!(accepted + open + unconfirmed, QUEUED, "{tally:?}");
    assert!(accepted > 500, "and the rest goes out: {tally:?}");
}
