//! Answers that are none: cuts, timeouts, pages, halves. Nobody can say whether WeChat took the call, so the message
//! waits and is repeated under the same id, which WeChat drops where it had taken the first.

use hongyan_wechat_sim::Fault;
use hongyan_wechat_sim::fault::What;

use crate::rig::{Rig, appid};

/// How a call goes wrong, and whether WeChat took it all the same.
fn cases() -> Vec<(&'static str, What, bool)> {
    let status = |status, accepted| What::Status { status, accepted };
    vec![
        ("cut_before", What::CutBefore, false),
        ("cut_after", What::CutAfterAccept, true),
        ("hang", What::Hang { accepted: false }, false),
        ("hang_taken", What::Hang { accepted: true }, true),
        ("busy", What::Busy { accepted: false }, false),
        ("busy_taken", What::Busy { accepted: true }, true),
        ("status_500", status(500, false), false),
        ("status_502_taken", status(502, true), true),
        ("status_503", status(503, false), false),
        ("status_404", status(404, false), false),
        ("status_429", status(429, false), false),
        ("html", What::Html { accepted: false }, false),
        ("html_taken", What::Html { accepted: true }, true),
        ("half", What::HalfBody { accepted: false }, false),
        ("half_taken", What::HalfBody { accepted: true }, true),
    ]
}

#[tokio::test]
async fn what_is_in_doubt_is_repeated_under_one_id_and_seen_once() {
    let faults = cases()
        .into_iter()
        .map(|(name, what, _)| Fault::new(what).account(&appid(name)).first(1));
    let rig = Rig::start(
        cases().iter().map(|case| case.0.to_owned()),
        faults.collect(),
    )
    .await;
    rig.send_all().await;
    rig.until("sent", |rig, account| {
        rig.life(account)
            .last()
            .is_some_and(|step| step.0 == "sent")
    })
    .await;
    let accounts = rig.accounts().await;
    for (name, _, taken) in cases() {
        assert_eq!(rig.life(name), [("queued", None), ("sent", None)], "{name}");
        let calls = rig.calls(name);
        assert_eq!(
            (calls.sends, calls.accepted, calls.repeated),
            (2, 1, u64::from(taken)),
            "{name}"
        );
        let [seen] = &rig.seen(name)[..] else {
            panic!("{name} is seen once")
        };
        assert!(
            seen.client_msg_id.is_some(),
            "{name}: its repeats can be known as such"
        );
        let shown = rig.shown(name).await;
        assert_eq!(shown["attempts"][1]["errcode"], 0, "{name}");
        assert_eq!(
            (&accounts[name]["state"], &accounts[name]["flags"]),
            (&"ok".into(), &serde_json::json!([]))
        );
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_duplicate_after_a_doubt_means_that_the_first_call_got_through() {
    let names = || [40241, 44007].map(|code| (code, crate::rig::name_of(code)));
    let faults = names().into_iter().flat_map(|(code, name)| {
        let cut = Fault::new(What::CutAfterAccept)
            .account(&appid(&name))
            .first(1);
        [cut, Fault::code(code).account(&appid(&name)).first(1)]
    });
    let rig = Rig::start(names().map(|(_, name)| name), faults.collect()).await;
    rig.send_all().await;
    rig.until("sent", |rig, account| {
        rig.life(account) == [("queued", None), ("sent", None)]
    })
    .await;
    for (_, name) in names() {
        assert_eq!(
            (rig.calls(&name).sends, rig.seen(&name).len()),
            (2, 1),
            "{name}"
        );
    }
    rig.stop().await;
}

#[tokio::test]
async fn what_never_left_waits_without_a_doubt_and_without_a_call() {
    let rig = Rig::start(["away".to_owned()], Vec::new()).await;
    rig.until("ready", |rig, account| rig.calls(account).fetches() == 1)
        .await;
    rig.sim.stop().await;
    rig.send_all().await;
    rig.until("waiting", |rig, account| !rig.life(account).is_empty())
        .await;
    let shown = rig.shown("away").await;
    assert_eq!(
        rig.life("away")[0],
        ("queued", Some("upstream_unavailable"))
    );
    assert_eq!(shown["attempts"], serde_json::json!([]));
    rig.sim.restart_on_same_port().await.unwrap();
    rig.until("sent", |rig, account| rig.calls(account).accepted == 1)
        .await;
    assert_eq!(rig.calls("away").sends, 1);
    rig.stop().await;
}
