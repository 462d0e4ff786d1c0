//! `GET /v1/messages`.

use serde_json::{Value, json};

use crate::harness::{TestGateway, message, openid};

fn ids(page: &Value) -> Vec<String> {
    let messages = page["messages"].as_array().unwrap();
    messages
        .iter()
        .map(|message| message["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_cursor_leads_through_all_messages_newest_first() {
    let gateway = TestGateway::start().await;
    let mut sent = Vec::new();
    for number in 0..7 {
        sent.push(gateway.send(&message(&openid(number))).await);
    }
    sent.reverse();
    let mut seen = Vec::new();
    let mut path = "/v1/messages?limit=3".to_owned();
    loop {
        let page = gateway.get(&path).await.json();
        seen.extend(ids(&page));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/v1/messages?limit=3&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, sent);
    gateway.finish().await;
}

#[tokio::test]
async fn filters_choose() {
    let gateway = TestGateway::start().await;
    let mut marked = message(&openid(1));
    marked["reference"] = json!("订单 42");
    let marked = gateway.send(&marked).await;
    let failed = gateway.send(&message("nobody")).await;
    gateway.until(&failed, "failed").await;
    let sent = gateway.until(&marked, "sent").await;
    let created = sent["created_at"].as_str().unwrap();
    for (query, found) in [
        ("status=failed".to_owned(), vec![&failed]),
        ("reason=invalid_openid".to_owned(), vec![&failed]),
        ("code=40003".to_owned(), vec![&failed]),
        ("code=43004".to_owned(), vec![]),
        (format!("touser={}", openid(1)), vec![&marked]),
        ("reference=%E8%AE%A2%E5%8D%95+42".to_owned(), vec![&marked]),
        ("account=clinic&status=sent".to_owned(), vec![&marked]),
        (format!("since={created}"), vec![&failed, &marked]),
        (format!("until={created}"), vec![]),
        (
            format!("template_id={}&limit=1", crate::harness::TEMPLATE),
            vec![&failed],
        ),
    ] {
        let page = gateway.get(&format!("/v1/messages?{query}")).await.json();
        assert_eq!(
            ids(&page),
            found.into_iter().cloned().collect::<Vec<_>>(),
            "{query}"
        );
    }
    gateway.finish().await;
}

#[tokio::test]
async fn an_account_that_is_not_there_is_told_as_such_and_what_it_sent_is_listed() {
    let mut gateway = TestGateway::start().await;
    let reply = gateway.get("/v1/messages?account=nope").await;
    let said = reply.problem(404, "not_found");
    assert_eq!(said, "there is no such account; known: clinic");
    let none = gateway.get("/v1/messages?account=clinic").await;
    assert_eq!(none.json()["messages"], json!([]));
    let id = gateway.send(&message(&openid(1))).await;
    gateway.until(&id, "sent").await;
    gateway.down().await;
    let named = |name: &str| format!("UPDATE accounts SET name = '{name}' WHERE name = 'clinic'");
    let database = rusqlite::Connection::open(gateway.database()).unwrap();
    database.execute(&named("former"), []).unwrap();
    gateway.up().await;
    let page = gateway.get("/v1/messages?account=former").await.json();
    assert_eq!(ids(&page), [id]);
    gateway.finish().await;
}

#[tokio::test]
async fn a_misspelt_filter_is_refused() {
    let gateway = TestGateway::start().await;
    for (query, detail) in [
        ("statu=failed", "\"statu\" is not a parameter of this call"),
        ("status=lost", "status must be one of queued, sending"),
        ("limit=0", "limit must be 1 to 200"),
        ("limit=x", "limit must be a whole number"),
        ("since=yesterday", "since must be an RFC 3339 time"),
        ("cursor=zzz", "cursor is not one that this gateway gave"),
        ("status=sent&status=failed", "status comes more than once"),
    ] {
        let reply = gateway.get(&format!("/v1/messages?{query}")).await;
        let said = reply.problem(400, "malformed");
        assert!(said.starts_with(detail), "{query}: {said}");
    }
    gateway.finish().await;
}
