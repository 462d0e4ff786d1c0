//! Every recipient gets the message of its row, once.

use hongyan_wechat_sim::world::FollowerState;
use serde_json::json;

use super::{file, order, piece};
use crate::harness::{APPID, TEMPLATE, TestGateway, openid};

#[tokio::test]
async fn every_row_becomes_one_message_of_its_own() {
    let gateway = TestGateway::start().await;
    let id = gateway.ordered(&order()).await;
    let file = file(2_000);
    let reply = gateway.call(piece(&id, 0, true, &file)).await.json();
    assert_eq!(reply["status"], "ready");
    assert_eq!(reply["upload"]["rows"], 2_000);
    gateway.wish(&id, "start").await;
    let done = gateway.until_broadcast(&id, "done").await;
    assert_eq!(done["progress"]["accepted"], 2_000);
    assert_eq!(done["progress"]["sent"], 2_000);
    assert_eq!(done["progress"]["remaining"], 0);
    assert_eq!(gateway.sim.calls().accepted, 2_000);
    for nth in [0, 7, 1_999] {
        let seen = gateway.sim.seen(&openid(nth));
        assert_eq!(seen.len(), 1);
        let said = format!(r#"{{"thing1":{{"value":"name{nth}您好"}}}}"#);
        assert_eq!(&*seen[0].data, said);
    }
    let again = gateway.wish(&id, "start").await;
    assert_eq!(again["status"], "done", "to start again is harmless");
    let page = gateway
        .get(&format!("/v1/messages?broadcast={id}&limit=1"))
        .await
        .json();
    let newest = &page["messages"][0];
    assert_eq!(
        newest["touser"],
        openid(1_999),
        "the last row is the newest"
    );
    assert_eq!(newest["priority"], "bulk");
    assert_eq!(newest["broadcast"], id);
    let cursor = page["next_cursor"].as_str().unwrap();
    let path = format!("/v1/messages?broadcast={id}&limit=1&cursor={cursor}");
    assert_eq!(
        gateway.get(&path).await.json()["messages"][0]["touser"],
        openid(1_998)
    );
    gateway.finish().await;
}

#[tokio::test]
async fn a_listed_recipient_has_columns_of_its_own() {
    let gateway = TestGateway::start().await;
    let mut order = order();
    order["url"] = json!("https://example.com/{{name}}");
    order["reference"] = json!("{{openid}}");
    order["recipients"] = json!([
        {"openid": openid(1), "name": "a&b"},
        {"openid": openid(2), "name": "小明"},
    ]);
    let id = gateway.ordered(&order).await;
    assert_eq!(gateway.wish(&id, "start").await["upload"]["complete"], true);
    gateway.until_broadcast(&id, "done").await;
    let path = format!("/v1/messages?reference={}", openid(1));
    let message = gateway.get(&path).await.json()["messages"][0]["id"].clone();
    let path = format!("/v1/messages/{}", message.as_str().unwrap());
    let message = gateway.get(&path).await.json();
    assert_eq!(message["url"], "https://example.com/a%26b");
    assert_eq!(message["data"], json!({"thing1": {"value": "a&b您好"}}));
    gateway.finish().await;
}

#[tokio::test]
async fn everybody_who_follows_is_told_once() {
    let gateway = TestGateway::start().await;
    for nth in 0..1_203 {
        gateway
            .sim
            .add_follower(APPID, &openid(nth), FollowerState::Subscribed);
    }
    gateway
        .sim
        .add_follower(APPID, &openid(5), FollowerState::Unsubscribed);
    let order = json!({"template_id": TEMPLATE, "data": {"thing1": {"value": "大家好"}}, "recipients": "all"});
    let id = gateway.ordered(&order).await;
    gateway.wish(&id, "start").await;
    let done = gateway.until_broadcast(&id, "done").await;
    assert_eq!(done["source"], "followers");
    assert_eq!(done["progress"]["sent"], 1_202);
    assert_eq!(gateway.sim.calls().accepted, 1_202);
    assert_eq!(gateway.sim.seen(&openid(5)).len(), 0);
    gateway.finish().await;
}

#[tokio::test]
async fn the_same_order_again_is_the_same_broadcast() {
    let gateway = TestGateway::start().await;
    let mut order = order();
    order["recipients"] = json!([{"openid": openid(1), "name": "a"}]);
    let with_key = |body: &serde_json::Value| {
        crate::harness::post("/v1/broadcasts", body).header("idempotency-key", "file-1")
    };
    let first = gateway.call(with_key(&order)).await;
    let second = gateway.call(with_key(&order)).await;
    assert_eq!(
        (first.status, second.status),
        (201.try_into().unwrap(), 201.try_into().unwrap())
    );
    assert_eq!(first.json()["id"], second.json()["id"]);
    order["rate"] = json!(5);
    gateway
        .call(with_key(&order))
        .await
        .problem(409, "idempotency_mismatch");
    let list = gateway.get("/v1/broadcasts?status=ready").await.json();
    assert_eq!(list["broadcasts"].as_array().unwrap().len(), 1);
    gateway.finish().await;
}

#[tokio::test]
async fn a_suppressed_recipient_costs_the_broadcast_nothing() {
    let gateway = TestGateway::start().await;
    let path = format!("/v1/recipients/{}/suppress", openid(1));
    let suppressed = gateway.post(&path, &json!({})).await;
    assert_eq!(suppressed.status, 200, "{suppressed:?}");
    let id = gateway.ordered(&order()).await;
    gateway.call(piece(&id, 0, true, &file(3))).await;
    gateway.wish(&id, "start").await;
    let done = gateway.until_broadcast(&id, "done").await;
    assert_eq!(done["progress"]["sent"], 2);
    assert_eq!(done["progress"]["suppressed"], 1);
    assert_eq!(gateway.sim.seen(&openid(1)).len(), 0);
    let path = format!("/v1/messages?broadcast={id}&status=suppressed");
    let listed = gateway.get(&path).await.json();
    assert_eq!(listed["messages"][0]["touser"], openid(1));
    gateway.finish().await;
}
