//! A process that is killed loses nothing that it was answered. The process is this test binary, started once more.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use hongyan_courier::conformance::fixture::{NOW, call, content, new};
use hongyan_courier::message::{MessageId, Status};
use hongyan_courier::port::{Ledger, Queue};
use hongyan_store::sqlite::SqliteStore;

use crate::support::{Place, faces};

/// As many callers at a time as make batches.
const CALLERS: usize = 8;
/// Answers after which the process is killed.
const ENOUGH: usize = 400;

#[tokio::test]
async fn what_was_answered_survives_a_kill() {
    let place = Place::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{}", place.path().display()).unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut stored: Vec<MessageId> = Vec::new();
    while let Some(Ok(line)) = lines.next() {
        stored.extend(
            line.strip_prefix("stored ")
                .and_then(|id| id.parse::<MessageId>().ok()),
        );
        if stored.len() == ENOUGH {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(stored.len() >= ENOUGH);

    let store = place.open_now();
    for id in stored {
        let message = store.find(id).await.unwrap();
        assert_eq!(message.unwrap().delivery.status, Status::Queued);
    }
    // And it can be worked with at once: the killed one's lock is gone.
    faces(&store).store(content("o1"), NOW).await;
}

/// Stores messages until it is killed, and says so of each that was answered.
#[tokio::test]
#[ignore = "a part of the test above"]
async fn child() {
    let mut path = String::new();
    if std::io::stdin().read_line(&mut path).unwrap() == 0 {
        return;
    }
    let store = SqliteStore::open(path.trim().as_ref(), NOW).unwrap();
    let mut running = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let store = store.clone();
        running.spawn(async move {
            loop {
                let accept = call(vec![new(content(&format!("o{caller}")), NOW)]);
                let stored = store.accept(accept, NOW).await.unwrap()[0].unwrap();
                println!("stored {}", stored.id);
            }
        });
    }
    running.join_next().await;
}
