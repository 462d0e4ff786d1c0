//! `hongyan broadcast`: a file goes out row by row, and the same command goes on where it was interrupted.

mod bad_values;
mod going_on;

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::{operating, run};
use crate::harness::{CLIENT, Settings, TEMPLATE, TestGateway, openid};

/// A broadcast to those of the folder's file, but for its values.
const TO_PEOPLE: [&str; 5] = [
    "broadcast",
    "--template",
    TEMPLATE,
    "--recipients",
    "people.csv",
];

/// A folder with a file of so many recipients, and whatever else is in it.
fn folder(rows: usize, more: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let each = (0..rows).map(|n| format!("{},name{n}\n", openid(n)));
    let file: String = std::iter::once("openid,name\n".to_owned())
        .chain(each)
        .collect();
    std::fs::write(folder.path().join("people.csv"), file + more).unwrap();
    folder
}

async fn broadcast(gateway: &TestGateway, folder: &Path, more: &[&str]) -> Result<String, String> {
    let words = [&TO_PEOPLE[..], &["--data", "thing1={{name}}您好"], more];
    run(operating(gateway, folder, &words.concat())).await
}

#[tokio::test]
async fn a_file_goes_out_and_the_same_command_finds_it_again() {
    let gateway = TestGateway::start().await;
    let folder = folder(300, "");
    let said = broadcast(&gateway, folder.path(), &["--json"])
        .await
        .unwrap();
    let first: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&first["status"], &first["progress"]["sent"]),
        (&json!("done"), &json!(300))
    );
    let again = broadcast(&gateway, folder.path(), &["--json"])
        .await
        .unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&again).unwrap()["id"],
        first["id"]
    );
    assert_eq!(gateway.sim.calls().accepted, 300);
    let anew = broadcast(&gateway, folder.path(), &["--again"])
        .await
        .unwrap();
    assert!(anew.contains("sent") && anew.contains("300"), "{anew}");
    assert_eq!(gateway.sim.calls().accepted, 600);
    gateway.finish().await;
}

const WORDS: &str = "--template TEMPLATE_ID --recipients people.csv --data 'thing1={{name}}您好'";

/// `script` gives the command a terminal of its own. What is in the other one's environment is in its own.
fn on_a_terminal(plain: Command, folder: &Path, words: &str) -> Command {
    let program = env!("CARGO_BIN_EXE_hongyan");
    let words = words.replace("TEMPLATE_ID", TEMPLATE);
    let mut command = Command::new("script");
    command.args([
        "-qefc",
        &format!("{program} broadcast {words}"),
        "/dev/null",
    ]);
    let names = plain.as_std().get_envs();
    command.envs(names.filter_map(|(name, value)| Some((name, value?))));
    command.env("TERM", "xterm").current_dir(folder);
    command
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true);
    command
}

#[tokio::test]
async fn on_a_terminal_a_bar_shows_how_far_it_is() {
    let gateway = TestGateway::start().await;
    let folder = folder(300, "");
    let words = format!("{WORDS} --rate 150");
    let command = on_a_terminal(
        operating(&gateway, folder.path(), &[]),
        folder.path(),
        &words,
    );
    let shown = run(command).await.unwrap();
    assert!(shown.contains(" KiB"), "the file is handed over: {shown}");
    assert!(shown.contains("/300 running, "), "{shown}");
    assert!(shown.contains("/s, until 20"), "{shown}");
    assert_eq!(gateway.sim.calls().accepted, 300);
    gateway.finish().await;
}

#[tokio::test]
async fn bad_rows_stop_it_until_somebody_says_that_they_may_be_passed_over() {
    let gateway = TestGateway::start().await;
    let folder = folder(3, "o1\n,nobody\n");
    let values = ["--data", "thing1={{name}}", "--dry-run", "--json"];
    let words = [&TO_PEOPLE[..], &values].concat();
    let dry = run(operating(&gateway, folder.path(), &words));
    assert!(
        dry.await.is_err(),
        "a check that finds something is a failure"
    );
    let list = gateway.get("/v1/broadcasts").await.json();
    assert_eq!(list["broadcasts"], json!([]), "a dry run stores nothing");
    assert!(broadcast(&gateway, folder.path(), &[]).await.is_err());
    let list = gateway.get("/v1/broadcasts").await.json();
    let id = list["broadcasts"][0]["id"].as_str().unwrap();
    assert_eq!(list["broadcasts"][0]["status"], "ready");
    let shown = run(operating(
        &gateway,
        folder.path(),
        &["broadcasts", "show", id],
    ))
    .await
    .unwrap();
    assert!(shown.contains("has no openid"), "{shown}");
    let said = broadcast(&gateway, folder.path(), &["--skip-bad-rows"])
        .await
        .unwrap();
    assert!(said.contains(id), "it is the same one: {said}");
    assert_eq!(gateway.sim.calls().accepted, 3);
    gateway.finish().await;
}

#[tokio::test]
async fn an_upload_that_was_interrupted_goes_on() {
    let gateway = TestGateway::start().await;
    let folder = folder(50, "");
    let order = json!({"template_id": TEMPLATE});
    let order = gateway.post("/v1/broadcasts", &order).await.json();
    let id = order["id"].as_str().unwrap();
    let call = crate::harness::Call::new(
        http::Method::POST,
        &format!("/v1/broadcasts/{id}/rows?offset=0"),
        std::fs::read(folder.path().join("people.csv")).unwrap()[..100].to_vec(),
    );
    assert_eq!(gateway.call(call).await.status, 200);
    let words = [
        "broadcast",
        "--resume",
        id,
        "--recipients",
        "people.csv",
        "--json",
    ];
    let said = run(operating(&gateway, folder.path(), &words))
        .await
        .unwrap();
    let done: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&done["status"], &done["progress"]["sent"]),
        (&json!("done"), &json!(50))
    );
    let listed = run(operating(&gateway, folder.path(), &["broadcasts", "list"]))
        .await
        .unwrap();
    assert!(listed.starts_with("ID ") && listed.contains(id), "{listed}");
    assert_eq!(
        CLIENT,
        gateway
            .get(&format!("/v1/messages?broadcast={id}&limit=1"))
            .await
            .json()["messages"][0]["client"]
    );
    gateway.finish().await;
}

#[tokio::test]
async fn a_dry_run_tells_the_lines_of_the_file() {
    let gateway = TestGateway::start().await;
    let folder = TempDir::new().unwrap();
    let file = format!(
        "openid,link\n{},\"https://example.com/\"\n\n{},nowhere\n,x\n",
        openid(1),
        openid(2)
    );
    std::fs::write(folder.path().join("people.csv"), file).unwrap();
    let values = ["--data", "thing1=a", "--url", "{{link}}"];
    let words = [&TO_PEOPLE[..], &values, &["--dry-run", "--json"]].concat();
    let output = super::ended(operating(&gateway, folder.path(), &words)).await;
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let problems = json!([
        {"line": 4, "problem": "url: must be an http:// or https:// address"},
        {"line": 5, "problem": "has no openid", "problem_zh": "缺少 openid"},
    ]);
    assert_eq!(
        found,
        json!({"rows": 1, "bad_rows": 2, "problems": problems})
    );
    gateway.finish().await;
}

#[tokio::test]
async fn a_gateway_that_takes_less_at_a_time_gets_smaller_pieces() {
    let settings = Settings {
        server: "[limits]\nbody_bytes = 65536\n".to_owned(),
        ..Settings::default()
    };
    let gateway = TestGateway::with(settings).await;
    let folder = folder(5_000, "");
    let words = ["--json", "--detach", "--send-at", "2100-01-01T00:00:00Z"];
    assert!(
        broadcast(&gateway, folder.path(), &words).await.is_err(),
        "more than a year ahead"
    );
    let said = broadcast(&gateway, folder.path(), &["--json", "--detach"]).await;
    let started: Value = serde_json::from_str(&said.unwrap()).unwrap();
    assert_eq!(started["upload"]["rows"], 5_000);
    let id = started["id"].as_str().unwrap();
    let cancel = ["broadcasts", "cancel", id];
    run(operating(&gateway, folder.path(), &cancel))
        .await
        .unwrap();
    gateway.finish().await;
}
