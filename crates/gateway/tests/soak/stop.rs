//! SIGTERM under load: nothing is lost, nothing repeated, and it ends within the deadline.

use std::time::Duration;

use crate::caller::{Caller, Load, message};
use crate::check::{nothing_lost_nothing_doubled, wait_for_the_end};
use crate::program::{Gateway, Wish};

async fn stop_under_load(messages: u64, stops: u32) {
    let mut gateway = Gateway::start(Wish {
        concurrency: 64,
        receipt_timeout: None,
    })
    .await;
    gateway.sim.fault("slow=20ms".parse().unwrap());
    let load = Load::begin(gateway.port, messages, 16);
    for n in 1..=stops {
        while gateway.sim.calls().accepted < u64::from(n) * messages / u64::from(stops + 1) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
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

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_hangs_up_strands_nothing() {
    let gateway = Gateway::start(Wish {
        concurrency: 4,
        receipt_timeout: None,
    })
    .await;
    for n in 0..200 {
        let mut caller = Caller::new(gateway.port);
        let request = caller.request("POST", "/v1/messages", &message(n), None);
        // Hangs up somewhere between the first byte and the answer.
        let _ = tokio::time::timeout(Duration::from_micros(n * 20), caller.call(request)).await;
    }
    wait_for_the_end(&gateway, false, Duration::from_secs(30)).await;
    let shown = gateway.sim.calls();
    assert_eq!(shown.repeated, 0);
    assert!(
        shown.accepted > 0,
        "some calls were whole before their caller hung up"
    );
}
