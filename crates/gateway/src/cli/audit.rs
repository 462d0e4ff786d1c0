//! `hongyan audit list|verify`: who did what, and whether the list of it is whole.
//! It must not believe the gateway that it is whole: it looks it through by itself.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use hongyan_courier::audit::Verifier;
use serde_json::json;

use crate::api::audit::AuditPage;
use crate::cli::context::Context;
use crate::cli::gateway::GatewayArgs;
use crate::cli::http::GatewayClient;
use crate::cli::list;
use crate::cli::runtime::block_on_here;
use crate::cli::table::objects;

/// Look at who did what, and check that the list of it is whole.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan audit list --recipient oDemo5eedc0ffee0000000000001")]
pub struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    List(ListArgs),
    Verify(VerifyArgs),
}

/// List what was done, newest first.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan audit list --who desk --since 2027-01-01T08:00:00Z")]
struct ListArgs {
    /// In this account
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// By this client
    #[arg(long, value_name = "CLIENT")]
    who: Option<String>,
    /// To this message, broadcast, template or webhook
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// To this recipient
    #[arg(long, value_name = "OPENID")]
    recipient: Option<String>,
    /// At this time or later
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: u32,
    /// Go on where the page before ended
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    #[command(flatten)]
    gateway: GatewayArgs,
}

/// Check every entry against its seal, and the seals against each other.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan audit verify --head 1024:9f86d081884c7d65…")]
struct VerifyArgs {
    /// What an earlier check printed as its head: the list must still have it
    #[arg(long, value_name = "NUMBER:SEAL")]
    head: Option<String>,
    #[command(flatten)]
    gateway: GatewayArgs,
}

pub fn run(args: &AuditArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    match &args.command {
        AuditCommand::List(args) => list_entries(args, context),
        AuditCommand::Verify(args) => verify(args, context),
    }
}

fn list_entries(args: &ListArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let filters = [
        ("account", &args.account),
        ("who", &args.who),
        ("subject", &args.subject),
        ("recipient", &args.recipient),
        ("since", &args.since),
        ("until", &args.until),
        ("cursor", &args.cursor),
    ];
    let path = list::address("/v1/audit", args.limit, &filters);
    let client = GatewayClient::new(&args.gateway)?;
    let page = block_on_here(client.get(&path))?;
    let columns = [
        "number", "at", "who", "from", "what", "account", "subject", "details",
    ];
    list::show(&page, &objects(&page["entries"], &columns), context)
}

fn verify(args: &VerifyArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let mut wanted = args.head.as_deref().map(head).transpose()?;
    let client = GatewayClient::new(&args.gateway)?;
    let mut verifier = Verifier::default();
    loop {
        let (last, _) = verifier.head();
        let page = block_on_here(client.get(&format!("/v1/audit?after={last}&limit=500")))?;
        let page: AuditPage = serde_json::from_value(page).context("the gateway gave no list")?;
        if page.entries.is_empty() {
            break;
        }
        for entry in page.entries {
            verifier.take(&entry.read().context("an entry has no seal")?)?;
            let (number, seal) = verifier.head();
            let reached = wanted.take_if(|(wanted, _)| *wanted == number);
            if reached.is_some_and(|(_, wanted)| wanted != hex::encode(seal)) {
                bail!("entry {number} is another than the head says: the list was written anew");
            }
        }
    }
    if let Some((number, _)) = wanted {
        bail!("the list ends before entry {number}: entries were taken off its end");
    }
    let (count, seal) = verifier.head();
    let head = format!("{count}:{}", hex::encode(seal));
    if context.json {
        context.value(&json!({"entries": count, "head": head}))?;
    } else {
        let said = context.lang.pick(
            "entries, none changed or missing. To notice later if some are taken off the end, keep this:",
            "条记录，均未被改动或缺失。请保存以下值，以便日后发现末尾记录被删除：",
        );
        context.line(&format!("{count} {said}\n--head {head}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn head(text: &str) -> anyhow::Result<(u64, String)> {
    let parts = text.split_once(':');
    let read = parts.and_then(|(number, seal)| Some((number.parse().ok()?, seal.to_owned())));
    read.filter(|(number, seal)| *number > 0 && seal.len() == 64)
        .with_context(|| format!("--head {text} is not what a check printed: NUMBER:SEAL"))
}
