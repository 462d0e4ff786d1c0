//! `hongyan audit list|verify`: who did what, and whether the list of it is whole.
//! It must not believe the gateway that it is whole: it looks it through by itself.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use hongyan_courier::UnixMs;
use hongyan_courier::audit::{Act, Entry, Verifier};
use hongyan_courier::message::AccountName;
use serde::Deserialize;
use serde_json::json;

use crate::api::moments::parse_moment;
use crate::cli::context::Context;
use crate::cli::gateway::GatewayArgs;
use crate::cli::http::GatewayClient;
use crate::cli::runtime::block_on_here;
use crate::cli::table::{cell, encoded, table};

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
        AuditCommand::List(args) => list(args, context),
        AuditCommand::Verify(args) => verify(args, context),
    }
}

fn list(args: &ListArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let mut path = format!("/v1/audit?limit={}", args.limit);
    for (name, value) in [
        ("account", &args.account),
        ("who", &args.who),
        ("subject", &args.subject),
        ("recipient", &args.recipient),
        ("since", &args.since),
        ("until", &args.until),
        ("cursor", &args.cursor),
    ] {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", encoded(value)));
        }
    }
    let client = GatewayClient::new(&args.gateway)?;
    let page = block_on_here(client.get(&path))?;
    if context.json {
        context.value(&page)?;
        return Ok(ExitCode::SUCCESS);
    }
    let columns = [
        "number", "at", "who", "from", "what", "account", "subject", "details",
    ];
    let all = page["entries"].as_array().map_or(&[][..], Vec::as_slice);
    let rows = all
        .iter()
        .map(|one| columns.iter().map(|column| cell(&one[*column])).collect());
    context.line(&table(&columns, rows))?;
    if let Some(cursor) = page["next_cursor"].as_str() {
        let more = context
            .lang
            .pick("there are more: --cursor", "还有更多：--cursor");
        context.line(&format!("\n{more} {cursor}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Deserialize)]
struct Page {
    entries: Vec<Shown>,
}

/// An entry as the gateway shows it.
#[derive(Deserialize)]
struct Shown {
    number: u64,
    at: String,
    who: String,
    from: Option<String>,
    what: String,
    account: Option<String>,
    subject: Option<String>,
    recipient: Option<String>,
    details: Option<String>,
    trace_id: Option<String>,
    seal: String,
}

impl Shown {
    fn read(self) -> anyhow::Result<Entry> {
        let at: UnixMs = parse_moment(&self.at).context("an entry has no time")?;
        let mut seal = [0; 32];
        hex::decode_to_slice(&self.seal, &mut seal).context("an entry has no seal")?;
        Ok(Entry {
            number: self.number,
            act: Act {
                at,
                who: self.who,
                from: self.from,
                what: self.what,
                account: self.account.as_deref().map(AccountName::from),
                subject: self.subject,
                recipient: self.recipient,
                details: self.details,
                trace_id: self.trace_id,
            },
            seal,
        })
    }
}

fn verify(args: &VerifyArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let mut wanted = args.head.as_deref().map(head).transpose()?;
    let client = GatewayClient::new(&args.gateway)?;
    let mut verifier = Verifier::default();
    loop {
        let (last, _) = verifier.head();
        let page = block_on_here(client.get(&format!("/v1/audit?after={last}&limit=500")))?;
        let page: Page = serde_json::from_value(page).context("the gateway gave no list")?;
        if page.entries.is_empty() {
            break;
        }
        for entry in page.entries {
            verifier.take(&entry.read()?)?;
            if wanted
                .as_ref()
                .is_some_and(|(number, _)| *number == verifier.head().0)
            {
                let (number, seal) = wanted.take().unwrap_or_default();
                if hex::encode(verifier.head().1) != seal {
                    bail!(
                        "entry {number} is another than the head says: the list was written anew"
                    );
                }
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
