//! `[[accounts]]`: the WeChat accounts, with what follows from other keys filled in.
//! It must not know the value of a secret, only its reference.

use std::sync::Arc;
use std::time::Duration;

use hongyan_courier::quiet::QuietHours;
use hongyan_courier::template::check::OnViolation;
use hongyan_wechat::client::Proxy;
use serde::{Deserialize, Serialize};

use crate::config::consumers::{self, Consumer, ConsumerFile};
use crate::config::delivery::{CONCURRENCY_RANGE, Delivery, RECEIPT_TIMEOUT_RANGE};
use crate::config::duration;
use crate::config::limits::Allowance;
use crate::config::list::OneOrMany;
use crate::config::names;
use crate::config::problem::Findings;
use crate::config::profile::Profile;
use crate::config::quota::{self, QuietHoursFile, Quota};
use crate::config::recipients::{self, RecipientLimitFile};
use crate::config::templates::Templates;
use crate::config::upstream::{TokenMode, Upstream};
use crate::secrets::reference::SecretRef;

pub const WECHAT_API: &str = "https://api.weixin.qq.com";

#[derive(Debug, Clone)]
pub struct Account {
    pub name: String,
    pub appid: String,
    pub secret: SecretRef,
    /// Newest first; empty where there is no callback.
    pub callback_token: Vec<SecretRef>,
    pub encoding_aes_key: Vec<SecretRef>,
    pub callback_mode: CallbackMode,
    pub receipts: Receipts,
    /// In order of preference, at least one, without a slash at the end.
    pub api_base: Vec<String>,
    /// All its calls to WeChat go through this one: `http://host:port`.
    pub proxy: Option<String>,
    /// `user:password`, where the proxy wants one.
    pub proxy_login: Option<SecretRef>,
    pub receipt_timeout: Duration,
    pub max_concurrency: u32,
    pub token_mode: TokenMode,
    /// Calls a second.
    pub rate: Option<f64>,
    pub bulk_leaves_percent: u8,
    pub normal_leaves_percent: u8,
    pub quiet_hours: Option<Arc<QuietHours>>,
    /// How often one recipient may be written to.
    pub recipient_limits: Vec<RecipientLimitFile>,
    pub on_violation: OnViolation,
    /// Messages handed over for it, instead of `limits.account`.
    pub limit: Option<Allowance>,
    /// Who is told of what else comes in.
    pub consumers: Vec<Consumer>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallbackMode {
    Plain,
    Compatible,
    Safe,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Receipts {
    Direct,
    Forwarded,
    None,
}

/// An account as it is written, before defaults and checks.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct AccountFile {
    name: Option<String>,
    appid: Option<String>,
    secret: Option<SecretRef>,
    callback_token: OneOrMany<SecretRef>,
    encoding_aes_key: OneOrMany<SecretRef>,
    callback_mode: Option<CallbackMode>,
    receipts: Option<Receipts>,
    api_base: OneOrMany<String>,
    proxy: Option<String>,
    proxy_login: Option<SecretRef>,
    #[serde(deserialize_with = "duration::deserialize_option")]
    receipt_timeout: Option<Duration>,
    max_concurrency: Option<u32>,
    token_mode: Option<TokenMode>,
    rate: Option<f64>,
    bulk_leaves_percent: Option<u8>,
    normal_leaves_percent: Option<u8>,
    time_zone: Option<String>,
    quiet_hours: Vec<QuietHoursFile>,
    recipient_limits: Vec<RecipientLimitFile>,
    on_violation: Option<OnViolation>,
    limit: Option<Allowance>,
    consumers: Vec<ConsumerFile>,
}

/// What an account takes from the rest of the configuration.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    pub profile: Profile,
    pub delivery: &'a Delivery,
    pub upstream: &'a Upstream,
    pub quota: &'a Quota,
    pub templates: &'a Templates,
}

impl AccountFile {
    /// `None` where a key is missing without which there is no account; that is reported.
    pub fn finish(
        self,
        key: &str,
        around: Surroundings<'_>,
        findings: &mut Findings,
    ) -> Option<Account> {
        let name = names::require(self.name, &format!("{key}.name"), findings);
        let appid = required(
            self.appid,
            &format!("{key}.appid"),
            "the account's AppID, wx…",
            findings,
        );
        let secret = required(
            self.secret,
            &format!("{key}.secret"),
            "a reference such as env:NAME",
            findings,
        );
        let has_aes_key = !self.encoding_aes_key.0.is_empty();
        let has_token = !self.callback_token.0.is_empty();
        let consumers = self.consumers.into_iter().enumerate();
        let consumers = consumers
            .filter_map(|(nth, consumer)| {
                let key = format!("{key}.consumers[{nth}]");
                consumer.finish(&key, around.profile, findings)
            })
            .collect();
        let zone = self.time_zone.as_deref().unwrap_or(quota::TIME_ZONE);
        let hours = quota::quiet_hours(key, zone, &self.quiet_hours, findings);
        let account = Account {
            name: name?,
            appid: appid?,
            secret: secret?,
            callback_mode: self.callback_mode.unwrap_or(if has_aes_key {
                CallbackMode::Safe
            } else {
                CallbackMode::Plain
            }),
            receipts: self.receipts.unwrap_or(if has_token {
                Receipts::Direct
            } else {
                Receipts::None
            }),
            callback_token: self.callback_token.0,
            encoding_aes_key: self.encoding_aes_key.0,
            api_base: api_bases(self.api_base.0),
            proxy: self
                .proxy
                .map(|proxy| proxy.trim_end_matches('/').to_owned()),
            proxy_login: self.proxy_login,
            receipt_timeout: self
                .receipt_timeout
                .unwrap_or(around.delivery.receipt_timeout),
            max_concurrency: self.max_concurrency.unwrap_or(around.delivery.concurrency),
            token_mode: self.token_mode.unwrap_or(around.upstream.token_mode),
            rate: self.rate,
            bulk_leaves_percent: self
                .bulk_leaves_percent
                .unwrap_or(around.quota.bulk_leaves_percent),
            normal_leaves_percent: self
                .normal_leaves_percent
                .unwrap_or(around.quota.normal_leaves_percent),
            quiet_hours: hours.map(Arc::new),
            recipient_limits: self.recipient_limits,
            on_violation: self.on_violation.unwrap_or(around.templates.on_violation),
            limit: self.limit,
            consumers,
        };
        account.check(key, around.profile, findings);
        Some(account)
    }
}

impl Account {
    fn check(&self, key: &str, profile: Profile, findings: &mut Findings) {
        if !is_appid(&self.appid) {
            let text = format!(
                "{:?} does not look like an AppID (wx and 16 hexadecimal digits)",
                self.appid
            );
            findings.warning(format!("{key}.appid"), text);
        }
        self.check_callback(key, findings);
        self.check_literals(key, profile, findings);
        for base in &self.api_base {
            if let Err(text) = check_api_base(base, profile) {
                findings.problem(format!("{key}.api_base"), text);
            }
        }
        self.check_proxy(key, findings);
        let timeout_key = format!("{key}.receipt_timeout");
        findings.require_range(
            &timeout_key,
            self.receipt_timeout,
            RECEIPT_TIMEOUT_RANGE,
            duration::show,
        );
        let cap_key = format!("{key}.max_concurrency");
        findings.require_range(&cap_key, self.max_concurrency, CONCURRENCY_RANGE, |cap| {
            cap.to_string()
        });
        if let Some(rate) = self.rate {
            let rate_key = format!("{key}.rate");
            findings.require_range(&rate_key, rate, quota::RATE_RANGE, |rate| rate.to_string());
        }
        for (field, percent) in [
            ("bulk_leaves_percent", self.bulk_leaves_percent),
            ("normal_leaves_percent", self.normal_leaves_percent),
        ] {
            let key = format!("{key}.{field}");
            findings.require_range(&key, percent, quota::PERCENT_RANGE, |p| p.to_string());
        }
        if let Some(limit) = self.limit {
            limit.check(&format!("{key}.limit"), findings);
        }
        let limits_key = format!("{key}.recipient_limits");
        recipients::check(&limits_key, &self.recipient_limits, findings);
    }

    /// The address is not repeated: what stands before an `@` may be a password.
    fn check_proxy(&self, key: &str, findings: &mut Findings) {
        let Some(proxy) = &self.proxy else {
            if self.proxy_login.is_some() {
                let text = "is there for no proxy; set proxy as well, or take it out";
                findings.problem(format!("{key}.proxy_login"), text);
            }
            return;
        };
        if Proxy::new(proxy, None).is_err() {
            let text = "is not http://host:port; a login goes into proxy_login";
            findings.problem(format!("{key}.proxy"), text);
        }
    }

    fn check_callback(&self, key: &str, findings: &mut Findings) {
        if self.callback_mode != CallbackMode::Plain && self.encoding_aes_key.is_empty() {
            let text = "needs encoding_aes_key; set it, or use callback_mode = \"plain\"";
            findings.problem(format!("{key}.callback_mode"), text);
        }
        consumers::check(
            &self.consumers,
            key,
            !self.callback_token.is_empty(),
            findings,
        );
        if self.receipts == Receipts::Direct && self.callback_token.is_empty() {
            let text = "\"direct\" needs callback_token; set it, or use receipts = \"none\"";
            findings.problem(format!("{key}.receipts"), text);
        }
    }

    fn check_literals(&self, key: &str, profile: Profile, findings: &mut Findings) {
        let callback = self
            .callback_token
            .iter()
            .map(|secret| ("callback_token", secret));
        let aes = self
            .encoding_aes_key
            .iter()
            .map(|secret| ("encoding_aes_key", secret));
        let login = self.proxy_login.iter();
        let login = login.map(|secret| ("proxy_login", secret));
        for (field, _) in [("secret", &self.secret)]
            .into_iter()
            .chain(callback)
            .chain(aes)
            .chain(login)
            .filter(|(_, secret)| secret.is_literal())
        {
            refuse_literal(&format!("{key}.{field}"), profile, findings);
        }
        let real = self
            .api_base
            .iter()
            .any(|base| host(base).is_some_and(|host| is_wechat(&host)));
        if profile == Profile::Dev && self.secret.is_literal() && real {
            let text = "a literal secret is never sent to the real WeChat; write env:NAME or file:PATH, \
                        or point api_base at the simulator";
            findings.problem(format!("{key}.secret"), text);
        }
    }
}

pub fn refuse_literal(key: &str, profile: Profile, findings: &mut Findings) {
    if profile != Profile::Dev {
        findings.problem(
            key,
            format!(
                "a literal secret is for dev alone, not {profile}; write env:NAME or file:PATH"
            ),
        );
    }
}

fn required<T>(value: Option<T>, key: &str, what: &str, findings: &mut Findings) -> Option<T> {
    if value.is_none() {
        findings.problem(key, format!("is missing; give {what}"));
    }
    value
}

fn api_bases(given: Vec<String>) -> Vec<String> {
    if given.is_empty() {
        return vec![WECHAT_API.to_owned()];
    }
    given
        .into_iter()
        .map(|base| base.trim_end_matches('/').to_owned())
        .collect()
}

fn check_api_base(base: &str, profile: Profile) -> Result<(), String> {
    // What stands before an `@` may be a password.
    let shown = base.rsplit_once('@').map_or(base, |(_, host)| host);
    let shape = || format!("{shown:?} is not scheme://host[:port], such as {WECHAT_API}");
    let uri: http::Uri = base.parse().map_err(|_| shape())?;
    // A user name before the host would be a password in the configuration, and would never be sent.
    let plain_authority = uri
        .authority()
        .is_some_and(|authority| !authority.as_str().contains('@'));
    if !plain_authority || uri.path() != "/" || uri.query().is_some() {
        return Err(shape());
    }
    match (uri.scheme_str(), profile) {
        (Some("https"), _) | (Some("http"), Profile::Dev) => Ok(()),
        (Some("http"), _) => Err(format!(
            "{base} would send secrets in the clear; http:// is for dev alone"
        )),
        _ => Err(shape()),
    }
}

fn host(base: &str) -> Option<String> {
    base.parse::<http::Uri>()
        .ok()?
        .host()
        .map(str::to_ascii_lowercase)
}

/// WeChat's API has several names (api, api2, sh.api, sz.api, hk.api), all of one domain.
fn is_wechat(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    host == "weixin.qq.com" || host.ends_with(".weixin.qq.com")
}

fn is_appid(text: &str) -> bool {
    text.strip_prefix("wx")
        .is_some_and(|rest| rest.len() == 16 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_base_address_is_not_repeated() {
        let said = check_api_base("https://user:hunter2@api.weixin.qq.com", Profile::Dev);
        let said = said.unwrap_err();
        assert!(
            said.contains("api.weixin.qq.com") && !said.contains("hunter2"),
            "{said}"
        );
    }
}
