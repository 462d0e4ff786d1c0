//! Rows are handed over in pieces, cut anywhere, and whoever is interrupted goes on.

use serde_json::json;

use super::{file, order, piece};
use crate::harness::TestGateway;

#[tokio::test]
async fn a_file_may_be_cut_anywhere_and_sent_again() {
    let mut gateway = TestGateway::start().await;
    let id = gateway.ordered(&order()).await;
    let file = file(300);
    let mut offset = 0;
    for (nth, cut) in [3, 20, 1_000, 1_001, 5_000].into_iter().enumerate() {
        let call = piece(&id, offset, false, &file[offset..cut]);
        let reply = gateway.call(call).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.json()["upload"]["offset"], cut);
        if nth == 2 {
            gateway.restart().await;
        }
        offset = cut;
    }
    // What is there already may come again, and overlap with what is not.
    let same = gateway
        .call(piece(&id, 20, false, &file[20..900]))
        .await
        .json();
    assert_eq!(same["upload"]["offset"], 5_000);
    let rest = gateway
        .call(piece(&id, 4_000, true, &file[4_000..]))
        .await
        .json();
    assert_eq!(
        rest["upload"],
        json!({"offset": file.len(), "complete": true, "rows": 300, "bad_rows": 0})
    );
    let again = gateway.call(piece(&id, 4_000, true, &file[4_000..])).await;
    assert_eq!(again.status, 200);
    gateway.wish(&id, "start").await;
    gateway.until_broadcast(&id, "done").await;
    assert_eq!(gateway.sim.calls().accepted, 300);
    gateway.finish().await;
}

#[tokio::test]
async fn rows_that_belong_elsewhere_are_refused() {
    let gateway = TestGateway::start().await;
    let id = gateway.ordered(&order()).await;
    let hole = gateway
        .call(piece(&id, 7, false, "x"))
        .await
        .problem(409, "conflict");
    assert_eq!(hole, "0 bytes are stored: go on at offset 0");
    gateway
        .call(piece(&id, 0, false, "openid,name\no1,a\n"))
        .await;
    let other = gateway
        .call(piece(&id, 0, false, "openid,name\no2,a\n"))
        .await;
    let detail = other.problem(409, "conflict");
    assert_eq!(
        detail,
        "other bytes are stored from offset 0 on: this is another file"
    );
    let early = gateway
        .post(&format!("/v1/broadcasts/{id}/start"), &json!({}))
        .await;
    assert!(
        early
            .problem(409, "conflict")
            .contains("hand over all of its rows first")
    );
    gateway.call(piece(&id, 17, true, "")).await;
    let late = gateway
        .call(piece(&id, 17, true, "o2,b\n"))
        .await
        .problem(409, "conflict");
    assert_eq!(late, "the broadcast is ready and takes no rows");
    gateway.finish().await;
}

#[tokio::test]
async fn bad_rows_are_told_by_their_lines_and_passed_over() {
    let gateway = TestGateway::start().await;
    let id = gateway.ordered(&order()).await;
    let file = "openid,name\no1,a\n,b\no3\no4,\"c\no5,d\n";
    gateway.call(piece(&id, 0, false, &file[..22])).await;
    let reply = gateway.call(piece(&id, 22, true, &file[22..])).await.json();
    assert_eq!(reply["upload"]["rows"], 2);
    assert_eq!(reply["upload"]["bad_rows"], 3);
    let shown = gateway.get(&format!("/v1/broadcasts/{id}")).await.json();
    let lines: Vec<_> = shown["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["line"].clone())
        .collect();
    assert_eq!(lines, [3, 4, 5]);
    assert_eq!(
        shown["problems"][1]["problem"],
        "has 1 columns, but the header has 2"
    );
    gateway.wish(&id, "start").await;
    let done = gateway.until_broadcast(&id, "done").await;
    assert_eq!(done["progress"]["accepted"], 2);
    gateway.finish().await;
}

#[tokio::test]
async fn a_file_that_lacks_a_column_is_refused_at_its_header() {
    let gateway = TestGateway::start().await;
    let id = gateway.ordered(&order()).await;
    let reply = gateway
        .call(piece(&id, 0, false, "openid,nmae\no1,a\n"))
        .await;
    reply.problem(422, "invalid_message");
    assert_eq!(reply.json()["errors"][0]["field"], "data.thing1.value");
    let reply = gateway.call(piece(&id, 0, false, "name,openid\n")).await;
    let detail = reply.problem(422, "invalid_message");
    assert_eq!(
        detail,
        "rows: line 1: the header must name the columns, the first of them openid"
    );
    gateway.finish().await;
}
