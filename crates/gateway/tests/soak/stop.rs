//! SIGTERM under load: nothing is lost, nothing repeated, and it ends within the deadline.

use std::time::Duration;

use hongyan_wechat_sim::world::Calls;

use crate::caller::{Caller, Load, message};
use crate::check::{Tally, all, nothing_lost_nothing_doubled, until, wait_for_the_end};
use crate::program::{Gateway, Wish};

async fn stop_under_load(messages: u64, stops: u32) {
    let mut gateway = Gateway::start(Wish::slots(64)).await;
    gateway.sim.fault("slow=20ms".parse().unwrap());
    let load = Load::begin(gateway.port, messages, 16);
    for n in 1..=stops {
        let moment = u64::from(n) * messages / u64::from(stops + 1);
        until("the moment to stop", async || {
            gateway.sim.calls().accepted >= moment
        })
        .await;
        let (took, well) = gateway.terminate().await;
        assert!(well, "it ended badly: {}", gateway.log());
        // The default of server.shutdown_timeout.
        assert!(took < Duration::from_secs(25), "it took {took:?}");
        gateway.up().await;
    }
    let taken = load.taken().await;
    wait_for_the_end(&gateway, false, Duration::from_secs(120)).await;
    let tally = nothing_lost_nothing_doubled(&gateway, &taken, false).await;
    assert_eq!(tally.keys().collect::<Vec<_>>(), ["sent"]);
    assert_eq!(
        gateway.sim.calls().repeated,
        0,
        "an orderly stop repeats no call"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_loses_nothing_and_repeats_nothing() {
    stop_under_load(600, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make soak"]
async fn twenty_stops_under_load_lose_nothing_and_repeat_nothing() {
    stop_under_load(20_000, 20).await;
}

const SLOTS: u64 = 8;
/// Of the calls that are under way at the stop, so many were taken by WeChat; nobody can tell which.
const TAKEN: u64 = 4;

/// A gateway that was stopped while each of its calls hung, and as many messages waited. It is down, and WeChat is well.
async fn stopped_while_calls_hang() -> (Gateway, Vec<String>) {
    let mut gateway = Gateway::start(Wish {
        shutdown_timeout: Some("2s"),
        // One of several would leave a quarter of the slots to the others.
        accounts: 1,
        ..Wish::slots(usize::try_from(SLOTS).unwrap())
    })
    .await;
    for fault in [&format!("hang:accepted:first={TAKEN}"), "hang"] {
        gateway.sim.fault(fault.parse().unwrap());
    }
    let taken = Load::begin(gateway.port, 2 * SLOTS, 4).taken().await;
    until("all slots are taken", async || {
        gateway.sim.calls().sends == SLOTS
    })
    .await;
    let (took, well) = gateway.terminate().await;
    assert!(well, "it ended badly: {}", gateway.log());
    assert!(
        took > Duration::from_secs(1),
        "it waits for answers: {took:?}"
    );
    assert!(
        took < Duration::from_secs(3),
        "but not for ever: {took:?}, {}",
        gateway.log()
    );
    assert_eq!(gateway.sim.calls().sends, SLOTS, "nothing more was called");
    gateway.sim.clear_faults();
    (gateway, taken)
}

async fn start_again(mut gateway: Gateway, taken: &[String]) -> (Tally, Calls) {
    gateway.up().await;
    wait_for_the_end(&gateway, false, Duration::from_secs(30)).await;
    let tally = nothing_lost_nothing_doubled(&gateway, taken, false).await;
    (tally, gateway.sim.calls())
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_a_stop_cuts_off_are_made_once_more_and_seen_once() {
    let (gateway, taken) = stopped_while_calls_hang().await;
    let (tally, calls) = start_again(gateway, &taken).await;
    assert_eq!(tally, Tally::from([("sent".to_owned(), 2 * SLOTS)]));
    assert_eq!(
        (calls.sends, calls.repeated),
        (3 * SLOTS, TAKEN),
        "only those that were cut off, each once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_a_stop_cuts_off_are_in_doubt_and_nothing_else_is() {
    let (gateway, taken) = stopped_while_calls_hang().await;
    // A refusal says that the user saw nothing, unless an earlier call may have been accepted.
    gateway.sim.fault("code=43004".parse().unwrap());
    let (tally, calls) = start_again(gateway, &taken).await;
    let wanted = [
        ("failed (not_subscribed)".to_owned(), SLOTS),
        ("unconfirmed (outcome_unknown)".to_owned(), SLOTS),
    ];
    assert_eq!(tally, Tally::from(wanted));
    assert_eq!(calls.sends, 3 * SLOTS);
}

/// Leases that nobody remembers are given back by a heartbeat when they are five seconds old. What ended sooner was sent
/// because it was stored.
const SOONER_THAN_A_HEARTBEAT_HELPS: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_hangs_up_strands_nothing() {
    let gateway = Gateway::start(Wish::slots(4)).await;
    let mut answered = 0;
    for n in 0..200 {
        let mut caller = Caller::new(gateway.port);
        let request = caller.request("POST", "/v1/messages", &message(n), None);
        // Hangs up somewhere between the first byte and the answer.
        let answer =
            tokio::time::timeout(Duration::from_micros(n * 20), caller.call(request)).await;
        answered += usize::from(matches!(answer, Ok(Ok((202, _)))));
    }
    wait_for_the_end(&gateway, false, SOONER_THAN_A_HEARTBEAT_HELPS).await;
    let stored = all(&mut Caller::new(gateway.port)).await;
    println!("{} stored, {answered} answered", stored.len());
    assert!(stored.len() > answered, "some hung up after the commit");
    assert!(stored.values().all(|message| message["status"] == "sent"));
    let calls = gateway.sim.calls();
    assert_eq!(
        (calls.accepted, calls.repeated),
        (stored.len() as u64, 0),
        "each once"
    );
}
