//! A gateway with many accounts and one WeChat for all of them, and what became of their messages step by step.
//! An account has one message; a fault set for the account strikes that message.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hongyan_courier::observer::{Event, Observer};
use hongyan_gateway::app::App;
use hongyan_gateway::cli::gateway::{CallerArgs, GatewayArgs};
use hongyan_gateway::cli::http::GatewayClient;
use hongyan_gateway::config::layers::Sources;
use hongyan_gateway::config::{self, resolved};
use hongyan_gateway::role::{self, Roles, Running};
use hongyan_wechat_sim::config::TemplateConfig;
use hongyan_wechat_sim::world::{Calls, Seen};
use hongyan_wechat_sim::{AccountConfig, Fault, Sim, SimConfig, SimHandle};
use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

pub(crate) const TEMPLATE: &str = "ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY";
const SECRET: &str = "classes-app-secret";
const CLIENT: &str = "classes";
const CLIENT_SECRET: &str = "classes-client-secret-0123456789";
/// How long a condition may take to come true on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// A stopped account is probed every second, and silence is an answer after one.
const QUICK: &str = "[upstream]\nprobe_interval = \"1s\"\nread_timeout = \"1s\"\n";

/// Where each account's message stood after each of its turns.
#[derive(Default)]
struct Lives(Mutex<HashMap<String, Vec<Step>>>);

/// Status and reason after one settlement.
pub(crate) type Step = (&'static str, Option<&'static str>);

impl Observer for Lives {
    fn observe(&self, event: &Event) {
        if let Event::Moved {
            account,
            status,
            reason,
            ..
        } = event
        {
            let step = (status.as_str(), reason.map(|reason| reason.as_str()));
            let mut lives = self.0.lock().unwrap();
            lives.entry(account.to_string()).or_default().push(step);
        }
    }
}

pub(crate) struct Rig {
    pub(crate) sim: SimHandle,
    pub(crate) client: GatewayClient,
    lives: Arc<Lives>,
    names: Vec<String>,
    running: Running,
    _folder: TempDir,
}

impl Rig {
    /// One account for each name; the faults are in force before the gateway starts.
    pub(crate) async fn start(names: impl IntoIterator<Item = String>, faults: Vec<Fault>) -> Self {
        Self::with(names, faults, "").await
    }

    /// `more` is what the configuration says besides accounts, clients and haste.
    pub(crate) async fn with(
        names: impl IntoIterator<Item = String>,
        faults: Vec<Fault>,
        more: &str,
    ) -> Self {
        Self::of(names, faults, more, &[]).await
    }

    /// The same, where WeChat lists templates of each account; without any it gives no list.
    pub(crate) async fn of(
        names: impl IntoIterator<Item = String>,
        faults: Vec<Fault>,
        more: &str,
        templates: &[TemplateConfig],
    ) -> Self {
        let names: Vec<String> = names.into_iter().collect();
        let account = |name: &String| AccountConfig {
            templates: templates.to_vec(),
            ..AccountConfig::new(&appid(name), SECRET)
        };
        let accounts = names.iter().map(account).collect();
        let sim = Sim::start(SimConfig {
            faults,
            ..SimConfig::new(accounts)
        })
        .await
        .unwrap();
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("hongyan.toml");
        let mut text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = \"sqlite://{}\"\n{QUICK}{more}\
             [[clients]]\nid = \"{CLIENT}\"\nsecrets = [\"{CLIENT_SECRET}\"]\n\
             scopes = [\"messages:send\", \"messages:read\", \"accounts\", \"templates\"]\n",
            folder.path().join("hongyan.db").display(),
        );
        for name in &names {
            let (appid, url) = (appid(name), sim.url());
            let _ = write!(
                text,
                "[[accounts]]\nname = \"{name}\"\nappid = \"{appid}\"\nsecret = \"{SECRET}\"\napi_base = \"{url}\"\n"
            );
        }
        std::fs::write(&file, text).unwrap();
        let sources = Sources {
            file: Some(file),
            directory: PathBuf::from("."),
            ..Sources::default()
        };
        let config = config::load(&sources)
            .unwrap_or_else(|problems| panic!("{problems}"))
            .config;
        let secrets = resolved::resolve(&config, &sources.environment)
            .await
            .unwrap();
        let lives = Arc::new(Lives::default());
        let app = App::build(&config, secrets, Roles::All, vec![lives.clone()])
            .await
            .unwrap();
        let stop = CancellationToken::new();
        let running = role::start(app, &config.server, stop).await.unwrap();
        let caller = CallerArgs {
            client_id: Some(CLIENT.to_owned()),
            client_secret: Some(SecretString::from(CLIENT_SECRET)),
        };
        let url = format!("http://{}", running.addr);
        let client = GatewayClient::new(&GatewayArgs { url, caller }).unwrap();
        Self {
            sim,
            client,
            lives,
            names,
            running,
            _folder: folder,
        }
    }

    /// Gives every account its one message, in one call.
    pub(crate) async fn send_all(&self) {
        let messages: Vec<Value> = self.names.iter().map(|name| message(name)).collect();
        let reply = self
            .client
            .post("/v1/messages/batch", &json!({ "messages": messages }))
            .await
            .unwrap();
        for result in reply["results"].as_array().unwrap() {
            assert!(result["id"].is_string(), "{result}");
        }
    }

    /// Where the account's message stood after each of its turns so far.
    pub(crate) fn life(&self, account: &str) -> Vec<Step> {
        self.lives
            .0
            .lock()
            .unwrap()
            .get(account)
            .cloned()
            .unwrap_or_default()
    }

    /// The account's message as its caller sees it.
    pub(crate) async fn shown(&self, account: &str) -> Value {
        let page = self
            .client
            .get(&format!("/v1/messages?account={account}"))
            .await
            .unwrap();
        let id = page["messages"][0]["id"].as_str().unwrap().to_owned();
        self.client
            .get(&format!("/v1/messages/{id}"))
            .await
            .unwrap()
    }

    /// The same, when no call is under way for it.
    pub(crate) async fn shown_at_rest(&self, account: &str) -> Value {
        let resting = async {
            loop {
                let shown = self.shown(account).await;
                if shown["status"] != "sending" {
                    return shown;
                }
            }
        };
        let rested = tokio::time::timeout(PATIENCE, resting).await;
        rested.unwrap_or_else(|_| panic!("{account}'s message is never at rest"))
    }

    /// What WeChat counted of the account's calls.
    pub(crate) fn calls(&self, account: &str) -> Calls {
        self.sim.calls_of(&appid(account))
    }

    /// What the recipient of the account's message saw.
    pub(crate) fn seen(&self, account: &str) -> Vec<Seen> {
        self.sim.seen(&openid(account))
    }

    /// All accounts as an operator sees them, by name.
    pub(crate) async fn accounts(&self) -> HashMap<String, Value> {
        let list = self.client.get("/v1/accounts").await.unwrap();
        let named = |account: &Value| {
            (
                account["name"].as_str().unwrap().to_owned(),
                account.clone(),
            )
        };
        list["accounts"]
            .as_array()
            .unwrap()
            .iter()
            .map(named)
            .collect()
    }

    /// The answer of a path, once it is as wanted.
    pub(crate) async fn until_reply(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let looking = async {
            loop {
                let answer = self.client.get(path).await.unwrap();
                if wanted(&answer) {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, looking).await;
        found.unwrap_or_else(|_| panic!("{path} never is as wanted"))
    }

    /// Waits until every account has a token to call with.
    pub(crate) async fn until_all_have_tokens(&self) {
        let waiting = async {
            while self
                .accounts()
                .await
                .values()
                .any(|it| it["token"]["usable"] != true)
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(
            waited.is_ok(),
            "not all have tokens: {:?}",
            self.accounts().await
        );
    }

    /// Waits until every account fulfils the condition; names those that never do.
    pub(crate) async fn until(&self, what: &str, fulfilled: impl Fn(&Self, &str) -> bool) {
        let late = || {
            self.names
                .iter()
                .filter(|name| !fulfilled(self, name))
                .collect::<Vec<_>>()
        };
        let waiting = async {
            while !late().is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(waited.is_ok(), "not {what}: {:?}", late());
    }

    pub(crate) async fn stop(self) {
        self.running.stop().await;
        self.sim.stop().await;
    }
}

fn message(account: &str) -> Value {
    json!({
        "account": account,
        "touser": openid(account),
        "template_id": TEMPLATE,
        "data": {"thing1": {"value": "你好"}},
    })
}

fn number(account: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    account.hash(&mut hasher);
    hasher.finish()
}

pub(crate) fn appid(account: &str) -> String {
    format!("wx{:016x}", number(account))
}

pub(crate) fn openid(account: &str) -> String {
    format!("oClass{:022}", number(account))
}

/// The account that meets this code.
pub(crate) fn name_of(code: i64) -> String {
    format!("code_{}", code.to_string().replace('-', "minus_"))
}
