//! The clients that may call, with their keys, and who a verified caller is.
//! It must not know where clients are configured.

use std::collections::HashMap;
use std::sync::Arc;

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
}

/// A caller whose signature was right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub client: Arc<str>,
    pub scopes: ScopeSet,
}

impl Identity {
    pub fn require(&self, scope: Scope) -> Result<(), AuthError> {
        if self.scopes.contains(scope) {
            Ok(())
        } else {
            Err(AuthError::ScopeMissing(scope))
        }
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
    /// Verified against in place of a client that does not exist, so that the time taken does not tell.
    nobody: Vec<SigningKey>,
}

impl Clients {
    pub fn new(clients: &[ClientKeys]) -> Self {
        let by_id = clients
            .iter()
            .map(|client| {
                let id: Arc<str> = client.id.as_str().into();
                let identity = Identity {
                    client: id.clone(),
                    scopes: client.scopes,
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
            nobody: vec![SigningKey::new(&SecretString::from("nobody"))],
        }
    }

    /// The client, if there is one, and the keys to check the signature with in either case.
    pub fn find(&self, id: &str) -> (Option<&Client>, &[SigningKey]) {
        let client = self.by_id.get(id);
        (client, client.map_or(&self.nobody, |client| &client.keys))
    }
}
