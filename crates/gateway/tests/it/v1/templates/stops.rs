//! A stopped template: its messages wait, all others go, and it goes on when it is as it was or an operator says so.

use serde_json::{Value, json};

use crate::harness::{Settings, TEMPLATE, TestGateway, message, openid};

const OTHER: &str = "OTHERbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY";
const TEXT: &str = "商品：{{thing1.DATA}}";
const EDITED: &str = "商品：{{thing1.DATA}}\n时间：{{time2.DATA}}";

async fn gateway() -> TestGateway {
    let settings = Settings::listing(&[(TEMPLATE, TEXT), (OTHER, TEXT)]);
    let gateway = TestGateway::with(settings).await;
    gateway.until_listed().await;
    gateway
}

fn of_other(openid: &str) -> Value {
    let mut message = message(openid);
    message["template_id"] = json!(OTHER);
    message
}

async fn aside(gateway: &TestGateway, id: &str) {
    let stopped = |message: &Value| message["reason"] == "template_stopped";
    let path = format!("/v1/messages/{id}");
    let message = gateway.until_reply(&path, "put aside", stopped).await;
    assert_eq!(message["status"], "queued");
}

#[tokio::test]
async fn an_edited_templates_messages_wait_until_an_operator_resumes_it() {
    let mut gateway = gateway().await;
    let synced = gateway.relist(TEMPLATE, EDITED).await;
    assert_eq!(synced["changes"][0]["change"], "edited");
    assert_eq!(synced["stopped"][0]["cause"], "edited");
    // It fits the new text, and waits all the same: nobody has looked yet.
    let mut fitting = message(&openid(1));
    fitting["data"]["time2"] = json!({"value": "08:00"});
    let taken = gateway.post("/v1/messages", &fitting).await;
    assert_eq!(taken.status, 202, "{taken:?}");
    let warning = taken.json()["warnings"][0].as_str().unwrap().to_owned();
    assert!(
        warning.starts_with("template_id: is stopped (edited)"),
        "{warning}"
    );
    let id = taken.json()["id"].as_str().unwrap().to_owned();
    aside(&gateway, &id).await;
    let other = gateway.send(&of_other(&openid(1))).await;
    gateway.until(&other, "sent").await;

    gateway.restart().await;
    let list = gateway.get("/v1/templates").await.json();
    assert_eq!(list["stopped"][0]["template_id"], TEMPLATE, "{list}");
    let accounts = gateway.get("/v1/accounts").await.json();
    let flag = &accounts["accounts"][0]["flags"][0];
    assert_eq!(
        (&flag["subject"], &flag["reason"]),
        (&json!("template"), &json!("template_edited"))
    );
    assert_eq!(gateway.sim.calls().sends, 1);
    let resume = format!("/v1/templates/{TEMPLATE}/resume");
    assert_eq!(gateway.post(&resume, &json!({})).await.status, 200);
    gateway.until(&id, "sent").await;
    gateway
        .post(&resume, &json!({}))
        .await
        .problem(409, "conflict");
    let accounts = gateway.get("/v1/accounts").await.json();
    assert_eq!(accounts["accounts"][0]["flags"], json!([]));
    gateway.finish().await;
}

#[tokio::test]
async fn a_template_that_is_as_it_was_goes_on_by_itself() {
    let gateway = gateway().await;
    gateway.relist(TEMPLATE, EDITED).await;
    let mut message = message(&openid(1));
    message["data"]["time2"] = json!({"value": "08:00"});
    let id = gateway.send(&message).await;
    aside(&gateway, &id).await;
    let synced = gateway.relist(TEMPLATE, TEXT).await;
    assert_eq!(synced["resumed"], json!([TEMPLATE]));
    gateway.until(&id, "sent").await;
    gateway.finish().await;
}

#[tokio::test]
async fn what_wechat_restricts_stops_alone_and_its_messages_fail_no_more() {
    let gateway = gateway().await;
    gateway
        .sim
        .fault("code=43116:at=send:first=1".parse().unwrap());
    let first = gateway.send(&message(&openid(1))).await;
    let failed = gateway.until(&first, "failed").await;
    assert_eq!(failed["reason"], "invalid_template");
    let second = gateway.send(&message(&openid(2))).await;
    aside(&gateway, &second).await;
    let other = gateway.send(&of_other(&openid(3))).await;
    gateway.until(&other, "sent").await;
    // A list does not tell whether the restriction is lifted.
    gateway.relist(TEMPLATE, TEXT).await;
    let shown = gateway
        .get(&format!("/v1/templates/{TEMPLATE}"))
        .await
        .json();
    assert_eq!(
        (&shown["state"], &shown["stop"]["cause"]),
        (&json!("stopped"), &json!("restricted"))
    );
    assert_eq!(shown["stop"]["errcode"], 43116);
    assert_eq!(gateway.sim.calls().sends, 2);
    let resume = format!("/v1/templates/{TEMPLATE}/resume");
    gateway.post(&resume, &json!({})).await;
    gateway.until(&second, "sent").await;
    gateway.finish().await;
}

#[tokio::test]
async fn a_template_that_wechat_does_not_know_is_looked_up_and_its_messages_kept() {
    let gateway = gateway().await;
    let fetched = gateway.sim.calls().templates;
    gateway
        .sim
        .fault("code=40037:at=send:first=1".parse().unwrap());
    let id = gateway.send(&message(&openid(1))).await;
    gateway
        .until_sim("a fetch of the list", |sim| sim.calls().templates > fetched)
        .await;
    // Said once of a template that is listed: a whim, and the message is tried again half a minute later.
    let shown = gateway.until(&id, "queued").await;
    assert_eq!(shown["attempts"][0]["errcode"], 40037, "{shown}");
    let list = gateway.get("/v1/templates").await.json();
    assert_eq!(list["stopped"], json!([]));
    gateway.finish().await;
}
