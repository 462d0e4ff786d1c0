//! What WeChat would refuse, and what goes to somebody who does not want it, costs no call: out of many messages none of
//! those reaches WeChat.

use std::collections::HashMap;

use hongyan_wechat::callback::Mode;
use hongyan_wechat_sim::ReceiptPolicy;
use serde_json::{Value, json};

use super::fit::{LONG, TEXT, body, good};
use crate::harness::{Settings, TEMPLATE, TestGateway, get, openid};
use crate::v1::recipients::push;

const BATCH: usize = 500;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lot {
    Goes,
    WouldBeRefused,
    Unsubscribed,
}

fn lot(nth: usize) -> Lot {
    match nth % 10 {
        0 => Lot::WouldBeRefused,
        3 => Lot::Unsubscribed,
        _ => Lot::Goes,
    }
}

fn one(nth: usize) -> Value {
    let mut one = match (lot(nth), nth / 10 % 4) {
        (Lot::Goes | Lot::Unsubscribed, _) => good(),
        (Lot::WouldBeRefused, 0) => body(LONG, "¥1", "A"),
        (Lot::WouldBeRefused, 1) => body("咖啡", "十八元", "A"),
        (Lot::WouldBeRefused, 2) => body("咖啡", "¥1", "汉字"),
        (Lot::WouldBeRefused, _) => body("", "¥1", "A"),
    };
    one["touser"] = json!(openid(nth));
    one
}

/// How a batch's items were answered: by status, or by the error's code.
fn answers(reply: &Value) -> HashMap<String, usize> {
    let mut answers = HashMap::new();
    for result in reply["results"].as_array().unwrap() {
        let said = result["status"].as_str();
        let said = said.or(result["error"]["code"].as_str()).unwrap();
        let said = if said == "sending" { "queued" } else { said };
        *answers.entry(said.to_owned()).or_default() += 1;
    }
    answers
}

async fn none_is_sent_in_vain(many: usize) {
    let gateway = TestGateway::with(Settings {
        templates: vec![(TEMPLATE, TEXT)],
        ..Settings::receipts(Mode::Plain)
    })
    .await;
    gateway.until_listed().await;
    gateway.sim.set_receipts(ReceiptPolicy {
        lost: 1.0,
        ..ReceiptPolicy::default()
    });
    for nth in (0..many).filter(|nth| lot(*nth) == Lot::Unsubscribed) {
        push(&gateway, &openid(nth), "unsubscribe", 0, "").await;
    }
    let each = BATCH / 10;
    let expected = [
        ("queued", BATCH - 2 * each),
        ("invalid_message", each),
        ("suppressed", each),
    ];
    for first in (0..many).step_by(BATCH) {
        let messages: Vec<Value> = (first..first + BATCH).map(one).collect();
        let reply = gateway
            .post("/v1/messages/batch", &json!({ "messages": messages }))
            .await;
        let expected = expected.map(|(word, count)| (word.to_owned(), count));
        assert_eq!(answers(&reply.json()), HashMap::from(expected));
        // One batch after the other, so that a slow machine needs no more patience than a quick one.
        let goal = (first + BATCH) / 10 * 8;
        gateway
            .until_sim("all that may go", |sim| sim.calls().accepted == goal as u64)
            .await;
    }
    let seen = gateway.sim.seen_counts();
    for nth in 0..many {
        let times = seen.get(&openid(nth)).copied().unwrap_or_default();
        assert_eq!(times, u32::from(lot(nth) == Lot::Goes), "{nth}");
    }
    let calls = gateway.sim.calls();
    assert_eq!(calls.sends, calls.accepted, "no call was in vain");
    let metrics = gateway.call(get("/metrics").unsigned()).await;
    let text = metrics.text();
    let family = "hongyan_suppressions_total{account=\"clinic\",reason=\"not_subscribed\"} ";
    let counted = text.lines().find_map(|line| line.strip_prefix(family));
    // Other stories in this process may have counted as well.
    let counted: usize = counted.unwrap_or_else(|| panic!("{text}")).parse().unwrap();
    assert!(counted >= many / 10, "{counted}");
    gateway.finish().await;
}

#[tokio::test]
async fn of_many_messages_none_is_sent_in_vain() {
    none_is_sent_in_vain(1_000).await;
}

#[tokio::test]
#[ignore = "long: make soak"]
async fn of_a_hundred_thousand_messages_none_is_sent_in_vain() {
    none_is_sent_in_vain(100_000).await;
}
