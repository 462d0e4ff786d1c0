//! The same request twice is one message: by `Idempotency-Key`, and by `client_msg_id`.

use std::time::Duration;

use hongyan_gateway::clock::SystemClock;
use serde_json::{Value, json};

use crate::harness::{Settings, TestGateway, message, openid, post};

/// A message that may not be sent after so many milliseconds.
fn expiring(number: usize, in_ms: i64) -> Value {
    let end = SystemClock::new().wall().0 + in_ms;
    let mut body = message(&openid(number));
    body["expires_at"] = json!(jiff::Timestamp::from_millisecond(end).unwrap().to_string());
    body
}

/// Tries with messages that may not be sent after so many milliseconds, each time with more: a busy machine may need longer
/// to hand them over and send them.
async fn in_time<T>(attempt: impl AsyncFn(i64) -> Option<T>) -> T {
    for life_ms in [2_500, 10_000, 40_000] {
        if let Some(done) = attempt(life_ms).await {
            return done;
        }
    }
    panic!("no message was sent before it expired");
}

/// The id in an answer, if its message was taken and is sent before it expires.
async fn sent(gateway: &TestGateway, answer: &Value) -> Option<String> {
    let id = answer["id"].as_str()?;
    let path = format!("/v1/messages/{id}");
    let ended = |message: &Value| message["status"] == "sent" || message["status"] == "expired";
    let message = gateway.until_reply(&path, "an end", ended).await;
    (message["status"] == "sent").then(|| id.to_owned())
}

/// Waits until such a message would be refused.
async fn expired(gateway: &TestGateway, body: &Value) {
    let mut refused = body.clone();
    // It is looked at and never stored.
    refused["kind"] = json!("none");
    loop {
        let reply = gateway.post("/v1/messages", &refused).await;
        if reply.text().contains("has passed") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_same_key_and_body_is_the_same_message() {
    let mut gateway = TestGateway::start().await;
    let body = message(&openid(1));
    let send = || post("/v1/messages", &body).header("idempotency-key", "order-42");
    let first = gateway.call(send()).await.json();
    let id = first["id"].as_str().unwrap();
    gateway.until(id, "sent").await;
    for _ in 0..2 {
        let replay = gateway.call(send()).await;
        assert_eq!(replay.status, 202);
        assert_eq!(replay.json()["id"], id);
        assert_eq!(replay.json()["status"], "sent", "its present status");
        gateway.restart().await;
    }
    let waiting = gateway
        .call(post("/v1/messages?wait=5", &body).header("idempotency-key", "order-42"))
        .await;
    assert_eq!(
        (waiting.status.as_u16(), &waiting.json()["id"]),
        (200, &json!(id))
    );
    assert_eq!(gateway.sim.seen(&openid(1)).len(), 1);
    gateway.finish().await;
}

#[tokio::test]
async fn the_same_key_with_another_body_is_refused() {
    let gateway = TestGateway::start().await;
    let send = |n| post("/v1/messages", &message(&openid(n))).header("idempotency-key", "order-42");
    assert_eq!(gateway.call(send(1)).await.status, 202);
    gateway
        .call(send(2))
        .await
        .problem(409, "idempotency_mismatch");
    // Another route is another key.
    let batch = json!({"messages": [message(&openid(3))]});
    let batch = post("/v1/messages/batch", &batch).header("idempotency-key", "order-42");
    assert_eq!(gateway.call(batch).await.status, 202);
    assert_eq!(gateway.sim.seen(&openid(2)).len(), 0);
    gateway.finish().await;
}

#[tokio::test]
async fn concurrent_twins_are_one_message() {
    let gateway = TestGateway::start().await;
    let body = message(&openid(1));
    let twins = (0..20)
        .map(|_| gateway.call(post("/v1/messages", &body).header("idempotency-key", "twins")));
    let replies = futures::future::join_all(twins).await;
    let first = replies[0].json()["id"].clone();
    assert!(
        replies
            .iter()
            .all(|reply| reply.status == 202 && reply.json()["id"] == first)
    );
    gateway.until(first.as_str().unwrap(), "sent").await;
    assert_eq!(gateway.sim.seen(&openid(1)).len(), 1);
    gateway.finish().await;
}

#[tokio::test]
async fn a_client_msg_id_deduplicates_by_recipient_and_content() {
    let gateway = TestGateway::start().await;
    let with_id = |n, text| {
        let mut body = message(&openid(n));
        body["client_msg_id"] = json!("visit-7");
        body["data"]["thing1"]["value"] = json!(text);
        body
    };
    let first = gateway.send(&with_id(1, "a")).await;
    assert_eq!(gateway.send(&with_id(1, "a")).await, first);
    assert_ne!(
        gateway.send(&with_id(2, "a")).await,
        first,
        "another recipient"
    );
    let other = gateway.post("/v1/messages", &with_id(1, "b")).await;
    assert!(
        other
            .problem(409, "idempotency_mismatch")
            .contains("client_msg_id")
    );
    gateway.until(&first, "sent").await;
    let seen = gateway.sim.seen(&openid(1));
    assert_eq!(seen.len(), 1);
    assert_eq!(
        seen[0].client_msg_id.as_deref(),
        Some(first.as_str()),
        "on the wire goes our own id"
    );
    gateway.finish().await;
}

#[tokio::test]
async fn a_key_has_a_shape() {
    let gateway = TestGateway::start().await;
    let long = "k".repeat(256);
    for key in ["", long.as_str()] {
        let call = post("/v1/messages", &message(&openid(1))).header("idempotency-key", key);
        assert!(
            gateway
                .call(call)
                .await
                .problem(400, "malformed")
                .starts_with("Idempotency-Key")
        );
    }
    gateway.finish().await;
}

#[tokio::test]
async fn a_message_that_has_expired_meanwhile_is_still_known() {
    let gateway = TestGateway::start().await;
    let by_key = |body: &Value, life_ms: i64| {
        post("/v1/messages", body).header("idempotency-key", &format!("order-{life_ms}"))
    };
    let (life_ms, keyed, first) = in_time(async |life_ms| {
        let keyed = expiring(1, life_ms);
        let answer = gateway.call(by_key(&keyed, life_ms)).await.json();
        let id = sent(&gateway, &answer).await?;
        Some((life_ms, keyed, id))
    })
    .await;
    let (mut named, second) = in_time(async |life_ms| {
        let mut named = expiring(2, life_ms);
        named["client_msg_id"] = json!(format!("visit-{life_ms}"));
        let answer = gateway.post("/v1/messages", &named).await.json();
        let id = sent(&gateway, &answer).await?;
        Some((named, id))
    })
    .await;
    expired(&gateway, &keyed).await;
    expired(&gateway, &named).await;

    let replay = gateway.call(by_key(&keyed, life_ms)).await;
    assert_eq!(replay.status, 202, "{replay:?}");
    assert_eq!(replay.json()["id"], first);
    assert_eq!(replay.json()["status"], "sent");
    assert_eq!(gateway.send(&named).await, second);
    let batch = json!({"messages": [keyed, named]});
    let results = gateway.post("/v1/messages/batch", &batch).await.json()["results"].clone();
    assert_eq!(results[0]["error"]["code"], "invalid_message");
    assert_eq!(results[1], json!({"id": second, "status": "sent"}));

    // What nobody took is refused, also under a key, which is free for another.
    let fresh = gateway.call(by_key(&keyed, 0)).await;
    let detail = fresh.problem(422, "invalid_message");
    assert_eq!(detail, "expires_at: has passed");
    let good = gateway.call(by_key(&message(&openid(3)), 0)).await;
    assert_eq!(good.status, 202);
    // The content counts as ever.
    named["data"]["thing1"]["value"] = json!("another");
    gateway
        .post("/v1/messages", &named)
        .await
        .problem(422, "invalid_message");
    gateway.finish().await;
}

#[tokio::test]
async fn an_account_that_is_gone_does_not_undo_what_it_took() {
    let settings = Settings {
        others: vec![("school", "wx00000000000000bb")],
        ..Settings::default()
    };
    let mut gateway = TestGateway::with(settings).await;
    let of = |account, number| {
        let mut body = message(&openid(number));
        body["account"] = json!(account);
        body
    };
    let one = of("school", 1);
    let by_key = || post("/v1/messages", &one).header("idempotency-key", "order-42");
    let id = gateway.call(by_key()).await.json()["id"].clone();
    let late = expiring(2, -1000);
    let mut late_of = of("clinic", 2);
    late_of["expires_at"] = late["expires_at"].clone();
    let batches = [
        // All of it was taken, or some, or nothing.
        json!({"messages": [of("clinic", 3), of("school", 4), of("clinic", 5)]}),
        json!({"messages": [late_of, of("school", 6), 7, of("clinic", 8), of("school", 9)]}),
        json!({"messages": [late_of, 7]}),
    ];
    let call = |number: usize| {
        post("/v1/messages/batch", &batches[number])
            .header("idempotency-key", &format!("batch {number}"))
    };
    let mut firsts = Vec::new();
    for number in 0..batches.len() {
        firsts.push(ids(&gateway.call(call(number)).await.json()));
    }
    let taken: Vec<Vec<bool>> = firsts
        .iter()
        .map(|ids| ids.iter().map(Option::is_some).collect())
        .collect();
    assert_eq!(taken[0], [true, true, true]);
    assert_eq!(taken[1], [false, true, false, true, true]);
    assert_eq!(taken[2], [false, false]);
    for id in firsts.iter().flatten().flatten() {
        gateway.until(id, "sent").await;
    }

    gateway.settings.others.clear();
    gateway.restart().await;
    let replay = gateway.call(by_key()).await;
    assert_eq!((replay.status.as_u16(), &replay.json()["id"]), (202, &id));
    for (number, first) in firsts.iter().enumerate() {
        let again = gateway.call(call(number)).await;
        assert_eq!(again.status, 202, "{again:?}");
        assert_eq!(&ids(&again.json()), first, "batch {number}");
    }
    gateway
        .post("/v1/messages", &one)
        .await
        .problem(422, "invalid_message");
    gateway.finish().await;
}

#[tokio::test]
async fn a_batch_whose_messages_cannot_be_told_apart_is_not_guessed_at() {
    let gateway = TestGateway::start().await;
    // The first was refused, the second taken; by now both would be refused, and they look alike.
    let call = |batch: &Value, life_ms: i64| {
        post("/v1/messages/batch", batch).header("idempotency-key", &format!("twins {life_ms}"))
    };
    let (life_ms, batch) = in_time(async |life_ms| {
        let batch = json!({"messages": [expiring(1, -1000), expiring(1, life_ms)]});
        let answer = gateway.call(call(&batch, life_ms)).await.json();
        assert_eq!(answer["results"][0]["id"], Value::Null);
        sent(&gateway, &answer["results"][1]).await?;
        Some((life_ms, batch))
    })
    .await;
    expired(&gateway, &batch["messages"][1]).await;
    gateway
        .call(call(&batch, life_ms))
        .await
        .problem(409, "conflict");
    gateway.finish().await;
}

/// The ids of a batch's results; none for what was refused.
fn ids(reply: &Value) -> Vec<Option<String>> {
    let results = reply["results"].as_array().unwrap();
    results
        .iter()
        .map(|one| one["id"].as_str().map(str::to_owned))
        .collect()
}
