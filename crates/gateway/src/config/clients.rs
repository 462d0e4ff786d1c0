//! `[[clients]]`: the programs that may call the gateway.
//! It must not know the value of a secret, only its reference.

use serde::Deserialize;

use crate::auth::scope::ScopeSet;
use crate::config::accounts::refuse_literal;
use crate::config::list::OneOrMany;
use crate::config::names;
use crate::config::problem::Findings;
use crate::config::profile::Profile;
use crate::secrets::reference::SecretRef;

#[derive(Debug, Clone)]
pub struct Client {
    pub id: String,
    /// Newest first, at least one; all of them are accepted.
    pub secrets: Vec<SecretRef>,
    pub scopes: ScopeSet,
}

/// A client as it is written, before the checks.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ClientFile {
    id: Option<String>,
    secrets: OneOrMany<SecretRef>,
    scopes: OneOrMany<String>,
}

impl ClientFile {
    /// `None` where a key is missing without which there is no client; that is reported.
    pub fn finish(self, key: &str, profile: Profile, findings: &mut Findings) -> Option<Client> {
        let id = names::require(self.id, &format!("{key}.id"), findings);
        if self.secrets.0.is_empty() {
            findings.problem(
                format!("{key}.secrets"),
                "is missing; give a list such as [\"env:NAME\"]",
            );
        }
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
        Some(Client {
            id: id?,
            secrets: self.secrets.0,
            scopes: ScopeSet::from_iter(scopes),
        })
    }
}
