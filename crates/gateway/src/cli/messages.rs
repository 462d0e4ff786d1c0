//! `hongyan messages list|show|cancel|retry`.
//! It must not decide whether a message allows what is asked.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::gateway::GatewayArgs;
use crate::cli::http::GatewayClient;
use crate::cli::list;
use crate::cli::retry;
use crate::cli::runtime::block_on_here;
use crate::cli::table::{cell, elements, encoded, objects, pairs};

/// Look at messages, cancel them, send them again.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan messages list --status failed")]
pub struct MessagesArgs {
    #[command(subcommand)]
    command: MessagesCommand,
}

#[derive(Debug, Subcommand)]
enum MessagesCommand {
    List(Box<ListArgs>),
    Show(ShowArgs),
    Cancel(CancelArgs),
    Retry(Box<retry::RetryArgs>),
}

/// List messages, newest first.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  hongyan messages list --status failed --since 2027-01-01T00:00:00Z"
)]
struct ListArgs {
    /// Of this account
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// In this status: queued, sending, sent, delivered, failed, …
    #[arg(long)]
    status: Option<String>,
    /// For this reason, such as invalid_openid
    #[arg(long)]
    reason: Option<String>,
    /// To this openid
    #[arg(long, value_name = "OPENID")]
    to: Option<String>,
    /// By this template
    #[arg(long, value_name = "ID")]
    template: Option<String>,
    /// Which WeChat, or the compatible door, gave this msgid
    #[arg(long)]
    msgid: Option<i64>,
    /// Whose last call was answered with this errcode
    #[arg(long, value_name = "ERRCODE")]
    code: Option<i64>,
    /// With this reference
    #[arg(long, value_name = "TEXT")]
    reference: Option<String>,
    /// Made of rows of this broadcast
    #[arg(long, value_name = "ID")]
    broadcast: Option<String>,
    /// Accepted at this time or later
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Accepted before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Where the page before ended
    #[arg(long)]
    cursor: Option<String>,
    /// How many
    #[arg(long, default_value_t = 50)]
    limit: u32,
    #[command(flatten)]
    gateway: GatewayArgs,
}

/// Show a message with its attempts.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan messages show 0198c7a1f0c27d3aa5c2f4d1e8b97f10")]
struct ShowArgs {
    id: String,
    #[command(flatten)]
    gateway: GatewayArgs,
}

/// Cancel a message that has not been sent.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan messages cancel 0198c7a1f0c27d3aa5c2f4d1e8b97f10")]
struct CancelArgs {
    id: String,
    #[command(flatten)]
    gateway: GatewayArgs,
}

pub fn run(args: &MessagesArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    match &args.command {
        MessagesCommand::List(args) => list_messages(args, context),
        MessagesCommand::Show(args) => {
            let path = format!("/v1/messages/{}", encoded(&args.id));
            let client = GatewayClient::new(&args.gateway)?;
            shown(&block_on_here(client.get(&path))?, context)
        }
        MessagesCommand::Cancel(args) => {
            let path = format!("/v1/messages/{}/cancel", encoded(&args.id));
            let client = GatewayClient::new(&args.gateway)?;
            shown(&block_on_here(client.post(&path, &json!({})))?, context)
        }
        MessagesCommand::Retry(args) => retry::run(args, context),
    }
}

fn list_messages(args: &ListArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let code = args.code.map(|code| code.to_string());
    let msgid = args.msgid.map(|msgid| msgid.to_string());
    let filters = [
        ("account", &args.account),
        ("status", &args.status),
        ("reason", &args.reason),
        ("touser", &args.to),
        ("template_id", &args.template),
        ("code", &code),
        ("msgid", &msgid),
        ("reference", &args.reference),
        ("broadcast", &args.broadcast),
        ("since", &args.since),
        ("until", &args.until),
        ("cursor", &args.cursor),
    ];
    let path = list::address("/v1/messages", args.limit, &filters);
    let client = GatewayClient::new(&args.gateway)?;
    let page = block_on_here(client.get(&path))?;
    let columns = [
        "id",
        "status",
        "reason",
        "touser",
        "created_at",
        "reference",
    ];
    list::show(&page, &objects(&page["messages"], &columns), context)
}

/// One message, whatever was done with it.
pub fn shown(message: &Value, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    if context.json {
        context.value(message)?;
    } else {
        context.line(&show_message(message))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A message as lines, with a table of its attempts.
pub fn show_message(message: &Value) -> String {
    let names = [
        "id",
        "status",
        "reason",
        "account",
        "touser",
        "template_id",
        "msgid",
        "reference",
        "priority",
        "created_at",
        "send_at",
        "expires_at",
        "next_attempt_at",
    ];
    let mut lines: Vec<(&str, String)> = names
        .iter()
        .map(|name| (*name, cell(&message[*name])))
        .collect();
    let receipt = &message["receipt"];
    if receipt.is_object() {
        lines.push((
            "receipt",
            format!("{} {}", cell(&receipt["at"]), cell(&receipt["status"])),
        ));
    }
    if let Some(warnings) = message["warnings"].as_array() {
        lines.extend(warnings.iter().map(|warning| ("warning", cell(warning))));
    }
    let mut text = pairs(&lines);
    let columns = ["at", "errcode", "errmsg", "rid", "took_ms"];
    let attempts = &message["attempts"];
    if !elements(attempts).is_empty() {
        text = format!("{text}\n\n{}", objects(attempts, &columns));
    }
    text
}
