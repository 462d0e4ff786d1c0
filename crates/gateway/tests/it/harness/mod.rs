//! What every story stands on: a gateway in a folder of its own, its WeChat, and a caller who signs.
//! A story ends with `finish`, which fails it if leased work is left behind.

mod authority;
mod call;
mod canary;
mod receiver;
mod settings;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hongyan_courier::message::Status;
use hongyan_courier::port::{Filter, Ledger};
use hongyan_gateway::app::{App, Changes};
use hongyan_gateway::config::layers::Sources;
use hongyan_gateway::config::{self, resolved};
use hongyan_gateway::role::{self, Roles, Running};
use hongyan_store::sqlite::SqliteStore;
use hongyan_wechat_sim::{CallbackTarget, Sim, SimConfig, SimHandle};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

pub(crate) use authority::{AUTHORITY, serve_privately};
pub(crate) use call::{Call, Reply, get, post};
pub(crate) use receiver::{Post, Receiver};
pub(crate) use settings::{
    ACCOUNT, AES_KEY, APPID, CALLBACK_TOKEN, CLIENT, CLIENT_SECRET, SECRET, Settings, template,
};

/// How long anything in a story may take.
const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) struct TestGateway {
    pub(crate) sim: SimHandle,
    pub(crate) settings: Settings,
    folder: TempDir,
    running: Option<Life>,
    /// Where it listens, the same after a restart.
    listen: String,
}

struct Life {
    /// Where it was told to listen.
    configured: String,
    running: Running,
    store: Arc<SqliteStore>,
    ops: Option<String>,
}

impl TestGateway {
    /// One account without receipts.
    pub(crate) async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        canary::watch();
        let sim = Sim::start(SimConfig::new(settings.sim_accounts()))
            .await
            .unwrap();
        let mut gateway = Self {
            sim,
            settings,
            folder: TempDir::new().unwrap(),
            running: None,
            listen: "127.0.0.1:0".to_owned(),
        };
        gateway.up().await;
        if let Some(target) = gateway.settings.callback_target(&gateway.listen) {
            gateway.sim.set_callback(APPID, Some(target));
        }
        gateway
    }

    /// Writes the settings down as the configuration.
    fn write(&self, listen: &str) -> Sources {
        let file = self.folder.path().join("hongyan.toml");
        let database = self.folder.path().join("hongyan.db");
        let text = self.settings.toml(listen, &database, &self.sim.url());
        std::fs::write(&file, text).unwrap();
        Sources {
            file: Some(file),
            directory: PathBuf::from("."),
            ..Sources::default()
        }
    }

    /// Puts the settings, as they are by now, in force without a restart.
    pub(crate) async fn reload(&self) -> anyhow::Result<Changes> {
        let life = self.running.as_ref().expect("the gateway is up");
        let sources = self.write(&life.configured);
        let config = config::load(&sources)?.config;
        let secrets = resolved::resolve(&config, &sources.environment).await?;
        life.running.live.apply(config, secrets).await
    }

    /// Starts the gateway from its folder.
    pub(crate) async fn up(&mut self) {
        let configured = self.listen.clone();
        let sources = self.write(&configured);
        let config = config::load(&sources)
            .unwrap_or_else(|problems| panic!("{problems}"))
            .config;
        let secrets = resolved::resolve(&config, &sources.environment)
            .await
            .unwrap();
        let app = App::build(&config, secrets, Roles::All, Vec::new())
            .await
            .unwrap();
        let store = app.store.clone();
        let running = role::start(app, &config.server, CancellationToken::new())
            .await
            .unwrap();
        self.listen = running.addr.to_string();
        let ops = running.ops_addr.map(|addr| addr.to_string());
        self.running = Some(Life {
            configured,
            running,
            store,
            ops,
        });
    }

    /// Stops the gateway as SIGTERM does; WeChat goes on.
    pub(crate) async fn down(&mut self) {
        if let Some(life) = self.running.take() {
            life.running.stop().await;
        }
    }

    pub(crate) async fn restart(&mut self) {
        self.down().await;
        self.up().await;
    }

    pub(crate) fn address(&self) -> &str {
        &self.listen
    }

    pub(crate) fn ops_address(&self) -> &str {
        let life = self.running.as_ref().expect("the gateway is up");
        life.ops
            .as_deref()
            .expect("operations have a listener of their own")
    }

    /// What it keeps its messages in, and where.
    pub(crate) fn store(&self) -> (Arc<SqliteStore>, PathBuf) {
        let life = self.running.as_ref().expect("the gateway is up");
        (life.store.clone(), self.folder.path().join("hongyan.db"))
    }

    /// Where its messages are kept, also while it is down.
    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("hongyan.db")
    }

    /// Makes a call, signed unless it says otherwise.
    pub(crate) async fn call(&self, call: Call) -> Reply {
        call.make(&self.listen).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.call(get(path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.call(post(path, body)).await
    }

    /// Hands a message over and gives its id.
    pub(crate) async fn send(&self, message: &Value) -> String {
        let reply = self.post("/v1/messages", message).await;
        assert_eq!(reply.status, 202, "{reply:?}");
        reply.json()["id"].as_str().unwrap().to_owned()
    }

    /// The message, once it stands at `status`.
    pub(crate) async fn until(&self, id: &str, status: &str) -> Value {
        let path = format!("/v1/messages/{id}");
        self.until_reply(&path, status, |message| message["status"] == status)
            .await
    }

    /// The answer of a path, once it is as wanted.
    pub(crate) async fn until_reply(
        &self,
        path: &str,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut last = Value::Null;
        let looking = async {
            loop {
                last = self.get(path).await.json();
                if wanted(&last) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, looking).await;
        assert!(found.is_ok(), "{path} never came to {what}: {last:#}");
        last
    }

    /// Waits until the metrics say all of this; they are measured every few seconds.
    pub(crate) async fn until_metrics(&self, wanted: &[String]) {
        let looking = async {
            loop {
                let metrics = self.call(get("/metrics").unsigned()).await;
                if wanted.iter().all(|line| metrics.text().contains(line)) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, looking).await;
        assert!(found.is_ok(), "the metrics never said {wanted:?}");
    }

    /// Waits for something that only WeChat's side knows.
    pub(crate) async fn until_sim(&self, what: &str, wanted: impl Fn(&SimHandle) -> bool) {
        let looking = async {
            while !wanted(&self.sim) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(
            tokio::time::timeout(PATIENCE, looking).await.is_ok(),
            "WeChat never saw {what}"
        );
    }

    /// Waits until a list of templates was fetched.
    pub(crate) async fn until_listed(&self) -> Value {
        let listed = |list: &Value| !list["synced_at"].is_null();
        self.until_reply("/v1/templates", "listed", listed).await
    }

    /// Waits until the account stands still.
    pub(crate) async fn until_stopped(&self) {
        let stopped = |list: &Value| list["accounts"][0]["state"] == "stopped";
        self.until_reply("/v1/accounts", "stopped", stopped).await;
    }

    /// WeChat's list has this template from now on, and the gateway knows.
    pub(crate) async fn relist(&self, id: &str, text: &str) -> Value {
        self.sim.world().add_template(APPID, &template(&(id, text)));
        self.synced().await
    }

    /// Has the lists of templates fetched, as soon as there is a token to ask with.
    pub(crate) async fn synced(&self) -> Value {
        let mut last = None;
        let syncing = async {
            loop {
                let reply = self.post("/v1/templates/sync", &json!({})).await;
                if reply.status == 200 {
                    return reply.json();
                }
                last = Some(reply);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let synced = tokio::time::timeout(PATIENCE, syncing).await;
        synced.unwrap_or_else(|_| panic!("no list was fetched: {last:?}"))
    }

    /// Ends the story: nothing may be left in a sender's hands.
    pub(crate) async fn finish(mut self) {
        if let Some(life) = &self.running {
            let leased = || Filter {
                status: Some(Status::Sending),
                ..Filter::default()
            };
            let settling = async {
                while !life.store.page(leased(), 1).await.unwrap().is_empty() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            let settled = tokio::time::timeout(PATIENCE, settling).await;
            assert!(settled.is_ok(), "leased work is left behind");
        }
        let host = match self.running.as_ref().and_then(|life| life.ops.clone()) {
            Some(ops) => ops,
            None => self.listen.clone(),
        };
        if self.running.is_some() {
            let metrics = get("/metrics").unsigned().make(&host).await;
            let text = metrics.text();
            assert!(!canary::gives_away(text), "a metric gives away: {text}");
        }
        self.down().await;
        self.sim.stop().await;
        canary::assert_nothing_was_told();
    }
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        if self.running.is_some() && !std::thread::panicking() {
            panic!("a story must end with finish()");
        }
    }
}

/// A message that WeChat takes.
pub(crate) fn message(openid: &str) -> Value {
    json!({"touser": openid, "template_id": TEMPLATE, "data": {"thing1": {"value": "你好"}}})
}

/// Openids and templates as WeChat's look; the simulator knows every well-formed one.
pub(crate) const TEMPLATE: &str = "ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY";

pub(crate) fn openid(number: usize) -> String {
    format!("oStory{number:022}")
}

/// Where the simulator posts its receipts.
pub(crate) fn target(listen: &str) -> CallbackTarget {
    CallbackTarget::new(
        &format!("http://{listen}/wechat/callback/{ACCOUNT}"),
        CALLBACK_TOKEN,
    )
}
