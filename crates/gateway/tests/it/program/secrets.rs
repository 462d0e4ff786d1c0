//! Wherever a secret is kept: when it changes there, the running program notices, and the next token fetch uses it.

mod real;
mod stand_ins;

use std::process::Stdio;

use hongyan_wechat_sim::{AccountConfig, Sim, SimConfig};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::{ended, hongyan, line_with, run, without_token};
use crate::harness::{APPID, CLIENT, CLIENT_SECRET, message, openid, post};

const WRONG: &str = "not-the-app-secret";
const RIGHT: &str = "the-app-secret";

/// A gateway whose account's secret is kept elsewhere.
struct Kept {
    folder: TempDir,
    /// What the configuration says instead of the secret.
    reference: String,
    /// The sections that say how to get there.
    sections: String,
    environment: Vec<(&'static str, String)>,
}

impl Kept {
    fn new(reference: &str, sections: &str) -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            reference: reference.to_owned(),
            sections: sections.to_owned(),
            environment: Vec::new(),
        }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    fn configure(&self, wechat: &str) {
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = \"sqlite://hongyan.db\"\n\
             [upstream]\nprobe_interval = \"1h\"\n{}\n\
             [[accounts]]\nname = \"clinic\"\nappid = \"{APPID}\"\nsecret = \"{}\"\napi_base = \"{wechat}\"\n\
             [[clients]]\nid = \"{CLIENT}\"\nsecrets = [\"{CLIENT_SECRET}\"]\nscopes = [\"messages:send\"]\n",
            self.sections, self.reference
        );
        std::fs::write(self.folder.path().join("hongyan.toml"), text).unwrap();
    }

    fn command(&self, words: &[&str]) -> tokio::process::Command {
        let mut command = hongyan(self.folder.path(), words);
        let environment = self.environment.iter();
        command.envs(environment.map(|(name, value)| (*name, value)));
        command
    }

    /// What `hongyan config encrypt` makes of a secret.
    async fn encrypted(&self, secret: &str, words: &[&str]) -> String {
        let words = [&["config", "encrypt"], words].concat();
        let mut command = self.command(&words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(secret.as_bytes()).await.unwrap();
        drop(input);
        let output = child.wait_with_output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A message waits for want of the right secret; `change` puts that in its place, and the message goes out.
    async fn follows(self, change: impl AsyncFnOnce()) {
        let sim = Sim::start(SimConfig::new(vec![AccountConfig::new(APPID, RIGHT)]));
        let sim = sim.await.unwrap();
        self.configure(&sim.url());
        let mut command = self.command(&["serve", "--log-format", "text"]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let listen = without_token(&mut lines).await;
        let waiting = post("/v1/messages?wait=15", &message(&openid(1))).make(&listen);
        let changing = async {
            change().await;
            line_with("accounts changed: clinic", &mut lines).await
        };
        let (reply, line) = tokio::join!(waiting, changing);
        assert!(!line.contains(RIGHT) && !line.contains(WRONG), "{line}");
        assert_eq!(reply.json()["status"], "sent", "{reply:?}");
        let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
        assert!(child.wait_with_output().await.unwrap().status.success());
        sim.stop().await;
    }
}

#[tokio::test]
async fn a_place_that_cannot_be_reached_keeps_the_gateway_from_starting() {
    let kept = Kept::new(
        "vault:secret/clinic#app",
        "[vault]\naddress = \"http://127.0.0.1:1\"\n",
    );
    kept.configure("http://127.0.0.1:1");
    let output = ended(kept.command(&["--json", "config", "check"])).await;
    assert_eq!(output.status.code(), Some(1));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = said["problems"][0]["text"].as_str().unwrap();
    assert!(
        text.starts_with("vault:secret/clinic#app 127.0.0.1:1 cannot be asked"),
        "{said}"
    );
    assert_eq!(said["problems"][0]["key"], json!("accounts[clinic].secret"));
}
