//! What a simulator is told at its start: accounts, rules, receipts, and the TOML seed file with the same names.
//! Plain values only; nothing here acts on them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use hongyan_wechat::callback::{Format, Mode};
use serde::{Deserialize, Serialize};

use crate::clock::SimClock;
use crate::fault::Fault;
use crate::world::{AccountKind, FollowerState};

const LOAD_RUN_QUOTA: u64 = 1_000_000_000;

/// Everything a simulator starts from.
#[derive(Clone, Debug)]
pub struct SimConfig {
    /// Port 0 lets the system choose.
    pub bind: SocketAddr,
    pub clock: SimClock,
    pub seed: Seed,
    pub receipts: ReceiptPolicy,
    pub faults: Vec<Fault>,
    /// Added to every answer of WeChat's own endpoints.
    pub latency: Duration,
}

impl SimConfig {
    /// A world with these accounts, on a free loopback port, on running time, without faults.
    pub fn new(accounts: Vec<AccountConfig>) -> Self {
        Self::from_seed(Seed {
            accounts,
            ..Seed::default()
        })
    }

    pub fn from_seed(seed: Seed) -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            clock: SimClock::running(),
            seed,
            receipts: ReceiptPolicy::default(),
            faults: Vec::new(),
            latency: Duration::ZERO,
        }
    }

    /// One verified account, everybody a follower, every template known.
    pub fn demo() -> Self {
        Self::new(vec![AccountConfig::new(
            "wx5eed0000c0ffee01",
            "5eed5eed5eed5eed5eed5eed5eed5eed",
        )])
    }

    /// Keeps counts alone, and gives every account a quota that no run reaches: for load and soak runs.
    pub fn lean(mut self) -> Self {
        self.seed.rules.lean = true;
        for account in &mut self.seed.accounts {
            account.daily_quota = LOAD_RUN_QUOTA;
        }
        self
    }
}

/// The seed file: `[rules]` and `[[accounts]]`; an unknown key is an error.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Seed {
    pub rules: Rules,
    pub accounts: Vec<AccountConfig>,
}

impl std::str::FromStr for Seed {
    type Err = toml::de::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        toml::from_str(text)
    }
}

/// What WeChat leaves undocumented or applies only at times, as knobs.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Only the followers and templates listed exist; otherwise any well-formed one is made on demand.
    pub strict: bool,
    /// Keep counts only, not what each message said.
    pub lean: bool,
    /// How long WeChat remembers a `client_msg_id`, from the acceptance on.
    pub repeat_window_s: u32,
    /// What a repeat inside the window is answered: 0 (with the first msgid), 44007 or 40241.
    pub repeat_errcode: i64,
    /// Refuse the same content to the same openid within 60 seconds (40241).
    pub content_rule: bool,
    /// Refuse (43117) what exceeds this many messages to one openid in a minute.
    pub per_openid_minute: Option<u32>,
    /// Refuse (40249) what contains one of these.
    pub blocked_words: Vec<String>,
    /// A subscription message needs an accept of its recipient, which it spends (43101 without one).
    pub credits: bool,
    /// Refuse (-1) a send of a test account while so many are under way: 400, where one was seen to give in. No
    /// bound of other accounts is known.
    pub test_concurrency: u32,
    /// End refusals as WeChat did until about 2020: `hint: [...]` in place of a rid.
    pub legacy_hints: bool,
    /// What the random parts (tokens, msgids, rids, faults, receipts) start from.
    pub random_seed: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            strict: false,
            lean: false,
            repeat_window_s: 600,
            repeat_errcode: 0,
            content_rule: false,
            per_openid_minute: None,
            blocked_words: Vec::new(),
            credits: true,
            test_concurrency: 400,
            legacy_hints: false,
            random_seed: 0x5eed,
        }
    }
}

/// One Official Account.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountConfig {
    pub appid: String,
    pub secret: String,
    /// `gh_` and 12 hex digits; made from the appid when absent.
    #[serde(default)]
    pub original_id: Option<String>,
    #[serde(default)]
    pub kind: AccountKind,
    #[serde(default = "usual_daily_quota")]
    pub daily_quota: u64,
    /// Refuse (45011) what exceeds this many sends in a minute; said by `quota/get` too.
    #[serde(default)]
    pub sends_a_minute: Option<u64>,
    #[serde(default)]
    pub secret_frozen: bool,
    /// Absent: no whitelist is switched on.
    #[serde(default)]
    pub whitelist: Option<Vec<IpAddr>>,
    #[serde(default)]
    pub punished: bool,
    /// The administrator has yet to confirm the caller's address (89503).
    #[serde(default)]
    pub admin_confirm: bool,
    #[serde(default)]
    pub callback: Option<CallbackTarget>,
    /// The domain to which web authorisation may send users back; absent: any.
    #[serde(default)]
    pub oauth_domain: Option<String>,
    #[serde(default)]
    pub followers: Vec<FollowerConfig>,
    #[serde(default)]
    pub templates: Vec<TemplateConfig>,
}

fn usual_daily_quota() -> u64 {
    100_000
}

impl AccountConfig {
    pub fn new(appid: &str, secret: &str) -> Self {
        Self {
            appid: appid.to_owned(),
            secret: secret.to_owned(),
            original_id: None,
            kind: AccountKind::Verified,
            daily_quota: usual_daily_quota(),
            sends_a_minute: None,
            secret_frozen: false,
            whitelist: None,
            punished: false,
            admin_confirm: false,
            callback: None,
            oauth_domain: None,
            followers: Vec::new(),
            templates: Vec::new(),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FollowerConfig {
    pub openid: String,
    #[serde(default)]
    pub state: FollowerState,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateConfig {
    pub template_id: String,
    #[serde(default)]
    pub title: String,
    /// Lines such as `订单号:{{character_string1.DATA}}`; its keys are demanded of `data`.
    pub content: String,
    /// It is of subscription messages, not of template messages: each has its own list.
    #[serde(default)]
    pub subscription: bool,
    /// For a subscription template: one accept is good for any number of messages.
    #[serde(default)]
    pub long_term: bool,
}

/// Where an account's events are posted, and how they are wrapped.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallbackTarget {
    /// `http://` only: the simulator speaks no TLS.
    pub url: String,
    pub token: String,
    /// The 43 characters of EncodingAESKey; needed for compatible and safe mode.
    #[serde(default)]
    pub aes_key: Option<String>,
    #[serde(default = "plain", with = "ModeName")]
    pub mode: Mode,
    #[serde(default = "xml", with = "FormatName")]
    pub format: Format,
    /// While keys are rotated, every second delivery still uses these.
    #[serde(default)]
    pub previous: Option<CallbackKeys>,
}

impl CallbackTarget {
    /// Plain mode and XML.
    pub fn new(url: &str, token: &str) -> Self {
        Self {
            url: url.to_owned(),
            token: token.to_owned(),
            aes_key: None,
            mode: Mode::Plain,
            format: Format::Xml,
            previous: None,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallbackKeys {
    pub token: String,
    #[serde(default)]
    pub aes_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(remote = "Mode", rename_all = "lowercase")]
enum ModeName {
    Plain,
    Compatible,
    Safe,
}

#[derive(Deserialize)]
#[serde(remote = "Format", rename_all = "lowercase")]
enum FormatName {
    Xml,
    Json,
}

fn plain() -> Mode {
    Mode::Plain
}

fn xml() -> Format {
    Format::Xml
}

/// When receipts come and what they say. Shares lie between 0 and 1.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReceiptPolicy {
    /// The delay is spread evenly from here …
    pub delay_min_ms: u64,
    /// … to here.
    pub delay_max_ms: u64,
    pub lost: f64,
    /// Posted a second time although the first was answered.
    pub duplicate: f64,
    /// Of those that say `success`: followed by one that says `failed:user block`.
    pub contradicted: f64,
    /// Held back until well after those of later messages.
    pub reordered: f64,
    /// Posted before the answer to the send is given.
    pub before_response: f64,
    pub user_block: f64,
    pub system_failed: f64,
    pub freq_limit: f64,
    /// Deliveries under way at once; read when the simulator starts.
    pub concurrency: usize,
    /// How long the receiver may take to answer one delivery.
    pub timeout_ms: u64,
}

impl Default for ReceiptPolicy {
    fn default() -> Self {
        Self {
            delay_min_ms: 20,
            delay_max_ms: 120,
            lost: 0.0,
            duplicate: 0.0,
            contradicted: 0.0,
            reordered: 0.0,
            before_response: 0.0,
            user_block: 0.0,
            system_failed: 0.0,
            freq_limit: 0.0,
            concurrency: 64,
            timeout_ms: 5_000,
        }
    }
}
