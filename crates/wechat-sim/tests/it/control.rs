//! The control routes: a simulator in another process, driven over HTTP alone.
//! One story for each group of routes.

use hongyan_wechat_sim::SimHandle;
use serde_json::{Value, json};

use crate::wire::{APPID, OPENID, Reply, call, demo, send, stable_token, token};

pub(crate) async fn control(sim: &SimHandle, method: &str, name: &str, body: Value) -> Reply {
    let target = format!("/__sim/{name}");
    call(sim.addr(), method, &target, &body.to_string()).await
}

pub(crate) async fn told(sim: &SimHandle, method: &str, name: &str, body: Value) -> Value {
    let reply = control(sim, method, name, body).await;
    assert_eq!(reply.status(), "200", "{}", reply.body);
    reply.json()
}

#[tokio::test]
async fn what_was_seen_can_be_read() {
    let sim = demo().await;
    let token = token(&sim).await;
    for id in ["m1", "m1", "m2"] {
        send(&sim, &token, id).await;
    }
    let summary = told(&sim, "GET", "summary", json!(null)).await;
    assert_eq!(summary["sends"], 3);
    assert_eq!(summary["accepted"], 2);
    assert_eq!(summary["client_msg_ids"], 2);
    assert_eq!(summary["max_shown"], 1);
    assert_eq!(summary["doubled"], 0);
    assert_eq!(summary["fetches"], 1);
    assert_eq!(summary["accounts"][APPID]["sends"], 3);

    let seen = told(&sim, "GET", &format!("seen?openid={OPENID}"), json!(null)).await;
    assert_eq!(seen["count"], 2);
    assert_eq!(seen["seen"][1]["client_msg_id"], "m2");
    let counts = told(&sim, "GET", "seen", json!(null)).await;
    assert_eq!(counts["counts"][OPENID], 2);

    let all = control(&sim, "GET", "shown", json!(null)).await.body;
    let mut lines: Vec<_> = all.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["m1 1", "m2 1"]);
    let some = control(&sim, "GET", "shown?ids=m2,m3", json!(null)).await;
    assert_eq!(some.body, "m2 1\nm3 0\n");
}

#[tokio::test]
async fn trouble_and_time_can_be_made() {
    let sim = demo().await;
    let token = token(&sim).await;
    told(
        &sim,
        "POST",
        "faults",
        json!({"faults": ["code=45009:first=1", "busy"]}),
    )
    .await;
    assert_eq!(send(&sim, &token, "m1").await.errcode(), 45009);
    assert_eq!(send(&sim, &token, "m1").await.errcode(), -1);
    told(&sim, "DELETE", "faults", json!(null)).await;
    told(&sim, "POST", "latency", json!({"ms": 1})).await;
    assert_eq!(send(&sim, &token, "m1").await.errcode(), 0);

    let before = told(&sim, "GET", "clock", json!(null)).await;
    let after = told(&sim, "POST", "clock", json!({"advance_ms": 7_200_000})).await;
    let moved = after["now_ms"].as_i64().unwrap() - before["now_ms"].as_i64().unwrap();
    assert!(moved >= 7_200_000);
    assert_eq!(send(&sim, &token, "m2").await.errcode(), 42001);
    let set = told(
        &sim,
        "POST",
        "clock",
        json!({"set_ms": 1_700_000_000_000_i64}),
    )
    .await;
    assert!(set["now_ms"].as_i64().unwrap() - 1_700_000_000_000 < 60_000);
}

#[tokio::test]
async fn accounts_and_people_can_be_changed() {
    let sim = demo().await;
    let first = token(&sim).await;
    told(&sim, "POST", "revoke", json!({"appid": APPID})).await;
    assert_eq!(send(&sim, &first, "m1").await.errcode(), 40001);

    let unsubscribed = json!({"appid": APPID, "openid": OPENID, "state": "unsubscribed"});
    told(&sim, "POST", "followers", unsubscribed).await;
    let fresh = token(&sim).await;
    assert_eq!(send(&sim, &fresh, "m1").await.errcode(), 43004);
    let follows = json!({"appid": APPID, "openid": OPENID, "event": "subscribe"});
    told(&sim, "POST", "events", follows).await;
    assert_eq!(send(&sim, &fresh, "m1").await.errcode(), 0);
    let template = json!({"template_id": "t1", "content": "{{thing1.DATA}}"});
    told(
        &sim,
        "POST",
        "templates",
        json!({"appid": APPID, "template": template}),
    )
    .await;

    told(
        &sim,
        "PATCH",
        "accounts",
        json!({"appid": APPID, "whitelist": []}),
    )
    .await;
    assert_eq!(stable_token(&sim, false).await["errcode"], 40164);
    told(
        &sim,
        "PATCH",
        "accounts",
        json!({"appid": APPID, "punished": true}),
    )
    .await;
    assert_eq!(stable_token(&sim, false).await["errcode"], 40164);
    told(
        &sim,
        "PATCH",
        "accounts",
        json!({"appid": APPID, "whitelist": null}),
    )
    .await;
    assert_eq!(stable_token(&sim, false).await["errcode"], 50004);

    let callback = json!({"url": "http://127.0.0.1:9/cb", "token": "t", "mode": "safe",
        "aes_key": "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", "format": "json"});
    told(
        &sim,
        "POST",
        "callback",
        json!({"appid": APPID, "target": callback}),
    )
    .await;
    told(
        &sim,
        "POST",
        "callback",
        json!({"appid": APPID, "target": null}),
    )
    .await;
    told(&sim, "POST", "receipts", json!({"lost": 1.0})).await;
    let new = json!({"appid": "wx00000000000000aa", "secret": "s", "kind": "test"});
    told(&sim, "POST", "accounts", new).await;
    told(
        &sim,
        "POST",
        "revoke",
        json!({"appid": "wx00000000000000aa"}),
    )
    .await;
}

#[tokio::test]
async fn wrong_commands_are_refused_by_name() {
    let sim = demo().await;
    let cases = [
        (
            "POST",
            "faults",
            json!({"faults": ["bussy"]}),
            "400",
            "unknown kind `bussy`",
        ),
        (
            "POST",
            "faults",
            json!({"fault": "busy"}),
            "400",
            "unknown field `fault`",
        ),
        (
            "POST",
            "clock",
            json!({}),
            "400",
            "either `advance_ms` or `set_ms`",
        ),
        (
            "POST",
            "revoke",
            json!({"appid": "wx0"}),
            "400",
            "no account with this appid",
        ),
        (
            "PATCH",
            "accounts",
            json!({"appid": "wx0"}),
            "400",
            "no account with this appid",
        ),
        (
            "PATCH",
            "rules",
            json!({"random_seed": 1}),
            "400",
            "unknown field `random_seed`",
        ),
        (
            "POST",
            "outage",
            json!({"ms": 3_600_001}),
            "400",
            "at most 3600000",
        ),
        (
            "GET",
            "nothing",
            json!(null),
            "404",
            "no such control route",
        ),
    ];
    for (method, name, body, status, problem) in cases {
        let reply = control(&sim, method, name, body).await;
        assert_eq!(reply.status(), status, "{name}");
        assert!(reply.body.contains(problem), "{}", reply.body);
    }
}

#[tokio::test]
async fn an_event_with_a_field_that_it_does_not_have_is_refused() {
    let sim = demo().await;
    let event = json!({"appid": APPID, "openid": OPENID, "event": "text", "contents": "hello"});
    let reply = control(&sim, "POST", "events", event).await;
    assert_eq!(reply.status(), "400");
    assert!(
        reply.body.contains("unknown field `contents`"),
        "{}",
        reply.body
    );
}
