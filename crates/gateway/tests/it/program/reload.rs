//! The program notices what changes around it: its files, its secrets, and a SIGHUP.

use std::path::Path;

use hongyan_wechat_sim::{Sim, SimConfig};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Child;

use super::{Lines, hongyan, line_with, spoken, stop, without_token};
use crate::harness::{APPID, CLIENT, CLIENT_SECRET, get, message, openid, post};

fn configure(folder: &Path, wechat: &str, more: &str) {
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = \"sqlite://hongyan.db\"\n\
         [upstream]\nprobe_interval = \"1h\"\n\
         [[accounts]]\nname = \"clinic\"\nappid = \"{APPID}\"\nsecret = \"file:app-secret\"\napi_base = \"{wechat}\"\n\
         [[clients]]\nid = \"{CLIENT}\"\nsecrets = [\"{CLIENT_SECRET}\"]\nscopes = [\"messages:send\", \"messages:read\", \"accounts\"]\n\
         {more}"
    );
    std::fs::write(folder.join("hongyan.toml"), text).unwrap();
}

fn serve(folder: &Path) -> (Child, Lines) {
    spoken(hongyan(folder, &["serve", "--log-format", "text"]))
}

#[tokio::test]
async fn a_file_that_changes_is_noticed_and_a_wrong_one_refused() {
    let sim = Sim::start(SimConfig::new(vec![
        hongyan_wechat_sim::AccountConfig::new(APPID, "right"),
    ]))
    .await
    .unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("app-secret"), "wrong\n").unwrap();
    configure(folder.path(), &sim.url(), "");
    let (child, mut lines) = serve(folder.path());
    let listen = without_token(&mut lines).await;
    let sent = post("/v1/messages?wait=15", &message(&openid(1)));
    let waiting = sent.make(&listen);

    let mending = async {
        std::fs::write(folder.path().join("app-secret"), "right\n").unwrap();
        line_with("accounts changed: clinic", &mut lines).await
    };
    let (reply, line) = tokio::join!(waiting, mending);
    assert!(line.contains("a secret changed"), "{line}");
    assert_eq!(reply.json()["status"], "sent", "{reply:?}");

    configure(folder.path(), &sim.url(), "[nonsense]\n");
    let line = line_with("refused", &mut lines).await;
    assert!(line.contains("the one in force goes on"), "{line}");
    assert_eq!(get("/v1/accounts").make(&listen).await.status, 200);

    let desk = "[[clients]]\nid = \"desk\"\nsecrets = [\"of-its-own\"]\nscopes = [\"accounts\"]\n";
    configure(folder.path(), &sim.url(), desk);
    let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap());
    kill(pid, Signal::SIGHUP).unwrap();
    line_with("clients changed", &mut lines).await;
    stop(child).await;
    sim.stop().await;
}

/// Answers as Vault does, whatever it is asked.
async fn hand_out(connection: TcpStream) {
    let mut connection = BufReader::new(connection);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        connection.read_line(&mut line).await.unwrap();
    }
    let said = r#"{"data": {"data": {"desk": "of-its-own"}}}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{said}",
        said.len()
    );
    connection.write_all(answer.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn what_changes_while_it_starts_is_noticed_too() {
    let vault = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("app-secret"), "right\n").unwrap();
    let desk = |scope: &str| {
        let address = vault.local_addr().unwrap();
        let more = format!(
            "[vault]\naddress = \"http://{address}\"\n\
             [[clients]]\nid = \"desk\"\nsecrets = [\"vault:secret/desk#desk\"]\nscopes = [\"{scope}\"]\n"
        );
        configure(folder.path(), "http://127.0.0.1:1", &more);
    };
    desk("accounts");
    let (child, mut lines) = serve(folder.path());
    // It asks for a secret, so it has read its configuration; and it does not run yet.
    let (asking, _) = vault.accept().await.unwrap();
    desk("messages:read");
    hand_out(asking).await;
    let noticed = line_with("clients changed", &mut lines);
    let keeping = async {
        loop {
            hand_out(vault.accept().await.unwrap().0).await;
        }
    };
    tokio::select! {
        line = noticed => assert!(line.contains("a file changed"), "{line}"),
        () = keeping => {}
    }
    let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap());
    kill(pid, Signal::SIGTERM).unwrap();
    assert!(child.wait_with_output().await.unwrap().status.success());
}
