//! `POST /v1/recipients/{openid}/forget`, and users who left: afterwards nothing names them, and nobody writes to them.

use std::path::Path;
use std::time::Duration;

use hongyan_courier::time::Clock;
use hongyan_gateway::api::moments::Moment;
use hongyan_gateway::clock::SystemClock;
use hongyan_wechat::callback::Mode;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::{Value, json};

use super::broadcasts::piece;
use super::recipients::push;
use crate::harness::{ACCOUNT, Settings, TEMPLATE, TestGateway, message, openid};

/// Columns in which the text stands, as `table.column`.
fn places(database: &Path, text: &str) -> Vec<String> {
    let conn = Connection::open(database).unwrap();
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table'";
    let mut tables = conn.prepare(sql).unwrap();
    let names = tables.query_map([], |row| row.get(0)).unwrap();
    let mut found = Vec::new();
    for table in names.map(Result::<String, _>::unwrap) {
        let mut all = conn.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns: Vec<String> = all.column_names().into_iter().map(str::to_owned).collect();
        let mut rows = all.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for (nth, column) in columns.iter().enumerate() {
                let bytes = match row.get_ref(nth).unwrap() {
                    ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
                    _ => continue,
                };
                if String::from_utf8_lossy(bytes).contains(text) {
                    found.push(format!("{table}.{column}"));
                }
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

fn tomorrow() -> Value {
    let at = SystemClock::new().now().plus(Duration::from_secs(86_400));
    serde_json::to_value(Moment(at)).unwrap()
}

async fn forget(gateway: &TestGateway, number: usize) -> Value {
    let path = format!("/v1/recipients/{}/forget", openid(number));
    let reply = gateway.post(&path, &json!({})).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

#[tokio::test]
async fn a_user_who_is_forgotten_is_named_nowhere() {
    let mut gateway = TestGateway::with(Settings::receipts(Mode::Plain)).await;
    let mut body = message(&openid(1));
    body["client_msg_id"] = json!("order-42");
    let delivered = gateway.send(&body).await;
    gateway.until(&delivered, "delivered").await;
    gateway
        .sim
        .fault("code=47003:at=send:first=1".parse().unwrap());
    let failed = gateway.send(&message(&openid(1))).await;
    gateway.until(&failed, "failed").await;
    push(&gateway, &openid(1), "subscribe", 0, "").await;
    let orphan = "<MsgID>123</MsgID><Status><![CDATA[success]]></Status>";
    push(&gateway, &openid(1), "TEMPLATESENDJOBFINISH", 0, orphan).await;
    let mut later = message(&openid(1));
    later["send_at"] = tomorrow();
    let waiting = gateway.send(&later).await;
    let order = json!({"template_id": TEMPLATE, "data": {"thing1": {"value": "{{name}}"}},
        "send_at": tomorrow()});
    let broadcast = gateway.ordered(&order).await;
    let file = format!("openid,name\n{},one\n{},two\n", openid(1), openid(2));
    gateway.call(piece(&broadcast, 0, true, &file)).await;
    gateway.wish(&broadcast, "start").await;

    let done = forget(&gateway, 1).await;
    assert_eq!(
        [
            &done["messages"],
            &done["cancelled"],
            &done["rows"],
            &done["under_way"]
        ],
        [3, 1, 1, 0],
        "{done}"
    );
    for id in [&delivered, &failed, &waiting] {
        let shown = gateway.get(&format!("/v1/messages/{id}")).await.json();
        assert_eq!(shown["touser"], done["pseudonym"]);
        assert_eq!(shown["data"], json!({}));
    }
    let refused = gateway
        .post(&format!("/v1/messages/{failed}/retry"), &json!({}))
        .await;
    let detail = refused.problem(409, "conflict");
    assert!(detail.contains("forgotten"), "{detail}");
    let many = gateway
        .post("/v1/messages/retry", &json!({"account": ACCOUNT}))
        .await
        .json();
    assert_eq!(many["skipped"], json!({"forgotten": 1}), "{many}");
    gateway.down().await;
    // So that no message is sent twice, for a day; and this story makes nonces of openids.
    let mut left = places(&gateway.database(), &openid(1));
    left.retain(|place| place != "nonces.nonce");
    assert_eq!(left, ["idempotency.scope"]);
    gateway.up().await;
    gateway.finish().await;
}

#[tokio::test]
async fn what_is_under_way_is_forgotten_when_it_has_ended() {
    let settings = Settings {
        more: "[recipients]\nforget_after_unsubscribe = \"3650d\"\n".to_owned(),
        ..Settings::receipts(Mode::Plain)
    };
    let mut gateway = TestGateway::with(settings).await;
    gateway.sim.set_latency(Duration::from_millis(500));
    let id = gateway.send(&message(&openid(1))).await;
    gateway.until(&id, "sending").await;
    let done = forget(&gateway, 1).await;
    assert_eq!([&done["messages"], &done["under_way"]], [0, 1], "{done}");
    gateway.until(&id, "delivered").await;
    // It looks every minute, and whenever it is told another time.
    gateway.settings.more.clear();
    let changes = gateway.reload().await.unwrap();
    assert!(changes.recipients);
    let path = format!("/v1/messages/{id}");
    let gone = |message: &Value| message["touser"] == done["pseudonym"];
    gateway.until_reply(&path, "forgotten", gone).await;
    gateway.finish().await;
}

#[tokio::test]
async fn users_who_left_are_forgotten_as_soon_as_the_configuration_says_so() {
    let mut gateway = TestGateway::with(Settings::receipts(Mode::Plain)).await;
    let id = gateway.send(&message(&openid(1))).await;
    gateway.until(&id, "delivered").await;
    push(&gateway, &openid(1), "unsubscribe", 0, "").await;
    let path = format!("/v1/recipients/{}", openid(1));
    let left = |known: &Value| known["state"] == "unsubscribed";
    gateway.until_reply(&path, "unsubscribed", left).await;
    gateway.settings.more = "[recipients]\nforget_after_unsubscribe = \"0s\"\n".to_owned();
    gateway.reload().await.unwrap();
    let unknown = |known: &Value| known["state"] == "unknown";
    gateway.until_reply(&path, "unknown", unknown).await;
    let shown = gateway.get(&format!("/v1/messages/{id}")).await.json();
    assert!(shown["touser"].as_str().unwrap().starts_with("forgotten-"));
    gateway.finish().await;
}
