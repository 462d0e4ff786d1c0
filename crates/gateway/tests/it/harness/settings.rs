//! A story's configuration, as TOML like anybody's.

use std::fmt::Write as _;
use std::path::Path;

use hongyan_wechat::callback::Mode;
use hongyan_wechat_sim::config::TemplateConfig;
use hongyan_wechat_sim::{AccountConfig, CallbackTarget};

pub(crate) const ACCOUNT: &str = "clinic";
pub(crate) const APPID: &str = "wx00000000000000aa";
pub(crate) const SECRET: &str = "story-app-secret";
pub(crate) const CALLBACK_TOKEN: &str = "storytoken";
pub(crate) const AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
pub(crate) const CLIENT: &str = "orders";
pub(crate) const CLIENT_SECRET: &str = "correct-horse-battery-staple";

/// What a story wants otherwise than usual.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Receipts come in, by this mode.
    pub(crate) callback: Option<Mode>,
    /// Lines of the account, such as `receipts = "none"`.
    pub(crate) account: String,
    /// Lines of the client, such as `templates = ["…"]`.
    pub(crate) client: String,
    /// The AppSecret that the gateway has.
    pub(crate) secret: String,
    pub(crate) appid: &'static str,
    pub(crate) client_secret: String,
    /// Lines of `[server]`.
    pub(crate) server: String,
    /// Whole sections, such as `[quota]`.
    pub(crate) sections: String,
    pub(crate) scopes: Vec<&'static str>,
    /// Further accounts that WeChat knows, with the secret of the first.
    pub(crate) others: Vec<(&'static str, &'static str)>,
    pub(crate) concurrency: usize,
    /// Further tables, such as `[[webhooks]]`.
    pub(crate) more: String,
    /// Templates that WeChat lists for the account: id and text. Of an account without any, every one is known.
    pub(crate) templates: Vec<(&'static str, &'static str)>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            callback: None,
            account: String::new(),
            client: String::new(),
            secret: SECRET.to_owned(),
            appid: APPID,
            client_secret: CLIENT_SECRET.to_owned(),
            server: String::new(),
            sections: String::new(),
            scopes: vec![
                "messages:send",
                "messages:read",
                "accounts",
                "token",
                "templates",
                "quota",
                "receipts",
                "recipients",
                "broadcasts",
                "webhooks",
                "wechat:read",
                "audit",
            ],
            others: Vec::new(),
            concurrency: 64,
            more: String::new(),
            templates: Vec::new(),
        }
    }
}

pub(crate) fn template((id, text): &(&str, &str)) -> TemplateConfig {
    TemplateConfig {
        template_id: (*id).to_owned(),
        title: "取餐提醒".to_owned(),
        content: (*text).to_owned(),
        subscription: false,
        long_term: false,
    }
}

impl Settings {
    /// An account with these templates, which the gateway knows of.
    pub(crate) fn listing(templates: &[(&'static str, &'static str)]) -> Self {
        Self {
            templates: templates.to_vec(),
            ..Self::default()
        }
    }

    pub(crate) fn receipts(mode: Mode) -> Self {
        Self {
            callback: Some(mode),
            ..Self::default()
        }
    }

    pub(crate) fn sim_accounts(&self) -> Vec<AccountConfig> {
        let own = AccountConfig {
            templates: self.templates.iter().map(template).collect(),
            ..AccountConfig::new(APPID, SECRET)
        };
        let others = self
            .others
            .iter()
            .map(|(_, appid)| AccountConfig::new(appid, SECRET));
        std::iter::once(own).chain(others).collect()
    }

    pub(super) fn callback_target(&self, listen: &str) -> Option<CallbackTarget> {
        let mode = self.callback?;
        let mut target = super::target(listen);
        target.mode = mode;
        target.aes_key = (mode != Mode::Plain).then(|| AES_KEY.to_owned());
        Some(target)
    }

    pub(crate) fn toml(&self, listen: &str, database: &Path, wechat: &str) -> String {
        let mut text = format!(
            "[server]\nlisten = \"{listen}\"\nshutdown_timeout = \"10s\"\n{}\n[store]\nurl = \"sqlite://{}\"\n\
             [delivery]\nconcurrency = {}\n",
            self.server,
            database.display(),
            self.concurrency
        );
        text.push_str("[upstream]\nprobe_interval = \"1s\"\n");
        let _ = writeln!(text, "{}", self.sections);
        let _ = write!(
            text,
            "[[accounts]]\nname = \"{ACCOUNT}\"\nappid = \"{}\"\nsecret = \"{}\"\napi_base = \"{wechat}\"\n{}\n",
            self.appid, self.secret, self.account
        );
        if let Some(mode) = self.callback {
            let _ = writeln!(text, "callback_token = \"{CALLBACK_TOKEN}\"");
            if mode != Mode::Plain {
                let word = if mode == Mode::Safe {
                    "safe"
                } else {
                    "compatible"
                };
                let _ = writeln!(
                    text,
                    "encoding_aes_key = \"{AES_KEY}\"\ncallback_mode = \"{word}\""
                );
            }
        }
        for (name, appid) in &self.others {
            let _ = writeln!(
                text,
                "[[accounts]]\nname = \"{name}\"\nappid = \"{appid}\"\nsecret = \"{SECRET}\"\napi_base = \"{wechat}\""
            );
        }
        let _ = writeln!(
            text,
            "[[clients]]\nid = \"{CLIENT}\"\nsecrets = [\"{}\"]\nscopes = {:?}\n{}",
            self.client_secret, self.scopes, self.client
        );
        text.push_str(&self.more);
        text
    }
}
