//! The whole main job by the real program, its log at its loudest, with canaries for secrets, tokens, openids and values:
//! none may be in its log, its metrics, its answers or what its commands print.

use std::process::Stdio;
use std::time::{Duration, Instant};

use hongyan_wechat::callback::Mode;
use hongyan_wechat_sim::{Sim, SimConfig, SimHandle};
use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Child;

use super::{address, hongyan, run};
use crate::callback::{event, plain_query, push_to, seconds};
use crate::harness::{
    ACCOUNT, AES_KEY, APPID, CALLBACK_TOKEN, CLIENT, CLIENT_SECRET, Call, Reply, SECRET, Settings,
    TEMPLATE, get, post, target,
};

const OPENID: &str = "oCanaryCanaryCanaryCanary001";
const UNKNOWN: &str = "oCanaryCanaryCanaryCanary2!";
const VALUE: &str = "金丝雀的秘密";
const SHARED: &str = "the canary that signs tokens for clients";
const BEARER: &str = "eyJhbGciOiJIUzI1NiJ9.Y2FuYXJ5.Y2FuYXJ5";
const HOOK: &str = "whsec_Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5";

fn settings() -> Settings {
    Settings {
        callback: Some(Mode::Safe),
        more: format!(
            "[[jwt]]\nname = \"login\"\nalgorithm = \"HS256\"\nkeys = [\"{SHARED}\"]\n\
             [[webhooks]]\nname = \"hook\"\nclient = \"{CLIENT}\"\nurl = \"http://127.0.0.1:9/canary\"\n\
             secrets = [\"{HOOK}\"]\nallow = [\"127.0.0.1/32\"]\n"
        ),
        ..Settings::default()
    }
}

/// How long a message may take while everything is logged.
const PATIENCE: Duration = Duration::from_secs(20);

struct Story {
    sim: SimHandle,
    folder: TempDir,
    child: Child,
    host: String,
    answers: Vec<(String, String)>,
}

impl Story {
    async fn begin() -> Self {
        let settings = settings();
        let sim = Sim::start(SimConfig::new(settings.sim_accounts()))
            .await
            .unwrap();
        let folder = TempDir::new().unwrap();
        let database = folder.path().join("hongyan.db");
        let text = settings.toml("127.0.0.1:0", &database, &sim.url());
        std::fs::write(folder.path().join("hongyan.toml"), text).unwrap();
        let mut command = hongyan(folder.path(), &["serve", "--log-format", "text"]);
        command.env("HONGYAN_LOG", "trace").stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        Self {
            sim,
            folder,
            child,
            host: String::new(),
            answers: Vec::new(),
        }
    }

    async fn call(&mut self, what: &str, call: Call) -> Reply {
        let reply = call.make(&self.host).await;
        let text = format!(
            "{:?}\n{}",
            reply.headers,
            String::from_utf8_lossy(&reply.body)
        );
        self.answers.push((what.to_owned(), text));
        reply
    }

    async fn until(&mut self, id: &str, status: &str) {
        let began = Instant::now();
        loop {
            let reply = self.call("show", get(&format!("/v1/messages/{id}"))).await;
            if reply.json()["status"] == status {
                return;
            }
            let told = reply.text();
            assert!(
                began.elapsed() < PATIENCE,
                "it never came to {status}: {told}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn command(&mut self, words: &[&str]) {
        let mut command = hongyan(self.folder.path(), words);
        command.env("HONGYAN_URL", format!("http://{}", self.host));
        command.env("HONGYAN_CLIENT_ID", CLIENT);
        command.env("HONGYAN_CLIENT_SECRET", CLIENT_SECRET);
        let printed = run(command).await.unwrap_or_else(|error| error);
        self.answers.push((words.join(" "), printed));
    }
}

fn to(openid: &str) -> Value {
    json!({"touser": openid, "template_id": TEMPLATE, "data": {"thing1": {"value": VALUE}}})
}

/// Everything that goes well, and everything that goes wrong.
async fn live(story: &mut Story) -> String {
    let sent = story.call("send", post("/v1/messages", &to(OPENID))).await;
    assert_eq!(sent.status, 202, "{sent:?}");
    let id = sent.json()["id"].as_str().unwrap().to_owned();
    story.until(&id, "delivered").await;
    // WeChat refuses: the recipient, and then every token.
    let refused = post("/v1/messages", &to(UNKNOWN)).header("idempotency-key", "canary-1");
    let refused = story.call("send to nobody", refused).await;
    if let Some(id) = refused.json()["id"].as_str() {
        story.until(id, "failed").await;
    }
    story.sim.revoke_tokens(APPID);
    let again = story
        .call("send with a dead token", post("/v1/messages", &to(OPENID)))
        .await;
    let again = again.json()["id"].as_str().unwrap().to_owned();
    story.until(&again, "delivered").await;
    let misfits = json!({"messages": [to(OPENID), {"touser": OPENID}, 7]});
    for (what, call) in [
        ("batch", post("/v1/messages/batch", &misfits)),
        (
            "malformed",
            Call::new(
                Method::POST,
                "/v1/messages",
                format!("{{\"touser\": \"{OPENID}\", {VALUE}"),
            ),
        ),
        ("unsigned", post("/v1/messages", &to(OPENID)).unsigned()),
        (
            "wrongly signed",
            post("/v1/messages", &to(OPENID)).secret("a guess"),
        ),
        ("stale", post("/v1/messages", &to(OPENID)).later(-900)),
        (
            "a token",
            get("/v1/messages")
                .unsigned()
                .header("authorization", &format!("Bearer {BEARER}")),
        ),
        (
            "suppress",
            post(&format!("/v1/recipients/{OPENID}/suppress"), &json!({})),
        ),
        ("send to the suppressed", post("/v1/messages", &to(OPENID))),
        ("accounts", get("/v1/accounts")),
        ("attention", get("/v1/attention")),
        ("webhooks", get("/v1/webhooks")),
        ("token", get(&format!("/v1/accounts/{ACCOUNT}/token"))),
        (
            "refresh",
            post(
                &format!("/v1/accounts/{ACCOUNT}/token/refresh"),
                &json!({"force": true}),
            ),
        ),
        ("no route", get(&format!("/v1/nothing/{OPENID}"))),
    ] {
        story.call(what, call).await;
    }
    operate(story).await;
    // Asked for in so many words, so it is the one answer that may have it.
    let revealed = get(&format!("/v1/accounts/{ACCOUNT}/token?reveal=true"))
        .make(&story.host)
        .await;
    revealed.json()["access_token"].as_str().unwrap().to_owned()
}

/// What a stranger pushes, and what an operator types.
async fn operate(story: &mut Story) {
    let forged = plain_query(&seconds(0), "canary-nonce");
    let reply = push_to(&story.host, &forged, &event(OPENID, "7", "success")).await;
    assert_eq!(reply.status, 403, "{reply:?}");
    for words in [
        &["token", "show", ACCOUNT][..],
        &["messages", "list"],
        &["accounts", "list"],
        &["config", "show"],
        &["recipients", "list"],
        &["messages", "show", "no-such-id"],
    ] {
        story.command(words).await;
    }
}

#[tokio::test]
async fn no_canary_is_seen_in_logs_metrics_or_answers() {
    let mut story = Story::begin().await;
    let mut stderr = BufReader::new(story.child.stderr.take().unwrap());
    let mut log = String::new();
    while !log.contains("listening") {
        assert_ne!(stderr.read_line(&mut log).await.unwrap(), 0, "{log}");
    }
    let line = log.lines().find(|line| line.contains("listening")).unwrap();
    story.host = address(line);
    let mut callback = target(&story.host);
    callback.mode = Mode::Safe;
    callback.aes_key = Some(AES_KEY.to_owned());
    story.sim.set_callback(APPID, Some(callback));
    let mut heard = Vec::new();
    let token = {
        let listening = stderr.read_to_end(&mut heard);
        let living = async {
            let token = live(&mut story).await;
            let metrics = get("/metrics").unsigned().make(&story.host).await;
            let pid = story.child.id().unwrap();
            let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
            (token, metrics.text().to_owned())
        };
        let (listened, (token, metrics)) = tokio::join!(listening, living);
        listened.unwrap();
        log.push_str(&String::from_utf8_lossy(&heard));
        log.push_str(&metrics);
        token
    };
    assert!(log.contains("TRACE"), "the log is at its loudest");
    assert!(token.len() > 20, "{token}");
    for secret in [
        CLIENT_SECRET,
        SECRET,
        CALLBACK_TOKEN,
        AES_KEY,
        SHARED,
        BEARER,
        HOOK,
        &token,
    ] {
        if let Some(line) = log.lines().find(|line| line.contains(secret)) {
            panic!("{secret} is in the log or the metrics: {line}");
        }
        for (what, answer) in &story.answers {
            assert!(
                !answer.contains(secret),
                "{secret} is in the answer to {what}: {answer}"
            );
        }
    }
    for personal in [OPENID, UNKNOWN, VALUE] {
        if let Some(line) = log.lines().find(|line| line.contains(personal)) {
            panic!("{personal} is in the log or the metrics: {line}");
        }
    }
    story.child.wait().await.unwrap();
    story.sim.stop().await;
}
