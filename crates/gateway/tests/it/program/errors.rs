//! What keeps a command from its work is said in one clear line.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use super::{configured, ended, hongyan, operating, serving};
use crate::harness::{ACCOUNT, TEMPLATE, TestGateway, openid};

/// The one line that a command ends with; before it there is nothing but log lines, and those of `serve` alone.
pub(super) async fn error(command: Command) -> String {
    let serves = command.as_std().get_args().any(|word| word == "serve");
    let output = ended(command).await;
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let mut lines: Vec<&str> = text.lines().collect();
    let last = lines.pop().unwrap();
    assert!(last.starts_with("hongyan: "), "{text}");
    for line in &lines {
        let logged: Result<Value, _> = serde_json::from_str(line);
        assert!(serves && logged.is_ok(), "{text}");
    }
    last.to_owned()
}

async fn serve_error(folder: &Path) -> String {
    error(hongyan(folder, &["serve"])).await
}

#[tokio::test]
async fn a_port_that_is_taken() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (folder, _) = configured(&address);
    let said = serve_error(folder.path()).await;
    assert!(
        said.contains(&format!("cannot listen on {address}")),
        "{said}"
    );
}

#[tokio::test]
async fn a_configuration_that_is_not_there() {
    let folder = TempDir::new().unwrap();
    let said = error(hongyan(
        folder.path(),
        &["serve", "--config", "nowhere.toml"],
    ))
    .await;
    assert!(
        said.contains("nowhere.toml") && said.contains("no such file"),
        "{said}"
    );
}

#[tokio::test]
async fn a_configuration_that_is_wrong() {
    let (folder, _) = configured("127.0.0.1:0");
    let file = folder.path().join("hongyan.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    for (line, wanted) in [
        (
            "[delivery]\nconcurency = 3",
            &["delivery.concurency", "concurrency"][..],
        ),
        (
            "[delivery]\nconcurrency = \"many\"",
            &["delivery.concurrency", "hongyan.toml"],
        ),
        ("[delivery", &["hongyan.toml", "line"]),
    ] {
        std::fs::write(&file, good.replace("[delivery]\nconcurrency = 64", line)).unwrap();
        for command in [&["serve"][..], &["config", "check"], &["migrate"]] {
            let said = error(hongyan(folder.path(), command)).await;
            assert!(wanted.iter().all(|word| said.contains(word)), "{said}");
        }
    }
}

#[tokio::test]
async fn a_database_that_another_gateway_has() {
    let (folder, _) = configured("127.0.0.1:0");
    let holder = serving(folder.path()).await;
    let said = serve_error(folder.path()).await;
    let pid = holder.id().unwrap();
    assert!(
        said.contains(&format!("already in use by process {pid}")),
        "{said}"
    );
}

#[tokio::test]
async fn a_database_that_is_none() {
    let (folder, _) = configured("127.0.0.1:0");
    std::fs::write(
        folder.path().join("hongyan.db"),
        "this is not a database, whatever its name says",
    )
    .unwrap();
    let said = serve_error(folder.path()).await;
    assert!(said.contains("not a database of hongyan"), "{said}");
}

#[tokio::test]
async fn a_database_that_cannot_be_written() {
    let (folder, _) = configured("127.0.0.1:0");
    // A directory in its place can be written by nobody, root included.
    std::fs::create_dir(folder.path().join("hongyan.db")).unwrap();
    let said = serve_error(folder.path()).await;
    assert!(
        said.contains("cannot write") && said.contains("write permission"),
        "{said}"
    );
}

#[tokio::test]
async fn a_database_of_a_newer_version() {
    const VERSION_AT: usize = 60;
    let (folder, _) = configured("127.0.0.1:0");
    super::run(hongyan(folder.path(), &["migrate"]))
        .await
        .unwrap();
    let file = folder.path().join("hongyan.db");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[VERSION_AT..VERSION_AT + 4].copy_from_slice(&999_u32.to_be_bytes());
    std::fs::write(&file, bytes).unwrap();
    for command in ["serve", "migrate"] {
        let said = error(hongyan(folder.path(), &[command])).await;
        assert!(said.contains("schema version 999"), "{said}");
    }
}

#[tokio::test]
async fn an_account_that_nobody_knows() {
    let gateway = TestGateway::start().await;
    let folder = TempDir::new().unwrap();
    let to = openid(1);
    let send = [
        "send",
        "--account",
        "nobody",
        "--template",
        TEMPLATE,
        "--to",
        &to,
        "--data",
        "thing1=咖啡",
    ];
    for words in [
        &["token", "show", "nobody"][..],
        &["token", "refresh", "nobody"],
        &["templates", "list", "--account", "nobody"],
        &send,
    ] {
        let said = error(operating(&gateway, folder.path(), words)).await;
        assert!(said.contains(&format!("known: {ACCOUNT}")), "{said}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn a_gateway_that_is_not_there() {
    let folder = TempDir::new().unwrap();
    let mut command = hongyan(folder.path(), &["messages", "list"]);
    command
        .env("HONGYAN_URL", "http://127.0.0.1:1")
        .env("HONGYAN_CLIENT_ID", "orders")
        .env("HONGYAN_CLIENT_SECRET", "secret");
    let said = error(command).await;
    assert!(
        said.contains("http://127.0.0.1:1 cannot be reached"),
        "{said}"
    );
}
