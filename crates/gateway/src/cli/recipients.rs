//! `hongyan recipients list|show|suppress|resume|forget`.
//! It must not decide what a message to a recipient comes to.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use crate::cli::context::Context;
use crate::cli::gateway::GatewayArgs;
use crate::cli::http::GatewayClient;
use crate::cli::list;
use crate::cli::runtime::block_on_here;
use crate::cli::table::{cell, elements, encoded, objects, pairs};

/// Look at recipients, stop writing to them, write to them again.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  hongyan recipients show oDemo5eedc0ffee0000000000001 --account clinic"
)]
pub struct RecipientsArgs {
    #[command(subcommand)]
    command: RecipientsCommand,
}

#[derive(Debug, Subcommand)]
enum RecipientsCommand {
    List(ListArgs),
    Show(ShowArgs),
    Suppress(SuppressArgs),
    Resume(ResumeArgs),
    Forget(ForgetArgs),
}

/// List who is suppressed and why, those said last first.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan recipients list --reason user_refused")]
struct ListArgs {
    /// May be left out while there is only one
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// For this reason, such as not_subscribed
    #[arg(long)]
    reason: Option<String>,
    /// Where the page before ended
    #[arg(long)]
    cursor: Option<String>,
    /// How many
    #[arg(long, default_value_t = 50)]
    limit: u32,
    #[command(flatten)]
    gateway: GatewayArgs,
}

/// Show what is known of a recipient.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan recipients show oDemo5eedc0ffee0000000000001")]
struct ShowArgs {
    openid: String,
    /// May be left out while there is only one
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    #[command(flatten)]
    gateway: GatewayArgs,
}

/// Send nothing more, or not one template, to a recipient.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  hongyan recipients suppress oDemo5eedc0ffee0000000000001 --note 'asked us by phone'"
)]
struct SuppressArgs {
    openid: String,
    /// May be left out while there is only one
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// This template alone
    #[arg(long, value_name = "ID")]
    template: Option<String>,
    /// Until when; for good without
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// Why, in your own words
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    gateway: GatewayArgs,
}

/// Send to a recipient again.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan recipients resume oDemo5eedc0ffee0000000000001")]
struct ResumeArgs {
    openid: String,
    /// May be left out while there is only one
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Lift what is about this template alone
    #[arg(long, value_name = "ID")]
    template: Option<String>,
    /// Until then nothing that WeChat says suppresses
    #[arg(long, value_name = "TIME")]
    override_until: Option<String>,
    #[command(flatten)]
    gateway: GatewayArgs,
}

/// Delete what is known of a recipient; messages stay as records that name nobody.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan recipients forget oDemo5eedc0ffee0000000000001")]
struct ForgetArgs {
    openid: String,
    /// May be left out while there is only one
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    #[command(flatten)]
    gateway: GatewayArgs,
}

pub fn run(args: &RecipientsArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    match &args.command {
        RecipientsCommand::List(args) => list_suppressions(args, context),
        RecipientsCommand::Show(args) => {
            let path = path(&args.openid, "", args.account.as_deref());
            let client = GatewayClient::new(&args.gateway)?;
            shown(&block_on_here(client.get(&path))?, context)
        }
        RecipientsCommand::Suppress(args) => {
            let path = path(&args.openid, "/suppress", args.account.as_deref());
            let body = body([
                ("template_id", &args.template),
                ("expires_at", &args.expires_at),
                ("note", &args.note),
            ]);
            let client = GatewayClient::new(&args.gateway)?;
            shown(&block_on_here(client.post(&path, &body))?, context)
        }
        RecipientsCommand::Resume(args) => {
            let path = path(&args.openid, "/resume", args.account.as_deref());
            let body = body([
                ("template_id", &args.template),
                ("override_until", &args.override_until),
            ]);
            let client = GatewayClient::new(&args.gateway)?;
            shown(&block_on_here(client.post(&path, &body))?, context)
        }
        RecipientsCommand::Forget(args) => forget(args, context),
    }
}

fn forget(args: &ForgetArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let path = path(&args.openid, "/forget", args.account.as_deref());
    let client = GatewayClient::new(&args.gateway)?;
    let done = block_on_here(client.post(&path, &Value::Object(Map::new())))?;
    if context.json {
        context.value(&done)?;
        return Ok(ExitCode::SUCCESS);
    }
    let names = [
        "account",
        "pseudonym",
        "messages",
        "cancelled",
        "rows",
        "under_way",
    ];
    context.line(&pairs(&names.map(|name| (name, cell(&done[name])))))?;
    Ok(ExitCode::SUCCESS)
}

fn path(openid: &str, then: &str, account: Option<&str>) -> String {
    let query = account.map(|name| format!("?account={}", encoded(name)));
    let query = query.unwrap_or_default();
    format!("/v1/recipients/{}{then}{query}", encoded(openid))
}

/// What was given, and nothing else.
fn body<const N: usize>(fields: [(&str, &Option<String>); N]) -> Value {
    let given = fields.into_iter().filter_map(|(name, value)| {
        let value = value.clone()?;
        Some((name.to_owned(), Value::from(value)))
    });
    Value::Object(given.collect::<Map<_, _>>())
}

fn list_suppressions(args: &ListArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let filters = [
        ("account", &args.account),
        ("reason", &args.reason),
        ("cursor", &args.cursor),
    ];
    let path = list::address("/v1/recipients", args.limit, &filters);
    let page = block_on_here(GatewayClient::new(&args.gateway)?.get(&path))?;
    let text = suppressions(&page["suppressions"], &["openid"]);
    list::show(&page, &text, context)
}

/// A table of suppressions, `first` columns first.
fn suppressions(list: &Value, first: &[&str]) -> String {
    let columns = [
        first,
        &[
            "reason",
            "template_id",
            "source",
            "errcode",
            "at",
            "expires_at",
            "note",
        ],
    ]
    .concat();
    objects(list, &columns)
}

fn shown(known: &Value, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    if context.json {
        context.value(known)?;
        return Ok(ExitCode::SUCCESS);
    }
    let names = [
        "openid",
        "account",
        "state",
        "source",
        "since",
        "override_until",
        "confirming",
    ];
    context.line(&pairs(&names.map(|name| (name, cell(&known[name])))))?;
    if !elements(&known["suppressions"]).is_empty() {
        context.line(&format!("\n{}", suppressions(&known["suppressions"], &[])))?;
    }
    if !elements(&known["credits"]).is_empty() {
        let credits = objects(&known["credits"], &["template_id", "left"]);
        context.line(&format!("\n{credits}"))?;
    }
    Ok(ExitCode::SUCCESS)
}
