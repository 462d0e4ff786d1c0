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
const OF_BROADCAST: &str = "oCanaryCanaryCanaryCanary003";
const OF_SDK: &str = "oCanaryCanaryCanaryCanary004";
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
async fn live(story: &mut Story) -> Vec<String> {
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
    broadcast(story).await;
    kinds(story).await;
    let virtual_token = by_sdk(story).await;
    operate(story).await;
    // Asked for in so many words, so it is the one answer that may have it.
    let revealed = get(&format!("/v1/accounts/{ACCOUNT}/token?reveal=true"))
        .make(&story.host)
        .await;
    let token = revealed.json()["access_token"].as_str().unwrap().to_owned();
    vec![token, virtual_token]
}

/// Rows, good and bad, become messages.
async fn broadcast(story: &mut Story) {
    let order = json!({"template_id": TEMPLATE, "data": {"thing1": {"value": "{{name}}"}}});
    let made = story
        .call("broadcast", post("/v1/broadcasts", &order))
        .await;
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let rows =
        format!("openid,name\n{OF_BROADCAST},{VALUE}\n{OF_BROADCAST},{VALUE},more\n,{VALUE}\n");
    let path = format!("/v1/broadcasts/{id}/rows?offset=0&last=true");
    story
        .call("rows", Call::new(Method::POST, &path, rows))
        .await;
    let start = post(&format!("/v1/broadcasts/{id}/start"), &json!({}));
    story.call("start", start).await;
    let path = format!("/v1/messages?touser={OF_BROADCAST}");
    let message = loop {
        let page = story.call("list", get(&path)).await.json();
        if let Some(id) = page["messages"][0]["id"].as_str() {
            break id.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    story.until(&message, "delivered").await;
}

/// The kinds that only those get who agreed to them.
async fn kinds(story: &mut Story) {
    for (kind, more) in [
        (
            "subscription",
            json!({"page": format!("https://example.com/{OPENID}")}),
        ),
        (
            "one_time_subscription",
            json!({"scene": 1, "title": "title"}),
        ),
        ("miniprogram_subscription", json!({"page": "pages/index"})),
    ] {
        let mut body = to(OF_SDK);
        let key = if kind == "one_time_subscription" {
            "content"
        } else {
            "thing1"
        };
        body["data"] = json!({key: {"value": VALUE}});
        body["kind"] = kind.into();
        for (field, value) in more.as_object().unwrap() {
            body[field] = value.clone();
        }
        let sent = story.call(kind, post("/v1/messages?wait=5", &body)).await;
        assert!(sent.status.is_success(), "{sent:?}");
    }
}

/// What SDKs do, with secrets and tokens in addresses, well and badly. Answers the virtual token.
async fn by_sdk(story: &mut Story) -> String {
    let way = |secret: &str| {
        get(&format!(
            "/cgi-bin/token?grant_type=client_credential&appid={APPID}&secret={secret}"
        ))
        .unsigned()
    };
    let granted = way(CLIENT_SECRET).make(&story.host).await;
    let token = granted.json()["access_token"].as_str().unwrap().to_owned();
    let send = "/cgi-bin/message/template/send";
    for (what, call) in [
        ("a wrong secret", way(BEARER)),
        ("the account's secret", way(SECRET)),
        (
            "an SDK sends",
            post(&format!("{send}?access_token={token}"), &to(OPENID)),
        ),
        (
            "an SDK sends on",
            post(&format!("{send}?access_token={token}"), &to(OF_SDK)),
        ),
        (
            "an SDK sends nonsense",
            post(
                &format!("{send}?access_token={token}"),
                &json!([VALUE, OPENID]),
            ),
        ),
        (
            "an SDK with another token",
            post(&format!("{send}?access_token={BEARER}"), &to(OPENID)),
        ),
        (
            "an SDK reads",
            get(&format!("/cgi-bin/user/get?access_token={token}")),
        ),
        (
            "an SDK asks",
            get(&format!(
                "/cgi-bin/user/info?access_token={token}&openid={UNKNOWN}"
            )),
        ),
        (
            "an SDK may not",
            post(
                &format!("/cgi-bin/menu/create?access_token={token}"),
                &json!({}),
            ),
        ),
    ] {
        story.call(what, call.unsigned()).await;
    }
    let forget = post(&format!("/v1/recipients/{OF_BROADCAST}/forget"), &json!({}));
    let forgotten = story.call("forget", forget).await;
    assert_eq!(forgotten.status, 200, "{forgotten:?}");
    token
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
    let tokens = {
        let listening = stderr.read_to_end(&mut heard);
        let living = async {
            let tokens = live(&mut story).await;
            let metrics = get("/metrics").unsigned().make(&story.host).await;
            let pid = story.child.id().unwrap();
            let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
            (tokens, metrics.text().to_owned())
        };
        let (listened, (tokens, metrics)) = tokio::join!(listening, living);
        listened.unwrap();
        log.push_str(&String::from_utf8_lossy(&heard));
        log.push_str(&metrics);
        tokens
    };
    assert!(log.contains("TRACE"), "the log is at its loudest");
    assert!(tokens.iter().all(|token| token.len() > 20), "{tokens:?}");
    let secrets = [
        CLIENT_SECRET,
        SECRET,
        CALLBACK_TOKEN,
        AES_KEY,
        SHARED,
        BEARER,
        HOOK,
    ];
    for secret in secrets.into_iter().chain(tokens.iter().map(String::as_str)) {
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
    for personal in [OPENID, UNKNOWN, OF_BROADCAST, OF_SDK, VALUE] {
        if let Some(line) = log.lines().find(|line| line.contains(personal)) {
            panic!("{personal} is in the log or the metrics: {line}");
        }
    }
    story.child.wait().await.unwrap();
    story.sim.stop().await;
}
