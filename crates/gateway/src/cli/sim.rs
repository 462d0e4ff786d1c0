//! `hongyan sim`: the WeChat simulator alone.
//! It must not know a gateway.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use hongyan_wechat_sim::{Fault, Seed, Sim, SimConfig};
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::runtime::{asked_to_stop, block_on};
use crate::config::duration;

const EXAMPLE: &str = "\
Example:
  hongyan sim --listen 127.0.0.1:9900 --latency 50ms --fault busy:5% --fault cut:1%";

/// Run a simulated WeChat.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct SimArgs {
    /// Where it listens; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9900")]
    listen: SocketAddr,
    /// How long it thinks before each answer
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "0s")]
    latency: Duration,
    /// Trouble, such as busy:5% or code=45009:first=3; may be repeated
    #[arg(long = "fault", value_name = "SPEC")]
    faults: Vec<Fault>,
    /// Accounts, followers and templates from a TOML file; one account that knows everybody by default
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    /// Keep counts alone, for load tests
    #[arg(long)]
    lean: bool,
}

pub fn run(args: &SimArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let mut config = match &args.seed {
        None => SimConfig::demo(),
        Some(path) => {
            let shown = path.display();
            let text =
                std::fs::read_to_string(path).with_context(|| format!("{shown} cannot be read"))?;
            let seed: Seed = text
                .parse()
                .with_context(|| format!("{shown} is not a seed file"))?;
            SimConfig::from_seed(seed)
        }
    };
    if args.lean {
        config = config.lean();
    }
    config.bind = args.listen;
    config.latency = args.latency;
    config.faults = args.faults.clone();
    let accounts = config.seed.accounts.clone();
    block_on(async {
        let asked = asked_to_stop()?;
        let listen = args.listen;
        let sim = Sim::start(config)
            .await
            .with_context(|| format!("cannot listen on {listen}"))?;
        if context.json {
            let accounts: Vec<_> = accounts
                .iter()
                .map(|account| json!({"appid": account.appid, "secret": account.secret}))
                .collect();
            context.line(&json!({"url": sim.url(), "accounts": accounts}).to_string())?;
        } else {
            context.line(&format!(
                "{} {}",
                context.lang.pick("WeChat at", "微信位于"),
                sim.url()
            ))?;
            for account in &accounts {
                context.line(&format!(
                    "appid {}  secret {}",
                    account.appid, account.secret
                ))?;
            }
        }
        // Whoever started it may read the address through a pipe.
        context.out.flush()?;
        asked.await;
        sim.stop().await;
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}
