//! `hongyan migrate`: brings the database to this version's schema, or makes it that of another profile.
//! It must not run a gateway.

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use nix::unistd::{User, geteuid};
use serde_json::json;

use crate::app;
use crate::cli::context::Context;
use crate::cli::sources::SourcesArgs;
use crate::config::Config;

const EXAMPLE: &str = "\
Example:
  hongyan migrate --config hongyan.toml
  HONGYAN_PROFILE=prod hongyan migrate --restamp   # what a trial left becomes production's

`serve` does the same at its start; this is for doing it at another time. A database belongs to the profile that used it
first, and no other one can open it; --restamp gives it to the present profile, with all that is in it.";

/// Bring the database to this version's schema.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct MigrateArgs {
    #[command(flatten)]
    sources: SourcesArgs,
    /// Give the database to the present profile, whichever it belonged to before; asks first
    #[arg(long)]
    restamp: bool,
    /// Do not ask
    #[arg(long, requires = "restamp")]
    yes: bool,
}

pub fn run(args: &MigrateArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let config = args.sources.load(context.environment)?.config;
    if args.restamp {
        return restamp(args, &config, context);
    }
    let (from, to) = app::migrate(&config)?;
    if context.json {
        context.value(&json!({"from": from, "to": to}))?;
    } else if from == to {
        let text = context
            .lang
            .pick("the schema is up to date: version", "表结构已是最新：版本");
        context.line(&format!("{text} {to}"))?;
    } else {
        let text = context
            .lang
            .pick("the schema was migrated: version", "表结构已升级：版本");
        context.line(&format!("{text} {from} → {to}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn restamp(
    args: &MigrateArgs,
    config: &Config,
    context: &mut Context<'_>,
) -> anyhow::Result<ExitCode> {
    let profile = config.profile.as_str();
    if !args.yes {
        confirm(profile, context)?;
    }
    let before = app::restamp(config, operator())?;
    if context.json {
        context.value(&json!({"from": before, "to": profile}))?;
    } else {
        let text = context
            .lang
            .pick("the database belongs to", "数据库现在属于");
        context.line(&format!("{text} {profile}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Who types this, as the audit log has it.
fn operator() -> String {
    let uid = geteuid();
    let user = User::from_uid(uid).ok().flatten();
    format!(
        "local:{}",
        user.map_or_else(|| uid.to_string(), |user| user.name)
    )
}

/// The profile's name is to be typed: what a trial left may hold messages that would go out to real people.
fn confirm(profile: &str, context: &mut Context<'_>) -> anyhow::Result<()> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        bail!("this is not a terminal, so nobody can confirm; give --yes");
    }
    let text = context.lang.pick(
        "Messages that wait in this database will be sent. Type the profile to give it to",
        "数据库中待发的消息将会发送。请输入目标环境名以确认",
    );
    context.line(&format!("{text} ({profile}):"))?;
    let mut typed = String::new();
    input.read_line(&mut typed)?;
    match typed.trim() == profile {
        true => Ok(()),
        false => bail!("not confirmed; nothing was changed"),
    }
}
