//! `GET /v1/templates`.

use crate::harness::TestGateway;

#[tokio::test]
async fn templates_are_asked_of_wechat() {
    let gateway = TestGateway::start().await;
    gateway
        .until_reply("/v1/accounts", "ok", |list| {
            list["accounts"][0]["state"] == "ok"
        })
        .await;
    let list = gateway.get("/v1/templates?account=clinic").await;
    assert_eq!(list.status, 200, "{list:?}");
    assert!(list.json()["templates"].is_array());
    assert_eq!(gateway.sim.calls().templates, 1);
    gateway
        .get("/v1/templates?account=x")
        .await
        .problem(404, "not_found");
    gateway
        .sim
        .fault("code=48001:at=templates".parse().unwrap());
    let refused = gateway
        .get("/v1/templates")
        .await
        .problem(503, "unavailable");
    assert!(refused.contains("48001"), "{refused}");
    gateway.finish().await;
}
