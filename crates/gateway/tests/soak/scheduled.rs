//! Messages that are not due for long: they wait on the disk, and nobody looks at them.

use std::time::{Duration, Instant};

use crate::caller::{Caller, hand_over_batch, message_for, remind, unix_seconds};
use crate::program::{Gateway, Wish};

const BATCH: u64 = 500;
/// So much more CPU than without any may be used in that time.
const MORE: Duration = Duration::from_millis(100);
const MEMORY_MAX: u64 = 100;

/// How much CPU the program uses while nobody asks for anything.
async fn idle(gateway: &Gateway, for_so_long: Duration) -> Duration {
    // What the last calls left to be done is over by then.
    tokio::time::sleep(for_so_long).await;
    let before = gateway.cpu();
    tokio::time::sleep(for_so_long).await;
    gateway.cpu() - before
}

async fn schedule(messages: u64, watched: Duration) {
    let mut gateway = Gateway::start(Wish::slots(64)).await;
    let mut caller = Caller::new(gateway.port);
    let without = idle(&gateway, watched).await;

    let in_a_day = jiff::Timestamp::from_second(unix_seconds() as i64 + 86_400).unwrap();
    let began = Instant::now();
    for first in (0..messages).step_by(BATCH as usize) {
        let batch = (first..messages.min(first + BATCH)).map(|n| {
            let message = message_for("main", n);
            let open = message.strip_suffix('}').unwrap();
            format!(r#"{open},"send_at":"{in_a_day}"}}"#)
        });
        hand_over_batch(&mut caller, batch).await;
    }
    println!("{messages} scheduled within {:.1?}", began.elapsed());

    let with = idle(&gateway, watched).await;
    println!("CPU of {watched:?}: {without:?} without any, {with:?} with all of them");
    assert!(with <= without + MORE);
    let urgent = remind(&mut caller, 200).await;
    println!(
        "urgent meanwhile: p50 {:.1?}, most {:.1?}; {} MiB",
        urgent[urgent.len() / 2],
        urgent.last().unwrap(),
        gateway.memory_mib()
    );
    assert!(*urgent.last().unwrap() < Duration::from_secs(1));
    assert!(gateway.memory_mib() < MEMORY_MAX);
    assert_eq!(gateway.sim.calls().accepted, urgent.len() as u64);
    let (_, well) = gateway.terminate().await;
    assert!(well, "{}", gateway.log());
    let began = Instant::now();
    gateway.up().await;
    println!("started again within {:.1?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make soak"]
async fn a_million_scheduled_messages_cost_nothing_until_due() {
    schedule(1_000_000, Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scheduled_messages_cost_nothing_until_due() {
    schedule(20_000, Duration::from_secs(4)).await;
}
