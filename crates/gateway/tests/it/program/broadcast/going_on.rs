//! `hongyan broadcast` is interrupted, or somebody else steers its broadcast: what it says then is true, and leads on.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::folder;
use crate::harness::{TEMPLATE, TestGateway};
use crate::program::{ended, operating};

/// A broadcast that takes its time.
const SLOWLY: [&str; 9] = [
    "broadcast",
    "--template",
    TEMPLATE,
    "--recipients",
    "people.csv",
    "--data",
    "thing1={{name}}",
    "--rate",
    "1",
];

async fn slowly(gateway: &TestGateway, folder: &Path, more: &[&str]) -> Output {
    let words = [&SLOWLY[..], more].concat();
    ended(operating(gateway, folder, &words)).await
}

async fn list(gateway: &TestGateway) -> Vec<Value> {
    let list = gateway.get("/v1/broadcasts").await.json();
    list["broadcasts"].as_array().unwrap().clone()
}

fn id(broadcast: &Value) -> &str {
    broadcast["id"].as_str().unwrap()
}

async fn wish(gateway: &TestGateway, broadcast: &Value, wish: &str) {
    let path = format!("/v1/broadcasts/{}/{wish}", id(broadcast));
    assert_eq!(gateway.post(&path, &json!({})).await.status, 200);
}

/// Runs it until this many broadcasts are there and the newest runs, then interrupts it.
async fn interrupted(gateway: &TestGateway, folder: &Path, more: &[&str], count: usize) -> Output {
    let words = [&SLOWLY[..], more].concat();
    let mut command = operating(gateway, folder, &words);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let child = child.unwrap();
    let runs = |list: &Value| {
        let all = list["broadcasts"].as_array().unwrap();
        all.len() == count && all[0]["status"] == "running"
    };
    gateway.until_reply("/v1/broadcasts", "it", runs).await;
    let pid = nix::unistd::Pid::from_raw(child.id().unwrap().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(40), child.wait_with_output()).await;
    ended.expect("it ends").unwrap()
}

#[tokio::test]
async fn a_broadcast_sent_again_is_found_again_when_it_was_interrupted() {
    let gateway = TestGateway::start().await;
    let folder = folder(50, "");
    let said = interrupted(&gateway, folder.path(), &[], 1).await;
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("The same command goes on with it."), "{said}");
    let again = ["--again", "--json", "--detach"];
    let found = slowly(&gateway, folder.path(), &again).await;
    assert!(found.status.success());
    let all = list(&gateway).await;
    assert_eq!(all.len(), 1, "what has not ended is gone on with");
    wish(&gateway, &all[0], "cancel").await;

    let stopped = interrupted(&gateway, folder.path(), &["--again"], 2).await;
    assert_eq!(stopped.status.code(), Some(130));
    let all = list(&gateway).await;
    let said = String::from_utf8(stopped.stdout).unwrap();
    let advice = format!(
        "hongyan broadcast --resume {} --recipients people.csv\n",
        id(&all[0])
    );
    assert!(said.ends_with(&advice), "{said}");
    for _ in 0..2 {
        let found = slowly(&gateway, folder.path(), &again).await;
        let found: Value = serde_json::from_slice(&found.stdout).unwrap();
        assert_eq!(found["id"], all[0]["id"], "a repeat begins nothing");
    }
    assert_eq!(list(&gateway).await.len(), 2);
    wish(&gateway, &all[0], "cancel").await;
    let third = slowly(&gateway, folder.path(), &again).await;
    assert!(third.status.success());
    let all = list(&gateway).await;
    assert_eq!(all.len(), 3, "that one has ended as well");
    wish(&gateway, &all[0], "cancel").await;
    gateway.finish().await;
}
