//! Each code once: where its message stands after one call, what is flagged, and how long it waits.
//! One account for each code, so that none of them can hide behind another.

use std::time::Duration;

use hongyan_courier::UnixMs;
use hongyan_courier::quota::renewed_after;
use hongyan_gateway::clock::SystemClock;
use hongyan_wechat::errcode::KNOWN;
use hongyan_wechat_sim::Fault;
use serde_json::Value;

use crate::rig::{Rig, TEMPLATE, appid, name_of, openid};
use crate::send_table::{ROWS, Row, Waits};

/// How long a call and its settlement may take before the pause is reckoned from.
const SLACK_SECONDS: i64 = 3;
/// When a message whose account was stopped is due again, for its lane to judge.
const STOPPED_PAUSE_MS: i64 = 5_000;
/// The longest that a due message waits to be looked for, and a little.
const LOOK_MS: i64 = 1_500;

fn cases() -> impl Iterator<Item = (i64, &'static Row)> {
    ROWS.iter()
        .flat_map(|row| row.codes.iter().map(move |code| (*code, row)))
}

#[test]
fn the_table_has_every_known_code_once() {
    let mut listed: Vec<i64> = cases()
        .map(|(code, _)| code)
        .filter(|code| *code != 99_999)
        .collect();
    listed.sort_unstable();
    let mut known = KNOWN.to_vec();
    known.sort_unstable();
    assert_eq!(listed, known);
}

#[tokio::test]
async fn every_code_has_its_consequence() {
    let refused = cases().filter(|(code, _)| *code != 0);
    let faults =
        refused.map(|(code, _)| Fault::code(code).account(&appid(&name_of(code))).first(1));
    let rig = Rig::start(cases().map(|(code, _)| name_of(code)), faults.collect()).await;
    rig.send_all().await;
    rig.until("settled", |rig, account| !rig.life(account).is_empty())
        .await;
    let accounts = rig.accounts().await;
    for (code, row) in cases() {
        let name = name_of(code);
        assert_eq!(rig.life(&name)[0], row.step(), "{code}: status and reason");
        assert_eq!(
            flag(&accounts[&name], code),
            row.flag.map(|subject| flagged(&name, subject)),
            "{code}: flag"
        );
        check_state(code, row, &accounts[&name]);
    }
    // What is sent again within seconds has been: whatever was sent again at once has been too.
    let soon: Vec<String> = cases()
        .filter(|(_, row)| row.waits.is_short())
        .map(|(code, _)| name_of(code))
        .collect();
    rig.until("sent again", |rig, account| {
        !soon.iter().any(|name| name == account) || rig.calls(account).accepted == 1
    })
    .await;
    for (code, row) in cases() {
        check_calls(&rig, code, row).await;
    }
    let still = cases().filter(|(_, row)| row.waits.is_for_account());
    for (code, _) in still {
        check_standstill(&rig, code).await;
    }
    rig.stop().await;
}

/// The message is due, but its account was stopped: nothing is called until its probe, a minute after the stop.
async fn check_standstill(rig: &Rig, code: i64) {
    let shown = rig.shown(&name_of(code)).await;
    let called = time_ms(&shown["attempts"][0]["at"]);
    let (due, clock) = (called + STOPPED_PAUSE_MS, SystemClock::new());
    // So long that whoever looks for due messages has looked.
    while clock.wall().0 < due + LOOK_MS {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let shown = rig.shown(&name_of(code)).await;
    let attempts = shown["attempts"].as_array().unwrap().len();
    let sends = rig.calls(&name_of(code)).sends;
    assert_eq!((attempts, sends), (1, 1), "{code}: {shown}");
}

/// How often WeChat was called by now, and when it is called next.
async fn check_calls(rig: &Rig, code: i64, row: &Row) {
    let name = name_of(code);
    let sends = usize::try_from(rig.calls(&name).sends).unwrap();
    let shown = rig.shown_at_rest(&name).await;
    let attempts = shown["attempts"].as_array().unwrap();
    assert_eq!(attempts[0]["errcode"], code, "{shown}");
    if row.waits == Waits::No || row.waits.is_long() {
        assert_eq!((attempts.len(), sends), (1, 1), "{code}: calls");
    }
    // Given once: the second call is accepted, and none is made that is not shown.
    assert!(
        sends <= attempts.len() && attempts.len() <= 2,
        "{code}: {shown}"
    );
    check_wait(code, row.waits, &shown);
}

/// Subject and key of the flag that this code raised.
fn flag(account: &Value, code: i64) -> Option<(String, String)> {
    let flags = account["flags"].as_array().unwrap();
    assert!(
        flags.len() <= 1,
        "{code} raises one flag at most: {flags:?}"
    );
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    flags.first().map(|flag| {
        assert_eq!(flag["errcode"], code);
        (text(&flag["subject"]), text(&flag["key"]))
    })
}

fn flagged(account: &str, subject: &str) -> (String, String) {
    let key = match subject {
        "account" => account.to_owned(),
        "template" => TEMPLATE.to_owned(),
        _ => openid(account),
    };
    (subject.to_owned(), key)
}

/// An account is only touched by what is about the account, and then says why.
fn check_state(code: i64, row: &Row, account: &Value) {
    let stands_still = row.flag == Some("account");
    // Nor does one rejection of its token say anything of it: the next one is on its way.
    assert_eq!(
        account["state"],
        if stands_still { "degraded" } else { "ok" },
        "{code}: {account}"
    );
    if stands_still {
        let detail = account["detail"].as_str().unwrap();
        assert!(
            detail.starts_with("WeChat does not take this account's messages: "),
            "{code}: {detail}"
        );
    }
}

/// The pause between the first call and the next one, or the time for it. What waits is never called before its time;
/// a call itself may come late on a busy machine.
fn check_wait(code: i64, waits: Waits, shown: &Value) {
    let attempts = shown["attempts"].as_array().unwrap();
    let (called, planned) = (time_ms(&attempts[0]["at"]), &shown["next_attempt_at"]);
    if waits == Waits::No {
        assert!(planned.is_null(), "{code} has ended: {planned}");
        return;
    }
    let next = attempts.get(1).map_or(planned, |attempt| &attempt["at"]);
    assert!(!next.is_null(), "{code} waits for something: {shown}");
    let next = time_ms(next);
    let (from, to, whole) = match waits {
        Waits::No | Waits::ForToken => return,
        Waits::Seconds(from, to) => (from, to, None),
        Waits::Stopped(seconds) => (seconds, seconds, None),
        Waits::NextMinute => (0, 60, Some(60)),
        Waits::NextDay => {
            let left = renewed_after(UnixMs(called))
                .since(UnixMs(called))
                .as_secs();
            let left = i64::try_from(left).unwrap();
            (left, left, None)
        }
    };
    let pause = next - called;
    let wrong = format!("{code} waits {pause} ms, not {waits:?}");
    assert!(pause >= from * 1_000, "{wrong}");
    if attempts.len() == 1 {
        assert!(pause <= (to + SLACK_SECONDS) * 1_000, "{wrong}");
        assert!(
            whole.is_none_or(|seconds| next % (seconds * 1_000) == 0),
            "{wrong}"
        );
    }
}

fn time_ms(value: &Value) -> i64 {
    let time: jiff::Timestamp = value.as_str().unwrap().parse().unwrap();
    time.as_millisecond()
}
