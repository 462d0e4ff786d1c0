//! Compares what the gateway says of every message with what the simulator knows that users saw.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::caller::Caller;
use crate::program::Gateway;

/// How many messages ended in each status, and why.
pub(crate) type Tally = BTreeMap<String, u64>;

const PAGE: usize = 100;

/// How long what a test brings about may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until it is so.
pub(crate) async fn until(what: &str, fulfilled: impl AsyncFn() -> bool) {
    until_within(what, PATIENCE, fulfilled).await;
}

/// The same, for what takes its time.
pub(crate) async fn until_within(what: &str, at_most: Duration, fulfilled: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !fulfilled().await {
        assert!(began.elapsed() < at_most, "not yet: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// All messages, by id.
pub(crate) async fn all(caller: &mut Caller) -> HashMap<String, Value> {
    let (mut found, mut cursor) = (HashMap::new(), String::new());
    loop {
        let page = caller
            .get(&format!("/v1/messages?limit={PAGE}{cursor}"))
            .await;
        for message in page["messages"].as_array().unwrap() {
            found.insert(message["id"].as_str().unwrap().to_owned(), message.clone());
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

/// All messages, by id, once each of them is as wanted.
pub(crate) async fn all_when(
    caller: &mut Caller,
    wanted: impl Fn(&Value) -> bool,
) -> HashMap<String, Value> {
    let began = Instant::now();
    loop {
        let found = all(caller).await;
        let Some(other) = found.values().find(|message| !wanted(message)) else {
            return found;
        };
        assert!(began.elapsed() < PATIENCE, "not yet: {other}");
    }
}

/// Whether a call of the message was not answered.
pub(crate) fn was_in_doubt(message: &Value) -> bool {
    let attempts = message["attempts"].as_array().unwrap();
    attempts.iter().any(|attempt| attempt["errcode"].is_null())
}

fn open(status: &str, receipts: bool) -> bool {
    matches!(status, "queued" | "sending") || (receipts && status == "sent")
}

/// Waits until every message has ended.
pub(crate) async fn wait_for_the_end(gateway: &Gateway, receipts: bool, at_most: Duration) {
    let (mut caller, began) = (Caller::new(gateway.port), Instant::now());
    let statuses: &[&str] = if receipts {
        &["queued", "sending", "sent"]
    } else {
        &["queued", "sending"]
    };
    loop {
        let mut left = 0;
        for status in statuses {
            let page = caller
                .get(&format!("/v1/messages?status={status}&limit={PAGE}"))
                .await;
            left += page["messages"].as_array().unwrap().len();
        }
        if left == 0 {
            return;
        }
        assert!(
            began.elapsed() < at_most,
            "{left} messages or more have not ended: {}",
            gateway.log()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Every message that was answered with 202 is there and ended, `sent` or `delivered` ones were seen exactly once,
/// and no message was seen twice. Answers how they ended.
pub(crate) async fn nothing_lost_nothing_doubled(
    gateway: &Gateway,
    taken: &[String],
    receipts: bool,
) -> Tally {
    let mut caller = Caller::new(gateway.port);
    let messages = all(&mut caller).await;
    let distinct: HashSet<&String> = taken.iter().collect();
    assert_eq!(
        distinct.len(),
        taken.len(),
        "each call has a message of its own"
    );
    assert_eq!(
        messages.len(),
        taken.len(),
        "a repeated call makes no second message"
    );
    // Every message has an openid of its own, so this counts what users saw, under whatever id.
    let twice: Vec<_> = gateway
        .sim
        .seen_counts()
        .into_iter()
        .filter(|(_, seen)| *seen > 1)
        .collect();
    assert!(twice.is_empty(), "seen more than once: {twice:?}");
    let mut tally = Tally::new();
    for id in taken {
        let message = messages
            .get(id)
            .unwrap_or_else(|| panic!("{id} was answered with 202 and is lost"));
        let status = message["status"].as_str().unwrap();
        assert!(!open(status, receipts), "{id} has not ended: {message}");
        let shown = gateway.sim.accepted(id);
        match status {
            "sent" | "delivered" => assert_eq!(shown, 1, "{id} is {status}: {message}"),
            "unconfirmed" => assert!(shown <= 1, "{id} was seen {shown} times: {message}"),
            _ => assert_eq!(shown, 0, "{id} is {status}, but was seen: {message}"),
        }
        let reason = message["reason"]
            .as_str()
            .map(|reason| format!(" ({reason})"))
            .unwrap_or_default();
        *tally.entry(format!("{status}{reason}")).or_default() += 1;
    }
    tally
}
