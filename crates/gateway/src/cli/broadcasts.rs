//! `hongyan broadcasts`: look at broadcasts and steer them.
//! It must not know what a state allows: the gateway does.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::context::{Context, Lang};
use crate::cli::gateway::GatewayArgs;
use crate::cli::http::GatewayClient;
use crate::cli::list;
use crate::cli::runtime::block_on_here;
use crate::cli::table::{cell, elements, encoded, pairs, table};

/// Look at broadcasts, pause, resume and cancel them.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan broadcasts list --status running")]
pub struct BroadcastsArgs {
    #[command(subcommand)]
    command: BroadcastsCommand,
}

#[derive(Debug, Subcommand)]
enum BroadcastsCommand {
    List(ListArgs),
    Show(ShowArgs),
    Start(StartArgs),
    Pause(PauseArgs),
    Resume(ResumeArgs),
    Cancel(CancelArgs),
}

/// List broadcasts, newest first.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan broadcasts list --status running")]
struct ListArgs {
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// draft, uploading, ready, running, paused, done or cancelled
    #[arg(long)]
    status: Option<String>,
    /// Where the page before ended
    #[arg(long)]
    cursor: Option<String>,
    #[arg(long, default_value_t = 50)]
    limit: u16,
    #[command(flatten)]
    gateway: GatewayArgs,
}

/// Show how far a broadcast is, and the rows that are passed over.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan broadcasts show 344b9d2f8d412c07")]
struct ShowArgs {
    id: String,
    #[command(flatten)]
    gateway: GatewayArgs,
}

/// Start a broadcast whose rows are all there.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan broadcasts start 344b9d2f8d412c07")]
struct StartArgs {
    id: String,
    #[command(flatten)]
    gateway: GatewayArgs,
}

/// Hold everything of a broadcast that has not been sent.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan broadcasts pause 344b9d2f8d412c07")]
struct PauseArgs {
    id: String,
    #[command(flatten)]
    gateway: GatewayArgs,
}

/// Go on with a broadcast that was paused.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan broadcasts resume 344b9d2f8d412c07")]
struct ResumeArgs {
    id: String,
    #[command(flatten)]
    gateway: GatewayArgs,
}

/// Cancel everything of a broadcast that has not been sent.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan broadcasts cancel 344b9d2f8d412c07")]
struct CancelArgs {
    id: String,
    #[command(flatten)]
    gateway: GatewayArgs,
}

pub fn run(args: &BroadcastsArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let (gateway, id, wish) = match &args.command {
        BroadcastsCommand::List(args) => return list_broadcasts(args, context),
        BroadcastsCommand::Show(args) => (&args.gateway, &args.id, None),
        BroadcastsCommand::Start(args) => (&args.gateway, &args.id, Some("start")),
        BroadcastsCommand::Pause(args) => (&args.gateway, &args.id, Some("pause")),
        BroadcastsCommand::Resume(args) => (&args.gateway, &args.id, Some("resume")),
        BroadcastsCommand::Cancel(args) => (&args.gateway, &args.id, Some("cancel")),
    };
    let client = GatewayClient::new(gateway)?;
    let path = format!("/v1/broadcasts/{}", encoded(id));
    let broadcast = block_on_here(async {
        match wish {
            None => client.get(&path).await,
            Some(wish) => client.post(&format!("{path}/{wish}"), &json!({})).await,
        }
    })?;
    if context.json {
        context.value(&broadcast)?;
    } else {
        context.line(&show_broadcast(&broadcast, context.lang))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn list_broadcasts(args: &ListArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let filters = [
        ("account", &args.account),
        ("status", &args.status),
        ("cursor", &args.cursor),
    ];
    let path = list::address("/v1/broadcasts", args.limit.into(), &filters);
    let client = GatewayClient::new(&args.gateway)?;
    let page = block_on_here(client.get(&path))?;
    let columns = ["id", "status", "account", "template_id", "created_at"];
    let titles = [&columns[..], &["rows", "waiting", "settled"]].concat();
    let rows = elements(&page["broadcasts"]).iter().map(|one| {
        let mut row: Vec<String> = columns.iter().map(|name| cell(&one[*name])).collect();
        row.push(cell(&one["upload"]["rows"]));
        row.push(cell(&one["progress"]["waiting"]));
        row.push(settled(one).to_string());
        row
    });
    list::show(&page, &table(&titles, rows), context)
}

/// What became of its rows, in the order in which it is told.
pub(super) const FATES: [&str; 8] = [
    "sent",
    "delivered",
    "failed",
    "suppressed",
    "cancelled",
    "expired",
    "unconfirmed",
    "refused",
];

/// Rows that nothing more is done for.
pub(super) fn settled(broadcast: &Value) -> u64 {
    let progress = &broadcast["progress"];
    FATES
        .iter()
        .filter_map(|name| progress[*name].as_u64())
        .sum()
}

/// A broadcast as lines, with the rows that are passed over.
pub(super) fn show_broadcast(broadcast: &Value, lang: Lang) -> String {
    let names = [
        "id",
        "status",
        "account",
        "template_id",
        "source",
        "created_at",
        "started_at",
        "ended_at",
        "send_at",
        "expires_at",
        "rate",
    ];
    let mut lines: Vec<(&str, String)> = names
        .iter()
        .map(|name| (*name, cell(&broadcast[*name])))
        .collect();
    for name in ["rows", "bad_rows"] {
        lines.push((name, cell(&broadcast["upload"][name])));
    }
    for name in ["remaining", "waiting"].iter().chain(&FATES) {
        lines.push((name, cell(&broadcast["progress"][*name])));
    }
    for name in ["per_second", "held_until", "forecast_end_at"] {
        lines.push((name, cell(&broadcast[name])));
    }
    let mut text = pairs(&lines);
    if let Some(problems) = problems(broadcast, lang) {
        text = format!("{text}\n\n{problems}");
    }
    text
}

/// The rows that are passed over, as a table; none if there are none.
pub(super) fn problems(broadcast: &Value, lang: Lang) -> Option<String> {
    let problems = elements(&broadcast["problems"]);
    let rows = problems.iter().map(|one| {
        let chinese = Some(&one["problem_zh"]).filter(|text| lang == Lang::Zh && text.is_string());
        vec![cell(&one["line"]), cell(chinese.unwrap_or(&one["problem"]))]
    });
    (!problems.is_empty()).then(|| table(&["line", "problem"], rows))
}
