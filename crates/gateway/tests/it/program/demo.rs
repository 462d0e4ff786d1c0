//! `hongyan demo`: what a newcomer sees, and what a newcomer tries next.

use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::{curl, hongyan, run};

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

#[tokio::test]
async fn the_call_that_the_demo_prints_can_be_made() {
    let folder = TempDir::new().unwrap();
    let mut command = hongyan(folder.path(), &["demo", "--listen", "127.0.0.1:0"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let reading = async {
        loop {
            let line = lines.next_line().await.unwrap().expect("it stays up");
            if line.starts_with("curl ") {
                return line;
            }
        }
    };
    let line = tokio::time::timeout(Duration::from_secs(40), reading)
        .await
        .unwrap();
    let (status, message) = curl(&line, folder.path()).await;
    assert!(matches!(status, 200 | 202), "{status} {message}");
    assert!(message["id"].is_string(), "{message}");
    let (status, problem) = curl(&line, folder.path()).await;
    assert_eq!((status, &problem["code"]), (401, &"unauthenticated".into()));

    let pid = nix::unistd::Pid::from_raw(child.id().unwrap().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(40), child.wait()).await;
    assert!(ended.unwrap().unwrap().success());
}

#[tokio::test]
async fn a_demo_that_is_interrupted_before_delivery_does_not_pass_for_one_that_delivered() {
    use nix::sys::signal::{Signal, kill};
    let folder = TempDir::new().unwrap();
    let mut interrupted = false;
    // It may be done before it can be interrupted, and must then say so.
    for _ in 0..20 {
        let mut command = hongyan(folder.path(), &["demo", "--once"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let pid = nix::unistd::Pid::from_raw(child.id().unwrap().try_into().unwrap());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Its first line says that it listens for signals.
        assert!(lines.next_line().await.unwrap().is_some());
        kill(pid, Signal::SIGINT).unwrap();
        let mut delivered = false;
        while let Some(line) = lines.next_line().await.unwrap() {
            delivered |= line.contains("delivered");
        }
        let ended = tokio::time::timeout(Duration::from_secs(40), child.wait()).await;
        let code = ended.unwrap().unwrap().code();
        assert_eq!(code, Some(if delivered { 0 } else { 130 }));
        interrupted |= !delivered;
        if interrupted {
            break;
        }
    }
    assert!(interrupted, "it was never interrupted in time");
}
