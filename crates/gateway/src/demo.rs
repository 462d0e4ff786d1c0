//! A gateway and a simulated WeChat in one process, on loopback, with a store of their own: the newcomer's first minute.
//! It must not print; whoever started it is told what happens.

use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;

use anyhow::Context as _;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hongyan_courier::observer::{Event, Observer};
use hongyan_wechat_sim::config::{FollowerConfig, TemplateConfig};
use hongyan_wechat_sim::world::FollowerState;
use hongyan_wechat_sim::{AccountConfig, CallbackTarget, Sim, SimConfig, SimHandle};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::auth::scope::Scope;
use crate::config::environment::Environment;
use crate::config::layers::Sources;
use crate::config::{self, resolved};
use crate::role::{self, Roles, Running};

pub const ACCOUNT: &str = "demo";
pub const CLIENT: &str = "demo";
/// An openid and a template id as WeChat's look; the simulator knows every well-formed one.
pub const OPENID: &str = "oDemo5eedc0ffee0000000000001";
pub const TEMPLATE: &str = "demoTemplate5eedc0ffee000000000000000000001";
const APPID: &str = "wx5eed0000c0ffee01";
/// More than one person can cause at a terminal; what does not fit is not shown.
const EVENTS_MAX: usize = 1024;

/// An account with a template, so that what WeChat would refuse is seen to be refused, and with a few followers for a
/// broadcast to all.
fn account(secret: &str) -> AccountConfig {
    let followers = (1..=3).map(|nth| FollowerConfig {
        openid: format!("oDemo5eedc0ffee000000000000{nth}"),
        state: FollowerState::Subscribed,
    });
    let template = TemplateConfig {
        template_id: TEMPLATE.to_owned(),
        title: "预约提醒".to_owned(),
        content: "预约项目:{{thing1.DATA}}\n预约时间:{{time2.DATA}}".to_owned(),
        subscription: false,
        long_term: false,
    };
    AccountConfig {
        followers: followers.collect(),
        templates: vec![template],
        ..AccountConfig::new(APPID, secret)
    }
}

/// A demo that runs; its files go when it is dropped.
pub struct Demo {
    pub url: String,
    pub client_secret: String,
    pub events: mpsc::Receiver<Event>,
    pub sim: SimHandle,
    running: Running,
    _folder: Folder,
}

struct Tell(mpsc::Sender<Event>);

impl Observer for Tell {
    fn observe(&self, event: &Event) {
        // A terminal that cannot keep up misses some lines; nothing waits for it.
        let _ = self.0.try_send(event.clone());
    }
}

/// A folder of its own for the database, removed with the demo.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> anyhow::Result<Self> {
        let name = format!("hongyan-demo-{}", hex::encode(rand::random::<[u8; 8]>()));
        let path = std::env::temp_dir().join(name);
        // The secrets of the demo lie in it, and the folder above is everybody's.
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::debug!(%error, "the demo's folder stays behind");
        }
    }
}

impl Demo {
    pub async fn start(listen: SocketAddr) -> anyhow::Result<Self> {
        let secret = || URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>());
        let (app_secret, client_secret) = (hex::encode(rand::random::<[u8; 16]>()), secret());
        let callback_token = hex::encode(rand::random::<[u8; 16]>());
        let sim = Sim::start(SimConfig::new(vec![account(&app_secret)])).await?;
        let folder = Folder::new()?;
        let file = folder.0.join("hongyan.toml");
        let text = format!(
            "[server]\nlisten = \"{listen}\"\nshutdown_timeout = \"5s\"\n\
             [store]\nurl = \"sqlite://{}\"\n\
             [[accounts]]\nname = \"{ACCOUNT}\"\nappid = \"{APPID}\"\nsecret = \"{app_secret}\"\n\
             callback_token = \"{callback_token}\"\napi_base = \"{}\"\n\
             [[clients]]\nid = \"{CLIENT}\"\nsecrets = [\"{client_secret}\"]\n\
             scopes = [\"{}\"]\n",
            folder.0.join("hongyan.db").display(),
            sim.url(),
            Scope::ALL.map(Scope::as_str).join("\", \""),
        );
        std::fs::write(&file, text)?;
        let environment = Environment::new();
        let sources = Sources {
            file: Some(file),
            directory: folder.0.clone(),
            ..Sources::default()
        };
        let config = config::load(&sources)?.config;
        let secrets = resolved::resolve(&config, &environment).await?;
        let (tell, events) = mpsc::channel(EVENTS_MAX);
        let app = App::build(&config, secrets, Roles::All, vec![Arc::new(Tell(tell))]).await?;
        let running = role::start(app, &config.server, CancellationToken::new()).await?;
        let url = format!("http://{}", running.addr);
        let callback =
            CallbackTarget::new(&format!("{url}/wechat/callback/{ACCOUNT}"), &callback_token);
        sim.set_callback(APPID, Some(callback));
        Ok(Self {
            url,
            client_secret,
            events,
            sim,
            running,
            _folder: folder,
        })
    }

    /// Stops the gateway, then WeChat.
    pub async fn stop(self) {
        self.running.stop().await;
        self.sim.stop().await;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn nobody_else_can_look_into_the_folder() {
        let folder = Folder::new().unwrap();
        let mode = std::fs::metadata(&folder.0).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let path = folder.0.clone();
        drop(folder);
        assert!(!path.exists());
    }
}
