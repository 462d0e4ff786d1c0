//! The clients that may call, with their keys, and who a verified caller is.
//! It must not know where clients are configured.

use std::collections::HashMap;
use std::sync::Arc;

use hongyan_courier::message::AccountName;
use hongyan_courier::reach::Reach;
use secrecy::SecretString;

use crate::auth::error::AuthError;
use crate::auth::scope::{Scope, ScopeSet};
use crate::auth::signature::SigningKey;

/// One client as configuration hands it over: secrets newest first.
#[derive(Debug, Clone)]
pub struct ClientKeys {
    pub id: String,
    pub secrets: Vec<SecretString>,
    pub scopes: ScopeSet,
    /// What it is confined to.
    pub reach: Reach,
}

/// A caller who proved who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub client: Arc<str>,
    pub scopes: ScopeSet,
    /// What it is confined to. What lies beyond is to it as if it were not there.
    pub reach: Reach,
}

impl Identity {
    pub fn require(&self, scope: Scope) -> Result<(), AuthError> {
        if self.scopes.contains(scope) {
            Ok(())
        } else {
            Err(AuthError::ScopeMissing(scope))
        }
    }

    /// For a call that names an account, whether there is one or not.
    pub fn require_account(&self, name: &str) -> Result<(), AuthError> {
        match self.reach.has_account(name) {
            true => Ok(()),
            false => Err(AuthError::OtherAccounts),
        }
    }

    /// For a call that names a template, whether there is one or not.
    pub fn require_template(&self, id: &str) -> Result<(), AuthError> {
        match self.reach.has_template(id) {
            true => Ok(()),
            false => Err(AuthError::OtherTemplates),
        }
    }

    /// For what concerns all templates of an account.
    pub fn require_every_template(&self) -> Result<(), AuthError> {
        match self.reach.templates() {
            None => Ok(()),
            Some(_) => Err(AuthError::EveryTemplate),
        }
    }

    /// Whether what an account sends by a template is there for this caller.
    pub fn reaches(&self, account: &AccountName, template_id: &str) -> bool {
        self.reach.has(account, template_id)
    }
}

#[derive(Debug)]
pub struct Client {
    pub identity: Identity,
    pub keys: Vec<SigningKey>,
}

#[derive(Debug)]
pub struct Clients {
    by_id: HashMap<Arc<str>, Client>,
    /// By what a secret comes to under a fixed purpose, so that looking one up takes no time that tells of others.
    by_secret: HashMap<[u8; 32], (Arc<str>, usize)>,
    /// Verified against in place of a client that does not exist, so that the time taken does not tell.
    nobody: Vec<SigningKey>,
}

impl Clients {
    pub fn new(clients: &[ClientKeys]) -> Self {
        let by_secret = clients.iter().flat_map(|client| {
            let id: Arc<str> = client.id.as_str().into();
            let secrets = client.secrets.iter().enumerate();
            secrets.map(move |(nth, secret)| (mark(secret), (id.clone(), nth)))
        });
        let by_secret = by_secret.collect();
        let by_id = clients
            .iter()
            .map(|client| {
                let id: Arc<str> = client.id.as_str().into();
                let identity = Identity {
                    client: id.clone(),
                    scopes: client.scopes,
                    reach: client.reach.clone(),
                };
                (
                    id,
                    Client {
                        identity,
                        keys: client.secrets.iter().map(SigningKey::new).collect(),
                    },
                )
            })
            .collect();
        Self {
            by_id,
            by_secret,
            nobody: vec![SigningKey::new(&SecretString::from("nobody"))],
        }
    }

    /// The client whose secret this is, at the compatible door, and what it signs with by that secret.
    pub fn by_secret(&self, secret: &SecretString) -> Option<(&Client, &SigningKey)> {
        let (id, nth) = self.by_secret.get(&mark(secret))?;
        let client = self.by_id.get(id)?;
        Some((client, client.keys.get(*nth)?))
    }

    /// The client, if there is one, and the keys to check the signature with in either case.
    pub fn find(&self, id: &str) -> (Option<&Client>, &[SigningKey]) {
        let client = self.by_id.get(id);
        // Nor does a client that signs nothing, and only brings tokens, answer faster.
        let keys = client
            .map(|client| &client.keys)
            .filter(|keys| !keys.is_empty());
        (client, keys.unwrap_or(&self.nobody))
    }
}

fn mark(secret: &SecretString) -> [u8; 32] {
    SigningKey::new(secret).tag("HONGYAN-CLIENT-BY-SECRET-V1", &[])
}
