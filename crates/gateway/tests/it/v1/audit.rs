//! Who did what: written down with what was done, and whole.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, Call, TEMPLATE, TestGateway, get, message, openid, post};

async fn entries(gateway: &TestGateway, query: &str) -> Vec<Value> {
    let page = gateway.get(&format!("/v1/audit{query}")).await;
    assert_eq!(page.status, 200, "{page:?}");
    page.json()["entries"].as_array().unwrap().clone()
}

#[tokio::test]
async fn what_was_done_says_who_did_it_to_what_and_from_where() {
    let mut gateway = TestGateway::start().await;
    let mut later = message(&openid(1));
    later["send_at"] = json!(in_an_hour());
    let id = gateway.send(&later).await;
    let cancelled = gateway
        .post(&format!("/v1/messages/{id}/cancel"), &json!({}))
        .await;
    assert_eq!(cancelled.status, 200, "{cancelled:?}");
    let [entry] = &entries(&gateway, "").await[..] else {
        panic!("sending is no entry, cancelling is one");
    };
    for (field, expected) in [
        ("number", json!(1)),
        ("who", json!("orders")),
        ("from", json!("127.0.0.1")),
        ("what", json!("messages.cancel")),
        ("account", json!(ACCOUNT)),
        ("subject", json!(id)),
    ] {
        assert_eq!(entry[field], expected, "{entry}");
    }
    // What was refused was not done.
    let again = gateway
        .post(&format!("/v1/messages/{id}/cancel"), &json!({}))
        .await;
    again.problem(409, "conflict");
    let path = format!("/v1/recipients/{}/suppress", openid(2));
    let why = json!({"note": "her son asked us to", "template_id": TEMPLATE});
    let suppressed = gateway.post(&path, &why).await;
    assert_eq!(suppressed.status, 200, "{suppressed:?}");
    gateway.restart().await;
    let all = entries(&gateway, "?after=0").await;
    assert_eq!(all.len(), 2, "{all:?}");
    let of_recipient = entries(&gateway, &format!("?recipient={}", openid(2))).await;
    assert_eq!(of_recipient.len(), 1, "{of_recipient:?}");
    assert_eq!(
        of_recipient[0]["details"],
        json!(json!({"template_id": TEMPLATE}).to_string()),
        "without the words, which may be about somebody"
    );
    assert!(!of_recipient[0].to_string().contains(&openid(2)));
    gateway.finish().await;
}

#[tokio::test]
async fn many_messages_sent_again_are_written_down_in_the_account_that_was_named() {
    let gateway = TestGateway::start().await;
    let again = gateway
        .post("/v1/messages/retry", &json!({"account": ACCOUNT}))
        .await;
    assert_eq!(again.status, 202, "{again:?}");
    let of_account = entries(&gateway, &format!("?account={ACCOUNT}")).await;
    assert_eq!(of_account.len(), 1, "{of_account:?}");
    assert_eq!(of_account[0]["what"], "messages.retry_all");
    gateway.finish().await;
}

fn in_an_hour() -> String {
    let wall = hongyan_gateway::clock::SystemClock::new().wall().0;
    jiff::Timestamp::from_millisecond(wall + 3_600_000)
        .unwrap()
        .to_string()
}

#[tokio::test]
async fn what_was_only_rehearsed_is_not_written_down() {
    let gateway = TestGateway::start().await;
    let order = json!({
        "template_id": TEMPLATE, "data": {"thing1": {"value": "x"}}, "recipients": [openid(1)],
    });
    for (query, status, count) in [("?dry_run=true", 200, 0), ("", 201, 1)] {
        let made = gateway
            .post(&format!("/v1/broadcasts{query}"), &order)
            .await;
        assert_eq!(made.status, status, "{made:?}");
        assert_eq!(entries(&gateway, "").await.len(), count);
    }
    gateway.finish().await;
}

#[tokio::test]
async fn a_token_that_was_shown_is_written_down() {
    let gateway = TestGateway::start().await;
    gateway
        .until(&gateway.send(&message(&openid(1))).await, "sent")
        .await;
    for (query, count) in [("", 0), ("?reveal=true", 1)] {
        let shown = gateway
            .get(&format!("/v1/accounts/{ACCOUNT}/token{query}"))
            .await;
        assert_eq!(shown.status, 200, "{shown:?}");
        assert_eq!(entries(&gateway, "").await.len(), count);
    }
    gateway.finish().await;
}

#[tokio::test]
async fn a_change_by_a_token_is_written_down_as_well() {
    use jsonwebtoken::{EncodingKey, Header, encode};
    let secret = "the secret that the login service signs with";
    let settings = crate::harness::Settings {
        more: format!("[[jwt]]\nname = \"login\"\nalgorithm = \"HS256\"\nkeys = [\"{secret}\"]\n"),
        ..Default::default()
    };
    let gateway = TestGateway::with(settings).await;
    let now = hongyan_gateway::clock::SystemClock::new().wall().0 / 1000;
    let claims = json!({"sub": "orders", "aud": "hongyan", "exp": now + 60, "scope": "recipients"});
    let key = EncodingKey::from_secret(secret.as_bytes());
    let token = encode(&Header::default(), &claims, &key).unwrap();
    for _ in 0..2 {
        let call = post(
            &format!("/v1/recipients/{}/suppress", openid(1)),
            &json!({}),
        );
        let call = call
            .unsigned()
            .header("authorization", &format!("Bearer {token}"));
        assert_eq!(gateway.call(call).await.status, 200);
    }
    let all = entries(&gateway, "").await;
    assert_eq!(all.len(), 2, "a token may be used again: {all:?}");
    assert_eq!(all[0]["what"], "recipients.suppress");
    gateway.finish().await;
}

#[tokio::test]
async fn the_list_cannot_be_asked_without_its_scope() {
    let settings = crate::harness::Settings {
        scopes: vec!["messages:read"],
        ..Default::default()
    };
    let gateway = TestGateway::with(settings).await;
    let refused = gateway.call(get("/v1/audit")).await;
    assert!(refused.problem(403, "forbidden").contains("audit"));
    let wrong = Call::new(Method::DELETE, "/v1/audit", "");
    gateway.call(wrong).await.problem(405, "method_not_allowed");
    gateway.finish().await;
}

#[tokio::test]
async fn another_configuration_is_written_down_and_the_same_one_is_not() {
    let mut gateway = TestGateway::start().await;
    gateway.reload().await.unwrap();
    assert_eq!(entries(&gateway, "").await.len(), 0);
    gateway.settings.account = "rate = 5\n".to_owned();
    gateway.reload().await.unwrap();
    let [entry] = &entries(&gateway, "").await[..] else {
        panic!("it is one change");
    };
    assert_eq!(
        (&entry["who"], &entry["what"]),
        (&json!("configuration"), &json!("configuration.apply"))
    );
    let details = entry["details"].to_string();
    assert!(details.contains("accounts changed: clinic"), "{details}");
    gateway.finish().await;
}
