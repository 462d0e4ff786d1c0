//! `hongyan migrate`: brings the database to this version's schema, and does nothing else.
//! It must not run a gateway.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::app;
use crate::cli::context::Context;
use crate::cli::sources::SourcesArgs;
use crate::config;

const EXAMPLE: &str = "\
Example:
  hongyan migrate --config hongyan.toml

`serve` does the same at its start; this is for doing it at another time.";

/// Bring the database to this version's schema.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct MigrateArgs {
    #[command(flatten)]
    sources: SourcesArgs,
}

pub fn run(args: &MigrateArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let config = config::load(&args.sources.sources(context.environment))?.config;
    let (from, to) = app::migrate(&config.store.url)?;
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
