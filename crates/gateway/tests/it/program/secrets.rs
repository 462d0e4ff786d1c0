//! Wherever a secret is kept: when it changes there, the running program notices, and the next token fetch uses it.

mod real;
mod stand_ins;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use hongyan_wechat_sim::{AccountConfig, Sim, SimConfig};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

use super::{ended, hongyan, line_with, run, spoken, stop, without_token};
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
        let (child, mut lines) = spoken(self.command(&["serve", "--log-format", "text"]));
        let listen = without_token(&mut lines).await;
        let waiting = post("/v1/messages?wait=15", &message(&openid(1))).make(&listen);
        let changing = async {
            change().await;
            line_with("accounts changed: clinic", &mut lines).await
        };
        let (reply, line) = tokio::join!(waiting, changing);
        assert!(!line.contains(RIGHT) && !line.contains(WRONG), "{line}");
        assert_eq!(reply.json()["status"], "sent", "{reply:?}");
        stop(child).await;
        sim.stop().await;
    }
}

#[tokio::test]
async fn age_opens_what_is_encrypted_in_the_configuration() {
    let kept = Kept::new("age:file:sealed", "[age]\nidentity = \"file:age.key\"\n");
    kept.configure("http://127.0.0.1:1");
    let generating = &["config", "encrypt", "--generate-key", "age.key"];
    let recipient = run(kept.command(generating)).await.unwrap();
    assert!(recipient.starts_with("age1"), "{recipient}");
    let again = run(kept.command(generating)).await.unwrap_err();
    assert!(
        again.contains("cannot make age.key: File exists"),
        "{again}"
    );

    let ciphertext = |reference: &str| reference.strip_prefix("age:").unwrap().to_owned();
    let sealed = kept.folder.path().join("sealed");
    let wrong = kept.encrypted(&format!("{WRONG}\n"), &[]).await;
    std::fs::write(&sealed, ciphertext(&wrong)).unwrap();
    let right = kept.encrypted(RIGHT, &["--age", recipient.trim()]).await;
    kept.follows(async || std::fs::write(&sealed, ciphertext(&right)).unwrap())
        .await;
}

#[tokio::test]
async fn production_takes_what_age_encrypted_and_shares_the_key_with_nobody() {
    let kept = Kept::new("", "").with("HONGYAN_PROFILE", "prod");
    let kept = kept.with("ORDERS", CLIENT_SECRET);
    let generating = &["config", "encrypt", "--generate-key", "age.key"];
    let recipient = run(kept.command(generating)).await.unwrap();
    let sealed = kept.encrypted(RIGHT, &["--age", recipient.trim()]).await;
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nops_listen = \"127.0.0.1:0\"\n[age]\nidentity = \"file:age.key\"\n\
         [[accounts]]\nname = \"clinic\"\nappid = \"{APPID}\"\nsecret = \"{sealed}\"\n\
         [[clients]]\nid = \"{CLIENT}\"\nsecrets = [\"env:ORDERS\"]\nscopes = [\"messages:send\"]\n"
    );
    std::fs::write(kept.folder.path().join("hongyan.toml"), text).unwrap();
    let checked = run(kept.command(&["config", "check"])).await;
    assert_eq!(checked.as_deref(), Ok("ok\n"));
    let shown = run(kept.command(&["config", "show"])).await.unwrap();
    assert!(shown.contains("identity = \"file:age.key\""), "{shown}");
    assert!(
        shown.contains("secret = \"age:") && !shown.contains(&sealed),
        "{shown}"
    );

    let key = kept.folder.path().join("age.key");
    std::fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
    let said = run(kept.command(&["config", "check"])).await.unwrap_err();
    assert!(
        said.contains("file:age.key can be read by others (mode 640); chmod 600 it"),
        "{said}"
    );
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
