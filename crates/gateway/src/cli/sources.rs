//! The flags that say where the configuration is, for every command that reads it.
//! It must not know what a key means.

use std::path::PathBuf;

use clap::Args;

use crate::cli::runtime::block_on_here;
use crate::config::Loaded;
use crate::config::environment::Environment;
use crate::config::include::Centre;
use crate::config::layers::Sources;

#[derive(Debug, Clone, Args)]
pub struct SourcesArgs {
    /// The configuration file; without it ./hongyan.toml is read if it is there
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A key that overrides all files and the environment, such as server.listen=127.0.0.1:8081
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    pub overrides: Vec<(String, String)>,
}

impl SourcesArgs {
    /// The configuration, with what it includes.
    pub fn load(&self, environment: &Environment) -> anyhow::Result<Loaded> {
        let (mut centre, sources) = (Centre::default(), self.sources(environment));
        Ok(block_on_here(async { Ok(centre.load(&sources).await) })??)
    }

    pub fn sources(&self, environment: &Environment) -> Sources {
        Sources {
            file: self.config.clone(),
            directory: PathBuf::from("."),
            environment: environment.clone(),
            overrides: self.overrides.clone(),
        }
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}
