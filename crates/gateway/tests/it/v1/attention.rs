//! `GET /v1/attention`: what needs a human, with what to do.

use serde_json::json;

use crate::harness::{Settings, TEMPLATE, TestGateway, message, openid};

#[tokio::test]
async fn what_needs_a_human_is_listed_with_what_to_do() {
    let gateway = TestGateway::start().await;
    gateway
        .until_reply("/v1/accounts", "ok", |list| {
            list["accounts"][0]["state"] == "ok"
        })
        .await;
    let nothing = gateway.get("/v1/attention").await.json();
    assert_eq!(nothing["items"].as_array().unwrap().len(), 0, "{nothing}");
    gateway.sim.fault("code=47003:first=2".parse().unwrap());
    for n in 1..=2 {
        let id = gateway.send(&message(&openid(n))).await;
        gateway.until(&id, "failed").await;
    }
    let list = gateway.get("/v1/attention?account=clinic").await.json();
    let item = &list["items"][0];
    assert_eq!(
        (&item["subject"], &item["reason"]),
        (&"failed".into(), &"invalid_data".into())
    );
    assert_eq!(item["count"], 2);
    assert!(item["action"].as_str().unwrap().contains("Fix the program"));
    assert!(item["action_zh"].as_str().unwrap().contains("修正"));
    let example = item["example"].as_str().unwrap();
    assert_eq!(item["command"], format!("hongyan messages show {example}"));
    gateway
        .get("/v1/attention?account=nobody")
        .await
        .problem(404, "not_found");
    let later = gateway
        .get("/v1/attention?since=2100-01-01T00:00:00Z")
        .await
        .json();
    assert_eq!(later["items"].as_array().unwrap().len(), 0);
    gateway.finish().await;
}

#[tokio::test]
async fn a_stopped_template_is_listed_until_it_goes_on() {
    let settings = Settings::listing(&[(TEMPLATE, "商品：{{thing1.DATA}}")]);
    let gateway = TestGateway::with(settings).await;
    gateway.until_listed().await;
    gateway.relist(TEMPLATE, "时间：{{time2.DATA}}").await;
    // However long ago it was: of messages nothing is listed that is so old.
    let path = "/v1/attention?since=2100-01-01T00:00:00Z";
    let list = gateway.get(path).await.json();
    let items = list["items"].as_array().unwrap();
    let item = items.iter().find(|item| item["subject"] == "template");
    let item = item.unwrap_or_else(|| panic!("{list}"));
    assert_eq!(
        (&item["key"], &item["reason"]),
        (&json!(TEMPLATE), &json!("template_edited"))
    );
    let action = item["action"].as_str().unwrap();
    assert!(action.contains("resume it"), "{action}");
    assert!(item["action_zh"].as_str().unwrap().contains("恢复"));
    let command = format!("hongyan templates show {TEMPLATE} --account clinic");
    assert_eq!(item["command"], command);
    let resume = format!("/v1/templates/{TEMPLATE}/resume");
    gateway.post(&resume, &json!({})).await;
    let list = gateway.get(path).await.json();
    let mut items = list["items"].as_array().unwrap().iter();
    assert!(items.all(|item| item["subject"] != "template"), "{list}");
    gateway.finish().await;
}
