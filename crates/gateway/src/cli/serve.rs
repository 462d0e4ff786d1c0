//! `hongyan serve`: the gateway, from its configuration, until it is told to stop.
//! It must not build parts: `app` does.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::cli::context::Context;
use crate::cli::runtime::{asked_to_stop, block_on};
use crate::cli::sources::SourcesArgs;
use crate::config::include::Centre;
use crate::config::profile::Profile;
use crate::config::store::StoreUrl;
use crate::config::{Loaded, keyring, resolved};
use crate::reload::{Files, Reload};
use crate::role::{self, Listeners, Roles};
use crate::telemetry::log::{
    self, FILTER_VARIABLE, LogFormat, OPENIDS_SHOWN, OPENIDS_VARIABLE, Openids,
};

const EXAMPLE: &str = "\
Example:
  hongyan serve --config hongyan.toml

Accounts, clients and secrets may change while it runs: it notices changed files, and SIGHUP has it look at once. What is
wrong is refused whole, with a line in the log, and the configuration in force goes on.

It stops on SIGTERM or SIGINT: it takes nothing more, finishes or hands back what is under way within
[server] shutdown_timeout, and ends with 0. A second signal ends it at once.";

/// Run the gateway.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct ServeArgs {
    #[command(flatten)]
    sources: SourcesArgs,
    /// What this process does
    #[arg(long, value_enum, default_value = "all")]
    role: Roles,
    /// How log lines are written; text on a terminal and JSON elsewhere by default
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
}

pub fn run(args: &ServeArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let filter = context.environment.get(FILTER_VARIABLE);
    let shown = context.environment.get(OPENIDS_VARIABLE);
    // A wrong profile is reported with the rest of the configuration.
    let dev = Profile::from_environment(context.environment) == Ok(Profile::Dev);
    let openids = match shown.map(String::as_str) {
        Some(OPENIDS_SHOWN) if dev => Openids::Shown,
        _ => Openids::Masked,
    };
    log::install(args.log_format, filter.map(String::as_str), openids)?;
    let sources = args.sources.sources(context.environment);
    let files = Files::now(&sources);
    block_on(async {
        let mut centre = Centre::default();
        let Loaded {
            config, warnings, ..
        } = centre.load(&sources).await?;
        shares(args.role, &config.store.url)?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        let stop = CancellationToken::new();
        let asked = asked_to_stop()?;
        let mut hangup = signal(SignalKind::hangup())?;
        let keyring = keyring::keyring(&config, context.environment)?;
        let secrets = resolved::fetch(&config, &keyring).await?;
        // Before the store is opened and maybe migrated: a second gateway is to be told so at once.
        let listeners = Listeners::bind(&config.server).await?;
        let app = App::build(&config, secrets, args.role, Vec::new()).await?;
        let running = role::start_at(app, listeners, stop.clone())?;
        tracing::info!(address = %running.addr, profile = %config.profile, "listening");
        if let Some(address) = running.ops_addr {
            tracing::info!(%address, "listening for operations");
        }
        let reload = Reload::new(
            (sources, files, centre),
            running.live.clone(),
            &config,
            keyring,
        );
        let finished = running.finished();
        tokio::pin!(finished);
        tokio::select! {
            () = reload.run(async || _ = hangup.recv().await) => {}
            () = asked => stop.cancel(),
            () = &mut finished => bail!("the gateway ended by itself; its log says why"),
        }
        tokio::select! {
            () = &mut finished => Ok(()),
            () = asked_to_stop()? => bail!("stopped at once by a second signal; what was under way is in doubt"),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// A role is a part of the work: the rest is another process's, which must reach the same store.
fn shares(role: Roles, store: &StoreUrl) -> anyhow::Result<()> {
    let StoreUrl::Sqlite(_) = store;
    let missing = match role {
        Roles::All => return Ok(()),
        Roles::Api => "nobody would send what it takes in",
        Roles::Worker => "nobody would take in what it is to send",
    };
    bail!(
        "an SQLite store belongs to one process, so {missing}: use --role all, or a store that processes can share"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_of_one_process_is_served_whole() {
        let store = StoreUrl::Sqlite("hongyan.db".into());
        assert!(shares(Roles::All, &store).is_ok());
        for role in [Roles::Api, Roles::Worker] {
            let error = shares(role, &store).unwrap_err().to_string();
            assert!(error.contains("--role all"), "{error}");
        }
    }
}
