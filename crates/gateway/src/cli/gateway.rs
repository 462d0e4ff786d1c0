//! The flags that say which gateway to call and as whom, for every command that calls one.
//! It must not make calls.

use std::convert::Infallible;

use anyhow::Context as _;
use clap::Args;
use secrecy::SecretString;

use crate::auth::signer::Signer;

#[derive(Debug, Clone, Args)]
pub struct CallerArgs {
    /// The client to call as
    #[arg(long, env = "HONGYAN_CLIENT_ID", value_name = "ID")]
    pub client_id: Option<String>,
    /// Its secret; better given by the environment, since other users can see a command's arguments
    #[arg(long, env = "HONGYAN_CLIENT_SECRET", value_name = "SECRET", hide_env_values = true, value_parser = secret)]
    pub client_secret: Option<SecretString>,
}

#[derive(Debug, Clone, Args)]
pub struct GatewayArgs {
    /// The gateway to call
    #[arg(
        long = "gateway",
        env = "HONGYAN_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:8080"
    )]
    pub url: String,
    #[command(flatten)]
    pub caller: CallerArgs,
}

impl CallerArgs {
    pub fn signer(&self) -> anyhow::Result<Signer> {
        let id = self
            .client_id
            .as_deref()
            .context("which client? give --client-id or set HONGYAN_CLIENT_ID")?;
        let secret = self.client_secret.as_ref().context(
            "the client's secret is missing; set HONGYAN_CLIENT_SECRET or give --client-secret",
        )?;
        Ok(Signer::new(id, secret))
    }
}

fn secret(text: &str) -> Result<SecretString, Infallible> {
    Ok(SecretString::from(text))
}
