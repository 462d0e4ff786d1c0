//! Each code once: where its message stands after one call, what is flagged, and how long it waits.
//! One account for each code, so that none of them can hide behind another.

use hongyan_wechat::errcode::KNOWN;
use hongyan_wechat_sim::Fault;
use serde_json::Value;

use crate::rig::{Rig, TEMPLATE, appid, name_of, openid};
use crate::send_table::{ROWS, Row, Waits};

/// How far a shown time may be from the expected one: clocks are read at different moments.
const SLACK_SECONDS: i64 = 3;

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
        let shown = rig.shown(&name).await;
        assert_eq!(shown["attempts"][0]["errcode"], code, "{shown}");
        if row.waits == Waits::No {
            assert_eq!(rig.calls(&name).sends, 1, "{code}: calls");
        }
        check_wait(code, row.waits, &shown);
    }
    rig.stop().await;
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
    let troubled = stands_still || row.waits == Waits::ForToken;
    assert_eq!(
        account["state"],
        if troubled { "degraded" } else { "ok" },
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

/// The pause between the first call and the time for the next one; only of a message that still waits for its second.
fn check_wait(code: i64, waits: Waits, shown: &Value) {
    let first_of_all = shown["attempts"].as_array().unwrap().len() == 1;
    let time = |value: &Value| {
        value
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap()
            .as_second()
    };
    let (called, next) = (time(&shown["attempts"][0]["at"]), &shown["next_attempt_at"]);
    if waits == Waits::No {
        assert!(next.is_null(), "{code} has ended: {next}");
        return;
    }
    if !first_of_all || next.is_null() {
        return;
    }
    let next = time(next);
    let (from, to) = match waits {
        Waits::No | Waits::ForToken => return,
        Waits::Seconds(from, to) => (called + from, called + to),
        Waits::NextMinute => (called, called + 60),
        // Beijing is eight hours ahead of UTC.
        Waits::BeijingMidnight => {
            assert_eq!(
                (next + 8 * 3_600) % 86_400,
                0,
                "{code} waits until midnight"
            );
            (called, called + 86_400)
        }
    };
    let range = from - SLACK_SECONDS..=to + SLACK_SECONDS;
    assert!(
        range.contains(&next),
        "{code} waits {} s, not {waits:?}",
        next - called
    );
}
