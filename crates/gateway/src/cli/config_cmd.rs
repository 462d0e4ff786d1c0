//! `hongyan config show|check|encrypt`: the effective configuration and where each key came from, or all that is wrong with it.
//! It must not start anything; secrets are fetched to be checked, and never shown.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::encrypt::{self, EncryptArgs};
use crate::cli::runtime::block_on_here;
use crate::cli::sources::SourcesArgs;
use crate::config::include::Centre;
use crate::config::layers::DEFAULTS_LABEL;
use crate::config::problem::{Problem, Problems};
use crate::config::resolved;
use crate::config::show::Row;

const SHOW_EXAMPLE: &str = "\
Example:
  HONGYAN_PROFILE=prod hongyan config show --config /etc/hongyan/hongyan.toml";
const CHECK_EXAMPLE: &str = "\
Example:
  HONGYAN_PROFILE=prod hongyan config check --config /etc/hongyan/hongyan.toml && systemctl restart hongyan";

/// Look at the configuration as the gateway would read it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan config check")]
pub struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print every key with its value and the layer it came from; secrets as their references
    #[command(after_help = SHOW_EXAMPLE)]
    Show(SourcesArgs),
    /// Check the configuration and that its secrets can be had; exit 1 and name every problem if not
    #[command(after_help = CHECK_EXAMPLE)]
    Check(SourcesArgs),
    /// Encrypt a secret, so that it may stand in the configuration
    #[command(after_help = encrypt::EXAMPLE)]
    Encrypt(EncryptArgs),
}

pub fn run(args: &ConfigArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    match &args.command {
        ConfigCommand::Show(sources) => show(sources, context),
        ConfigCommand::Check(sources) => check(sources, context),
        ConfigCommand::Encrypt(args) => encrypt::run(args, context),
    }
}

fn show(sources: &SourcesArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let loaded = sources.load(context.environment)?;
    let profile = loaded.config.profile.as_str();
    if context.json {
        let row = |row: &Row| json!({"key": row.key, "value": row.value, "layer": row.layer});
        let rows: Vec<_> = loaded.rows.iter().map(row).collect();
        context.value(&json!({"profile": profile, "keys": rows}))?;
        return Ok(ExitCode::SUCCESS);
    }
    context.line(&format!(
        "# {}: {profile}",
        context.lang.pick("profile", "环境")
    ))?;
    let default = context.lang.pick(DEFAULTS_LABEL, "默认值");
    for row in &loaded.rows {
        let layer = if row.layer == DEFAULTS_LABEL {
            default
        } else {
            &row.layer
        };
        context.line(&format!(
            "{:<58} # {layer}",
            format!("{} = {}", row.key, row.value)
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn check(sources: &SourcesArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let environment = context.environment;
    let (warnings, result) = block_on_here(async {
        let loaded = Centre::default().load(&sources.sources(environment)).await;
        Ok(match loaded {
            Ok(loaded) => {
                let fetched = resolved::resolve(&loaded.config, environment).await;
                (loaded.warnings, fetched.map(drop))
            }
            Err(problems) => (Vec::new(), Err(problems)),
        })
    })?;
    let code = if result.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    if context.json {
        let list = |problems: &[Problem]| -> Vec<_> {
            problems.iter().map(|problem| json!({"key": problem.key, "layer": problem.layer, "text": problem.text})).collect()
        };
        let problems = result
            .as_ref()
            .err()
            .map_or(&[][..], |Problems(problems)| problems);
        context.value(
            &json!({"ok": result.is_ok(), "problems": list(problems), "warnings": list(&warnings)}),
        )?;
        return Ok(code);
    }
    for warning in &warnings {
        writeln!(
            std::io::stderr(),
            "hongyan: {}: {warning}",
            context.lang.pick("warning", "警告")
        )?;
    }
    result?;
    context.line(context.lang.pick("ok", "配置无误"))?;
    Ok(code)
}
