//! Rules changed while the simulator runs, through the control routes alone.

use std::time::Duration;

use hongyan_wechat_sim::{Seed, SimHandle};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::control::told;
use crate::wire::{APPID, DATA, OPENID, Reply, TEMPLATE, call, demo, send, token};

async fn rules(sim: &SimHandle, change: Value) -> Value {
    told(sim, "PATCH", "rules", change).await
}

async fn refusal(sim: &SimHandle, token: &str, id: &str) -> (i64, String) {
    let reply = send(sim, token, id).await.json();
    let errmsg = reply["errmsg"].as_str().unwrap().to_owned();
    (reply["errcode"].as_i64().unwrap(), errmsg)
}

#[tokio::test]
async fn each_rule_can_be_switched_on_and_off() {
    let sim = demo().await;
    let token = token(&sim).await;
    let before = told(&sim, "GET", "rules", json!(null)).await;
    assert_eq!(before["repeat_window_s"], 600);
    assert_eq!(send(&sim, &token, "first").await.errcode(), 0);

    let cases = [
        (json!({"repeat_errcode": 44007}), "first", 44007),
        (json!({"repeat_errcode": 0}), "first", 0),
        (json!({"repeat_window_s": 0}), "first", 0),
        (json!({"content_rule": true}), "a", 0),
        (json!({}), "b", 40241),
        (json!({"content_rule": false}), "c", 0),
        (json!({"per_openid_minute": 1}), "d", 0),
        (json!({}), "e", 43117),
        (json!({"per_openid_minute": null}), "f", 0),
        (json!({"blocked_words": ["A parcel"]}), "g", 40249),
        (json!({"blocked_words": []}), "h", 0),
        (json!({"strict": true}), "i", 40037),
        (json!({"strict": false}), "j", 0),
    ];
    for (change, id, errcode) in cases {
        let in_force = rules(&sim, change.clone()).await;
        for (name, value) in change.as_object().unwrap() {
            assert_eq!(&in_force[name], value);
        }
        assert_eq!(send(&sim, &token, id).await.errcode(), errcode, "{change}");
    }
    // Outside the window the first id was shown again.
    assert_eq!(sim.accepted("first"), 2);
    let seen = sim.seen(OPENID).len();
    rules(&sim, json!({"lean": true})).await;
    assert_eq!(send(&sim, &token, "k").await.errcode(), 0);
    assert_eq!((sim.accepted("k"), sim.seen(OPENID).len()), (1, seen));
}

#[tokio::test]
async fn refusals_can_be_worded_as_they_were_once() {
    let sim = demo().await;
    let token = token(&sim).await;
    rules(&sim, json!({"legacy_hints": true, "strict": true})).await;
    let (errcode, errmsg) = refusal(&sim, &token, "m1").await;
    assert_eq!(errcode, 40037);
    let hint = errmsg.strip_prefix("invalid template_id hint: [").unwrap();
    let hint = hint.strip_suffix(']').unwrap();
    assert!(hint.len() == 14 && hint.bytes().all(|byte| byte.is_ascii_alphanumeric()));

    rules(&sim, json!({"strict": false})).await;
    let target = format!("/cgi-bin/message/template/send?access_token={token}");
    let body =
        json!({"touser": OPENID, "template_id": TEMPLATE, "data": {"thing1": {"value": ""}}});
    let reply: Reply = call(sim.addr(), "POST", &target, &body.to_string()).await;
    let errmsg = reply.json()["errmsg"].as_str().unwrap().to_owned();
    assert!(errmsg.starts_with("argument invalid! hint: ["), "{errmsg}");
    assert!(errmsg.ends_with("] data.thing1.value is emtpy"), "{errmsg}");
}

/// A message that hangs keeps its place until its connection is gone.
#[tokio::test]
async fn a_test_account_is_soon_too_busy() {
    let sim = demo().await;
    let token = token(&sim).await;
    told(
        &sim,
        "PATCH",
        "accounts",
        json!({"appid": APPID, "kind": "test"}),
    )
    .await;
    rules(&sim, json!({"test_concurrency": 2})).await;
    told(&sim, "POST", "faults", json!({"faults": ["hang:accepted"]})).await;
    let mut hanging = JoinSet::new();
    for nth in 0..2 {
        let (addr, token) = (sim.addr(), token.clone());
        hanging.spawn(async move {
            let target = format!("/cgi-bin/message/template/send?access_token={token}");
            let body = format!(
                r#"{{"touser":"{OPENID}","template_id":"{TEMPLATE}","data":{DATA},"client_msg_id":"hanging-{nth}"}}"#
            );
            call(addr, "POST", &target, &body).await
        });
    }
    until(|| sim.calls().accepted == 2).await;
    told(&sim, "DELETE", "faults", json!(null)).await;
    let (errcode, errmsg) = refusal(&sim, &token, "m1").await;
    assert_eq!((errcode, sim.accepted("m1")), (-1, 0));
    assert!(errmsg.starts_with("system error rid: "), "{errmsg}");
    // A verified account has no such bound.
    told(
        &sim,
        "PATCH",
        "accounts",
        json!({"appid": APPID, "kind": "verified"}),
    )
    .await;
    assert_eq!(send(&sim, &token, "m1").await.errcode(), 0);
    told(
        &sim,
        "PATCH",
        "accounts",
        json!({"appid": APPID, "kind": "test"}),
    )
    .await;

    hanging.shutdown().await;
    let mut nth = 0;
    while send(&sim, &token, &format!("later-{nth}")).await.errcode() == -1 {
        nth += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // What is answered gives its place back at once.
    for nth in 0..5 {
        assert_eq!(send(&sim, &token, &format!("n{nth}")).await.errcode(), 0);
    }
}

/// The page that users read: its seed file is one, with the rules as they are by default.
#[test]
fn the_seed_file_of_the_documentation_is_one() {
    let page = include_str!("../../../../docs/simulator.md");
    let (_, rest) = page.split_once("```toml\n").unwrap();
    let (seed, _) = rest.split_once("```").unwrap();
    let seed: Seed = seed.parse().unwrap();
    assert_eq!(json!(seed.rules), json!(Seed::default().rules));
    assert_eq!(seed.accounts.len(), 1);
}

async fn until(reached: impl Fn() -> bool) {
    while !reached() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
