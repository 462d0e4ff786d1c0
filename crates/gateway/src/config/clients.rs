//! `[[clients]]`: the programs that may call the gateway.
//! It must not know the value of a secret, only its reference.

use hongyan_courier::reach::Reach;
use serde::Deserialize;

use crate::auth::scope::{Scope, ScopeSet};
use crate::config::accounts::refuse_literal;
use crate::config::limits::Allowance;
use crate::config::list::OneOrMany;
use crate::config::names;
use crate::config::problem::Findings;
use crate::config::profile::Profile;
use crate::secrets::reference::SecretRef;

#[derive(Debug, Clone)]
pub struct Client {
    pub id: String,
    /// Newest first; all of them are accepted. None for a client that comes with tokens alone.
    pub secrets: Vec<SecretRef>,
    pub scopes: ScopeSet,
    /// The accounts that it may have to do with; all if there are none here.
    pub accounts: Vec<String>,
    /// The templates that it may have to do with; all if there are none here.
    pub templates: Vec<String>,
    /// Instead of `limits.client`.
    pub limit: Option<Allowance>,
}

/// A client as it is written, before the checks.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ClientFile {
    id: Option<String>,
    secrets: OneOrMany<SecretRef>,
    scopes: OneOrMany<String>,
    accounts: OneOrMany<String>,
    templates: OneOrMany<String>,
    limit: Option<Allowance>,
}

impl ClientFile {
    /// `None` where a key is missing without which there is no client; that is reported.
    pub fn finish(self, key: &str, profile: Profile, findings: &mut Findings) -> Option<Client> {
        let id = names::require(self.id, &format!("{key}.id"), findings);
        if self.secrets.0.iter().any(SecretRef::is_literal) {
            refuse_literal(&format!("{key}.secrets"), profile, findings);
        }
        if self.scopes.0.is_empty() {
            let text = "is missing, so the client could do nothing; give a list such as [\"messages:send\"]";
            findings.problem(format!("{key}.scopes"), text);
        }
        let mut scopes = Vec::new();
        for text in &self.scopes.0 {
            match text.parse() {
                Ok(scope) => scopes.push(scope),
                Err(text) => findings.problem(format!("{key}.scopes"), text),
            }
        }
        let scopes = ScopeSet::from_iter(scopes);
        let templates = self.templates.0;
        if !templates.is_empty() && scopes.contains(Scope::Token) {
            let text = "has `token`, with which any template can be sent past the gateway; leave out `token` or `templates`";
            findings.problem(format!("{key}.scopes"), text);
        }
        if let Some(limit) = self.limit {
            limit.check(&format!("{key}.limit"), findings);
        }
        Some(Client {
            id: id?,
            secrets: self.secrets.0,
            scopes,
            accounts: self.accounts.0,
            templates,
            limit: self.limit,
        })
    }
}

impl Client {
    /// Checks it against the names of the accounts that there are, and whether it could come in at all.
    pub fn check(&self, accounts: &[&str], tokens: bool, findings: &mut Findings) {
        if self.secrets.is_empty() && !tokens {
            findings.problem(
                format!("clients[{}].secrets", self.id),
                "is missing; give a list such as [\"env:NAME\"]",
            );
        }
        for account in &self.accounts {
            if !accounts.contains(&account.as_str()) {
                let text = format!("there is no account called {account}");
                findings.problem(format!("clients[{}].accounts", self.id), text);
            }
        }
    }

    /// What it is confined to.
    pub fn reach(&self) -> Reach {
        let accounts = self.accounts.iter().map(|name| name.as_str().into());
        Reach::within(accounts.collect(), self.templates.clone())
    }
}
