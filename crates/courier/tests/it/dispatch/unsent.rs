//! A call that never left for a reason of our own says nothing of WeChat: its account's other messages go on.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hongyan_courier::dispatch::FAILURES_TO_CLOSE;
use hongyan_courier::message::{Reason, Status};
use hongyan_wechat::error::NotSentCause;

use crate::rig::node::Settings;
use crate::rig::stage::Stage;
use crate::rig::upstream::{Scripted, in_doubt, not_sent};
use crate::rig::{ACCOUNT, WITHOUT_RECEIPTS, calls, openid};

const MESSAGES: usize = 40;
/// More than would close a lane.
const BAD: usize = 4 * FAILURES_TO_CLOSE as usize;

/// All messages one after the other, until nothing more happens.
async fn one_by_one(script: impl FnOnce(Scripted) -> Scripted) -> Stage {
    let settings = Settings::new(1, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, script).await;
    stage.hand_over(calls(ACCOUNT, 0..MESSAGES)).await;
    stage.all_over().await;
    stage
}

/// A closed lane would have waited a second for its probe.
fn assert_never_closed(stage: &Stage) {
    let sends = &stage.wechat.sends(ACCOUNT)[..MESSAGES];
    let pauses = sends.windows(2).map(|two| two[1].at.since(two[0].until));
    let longest = pauses.max().unwrap();
    assert!(longest < Duration::from_millis(100), "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_fails_at_once_and_closes_nothing() {
    let bad: HashSet<String> = (0..BAD).map(openid).collect();
    let stage = one_by_one(move |wechat| {
        wechat.on_send(move |sent| {
            if bad.contains(&sent.content.touser) {
                Err(not_sent(NotSentCause::Request))
            } else {
                Ok(None)
            }
        })
    });
    let stage = stage.await;
    assert_eq!(stage.wechat.count(), MESSAGES, "each was tried once");
    assert_never_closed(&stage);
    let messages = stage.messages(ACCOUNT).await;
    let (failed, sent): (Vec<_>, Vec<_>) = messages
        .iter()
        .map(|message| (message.delivery.status, message.delivery.reason))
        .partition(|end| *end == (Status::Failed, Some(Reason::InvalidRequest)));
    assert_eq!(failed.len(), BAD);
    assert!(sent.iter().all(|end| *end == (Status::Sent, None)));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_again_leaves_its_doubt() {
    let called: Mutex<HashSet<String>> = Mutex::default();
    let stage = one_by_one(move |wechat| {
        wechat.on_send(move |sent| {
            if sent.content.touser != openid(0) {
                return Ok(None);
            }
            let first = called.lock().unwrap().insert(sent.wire_id.clone());
            Err(if first {
                in_doubt()
            } else {
                not_sent(NotSentCause::Request)
            })
        })
    });
    let stage = stage.await;
    let tally = stage.tally(ACCOUNT).await;
    assert_eq!(tally[&Status::Unconfirmed], 1, "{tally:?}");
    assert_eq!(tally[&Status::Sent], MESSAGES - 1, "{tally:?}");
    assert_eq!(stage.wechat.count(), MESSAGES + 1);
}

#[tokio::test(start_paused = true)]
async fn calls_that_were_no_longer_allowed_close_nothing() {
    let stage = one_by_one(|wechat| {
        let nth = AtomicUsize::new(0);
        wechat.on_send(move |_| {
            if nth.fetch_add(1, Ordering::Relaxed) < BAD {
                Err(not_sent(NotSentCause::NotAllowed))
            } else {
                Ok(None)
            }
        })
    });
    let stage = stage.await;
    assert_never_closed(&stage);
    stage.assert_all(ACCOUNT, Status::Sent, MESSAGES).await;
}
