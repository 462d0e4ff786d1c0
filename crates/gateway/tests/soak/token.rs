//! Tokens under trouble: revoked with thousands of messages waiting, and rejected for ever.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::caller::{Caller, Load, message_for};
use crate::check::{nothing_lost_nothing_doubled, until, wait_for_the_end};
use crate::program::{APPID, Gateway, OTHER_APPID, Wish};

async fn revoke_under_load(messages: u64) {
    let gateway = Gateway::start(Wish::slots(64)).await;
    gateway.sim.fault("slow=20ms".parse().unwrap());
    let load = Load::begin(gateway.port, messages, 64);
    let some = messages / 10;
    until("calls are under way", async || {
        gateway.sim.calls().accepted >= some
    })
    .await;
    let before = gateway.sim.calls_of(APPID).fetches();
    assert!(gateway.sim.revoke_tokens(APPID));
    let taken = load.taken().await;
    wait_for_the_end(&gateway, false, Duration::from_secs(300)).await;
    let tally = nothing_lost_nothing_doubled(&gateway, &taken, false).await;
    assert_eq!(
        tally.keys().collect::<Vec<_>>(),
        ["sent"],
        "no message failed for it"
    );
    let calls = gateway.sim.calls_of(APPID);
    assert!(calls.rejected_with(40001) > 0, "the revocation was felt");
    assert_eq!(calls.fetches() - before, 1, "one fetch for all of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_is_fetched_once_however_many_messages_wait() {
    revoke_under_load(2_000).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make soak"]
async fn a_revoked_token_is_fetched_once_for_ten_thousand_messages() {
    revoke_under_load(10_000).await;
}

/// Messages of the account whose every token is rejected wait; those of the other go out.
async fn hand_over_to_both(gateway: &Gateway, from: u64) {
    let mut caller = Caller::new(gateway.port);
    for n in from..from + 20 {
        for account in ["main", "other"] {
            let request = caller.request("POST", "/v1/messages", &message_for(account, n), None);
            let (status, body) = caller.call(request).await.unwrap();
            assert_eq!(status, 202, "{body}");
        }
    }
}

/// What operators and callers read meanwhile.
async fn one_is_degraded_and_its_messages_wait(gateway: &Gateway) {
    let mut caller = Caller::new(gateway.port);
    let list = caller.get("/v1/accounts").await;
    let accounts = list["accounts"].as_array().unwrap().iter();
    let states: Vec<_> = accounts.map(|of| (&of["name"], &of["state"])).collect();
    assert_eq!(
        states,
        [
            (&"main".into(), &"degraded".into()),
            (&"other".into(), &"ok".into())
        ]
    );
    let waiting = caller.get("/v1/messages?account=main&limit=100").await;
    let waiting = waiting["messages"].as_array().unwrap();
    assert_eq!(waiting.len(), 80);
    let queued = |message: &&Value| message["status"] == "queued";
    assert_eq!(waiting.iter().filter(queued).count(), 80, "{waiting:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make soak"]
async fn a_token_rejected_for_ever_is_fetched_three_times_in_a_minute_then_once_in_ten() {
    let mut gateway = Gateway::start(Wish::slots(64)).await;
    let fault = format!("token-rejected:account={APPID}");
    gateway.sim.fault(fault.parse().unwrap());
    let fetches = |gateway: &Gateway| gateway.sim.calls_of(APPID).fetches();
    hand_over_to_both(&gateway, 0).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(fetches(&gateway), 3, "the one at start and two more");
    for restart in 1..=3 {
        gateway.kill().await;
        gateway.up().await;
        hand_over_to_both(&gateway, restart * 100).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(fetches(&gateway), 3, "a restart does not start over");
    }
    tokio::time::sleep(Duration::from_secs(8 * 60)).await;
    assert_eq!(fetches(&gateway), 4, "one more in ten minutes");
    let other = gateway.sim.calls_of(OTHER_APPID);
    assert_eq!(other.accepted, 80, "the other account goes on");
    one_is_degraded_and_its_messages_wait(&gateway).await;
    gateway.sim.clear_faults();
    // The next fetch may hand out the token that was rejected before: it is tried again.
    let (cleared, at_most) = (Instant::now(), Duration::from_secs(11 * 60));
    while gateway.sim.calls_of(APPID).accepted < 80 {
        assert!(cleared.elapsed() < at_most, "this one goes on, once it can");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
