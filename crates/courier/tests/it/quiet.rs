//! Quiet hours hold back what they are for, new messages, backlog and retries alike, and nothing else.

use std::sync::Arc;

use hongyan_courier::message::{Content, Kind, Priority, Status};
use hongyan_courier::quiet::{QuietHours, Stretch};
use hongyan_courier::{Clock, UnixMs};
use jiff::tz::TimeZone;

use crate::rig::clock::PausedClock;
use crate::rig::node::Settings;
use crate::rig::stage::Stage;
use crate::rig::upstream::{in_doubt, refused};
use crate::rig::{ACCOUNT, WITHOUT_RECEIPTS, call, content, openid, seconds};

fn moment(text: &str) -> UnixMs {
    UnixMs(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

/// A node that sends nothing but the urgent from 22:00 to 07:30, so many slots wide.
fn settings(slots: usize) -> Settings {
    let night = Stretch {
        from: "22:00".parse().unwrap(),
        to: "07:30".parse().unwrap(),
        priorities: [false, true, true],
    };
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let hours = Arc::new(QuietHours::new(zone, vec![night]).unwrap());
    let mut settings = Settings::new(slots, &[ACCOUNT], WITHOUT_RECEIPTS);
    settings.hours.insert(ACCOUNT.into(), hours);
    settings
}

fn of(priority: Priority, n: usize) -> Content {
    Content {
        priority,
        ..content(ACCOUNT, n)
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_in_at_night_waits_for_the_morning_unless_it_is_urgent() {
    let clock = PausedClock::start_at(moment("2026-11-25T23:00:00+08:00"));
    let stage = Stage::open_with(clock, settings(10), |wechat| wechat).await;
    stage
        .hand_over(call([of(Priority::Normal, 1), of(Priority::High, 2)]))
        .await;
    let morning = moment("2026-11-26T07:30:00+08:00");
    let waiting = stage.messages(ACCOUNT).await;
    let normal = waiting.iter().find(|of| of.content.touser == openid(1));
    assert_eq!(normal.unwrap().delivery.due_at, morning);
    stage.until_at(morning.minus(seconds(1))).await;
    assert_eq!(stage.wechat.count(), 1, "the urgent one alone");
    stage.until_at(morning.plus(seconds(2))).await;
    stage.assert_all(ACCOUNT, Status::Sent, 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_backlog_stops_at_the_hour_and_goes_on_in_the_morning() {
    let evening = moment("2026-11-25T22:00:00+08:00");
    let clock = PausedClock::start_at(evening.minus(seconds(10)));
    let stage = Stage::open_with(clock, settings(1), |wechat| wechat.takes(|_| seconds(1))).await;
    stage
        .hand_over(call((0..100).map(|n| of(Priority::Bulk, n))))
        .await;
    let morning = moment("2026-11-26T07:30:00+08:00");
    stage.until_at(morning.minus(seconds(1))).await;
    let sent = stage.wechat.sends(ACCOUNT);
    assert!((5..=11).contains(&sent.len()), "{}", sent.len());
    assert!(sent.iter().all(|sent| sent.at < evening));
    let waiting = stage.messages(ACCOUNT).await;
    let mut waiting = waiting
        .iter()
        .filter(|message| message.delivery.status == Status::Queued);
    let next = waiting.next().unwrap();
    assert!(next.delivery.due_at < evening);
    let slots = &stage.node.slots;
    assert_eq!(slots.may_go_at(next, None, stage.clock.now()), morning);
    assert_eq!(slots.may_go_at(next, None, morning), next.delivery.due_at);
    let held =
        |priority, now| slots.held_until(&ACCOUNT.into(), (Kind::Template, priority), None, now);
    assert_eq!(held(Priority::Bulk, stage.clock.now()), Some(morning));
    assert_eq!(held(Priority::High, stage.clock.now()), None);
    assert_eq!(held(Priority::Bulk, morning), None);
    stage.all_over().await;
    stage.assert_all(ACCOUNT, Status::Sent, 100).await;
}

#[tokio::test(start_paused = true)]
async fn a_retry_waits_for_the_morning_and_a_repeat_does_not() {
    let evening = moment("2026-11-25T22:00:00+08:00");
    let clock = PausedClock::start_at(evening.minus(seconds(1)));
    let stage = Stage::open_with(clock, settings(10), move |wechat| {
        wechat.takes(|_| seconds(2)).on_send(move |sent| {
            let first = sent.at < evening;
            match (first, sent.content.touser == openid(1)) {
                (true, true) => Err(refused(43108)),
                (true, false) => Err(in_doubt()),
                (false, _) => Ok(None),
            }
        })
    })
    .await;
    stage
        .hand_over(call([of(Priority::Normal, 1), of(Priority::Normal, 2)]))
        .await;
    stage.until_at(evening.plus(seconds(600))).await;
    let sends = stage.wechat.sends(ACCOUNT);
    let late = sends.iter().filter(|sent| sent.at >= evening);
    let late: Vec<_> = late.map(|sent| sent.content.touser.clone()).collect();
    assert_eq!(late, [openid(2)], "its window would have closed");
    let morning = moment("2026-11-26T07:30:00+08:00");
    stage.until_at(morning.minus(seconds(1))).await;
    assert_eq!(stage.wechat.count(), 3);
    stage.until_at(morning.plus(seconds(5))).await;
    assert_eq!(stage.tally(ACCOUNT).await[&Status::Sent], 2);
    assert!(stage.clock.now() > morning);
}

#[tokio::test(start_paused = true)]
async fn what_expires_in_the_night_is_never_sent() {
    let clock = PausedClock::start_at(moment("2026-11-25T23:00:00+08:00"));
    let stage = Stage::open_with(clock, settings(10), |wechat| wechat).await;
    let mut wanted = call([of(Priority::Normal, 1)]);
    wanted.messages[0].expires_at = Some(moment("2026-11-26T06:00:00+08:00"));
    stage.hand_over(wanted).await;
    stage.until_at(moment("2026-11-26T08:00:00+08:00")).await;
    stage.assert_all(ACCOUNT, Status::Expired, 1).await;
    assert_eq!(stage.wechat.count(), 0);
}
