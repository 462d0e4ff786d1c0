//! The program itself: the newcomer's first minute, the operator's commands, and the errors that a human must understand.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::harness::{ACCOUNT, CLIENT, CLIENT_SECRET, Settings, TEMPLATE, TestGateway, openid};

fn hongyan(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hongyan"));
    command.args(words).current_dir(folder).env_clear();
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs it to its end; its standard output, or its standard error if it fails.
async fn run(mut command: Command) -> Result<String, String> {
    let ended = tokio::time::timeout(Duration::from_secs(40), command.output()).await;
    let output = ended.expect("it ends").unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

#[tokio::test]
async fn the_demo_shows_a_message_being_delivered() {
    let folder = TempDir::new().unwrap();
    let text = run(hongyan(folder.path(), &["demo", "--once"]))
        .await
        .unwrap();
    let mut rest = text.as_str();
    for step in ["accepted", "sent", "receipt", "delivered"] {
        let at = rest
            .find(step)
            .unwrap_or_else(|| panic!("no {step} in\n{text}"));
        rest = &rest[at..];
    }
    assert!(text.contains("token fetched"), "{text}");
    let mut chinese = hongyan(folder.path(), &["demo", "--once"]);
    chinese.env("LANG", "zh_CN.UTF-8");
    assert!(run(chinese).await.unwrap().contains("已送达用户"));
}

/// A command as that gateway's operator types it.
async fn operate(gateway: &TestGateway, words: &[&str]) -> Result<String, String> {
    let folder = TempDir::new().unwrap();
    let mut command = hongyan(folder.path(), words);
    command.env("HONGYAN_URL", format!("http://{}", gateway.address()));
    command.env("HONGYAN_CLIENT_ID", CLIENT);
    command.env("HONGYAN_CLIENT_SECRET", CLIENT_SECRET);
    run(command).await
}

#[tokio::test]
async fn operators_send_and_look_after_messages() {
    let gateway = TestGateway::start().await;
    let command = async |words: &[&str]| operate(&gateway, words).await;
    let send = async |openid: &str| {
        let message = [
            "--template",
            TEMPLATE,
            "--to",
            openid,
            "--data",
            "thing1=咖啡",
            "--wait",
        ];
        command(&[&["--json", "send"], &message[..]].concat()).await
    };
    let sent: Value = serde_json::from_str(&send(&openid(1)).await.unwrap()).unwrap();
    assert_eq!(sent["status"], "sent");
    let id = sent["id"].as_str().unwrap();
    let list = command(&["messages", "list", "--status", "sent"])
        .await
        .unwrap();
    assert!(list.starts_with("ID ") && list.contains(id), "{list}");
    let shown = command(&["messages", "show", id]).await.unwrap();
    assert!(shown.contains("ERRMSG"), "{shown}");
    let refused = command(&["messages", "cancel", id]).await.unwrap_err();
    assert!(
        refused.contains("is sent") && refused.lines().count() == 1,
        "{refused}"
    );
    assert!(
        send("nobody").await.is_err(),
        "a message that failed is a failure"
    );
    gateway.finish().await;
}

#[tokio::test]
async fn operators_look_after_accounts() {
    let gateway = TestGateway::start().await;
    let well = |list: &Value| list["accounts"][0]["state"] == "ok";
    gateway.until_reply("/v1/accounts", "ok", well).await;
    let command = async |words: &[&str]| operate(&gateway, words).await.unwrap();
    assert!(command(&["token", "show", ACCOUNT]).await.contains('…'));
    assert!(
        command(&["token", "refresh", ACCOUNT])
            .await
            .contains("usable")
    );
    assert!(
        command(&["templates", "list"])
            .await
            .starts_with("TEMPLATE_ID")
    );
    gateway.finish().await;
}

/// A configuration that could be served.
fn configured(listen: &str) -> (TempDir, Settings) {
    let (folder, settings) = (TempDir::new().unwrap(), Settings::default());
    let text = settings.toml(
        listen,
        &folder.path().join("hongyan.db"),
        "http://127.0.0.1:1",
    );
    std::fs::write(folder.path().join("hongyan.toml"), text).unwrap();
    (folder, settings)
}

/// Serves until it says that it listens.
async fn serving(folder: &Path) -> Child {
    let mut command = hongyan(folder, &["serve", "--log-format", "text"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let listening = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("listening") {
                return;
            }
        }
        panic!("it ended");
    };
    tokio::time::timeout(Duration::from_secs(20), listening)
        .await
        .unwrap();
    child
}

#[tokio::test]
async fn what_keeps_it_from_serving_is_said_in_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (folder, _) = configured(&address);
    let error = run(hongyan(folder.path(), &["serve"])).await.unwrap_err();
    assert!(
        error.contains(&format!("cannot listen on {address}")),
        "{error}"
    );

    let missing = run(hongyan(
        folder.path(),
        &["serve", "--config", "nowhere.toml"],
    ))
    .await
    .unwrap_err();
    assert!(
        missing.contains("nowhere.toml") && missing.contains("no such file"),
        "{missing}"
    );

    let (folder, _) = configured("127.0.0.1:0");
    let holder = serving(folder.path()).await;
    let in_use = run(hongyan(folder.path(), &["serve"])).await.unwrap_err();
    let pid = holder.id().unwrap();
    assert!(
        in_use.contains(&format!("already in use by process {pid}")),
        "{in_use}"
    );
    drop(holder);

    let (folder, _) = configured("127.0.0.1:0");
    std::fs::write(
        folder.path().join("hongyan.db"),
        "this is not a database, whatever its name says",
    )
    .unwrap();
    let broken = run(hongyan(folder.path(), &["serve"])).await.unwrap_err();
    assert!(broken.contains("not a database of hongyan"), "{broken}");
}

#[tokio::test]
async fn a_database_can_be_migrated_alone() {
    let (folder, _) = configured("127.0.0.1:0");
    let first = run(hongyan(folder.path(), &["--json", "migrate"]))
        .await
        .unwrap();
    let first: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(first["from"], 0);
    let again = run(hongyan(folder.path(), &["migrate"])).await.unwrap();
    assert!(again.contains("up to date"), "{again}");
}

#[tokio::test]
async fn a_simulator_runs_alone() {
    let folder = TempDir::new().unwrap();
    let mut command = hongyan(
        folder.path(),
        &[
            "--json",
            "sim",
            "--listen",
            "127.0.0.1:0",
            "--fault",
            "busy:5%",
        ],
    );
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(Duration::from_secs(20), lines.next_line())
        .await
        .unwrap();
    let said: Value = serde_json::from_str(&line.unwrap().unwrap()).unwrap();
    let address = said["url"]
        .as_str()
        .unwrap()
        .trim_start_matches("http://")
        .to_owned();
    let summary = crate::harness::get("/__sim/summary")
        .unsigned()
        .make(&address)
        .await;
    assert_eq!(summary.status, 200);
    let bad = run(hongyan(folder.path(), &["sim", "--fault", "flood"]))
        .await
        .unwrap_err();
    assert!(bad.contains("bad fault"), "{bad}");
}
