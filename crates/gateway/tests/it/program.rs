//! The program itself: the newcomer's first minute, the operator's commands, and the errors that a human must understand.

mod audit;
mod broadcast;
mod canary;
mod crowd;
mod demo;
mod disk;
mod errors;
mod include;
mod operator;
mod place;
mod reload;
mod secrets;
mod servers;
mod setup;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};

use crate::harness::{CLIENT, CLIENT_SECRET, Call, Settings, TestGateway};

/// The program in a folder, with no environment but what is added.
fn hongyan(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hongyan"));
    command.args(words).current_dir(folder).env_clear();
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Starts it; what it says can be read line by line.
fn spoken(mut command: Command) -> (Child, Lines) {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    (child, lines)
}

/// Asks it to stop; it ends well.
async fn stop(child: Child) {
    let pid = nix::unistd::Pid::from_raw(child.id().unwrap().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(child.wait_with_output().await.unwrap().status.success());
}

/// Runs it to its end, which must come soon.
async fn ended(mut command: Command) -> Output {
    let ended = tokio::time::timeout(Duration::from_secs(40), command.output()).await;
    ended.expect("it ends").unwrap()
}

/// Runs it to its end; its standard output, or its standard error if it fails.
async fn run(command: Command) -> Result<String, String> {
    let output = ended(command).await;
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

/// A command as that gateway's operator types it.
async fn operate(gateway: &TestGateway, words: &[&str]) -> Result<String, String> {
    let folder = TempDir::new().unwrap();
    run(operating(gateway, folder.path(), words)).await
}

fn operating(gateway: &TestGateway, folder: &Path, words: &[&str]) -> Command {
    let mut command = hongyan(folder, words);
    command.env("HONGYAN_URL", format!("http://{}", gateway.address()));
    command.env("HONGYAN_CLIENT_ID", CLIENT);
    command.env("HONGYAN_CLIENT_SECRET", CLIENT_SECRET);
    command
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
    listening(&mut child).await;
    child
}

/// Where a gateway says that it listens. Whatever it says afterwards goes nowhere.
async fn listening(child: &mut Child) -> String {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    address(&line_with("listening", &mut lines).await)
}

fn address(line: &str) -> String {
    let mut words = line.split(['=', ' ']);
    let address = words.find(|word| word.parse::<SocketAddr>().is_ok());
    address
        .unwrap_or_else(|| panic!("no address in {line}"))
        .to_owned()
}

/// Where a gateway says that it listens, once it has said as well that it has no token. Either may come first.
async fn without_token(lines: &mut Lines) -> String {
    let (mut listens, mut refused) = (None, false);
    loop {
        let line = line_with("", lines).await;
        if line.contains("listening") {
            listens = Some(address(&line));
        }
        refused |= line.contains("cannot fetch a token");
        if let Some(address) = listens.take_if(|_| refused) {
            return address;
        }
    }
}

type Lines = tokio::io::Lines<BufReader<ChildStderr>>;

/// The next line that has a word in it.
async fn line_with(word: &str, lines: &mut Lines) -> String {
    let mut said = Vec::new();
    let reading = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains(word) {
                return line;
            }
            said.push(line);
        }
        panic!("it ended after {said:#?}");
    };
    let read = tokio::time::timeout(Duration::from_secs(20), reading).await;
    read.unwrap_or_else(|_| panic!("it never says {word}"))
}

/// Runs a printed curl line in a shell, or makes the same call by hand where there is no curl. What is answered, and how.
async fn curl(line: &str, folder: &Path) -> (u16, Value) {
    let shell = async |script: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(folder);
        run(command).await.unwrap()
    };
    let words = shell(&format!("set -- {line}; printf '%s\\n' \"$@\"")).await;
    let words: Vec<&str> = words.lines().collect();
    assert_eq!(words[0], "curl");
    if shell("command -v curl || true").await.is_empty() {
        return by_hand(&words, folder).await;
    }
    let said = shell(&format!("{line} --noproxy '*' -w ' %{{http_code}}'")).await;
    let (body, status) = said.rsplit_once(' ').unwrap();
    (status.parse().unwrap(), serde_json::from_str(body).unwrap())
}

async fn by_hand(words: &[&str], folder: &Path) -> (u16, Value) {
    let after = |flag: &str| {
        words
            .iter()
            .position(|word| *word == flag)
            .map(|at| words[at + 1])
    };
    let body = match after("--data-binary").unwrap_or_default() {
        file if file.starts_with('@') => std::fs::read(folder.join(&file[1..])).unwrap(),
        text => text.as_bytes().to_vec(),
    };
    let method = after("-X").unwrap_or("POST").parse().unwrap();
    let url = words.last().unwrap().trim_start_matches("http://");
    let (host, path) = url.split_at(url.find('/').unwrap());
    let mut call = Call::new(method, path, body).unsigned();
    for pair in words.windows(2).filter(|pair| pair[0] == "-H") {
        let (name, value) = pair[1].split_once(": ").unwrap();
        call = call.header(name, value);
    }
    let reply = call.make(host).await;
    (reply.status.as_u16(), reply.json())
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

#[tokio::test]
async fn a_log_that_nobody_reads_any_more_is_no_reason_to_end() {
    let (folder, _) = configured("127.0.0.1:0");
    let mut command = hongyan(folder.path(), &["serve", "--log-format", "text"]);
    command.env("HONGYAN_LOG", "debug").stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Its standard error is closed from here on, and at this level every call is logged.
    let address = listening(&mut child).await;
    for _ in 0..3 {
        let call = crate::harness::post("/v1/messages", &crate::harness::message("o1"));
        assert_eq!(call.make(&address).await.status, 202);
    }
    assert!(child.try_wait().unwrap().is_none());
}
