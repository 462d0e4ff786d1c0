//! `[[oauth]]`: which programs may learn the openids of an account's users, and where users are sent back to.
//! It must not know how WeChat is asked.

use http::Uri;
use serde::Deserialize;

use crate::config::list::OneOrMany;
use crate::config::names;
use crate::config::problem::Findings;
use crate::config::profile::Profile;
use crate::oauth::redirect::Rule;

const WECHAT_PAGES: &str = "https://open.weixin.qq.com";

#[derive(Debug, Clone)]
pub struct Oauth {
    pub account: String,
    /// Whose secret signs the openid.
    pub client: String,
    /// Where browsers reach this gateway, without a slash at the end.
    pub public_url: String,
    /// At least one.
    pub redirects: Vec<Rule>,
    /// Where WeChat's pages are, without a slash at the end.
    pub authorize_base: String,
}

/// A way as it is written, before the checks.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct OauthFile {
    account: Option<String>,
    client: Option<String>,
    public_url: Option<String>,
    redirects: OneOrMany<String>,
    authorize_base: Option<String>,
}

impl OauthFile {
    /// `None` where a key is missing without which there is no way; that is reported.
    pub fn finish(self, key: &str, profile: Profile, findings: &mut Findings) -> Option<Oauth> {
        let account = names::require(self.account, &format!("{key}.account"), findings);
        let client = names::require(self.client, &format!("{key}.client"), findings);
        if self.public_url.is_none() {
            let text =
                "is missing; give the address at which browsers reach this gateway, https://…";
            findings.problem(format!("{key}.public_url"), text);
        }
        let base = self
            .authorize_base
            .unwrap_or_else(|| WECHAT_PAGES.to_owned());
        let mut address = |name: &str, text: String| {
            let found = origin(&text, profile);
            if let Err(problem) = found {
                findings.problem(format!("{key}.{name}"), problem);
            }
            text.trim_end_matches('/').to_owned()
        };
        let public_url = self.public_url.map(|text| address("public_url", text));
        let authorize_base = address("authorize_base", base);
        let redirects_key = format!("{key}.redirects");
        if self.redirects.0.is_empty() {
            let text = "is missing; list the addresses that users may be sent back to";
            findings.problem(redirects_key.clone(), text);
        }
        let mut redirects = Vec::new();
        for text in &self.redirects.0 {
            match Rule::parse(text) {
                Ok(rule) if !rule.is_https() && profile != Profile::Dev => {
                    let text = format!("http:// is for dev alone, not {profile}; use https://");
                    findings.problem(redirects_key.clone(), text);
                }
                Ok(rule) => redirects.push(rule),
                Err(problem) => {
                    findings.problem(redirects_key.clone(), format!("{text:?} {problem}"))
                }
            }
        }
        Some(Oauth {
            account: account?,
            client: client?,
            public_url: public_url?,
            redirects,
            authorize_base,
        })
    }
}

impl Oauth {
    /// Checks it against the names of the clients and accounts that there are.
    pub fn check(&self, key: &str, clients: &[&str], accounts: &[&str], findings: &mut Findings) {
        if !clients.contains(&self.client.as_str()) {
            let text = format!("there is no client called {}", self.client);
            findings.problem(format!("{key}.client"), text);
        }
        if !accounts.contains(&self.account.as_str()) {
            let text = format!("there is no account called {}", self.account);
            findings.problem(format!("{key}.account"), text);
        }
    }
}

fn origin(text: &str, profile: Profile) -> Result<(), String> {
    let shape =
        || "is not an address such as https://wechat.example.com, without a query".to_owned();
    let uri: Uri = text.parse().map_err(|_| shape())?;
    let plain = uri
        .authority()
        .is_some_and(|authority| !authority.as_str().contains('@'));
    if !plain || uri.query().is_some() || text.contains('#') {
        return Err(shape());
    }
    match (uri.scheme_str(), profile) {
        (Some("https"), _) | (Some("http"), Profile::Dev) => Ok(()),
        (Some("http"), _) => Err(format!(
            "http:// is for dev alone, not {profile}; use https://"
        )),
        _ => Err(shape()),
    }
}
