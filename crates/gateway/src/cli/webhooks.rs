//! `hongyan webhooks list|events|redeliver|resume|secret`: how the webhooks fare, and what to do about it.
//! It must not post an event: the gateway does.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::api::webhooks::AGAIN_MAX;
use crate::cli::context::Context;
use crate::cli::gateway::GatewayArgs;
use crate::cli::http::GatewayClient;
use crate::cli::list;
use crate::cli::runtime::block_on_here;
use crate::cli::table::{encoded, objects};
use crate::webhook::sign;

/// Look at webhooks and their events, and post events again.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan webhooks list")]
pub struct WebhooksArgs {
    #[command(subcommand)]
    command: WebhooksCommand,
}

#[derive(Debug, Subcommand)]
enum WebhooksCommand {
    List(ListArgs),
    Events(EventsArgs),
    Redeliver(RedeliverArgs),
    Resume(ResumeArgs),
    Secret(SecretArgs),
}

/// List the webhooks with what waits and what was given up.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan webhooks list")]
struct ListArgs {
    #[command(flatten)]
    gateway: GatewayArgs,
}

/// List a webhook's events, newest first.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan webhooks events orders-status --state failed")]
struct EventsArgs {
    /// The webhook's name
    name: String,
    /// waiting, delivered or failed
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: u32,
    /// Go on where the page before ended
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    #[command(flatten)]
    gateway: GatewayArgs,
}

/// Post events again: one, or all that were given up.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  hongyan webhooks redeliver orders-status --since 2027-01-01T08:00:00Z"
)]
struct RedeliverArgs {
    /// The webhook's name
    name: String,
    /// This event alone, also if it was taken before
    #[arg(long, value_name = "ID", conflicts_with = "since")]
    event: Option<String>,
    /// Only those that are of this moment or later
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    #[command(flatten)]
    gateway: GatewayArgs,
}

/// Post to a webhook again that is off since it answered 410.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan webhooks resume orders-status")]
struct ResumeArgs {
    /// The webhook's name
    name: String,
    #[command(flatten)]
    gateway: GatewayArgs,
}

/// Print a new secret for a webhook.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan webhooks secret")]
struct SecretArgs {}

pub fn run(args: &WebhooksArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    match &args.command {
        WebhooksCommand::List(args) => list_webhooks(args, context),
        WebhooksCommand::Events(args) => events(args, context),
        WebhooksCommand::Redeliver(args) => redeliver(args, context),
        WebhooksCommand::Resume(args) => resume(args, context),
        WebhooksCommand::Secret(SecretArgs {}) => secret(context),
    }
}

const WEBHOOK_COLUMNS: [&str; 6] = ["name", "client", "state", "waiting", "failed", "last_error"];

fn list_webhooks(args: &ListArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let client = GatewayClient::new(&args.gateway)?;
    let page = block_on_here(client.get("/v1/webhooks"))?;
    let text = objects(&page["webhooks"], &WEBHOOK_COLUMNS);
    list::show(&page, &text, context)
}

fn events(args: &EventsArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let path = format!("/v1/webhooks/{}/events", encoded(&args.name));
    let filters = [("state", &args.state), ("cursor", &args.cursor)];
    let path = list::address(&path, args.limit, &filters);
    let client = GatewayClient::new(&args.gateway)?;
    let page = block_on_here(client.get(&path))?;
    let columns = [
        "id",
        "type",
        "message",
        "at",
        "state",
        "tries",
        "last_error",
    ];
    list::show(&page, &objects(&page["events"], &columns), context)
}

fn redeliver(args: &RedeliverArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let path = format!("/v1/webhooks/{}/redeliver", encoded(&args.name));
    let client = GatewayClient::new(&args.gateway)?;
    let body = match (&args.event, &args.since) {
        (Some(event), _) => json!({"event": event}),
        (None, Some(since)) => json!({"since": since}),
        (None, None) => json!({}),
    };
    let mut total = 0;
    // One call makes a bounded number due. None are left after fewer; but some may soon be given up anew.
    loop {
        let made = block_on_here(client.post(&path, &body))?;
        let made = made["events"].as_u64().unwrap_or(0);
        total += made;
        if made < AGAIN_MAX as u64 {
            break;
        }
    }
    if context.json {
        context.value(&json!({"events": total}))?;
    } else {
        let english = match total {
            1 => "event is posted again",
            _ => "events are posted again",
        };
        let said = context.lang.pick(english, "个事件将重新投递");
        context.line(&format!("{total} {said}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn resume(args: &ResumeArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let client = GatewayClient::new(&args.gateway)?;
    let path = format!("/v1/webhooks/{}/resume", encoded(&args.name));
    let webhook = block_on_here(client.post(&path, &json!({})))?;
    let text = objects(&json!([webhook]), &WEBHOOK_COLUMNS);
    list::show(&webhook, &text, context)
}

fn secret(context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let secret = sign::new_secret();
    if context.json {
        context.value(&json!({"secret": secret}))?;
    } else {
        context.line(&secret)?;
    }
    Ok(ExitCode::SUCCESS)
}
