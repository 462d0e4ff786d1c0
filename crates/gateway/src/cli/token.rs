//! `hongyan token show|refresh`: the central token of an account.
//! It must not show a token that nobody asked to see.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::gateway::GatewayArgs;
use crate::cli::http::GatewayClient;
use crate::cli::runtime::block_on_here;
use crate::cli::table::{cell, encoded, pairs};

/// Look at an account's token, or fetch a new one.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan token show clinic")]
pub struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    Show(ShowArgs),
    Refresh(RefreshArgs),
}

/// Show an account's present token, masked.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan token show clinic")]
struct ShowArgs {
    account: String,
    /// Show the token itself; needs the scope `token`
    #[arg(long)]
    reveal: bool,
    #[command(flatten)]
    gateway: GatewayArgs,
}

/// Fetch an account's token anew; one that was fetched within the last 10 seconds is shown as it is.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan token refresh clinic")]
struct RefreshArgs {
    account: String,
    /// Kill the present token at once: for a leak. WeChat allows it 20 times a day
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    gateway: GatewayArgs,
}

pub fn run(args: &TokenArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let token = match &args.command {
        TokenCommand::Show(args) => {
            let reveal = if args.reveal { "?reveal=true" } else { "" };
            let path = format!("/v1/accounts/{}/token{reveal}", encoded(&args.account));
            block_on_here(GatewayClient::new(&args.gateway)?.get(&path))?
        }
        TokenCommand::Refresh(args) => {
            let path = format!("/v1/accounts/{}/token/refresh", encoded(&args.account));
            let body = json!({"force": args.force});
            block_on_here(GatewayClient::new(&args.gateway)?.post(&path, &body))?
        }
    };
    if context.json {
        context.value(&token)?;
    } else {
        context.line(&lines(&token))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn lines(token: &Value) -> String {
    let names = [
        "account",
        "access_token",
        "usable",
        "fetched_at",
        "expires_at",
        "expires_in",
        "detail",
    ];
    pairs(&names.map(|name| (name, cell(&token[name]))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_shown_where_something_is() {
        let mut token = json!({"account": "clinic", "usable": true, "detail": null});
        assert!(!lines(&token).contains("detail"));
        token["detail"] = json!("the AppSecret is wrong");
        assert!(lines(&token).ends_with("the AppSecret is wrong"));
    }
}
