//! `hongyan broadcast` is interrupted, or somebody else steers its broadcast: what it says then is true, and leads on.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

use super::{folder, on_a_terminal};
use crate::harness::{CLIENT, CLIENT_SECRET, Call, TEMPLATE, TestGateway};
use crate::program::{ended, hongyan, line_with, operating, run, spoken};

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

fn interrupt(child: &Child) {
    let pid = nix::unistd::Pid::from_raw(child.id().unwrap().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
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
    interrupt(&child);
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

#[tokio::test]
async fn a_broadcast_that_is_resumed_by_its_id_takes_no_other_file() {
    let gateway = TestGateway::start().await;
    // More than is handed over at a time, so that the other file differs in a later piece.
    let folder = folder(20_000, "");
    let path = folder.path().join("people.csv");
    let file = std::fs::read(&path).unwrap();
    let order = json!({"template_id": TEMPLATE, "data": {"thing1": {"value": "{{name}}"}}});
    let order = gateway.post("/v1/broadcasts", &order).await.json();
    let id = id(&order);
    let stored = 600_000;
    let piece = |offset, end| {
        let rows = format!("/v1/broadcasts/{id}/rows?offset={offset}");
        Call::new(http::Method::POST, &rows, file[offset..end].to_vec())
    };
    assert_eq!(gateway.call(piece(0, stored)).await.status, 200);
    let resume = [
        "broadcast",
        "--resume",
        id,
        "--recipients",
        "people.csv",
        "--detach",
        "--json",
    ];
    let mut other = file.clone();
    other[stored - 10] ^= 1;
    std::fs::write(&path, &other).unwrap();
    let refused = run(operating(&gateway, folder.path(), &resume)).await;
    let said = refused.unwrap_err();
    assert!(said.contains("this is another file"), "{said}");
    let stands = list(&gateway).await;
    assert_eq!(stands[0]["upload"]["offset"], stored, "nothing was added");
    std::fs::write(&path, &file).unwrap();
    let said = run(operating(&gateway, folder.path(), &resume)).await;
    let started: Value = serde_json::from_str(&said.unwrap()).unwrap();
    assert_eq!(
        (&started["status"], &started["upload"]["rows"]),
        (&json!("running"), &json!(20_000))
    );
    wish(&gateway, &started, "cancel").await;
    gateway.finish().await;
}

/// A command whose gateway is nowhere.
fn without_gateway(folder: &Path, words: &[&str]) -> Command {
    let mut command = hongyan(folder, words);
    command.env("HONGYAN_URL", "http://127.0.0.1:1");
    command.env("HONGYAN_CLIENT_ID", CLIENT);
    command.env("HONGYAN_CLIENT_SECRET", CLIENT_SECRET);
    command
}

#[tokio::test]
async fn a_gateway_that_cannot_be_reached_is_told_at_once() {
    let folder = folder(3, "");
    let resume = ["broadcast", "--resume", "344b9d2f8d412c07"];
    for (words, advice) in [
        (&SLOWLY[..], "interrupted; this run started nothing."),
        (&resume, "interrupted; what is started goes on."),
    ] {
        let mut command = without_gateway(folder.path(), words);
        command.stdout(Stdio::piped());
        let (child, mut lines) = spoken(command);
        let said = line_with("cannot be reached", &mut lines).await;
        assert!(said.starts_with("hongyan: http://127.0.0.1:1 "), "{said}");
        assert!(said.ends_with("; trying again"), "{said}");
        interrupt(&child);
        let output = child.wait_with_output().await.unwrap();
        assert_eq!(output.status.code(), Some(130));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.starts_with(advice), "{said}");
    }
    let plain = without_gateway(folder.path(), &[]);
    let mut shown = on_a_terminal(plain, folder.path(), super::WORDS);
    let mut child = shown.stdout(Stdio::piped()).spawn().unwrap();
    let (mut out, mut shown) = (child.stdout.take().unwrap(), Vec::new());
    let reading = async {
        while !String::from_utf8_lossy(&shown).contains("http://127.0.0.1:1 cannot be reached") {
            assert!(out.read_buf(&mut shown).await.unwrap() > 0);
        }
    };
    let read = tokio::time::timeout(Duration::from_secs(40), reading).await;
    assert!(read.is_ok(), "the bar says nothing");
    assert!(!String::from_utf8_lossy(&shown).contains("0/0"));
}

#[tokio::test]
async fn a_broadcast_that_somebody_paused_or_cancelled_is_told_so() {
    let gateway = TestGateway::start().await;
    let folder = folder(50, "");
    let words = operating(&gateway, folder.path(), &SLOWLY);
    let (watching, steering) = tokio::join!(ended(words), async {
        let runs = |list: &Value| list["broadcasts"][0]["status"] == "running";
        gateway.until_reply("/v1/broadcasts", "it", runs).await;
        let all = list(&gateway).await;
        wish(&gateway, &all[0], "pause").await;
        all[0].clone()
    });
    let said = |output: &Output| String::from_utf8(output.stderr.clone()).unwrap();
    let id = id(&steering);
    let paused = format!(
        "hongyan: the broadcast is paused; go on with it by: hongyan broadcasts resume {id}\n"
    );
    assert_eq!(watching.status.code(), Some(1));
    assert_eq!(said(&watching), paused);
    let found = slowly(&gateway, folder.path(), &["--json", "--detach"]).await;
    assert_eq!((found.status.code(), said(&found)), (Some(1), paused));
    let found: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(found["status"], "paused");
    let mut chinese = operating(&gateway, folder.path(), &SLOWLY);
    chinese.env("LANG", "zh_CN.UTF-8");
    let chinese = said(&ended(chinese).await);
    assert!(chinese.starts_with("hongyan: 该群发已暂停"), "{chinese}");
    assert!(chinese.ends_with(&format!(" hongyan broadcasts resume {id}\n")));
    wish(&gateway, &steering, "cancel").await;
    let found = slowly(&gateway, folder.path(), &[]).await;
    assert_eq!(found.status.code(), Some(1));
    let told = said(&found);
    assert!(
        told.starts_with("hongyan: the broadcast was cancelled; "),
        "{told}"
    );
    assert_eq!(told.lines().count(), 1);
    gateway.finish().await;
}

#[tokio::test]
async fn a_dry_run_for_all_followers_counts_nobody() {
    let gateway = TestGateway::start().await;
    let words = ["broadcast", "--template", TEMPLATE, "--recipients", "all"];
    let words = [&words[..], &["--data", "thing1=a", "--dry-run"]].concat();
    let folder = folder(0, "");
    let said = run(operating(&gateway, folder.path(), &words))
        .await
        .unwrap();
    assert_eq!(
        said,
        "the order is good; who follows the account is asked only once it is started; nothing was sent\n"
    );
    gateway.finish().await;
}
