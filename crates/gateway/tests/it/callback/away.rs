//! The store is away while receipts come in: WeChat is answered all the same, and nothing of them is lost.

use std::time::Duration;

use super::*;
use crate::harness::get;

#[tokio::test]
async fn receipts_that_come_while_the_store_is_away_are_kept_until_it_is_back() {
    let mut gateway = TestGateway::with(Settings::receipts(Mode::Safe)).await;
    let (id, msgid) = sent(&gateway).await;
    let (store, _) = gateway.store();
    store.close().await;
    for (msgid, nonce) in [
        (msgid.as_str(), "first"),
        ("77", "other"),
        (&msgid, "again"),
    ] {
        let (query, body) = sealed(&openid(1), msgid);
        let reply = push(&gateway, &query, &body).await;
        assert_eq!(
            (reply.status.as_u16(), reply.text()),
            (200, "success"),
            "{nonce}"
        );
    }
    // The gauge is the process's: another test's gateway may have put its own there meanwhile.
    let said = async {
        loop {
            let (query, body) = sealed(&openid(1), "78");
            push(&gateway, &query, &body).await;
            let metrics = gateway.call(get("/metrics").unsigned()).await;
            if metrics
                .text()
                .contains("hongyan_degraded{part=\"receipts\"} 1")
            {
                return;
            }
        }
    };
    let said = tokio::time::timeout(Duration::from_secs(15), said).await;
    assert!(said.is_ok(), "nobody is told of the spool");
    gateway.restart().await;
    gateway.until(&id, "delivered").await;
    gateway.finish().await;
}

#[tokio::test]
async fn a_plain_address_serves_for_one_body_alone_on_the_spool_as_well() {
    let mut gateway = TestGateway::with(Settings::receipts(Mode::Plain)).await;
    let (id, msgid) = sent(&gateway).await;
    let (store, _) = gateway.store();
    store.close().await;
    let query = plain_query(&seconds(0), "n1");
    for (status, answer) in [
        ("failed:user block", 200),
        ("success", 403),
        ("failed:user block", 200),
    ] {
        let body = event(&openid(1), &msgid, status);
        assert_eq!(
            push(&gateway, &query, &body).await.status,
            answer,
            "{status}"
        );
    }
    gateway.restart().await;
    // The second was somebody else's.
    let message = gateway.until(&id, "failed").await;
    assert_eq!(message["reason"], "user_blocked");
    gateway.finish().await;
}
