//! Nobody can tell what became of a call: it is repeated with the same wire id while WeChat would drop the repeat,
//! at the moments of the design; then its message ends as unconfirmed.

use std::time::Duration;

use hongyan_courier::message::{Content, Kind, Reason, Status};

use crate::rig::clock::NOW;
use crate::rig::node::Settings;
use crate::rig::stage::Stage;
use crate::rig::upstream::{Sent, in_doubt, refused};
use crate::rig::{ACCOUNT, WITHOUT_RECEIPTS, call, calls, content, seconds};

/// About so many seconds after a call in doubt its repeats follow.
const REPEAT_AFTER: [u64; 5] = [2, 10, 40, 120, 240];
/// Beyond this nothing is repeated.
const WINDOW: Duration = Duration::from_secs(8 * 60);
/// What a lane and a claim may add to a pause.
const SLACK: Duration = Duration::from_millis(1_500);

fn assert_repeated_as_designed(sends: &[Sent]) {
    assert!(sends.iter().all(|sent| sent.wire_id == sends[0].wire_id));
    let pauses = sends.windows(2).map(|two| two[1].at.since(two[0].until));
    for (pause, design) in pauses.zip(REPEAT_AFTER) {
        let design = seconds(design);
        let range = design.mul_f64(0.8)..=design.mul_f64(1.2) + SLACK;
        assert!(range.contains(&pause), "{pause:?} instead of {design:?}");
    }
    let last = sends[sends.len() - 1].at;
    assert!(last.since(sends[0].at) < WINDOW);
}

#[tokio::test(start_paused = true)]
async fn a_call_in_doubt_is_repeated_on_time_and_never_beyond_the_window() {
    // An account each, so that no lane is closed by another's doubt; many, because of the jitter.
    let names: Vec<String> = (0..20).map(|n| format!("account{n}")).collect();
    let accounts: Vec<&str> = names.iter().map(String::as_str).collect();
    let settings = Settings::new(20, &accounts, WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat.on_send(|_| Err(in_doubt()))).await;
    for account in &accounts {
        stage.hand_over(calls(account, 0..1)).await;
    }
    stage.until_at(NOW.plus(WINDOW + seconds(2))).await;
    for account in accounts {
        let message = &stage.messages(account).await[0];
        let end = (message.delivery.status, message.delivery.reason);
        assert_eq!(end, (Status::Unconfirmed, Some(Reason::OutcomeUnknown)));
        assert_eq!(message.delivery.retries, 0);
        let sends = stage.wechat.sends(account);
        // The last repeat is left out where jitter would put it after the window.
        let whole = REPEAT_AFTER.len() + 1;
        assert!(
            (whole - 1..=whole).contains(&sends.len()),
            "{}",
            sends.len()
        );
        assert_repeated_as_designed(&sends);
    }
    let calls = stage.wechat.count();
    stage.until_at(NOW.plus(seconds(1_500))).await;
    assert_eq!(stage.wechat.count(), calls, "and that was all");
}

#[tokio::test(start_paused = true)]
async fn a_repeat_that_is_answered_ends_the_doubt() {
    let settings = Settings::new(1, &[ACCOUNT], WITHOUT_RECEIPTS);
    let answered = NOW.plus(seconds(100));
    let stage = Stage::open(settings, |wechat| {
        wechat.on_send(move |sent| {
            if sent.at < answered {
                Err(in_doubt())
            } else {
                Ok(None)
            }
        })
    });
    let stage = stage.await;
    stage.hand_over(calls(ACCOUNT, 0..1)).await;
    stage.all_over().await;
    stage.assert_all(ACCOUNT, Status::Sent, 1).await;
    assert_eq!(stage.messages(ACCOUNT).await[0].delivery.doubt, None);
    assert_repeated_as_designed(&stage.wechat.sends(ACCOUNT));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_a_repeat_does_not_say_that_nothing_was_sent() {
    let settings = Settings::new(1, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| {
        wechat.on_send(move |sent| {
            let first = sent.at < NOW.plus(seconds(1));
            Err(if first { in_doubt() } else { refused(43004) })
        })
    });
    let stage = stage.await;
    stage.hand_over(calls(ACCOUNT, 0..1)).await;
    stage.all_over().await;
    stage.assert_all(ACCOUNT, Status::Unconfirmed, 1).await;
    assert_eq!(stage.wechat.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_cannot_be_repeated_is_called_once() {
    let settings = Settings::new(1, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat.on_send(|_| Err(in_doubt()))).await;
    let subscription = Content {
        kind: Kind::Subscription,
        ..content(ACCOUNT, 0)
    };
    stage.hand_over(call([subscription])).await;
    stage.all_over().await;
    stage.assert_all(ACCOUNT, Status::Unconfirmed, 1).await;
    stage.until_at(NOW.plus(seconds(600))).await;
    assert_eq!(stage.wechat.count(), 1);
}
