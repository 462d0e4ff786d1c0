//! `hongyan templates list`: the templates of an account, asked of WeChat now.
//! It must not keep them.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::cli::context::Context;
use crate::cli::gateway::GatewayArgs;
use crate::cli::http::GatewayClient;
use crate::cli::runtime::block_on_here;
use crate::cli::table::{cell, encoded, table};

/// Look at an account's templates.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan templates list --account clinic")]
pub struct TemplatesArgs {
    #[command(subcommand)]
    command: TemplatesCommand,
}

#[derive(Debug, Subcommand)]
enum TemplatesCommand {
    List(ListArgs),
}

/// List the templates of an account.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan templates list --account clinic")]
struct ListArgs {
    /// May be left out while there is only one
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    #[command(flatten)]
    gateway: GatewayArgs,
}

pub fn run(args: &TemplatesArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let TemplatesCommand::List(args) = &args.command;
    let path = match &args.account {
        Some(name) => format!("/v1/templates?account={}", encoded(name)),
        None => "/v1/templates".to_owned(),
    };
    let list = block_on_here(GatewayClient::new(&args.gateway)?.get(&path))?;
    if context.json {
        context.value(&list)?;
        return Ok(ExitCode::SUCCESS);
    }
    let columns = ["template_id", "title", "content"];
    let templates = list["templates"].as_array().map_or(&[][..], Vec::as_slice);
    let rows = templates.iter().map(|template| {
        columns
            .iter()
            .map(|column| cell(&template[*column]))
            .collect()
    });
    context.line(&table(&columns, rows))?;
    Ok(ExitCode::SUCCESS)
}
