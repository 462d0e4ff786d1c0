//! `env:NAME`: a variable of the environment that the process was started with. It cannot change while it runs.
//! It must not read the process's environment: it is given one.

use std::collections::BTreeMap;

use async_trait::async_trait;
use secrecy::SecretString;

use super::{Fault, SecretSource};

/// The environment.
pub struct Environment(pub BTreeMap<String, String>);

#[async_trait]
impl SecretSource for Environment {
    async fn read(&self, name: &str) -> Result<SecretString, Fault> {
        match self.0.get(name) {
            None => Err(Fault::Unset),
            Some(value) if value.is_empty() => Err(Fault::Empty),
            Some(value) => Ok(SecretString::from(value.as_str())),
        }
    }
}
