//! The sources of secrets by the scheme that names them: a reference goes in, its value comes out.
//! It must not know what a value is for; its errors name the reference, never the value.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures::future::select_all;
use secrecy::{ExposeSecret, SecretString};

use super::env::Environment;
use super::file::Files;
use super::reference::{Scheme, SecretRef};
use super::{Fault, SECRET_BYTES_MAX, SecretSource};

/// A secret cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("{reference} {fault}")]
pub struct SecretError {
    pub reference: String,
    fault: Fault,
}

/// A secret that opens a place where others are kept.
#[derive(Clone)]
pub struct Credential {
    keyring: Keyring,
    reference: SecretRef,
}

impl SecretError {
    /// Whether nothing is wrong with the reference: where it leads cannot be asked now.
    #[must_use]
    pub fn away(&self) -> bool {
        matches!(self.fault, Fault::Away(_))
    }
}

impl Credential {
    pub async fn get(&self) -> Result<SecretString, Fault> {
        let found = self.keyring.resolve(&self.reference).await;
        found.map_err(|error| Fault::Wrong(format!("cannot be read: {error}")))
    }
}

/// All sources that there are.
#[derive(Clone)]
pub struct Keyring {
    files: Arc<Files>,
    sources: HashMap<Scheme, Arc<dyn SecretSource>>,
}

impl Keyring {
    /// This environment and files, strict about who else may read one where `owner_only` is set.
    #[must_use]
    pub fn local(environment: &BTreeMap<String, String>, owner_only: bool) -> Self {
        let environment: Arc<dyn SecretSource> = Arc::new(Environment(environment.clone()));
        let files = Arc::new(Files::new(owner_only));
        let kept: Arc<dyn SecretSource> = files.clone();
        Self {
            files,
            sources: HashMap::from([(Scheme::Env, environment), (Scheme::File, kept)]),
        }
    }

    /// Secrets of this scheme come from here.
    pub fn add(&mut self, scheme: Scheme, source: Arc<dyn SecretSource>) {
        self.sources.insert(scheme, source);
    }

    /// What opens another place: read anew each time, since it may be rotated too.
    #[must_use]
    pub fn credential(&self, reference: SecretRef) -> Credential {
        Credential {
            keyring: self.clone(),
            reference,
        }
    }

    /// The value behind a reference, as it is now.
    pub async fn resolve(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        let value = self.document(reference).await?;
        match value.expose_secret().len() as u64 > SECRET_BYTES_MAX {
            true => Err(SecretError {
                reference: reference.to_string(),
                fault: Fault::TooLong,
            }),
            false => Ok(value),
        }
    }

    /// The same of what is as long as its place may keep it.
    pub async fn document(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        let (scheme, place) = match reference {
            SecretRef::Literal(value) => return Ok(value.clone()),
            SecretRef::Kept { scheme, place } => (*scheme, place),
        };
        let read = match self.sources.get(&scheme) {
            Some(source) => source.read(place).await,
            None => Err(Fault::Wrong("cannot be read here".to_owned())),
        };
        read.map_err(|fault| SecretError {
            reference: reference.to_string(),
            fault,
        })
    }

    /// The same of what is no secret: others may read its file.
    pub async fn resolve_public(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        let SecretRef::Kept {
            scheme: Scheme::File,
            place,
        } = reference
        else {
            return self.resolve(reference).await;
        };
        let read = self.files.read_public(place);
        read.map_err(|fault| SecretError {
            reference: reference.to_string(),
            fault,
        })
    }

    /// Returns once the value behind one of these may be another one than when it was last resolved.
    pub async fn changed(&self, references: &[SecretRef]) {
        let watching = references.iter().filter_map(|reference| {
            let SecretRef::Kept { scheme, place } = reference else {
                return None;
            };
            let source = Arc::clone(self.sources.get(scheme)?);
            let place = place.clone();
            Some(Box::pin(async move { source.changed(&place).await }))
        });
        let watching: Vec<_> = watching.collect();
        if watching.is_empty() {
            return std::future::pending().await;
        }
        select_all(watching).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_environment_is_the_map_it_was_given() {
        let environment = BTreeMap::from([
            ("A".to_owned(), "alpha".to_owned()),
            ("E".to_owned(), String::new()),
        ]);
        let keyring = Keyring::local(&environment, true);
        for (reference, value) in [
            ("env:A", Ok("alpha")),
            ("env:B", Err("env:B is not set in the environment")),
            ("env:E", Err("env:E is empty")),
            ("literal", Ok("literal")),
        ] {
            let reference = SecretRef::parse(reference).unwrap();
            let found = keyring.resolve(&reference).await;
            let found = found
                .map(|secret| secret.expose_secret().to_owned())
                .map_err(|error| error.to_string());
            let expected = value.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(found, expected);
        }
    }
}
