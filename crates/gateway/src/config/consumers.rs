//! `[[accounts.consumers]]`: the programs that WeChat's other messages and events are passed on to.
//! It must not know the value of a secret, only its reference.

use http::Uri;
use serde::Deserialize;

use crate::config::accounts::{CallbackMode, refuse_literal};
use crate::config::list::OneOrMany;
use crate::config::problem::Findings;
use crate::config::profile::Profile;
use crate::secrets::reference::SecretRef;

#[derive(Debug, Clone)]
pub struct Consumer {
    pub url: Uri,
    pub token: SecretRef,
    pub encoding_aes_key: Option<SecretRef>,
    pub mode: CallbackMode,
    /// Names of events and types of messages; empty for all but receipts.
    pub events: Vec<String>,
    /// Its answer is passed back to WeChat.
    pub reply: bool,
}

/// A consumer as it is written, before defaults and checks.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConsumerFile {
    url: Option<String>,
    token: Option<SecretRef>,
    encoding_aes_key: Option<SecretRef>,
    mode: Option<CallbackMode>,
    events: OneOrMany<String>,
    reply: bool,
}

impl ConsumerFile {
    /// `None` where a key is missing without which there is no consumer; that is reported.
    pub fn finish(self, key: &str, profile: Profile, findings: &mut Findings) -> Option<Consumer> {
        let url = url(
            self.url.as_deref(),
            &format!("{key}.url"),
            profile,
            findings,
        );
        if self.token.is_none() {
            let text =
                "is missing; give the token that the consumer checks WeChat's signature with";
            findings.problem(format!("{key}.token"), text);
        }
        let secrets = [
            ("token", &self.token),
            ("encoding_aes_key", &self.encoding_aes_key),
        ];
        for (field, secret) in secrets {
            if secret.as_ref().is_some_and(SecretRef::is_literal) {
                refuse_literal(&format!("{key}.{field}"), profile, findings);
            }
        }
        let mode = self.mode.unwrap_or(if self.encoding_aes_key.is_some() {
            CallbackMode::Safe
        } else {
            CallbackMode::Plain
        });
        if mode != CallbackMode::Plain && self.encoding_aes_key.is_none() {
            let text = "needs encoding_aes_key; set it, or use mode = \"plain\"";
            findings.problem(format!("{key}.mode"), text);
        }
        Some(Consumer {
            url: url?,
            token: self.token?,
            encoding_aes_key: self.encoding_aes_key,
            mode,
            events: self.events.0,
            reply: self.reply,
        })
    }
}

/// What holds of an account's consumers together.
pub fn check(consumers: &[Consumer], key: &str, has_token: bool, findings: &mut Findings) {
    if consumers.iter().filter(|one| one.reply).count() > 1 {
        let text = "more than one has reply = true, but WeChat takes one answer";
        findings.problem(format!("{key}.consumers"), text);
    }
    if !consumers.is_empty() && !has_token {
        let text = "need callback_token, without which nothing comes in that could be passed on";
        findings.problem(format!("{key}.consumers"), text);
    }
}

/// The text is not repeated: a URL may hold a password.
fn url(text: Option<&str>, key: &str, profile: Profile, findings: &mut Findings) -> Option<Uri> {
    let Some(text) = text else {
        findings.problem(key, "is missing; give the address to post to");
        return None;
    };
    let parsed: Option<Uri> = text.parse().ok();
    let fits = |url: &Uri| {
        let known = matches!(url.scheme_str(), Some("http" | "https"));
        let named = url.host().is_some_and(|host| !host.is_empty());
        let bare = url
            .authority()
            .is_some_and(|all| !all.as_str().contains('@'));
        known && named && bare
    };
    let url = parsed.filter(fits);
    if url.is_none() {
        let text = "is not an http:// or https:// URL without a user name";
        findings.problem(key, text);
    }
    let plain = url
        .as_ref()
        .is_some_and(|url| url.scheme_str() == Some("http"));
    if plain && profile != Profile::Dev {
        let text = format!("http:// is for dev alone, not {profile}; use https://");
        findings.problem(key, text);
    }
    url
}
