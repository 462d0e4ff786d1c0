//! `hongyan attention`: what needs a human, with what to do about each.
//! It must not do any of it.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use crate::cli::context::{Context, Lang};
use crate::cli::gateway::GatewayArgs;
use crate::cli::http::GatewayClient;
use crate::cli::runtime::block_on_here;
use crate::cli::table::{cell, elements, encoded};

/// Show what needs a human: accounts, templates and webhooks that stand still, events that were given up, quotas that run out
/// today, messages that failed or are unconfirmed.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan attention --account clinic")]
pub struct AttentionArgs {
    /// Of this account
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Messages that ended, and events that were given up, at this time or later; a week back by default
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    #[command(flatten)]
    gateway: GatewayArgs,
}

pub fn run(args: &AttentionArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let filters = [("account", &args.account), ("since", &args.since)];
    let given = filters.iter().filter_map(|(name, value)| {
        let value = value.as_ref()?;
        Some(format!("{name}={}", encoded(value)))
    });
    let query: Vec<String> = given.collect();
    let path = format!("/v1/attention?{}", query.join("&"));
    let client = GatewayClient::new(&args.gateway)?;
    let list = block_on_here(client.get(path.trim_end_matches('?')))?;
    if context.json {
        context.value(&list)?;
        return Ok(ExitCode::SUCCESS);
    }
    let items = elements(&list["items"]);
    if items.is_empty() {
        let nothing = context
            .lang
            .pick("Nothing needs a human.", "没有需要人工处理的事项。");
        context.line(nothing)?;
    }
    for item in items {
        context.line(&shown(item, context.lang))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What it is about, then what to do, then what helps.
fn shown(item: &Value, lang: Lang) -> String {
    let names = ["subject", "account", "key", "reason"];
    let mut head: Vec<String> = names.iter().map(|name| cell(&item[*name])).collect();
    head.retain(|word| !word.is_empty());
    if let Some(count) = item["count"].as_u64() {
        head.push(format!("× {count}"));
    }
    head.push(cell(&item["at"]));
    let action = &item[lang.pick("action", "action_zh")];
    let lines = [&item["detail"], action, &item["command"]];
    let mut text = head.join("  ").trim_end().to_owned();
    for line in lines.into_iter().map(cell).filter(|line| !line.is_empty()) {
        text.push_str("\n    ");
        text.push_str(&line);
    }
    text
}
