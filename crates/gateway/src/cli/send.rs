//! `hongyan send`: one message through a running gateway.
//! It must not check the message: the gateway does, and says what is wrong.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::context::Context;
use crate::cli::gateway::GatewayArgs;
use crate::cli::http::GatewayClient;
use crate::cli::messages::show_message;
use crate::cli::runtime::block_on_here;
use crate::cli::table::{cell, pairs};

const EXAMPLE: &str = "\
Example:
  hongyan send --template TEMPLATE_ID --to OPENID --data thing1=Coffee --data time2=08:00 --wait";

/// Send one message.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct SendArgs {
    /// WeChat's template id
    #[arg(long, value_name = "ID")]
    template: String,
    /// The recipient's openid
    #[arg(long, value_name = "OPENID")]
    to: String,
    /// A key of the template and its text; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value, required = true)]
    data: Vec<(String, String)>,
    /// Where a tap leads
    #[arg(long = "url", value_name = "URL")]
    link: Option<String>,
    /// What sort of message: template, subscription, one_time_subscription or miniprogram_subscription
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Where a tap leads, for a subscription message
    #[arg(long, value_name = "PAGE")]
    page: Option<String>,
    /// The scene of the authorise page, for a one-time subscription
    #[arg(long, value_name = "NUMBER")]
    scene: Option<u16>,
    /// The card's title, for a one-time subscription
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// The account that sends; may be left out while there is only one
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Your own word for the message
    #[arg(long, value_name = "TEXT")]
    reference: Option<String>,
    /// Deduplicates: the same id and content for the same recipient is the same message for 24 hours
    #[arg(long, value_name = "ID")]
    client_msg_id: Option<String>,
    /// Wait until it is sent or has ended, at most so long
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "30")]
    wait: Option<u64>,
    /// What becomes of it if WeChat would refuse a value; by default what the account says
    #[arg(long, value_name = "HOW", value_parser = ["reject", "truncate", "send"])]
    on_violation: Option<String>,
    /// Send it although its recipient is suppressed; for clients with the scope recipients
    #[arg(long)]
    override_suppression: bool,
    /// Check everything and show what the user would see; nothing is stored or sent
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    #[command(flatten)]
    gateway: GatewayArgs,
}

pub fn run(args: &SendArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let client = GatewayClient::new(&args.gateway)?;
    let path = match args.wait {
        Some(seconds) => format!("/v1/messages?wait={seconds}"),
        None if args.dry_run => "/v1/messages?dry_run=true".to_owned(),
        None => "/v1/messages".to_owned(),
    };
    let answer = block_on_here(client.post(&path, &body(args)))?;
    if context.json {
        context.value(&answer)?;
    } else if args.dry_run {
        context.line(&rehearsed(&answer))?;
    } else {
        context.line(&show_message(&answer))?;
    }
    // A caller that waits wants to know how it went.
    let unhappy = [
        "failed",
        "suppressed",
        "cancelled",
        "expired",
        "unconfirmed",
    ];
    let status = answer["status"].as_str().unwrap_or_default();
    Ok(if unhappy.contains(&status) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn body(args: &SendArgs) -> Value {
    let data: Map<String, Value> = args
        .data
        .iter()
        .map(|(key, value)| (key.clone(), json!({"value": value})))
        .collect();
    let mut body = Map::from_iter([
        ("touser".to_owned(), args.to.as_str().into()),
        ("template_id".to_owned(), args.template.as_str().into()),
        ("data".to_owned(), data.into()),
    ]);
    for (name, value) in [
        ("url", &args.link),
        ("kind", &args.kind),
        ("page", &args.page),
        ("title", &args.title),
        ("account", &args.account),
        ("reference", &args.reference),
        ("client_msg_id", &args.client_msg_id),
        ("on_violation", &args.on_violation),
    ] {
        if let Some(value) = value {
            body.insert(name.to_owned(), value.as_str().into());
        }
    }
    if let Some(scene) = args.scene {
        body.insert("scene".to_owned(), scene.into());
    }
    if args.override_suppression {
        body.insert("override_suppression".to_owned(), true.into());
    }
    body.into()
}

/// What would become of a message, and what its user would see.
fn rehearsed(answer: &Value) -> String {
    let names = [
        "would",
        "reason",
        "id",
        "account",
        "template_id",
        "title",
        "checked",
    ];
    let mut text = pairs(&names.map(|name| (name, cell(&answer[name]))));
    let rendered = answer["rendered"].as_str().unwrap_or_default();
    for line in rendered.lines() {
        text.push_str(&format!("\n  | {line}"));
    }
    for warning in answer["warnings"].as_array().into_iter().flatten() {
        text.push_str(&format!("\nwarning: {}", cell(warning)));
    }
    text
}

pub(super) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}
