//! `hongyan accounts [list|show|clear-quota]`.
//! It must not decide whether a quota may be cleared.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::gateway::GatewayArgs;
use crate::cli::http::GatewayClient;
use crate::cli::runtime::block_on_here;
use crate::cli::table::{cell, elements, encoded, pairs, table};

/// Of the list.
const COLUMNS: usize = 9;

/// Look at the accounts: quota, token, rate and what stands still.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Example:\n  hongyan accounts"
)]
pub struct AccountsArgs {
    #[command(subcommand)]
    command: Option<AccountsCommand>,
    #[command(flatten)]
    gateway: GatewayArgs,
}

#[derive(Debug, Subcommand)]
enum AccountsCommand {
    List(ListArgs),
    Show(ShowArgs),
    ClearQuota(ClearArgs),
}

/// List all accounts, one a line.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan accounts list")]
struct ListArgs {
    #[command(flatten)]
    gateway: GatewayArgs,
}

/// Show one account.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan accounts show clinic")]
struct ShowArgs {
    account: String,
    #[command(flatten)]
    gateway: GatewayArgs,
}

/// Clear the day's quotas of an account: for an emergency, since WeChat allows it ten times a month.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan accounts clear-quota clinic --yes")]
struct ClearArgs {
    account: String,
    /// Do it; without this only what it would cost is said
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    gateway: GatewayArgs,
}

pub fn run(args: &AccountsArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    match &args.command {
        None => list(&args.gateway, context),
        Some(AccountsCommand::List(args)) => list(&args.gateway, context),
        Some(AccountsCommand::Show(args)) => {
            let account = find(&args.gateway, &args.account)?;
            shown(&account, context, &lines(&account))
        }
        Some(AccountsCommand::ClearQuota(args)) => clear(args, context),
    }
}

fn list(gateway: &GatewayArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let list = block_on_here(GatewayClient::new(gateway)?.get("/v1/accounts"))?;
    let accounts = elements(&list["accounts"]);
    let header: [&str; COLUMNS] = [
        "name",
        "state",
        "used",
        "remaining",
        "limit",
        "runs out",
        "queued",
        "lane",
        "rate",
    ];
    shown(
        &list,
        context,
        &table(&header, accounts.iter().flat_map(rows)),
    )
}

/// One of the account, and one of each kind besides template messages that it sends.
fn rows(account: &Value) -> Vec<Vec<String>> {
    let kinds = elements(&account["quota"]["other_kinds"]);
    let of_kind = |kind: &Value| {
        let name = format!("  {}", cell(&kind["kind"]));
        let mut row = vec![name, String::new()];
        row.extend(["used", "remaining", "limit", "runs_out_at"].map(|key| cell(&kind[key])));
        row.resize(COLUMNS, String::new());
        row
    };
    let others = kinds.iter().map(of_kind);
    std::iter::once(row(account)).chain(others).collect()
}

fn row(account: &Value) -> Vec<String> {
    let (quota, sending) = (&account["quota"], &account["sending"]);
    let lane = match held(sending).as_str() {
        "" => cell(&sending["lane"]),
        held => format!("{} (holds {held})", cell(&sending["lane"])),
    };
    vec![
        cell(&account["name"]),
        cell(&account["state"]),
        cell(&quota["used"]),
        cell(&quota["remaining"]),
        cell(&quota["limit"]),
        cell(&quota["runs_out_at"]),
        queued(quota).to_string(),
        lane,
        cell(&sending["rate"]),
    ]
}

fn queued(quota: &Value) -> u64 {
    let of = |priority: &str| quota["queued_today"][priority].as_u64().unwrap_or(0);
    of("high") + of("normal") + of("bulk")
}

fn held(sending: &Value) -> String {
    let words = elements(&sending["held"]);
    words.iter().map(cell).collect::<Vec<_>>().join(", ")
}

/// Kinds that WeChat does not take.
fn held_kinds(sending: &Value) -> String {
    let of_kind = |held: &Value| {
        let [kind, reason, at] = ["kind", "reason", "again_at"].map(|key| cell(&held[key]));
        format!("{kind} ({reason}, again at {at})")
    };
    let each: Vec<String> = elements(&sending["held_kinds"])
        .iter()
        .map(of_kind)
        .collect();
    each.join(", ")
}

/// What is left of the kinds besides template messages.
fn other_kinds(quota: &Value) -> String {
    let of_kind = |kind: &Value| {
        let shown = ["kind", "remaining", "limit"].map(|key| cell(&kind[key]));
        let [kind, remaining, limit] = shown;
        format!("{kind} {remaining} of {limit} left")
    };
    let each: Vec<String> = elements(&quota["other_kinds"])
        .iter()
        .map(of_kind)
        .collect();
    each.join(", ")
}

fn lines(account: &Value) -> String {
    let (quota, sending, token) = (&account["quota"], &account["sending"], &account["token"]);
    let waits = &quota["queued_today"];
    pairs(&[
        ("name", cell(&account["name"])),
        ("appid", cell(&account["appid"])),
        ("state", cell(&account["state"])),
        ("detail", cell(&account["detail"])),
        ("quota used", cell(&quota["used"])),
        ("quota remaining", cell(&quota["remaining"])),
        ("quota limit", cell(&quota["limit"])),
        ("told by WeChat at", cell(&quota["told_at"])),
        ("calls an hour", cell(&quota["per_hour"])),
        ("runs out at", cell(&quota["runs_out_at"])),
        ("other kinds", other_kinds(quota)),
        ("spent until", cell(&quota["spent_until"])),
        ("renewed at", cell(&quota["renewed_at"])),
        ("clearings left", cell(&quota["clearings_left"])),
        ("quota error", cell(&quota["error"])),
        (
            "queued for today",
            format!(
                "{} high, {} normal, {} bulk",
                cell(&waits["high"]),
                cell(&waits["normal"]),
                cell(&waits["bulk"])
            ),
        ),
        ("lane", cell(&sending["lane"])),
        ("tried again at", cell(&sending["again_at"])),
        ("holds back", held(sending)),
        ("holds kinds", held_kinds(sending)),
        ("calls under way", cell(&sending["in_flight"])),
        ("rate a second", cell(&sending["rate"])),
        ("token usable", cell(&token["usable"])),
        ("token expires at", cell(&token["expires_at"])),
        ("receipts", cell(&account["receipts"])),
        ("callback mode", cell(&account["callback_mode"])),
    ])
}

fn find(gateway: &GatewayArgs, name: &str) -> anyhow::Result<Value> {
    let list = block_on_here(GatewayClient::new(gateway)?.get("/v1/accounts"))?;
    let mut accounts = list["accounts"].as_array().into_iter().flatten();
    let found = accounts.find(|account| account["name"] == name).cloned();
    found.with_context(|| format!("there is no account {name:?}; see `hongyan accounts`"))
}

fn clear(args: &ClearArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    if !args.yes {
        let account = find(&args.gateway, &args.account)?;
        let left = cell(&account["quota"]["clearings_left"]);
        bail!(
            "this spends one of the {left} clearings that {} has left this month; say --yes to do it",
            args.account
        );
    }
    let path = format!("/v1/accounts/{}/quota/clear", encoded(&args.account));
    let cleared = block_on_here(GatewayClient::new(&args.gateway)?.post(&path, &json!({})))?;
    let said = context.lang.pick(
        "cleared; clearings left this month:",
        "已清零；本月剩余次数：",
    );
    let said = format!("{said} {}", cell(&cleared["clearings_left"]));
    shown(&cleared, context, &said)
}

fn shown(value: &Value, context: &mut Context<'_>, text: &str) -> anyhow::Result<ExitCode> {
    if context.json {
        context.value(value)?;
    } else {
        context.line(text)?;
    }
    Ok(ExitCode::SUCCESS)
}
