//! WeChat's host goes away with messages queued, and comes back.

use std::time::Duration;

use crate::caller::{Caller, Load};
use crate::check::{all, nothing_lost_nothing_doubled, until, wait_for_the_end, was_in_doubt};
use crate::program::{Gateway, Wish};

const CONCURRENCY: u64 = 64;
/// A lane that is closed calls one more message each time that the window of all others is over.
const WINDOW: Duration = Duration::from_secs(8 * 60);

/// How the host goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outage {
    /// Connections end, and new ones are refused.
    Refuses,
    /// It takes every connection and every call, and never answers. Half of the calls have their effect.
    IsSilent,
}

impl Outage {
    async fn begin(self, gateway: &Gateway) {
        match self {
            Self::Refuses => gateway.sim.stop().await,
            Self::IsSilent => {
                for fault in ["hang:50%:accepted:at=any", "hang:at=any"] {
                    gateway.sim.fault(fault.parse().unwrap());
                }
            }
        }
    }

    async fn end(self, gateway: &Gateway) {
        gateway.sim.clear_faults();
        if self == Self::Refuses {
            gateway.sim.restart_on_same_port().await.unwrap();
        }
    }
}

async fn survive(outage: Outage, messages: u64, away: Duration, wish: Wish) {
    let gateway = Gateway::start(wish).await;
    gateway.sim.fault("slow=50ms".parse().unwrap());
    let load = Load::begin(gateway.port, messages, 32);
    // Under way, not before: some calls must be cut off.
    until("calls are under way", async || {
        gateway.sim.calls().accepted >= CONCURRENCY
    })
    .await;
    outage.begin(&gateway).await;
    let taken = load.taken().await;
    tokio::time::sleep(away).await;
    outage.end(&gateway).await;
    wait_for_the_end(&gateway, false, Duration::from_secs(300)).await;
    let tally = nothing_lost_nothing_doubled(&gateway, &taken, false).await;
    let all = all(&mut Caller::new(gateway.port)).await;
    let in_doubt = all.values().filter(|message| was_in_doubt(message)).count();
    println!("{outage:?}, away for {away:?}: {in_doubt} were in doubt, {tally:?}");
    let ended = |status: &str| tally.get(status).copied().unwrap_or(0);
    let unconfirmed = ended("unconfirmed (outcome_unknown)");
    assert_eq!(
        ended("sent") + unconfirmed,
        messages,
        "nothing fails because WeChat was away"
    );
    let probes = match outage {
        Outage::Refuses => 0,
        Outage::IsSilent => away.as_secs() / WINDOW.as_secs(),
    };
    let bound = CONCURRENCY + probes;
    let in_doubt = u64::try_from(in_doubt).unwrap();
    assert!(
        (1..=bound).contains(&in_doubt),
        "{in_doubt} were in doubt, of at most {bound}"
    );
    assert!(unconfirmed <= in_doubt, "{unconfirmed} are unconfirmed");
}

fn wish() -> Wish {
    Wish::slots(usize::try_from(CONCURRENCY).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_wechat_costs_time_and_no_message() {
    survive(Outage::Refuses, 1_000, Duration::from_secs(3), wish()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wechat_that_never_answers_costs_time_and_no_message() {
    let wish = Wish {
        read_timeout: Some("1s"),
        ..wish()
    };
    survive(Outage::IsSilent, 1_000, Duration::from_secs(3), wish).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make soak"]
async fn ten_minutes_without_wechat_cost_time_and_no_message() {
    survive(Outage::Refuses, 20_000, Duration::from_secs(600), wish()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make soak"]
async fn ten_minutes_without_an_answer_cost_time_and_no_message() {
    survive(Outage::IsSilent, 20_000, Duration::from_secs(600), wish()).await;
}
