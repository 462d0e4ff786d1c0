//! `GET /v1/attention`: what needs a human, with what to do.

use crate::harness::{TestGateway, message, openid};

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
