//! `[[webhooks]]`: where clients are told what becomes of their messages.
//! It must not know the value of a secret, only its reference.

use hongyan_courier::message::Status;
use hongyan_courier::webhook::TOLD;
use http::Uri;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;

use crate::config::accounts::refuse_literal;
use crate::config::list::OneOrMany;
use crate::config::names;
use crate::config::problem::Findings;
use crate::config::profile::Profile;
use crate::secrets::reference::SecretRef;
use crate::webhook::guard::{Network, may_reach};
use crate::webhook::post::literal;

const CONCURRENCY_DEFAULT: u32 = 8;
const CONCURRENCY_RANGE: (u32, u32) = (1, 256);

#[derive(Debug, Clone)]
pub struct Webhook {
    pub name: String,
    /// Whose messages.
    pub client: String,
    pub url: Uri,
    /// Newest first, at least one; every event is signed with all of them.
    pub secrets: Vec<SecretRef>,
    /// Which statuses, at least one.
    pub statuses: Vec<Status>,
    /// Of which accounts; of all if there are none here.
    pub accounts: Vec<String>,
    /// Networks that may be reached although they are not public.
    pub allowed: Vec<Network>,
    /// Whose certificates are believed; the public authorities' if there are none here.
    pub authorities: Option<RootCertStore>,
    pub max_concurrency: u32,
}

/// A webhook as it is written, before the checks.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct WebhookFile {
    name: Option<String>,
    client: Option<String>,
    url: Option<String>,
    secrets: OneOrMany<SecretRef>,
    events: OneOrMany<String>,
    accounts: OneOrMany<String>,
    allow: OneOrMany<String>,
    ca: Option<String>,
    max_concurrency: Option<u32>,
}

impl WebhookFile {
    /// `None` where a key is missing without which there is no webhook; that is reported.
    pub fn finish(self, key: &str, profile: Profile, findings: &mut Findings) -> Option<Webhook> {
        let name = names::require(self.name, &format!("{key}.name"), findings);
        let client = names::require(self.client, &format!("{key}.client"), findings);
        if self.secrets.0.is_empty() {
            let text = "is missing; give a list such as [\"env:NAME\"] (`hongyan webhooks secret` makes one)";
            findings.problem(format!("{key}.secrets"), text);
        }
        if self.secrets.0.iter().any(SecretRef::is_literal) {
            refuse_literal(&format!("{key}.secrets"), profile, findings);
        }
        let allowed = read(&self.allow.0, &format!("{key}.allow"), str::parse, findings);
        let ca = self.ca.as_slice();
        let authorities = read(ca, &format!("{key}.ca"), authorities, findings).pop();
        let events = read(&self.events.0, &format!("{key}.events"), event, findings);
        let url = url(
            self.url,
            &format!("{key}.url"),
            (profile, &allowed),
            findings,
        );
        let cap = self.max_concurrency.unwrap_or(CONCURRENCY_DEFAULT);
        let cap_key = format!("{key}.max_concurrency");
        findings.require_range(&cap_key, cap, CONCURRENCY_RANGE, |cap| cap.to_string());
        Some(Webhook {
            name: name?,
            client: client?,
            url: url?,
            secrets: self.secrets.0,
            statuses: if events.is_empty() {
                TOLD.to_vec()
            } else {
                events
            },
            accounts: self.accounts.0,
            allowed,
            authorities,
            max_concurrency: cap,
        })
    }
}

impl Webhook {
    /// Checks it against the names of the clients and accounts that there are.
    pub fn check(&self, clients: &[&str], accounts: &[&str], findings: &mut Findings) {
        let key = |field: &str| format!("webhooks[{}].{field}", self.name);
        if !clients.contains(&self.client.as_str()) {
            let text = format!("there is no client called {}", self.client);
            findings.problem(key("client"), text);
        }
        for account in &self.accounts {
            if !accounts.contains(&account.as_str()) {
                let text = format!("there is no account called {account}");
                findings.problem(key("accounts"), text);
            }
        }
    }

    /// Where it leads, without what may be secret in its query.
    pub fn shown_url(&self) -> String {
        let scheme = self.url.scheme_str().unwrap_or_default();
        let host = self
            .url
            .authority()
            .map_or("", |authority| authority.as_str());
        format!("{scheme}://{host}{}", self.url.path())
    }
}

/// Reads each value of a list; those that are wrong are reported.
fn read<T>(
    values: &[String],
    key: &str,
    parse: impl Fn(&str) -> Result<T, String>,
    findings: &mut Findings,
) -> Vec<T> {
    let mut all = Vec::with_capacity(values.len());
    for text in values {
        match parse(text) {
            Ok(value) => all.push(value),
            Err(text) => findings.problem(key, text),
        }
    }
    all
}

fn event(text: &str) -> Result<Status, String> {
    let word = text.strip_prefix("message.");
    let status = word.and_then(Status::from_word);
    status
        .filter(|status| TOLD.contains(status))
        .ok_or_else(|| {
            let known = TOLD.map(|status| format!("message.{status}"));
            format!("there is no event {text:?}; known are {}", known.join(", "))
        })
}

/// The authorities of a private network, from a file of their certificates.
fn authorities(text: &str) -> Result<RootCertStore, String> {
    let path = text.strip_prefix("file:").filter(|path| !path.is_empty());
    let path = path.ok_or("must be file:PATH, a file of certificates as PEM")?;
    let mut authorities = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(path);
    for certificate in found.map_err(|error| format!("{text} cannot be read: {error}"))? {
        let certificate = certificate.map_err(|error| format!("{text} is not PEM: {error}"))?;
        authorities
            .add(certificate)
            .map_err(|error| format!("{text} holds what is no certificate: {error}"))?;
    }
    if authorities.is_empty() {
        return Err(format!("{text} holds no certificate as PEM"));
    }
    Ok(authorities)
}

/// The text is not repeated: a URL may hold a password.
fn url(
    text: Option<String>,
    key: &str,
    (profile, allowed): (Profile, &[Network]),
    findings: &mut Findings,
) -> Option<Uri> {
    let Some(text) = text else {
        findings.problem(key, "is missing; give the address to post to, https://…");
        return None;
    };
    let parsed: Option<Uri> = text.parse().ok();
    let parsed = parsed.filter(|url: &Uri| url.host().is_some_and(|host| !host.is_empty()));
    let Some(url) = parsed else {
        findings.problem(key, "is not a URL such as https://example.com/hooks/wechat");
        return None;
    };
    match url.scheme_str() {
        Some("https") => {}
        Some("http") if profile == Profile::Dev => {}
        Some("http") => {
            findings.problem(
                key,
                format!("http:// is for dev alone, not {profile}; use https://"),
            );
        }
        _ => findings.problem(key, "must begin with https://"),
    }
    if url
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'))
    {
        findings.problem(
            key,
            "must not name a user or a password; events are signed instead",
        );
    }
    if literal(&url).is_some_and(|address| !may_reach(address, allowed)) {
        let text = "leads to an address that is not public; list it in allow if that is meant";
        findings.problem(key, text);
    }
    Some(url)
}
