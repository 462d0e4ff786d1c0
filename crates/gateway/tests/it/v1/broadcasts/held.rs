//! A broadcast that its account holds back says until when, and forecasts nothing meanwhile.

use serde_json::Value;

use super::{file, order, piece};
use crate::harness::{APPID, Settings, TestGateway};

#[tokio::test]
async fn what_is_left_of_the_quota_for_others_holds_it_until_the_next_day() {
    let settings = Settings {
        sections: "[quota]\npoll_interval = \"1s\"".to_owned(),
        ..Settings::default()
    };
    let gateway = TestGateway::with(settings).await;
    assert!(gateway.sim.set_daily_quota(APPID, 100));
    let known = |list: &Value| list["accounts"][0]["quota"]["limit"] == 100;
    let accounts = gateway.until_reply("/v1/accounts", "its quota", known);
    let renewed_at = accounts.await["accounts"][0]["quota"]["renewed_at"].clone();
    let id = gateway.ordered(&order()).await;
    gateway.call(piece(&id, 0, true, &file(200))).await;
    let started = gateway.wish(&id, "start").await;
    assert_eq!(started["held_until"], Value::Null);
    let path = format!("/v1/broadcasts/{id}");
    let held = |broadcast: &Value| {
        !broadcast["held_until"].is_null() && !broadcast["per_second"].is_null()
    };
    let held = gateway.until_reply(&path, "its hold", held).await;
    assert_eq!(held["held_until"], renewed_at);
    assert_eq!(held["forecast_end_at"], Value::Null);
    assert_eq!(held["status"], "running");
    assert_eq!(gateway.sim.calls().accepted, 80, "a fifth is kept");
    let paused = gateway.wish(&id, "pause").await;
    assert_eq!(paused["held_until"], Value::Null, "it holds itself");
    gateway.wish(&id, "cancel").await;
    gateway.finish().await;
}
