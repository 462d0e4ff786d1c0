//! `hongyan messages retry`: one message by its id, or many by filter and at a rate.
//! It must not decide whether a message allows it.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::context::Context;
use crate::cli::gateway::GatewayArgs;
use crate::cli::http::GatewayClient;
use crate::cli::messages::shown;
use crate::cli::runtime::block_on_here;
use crate::cli::table::encoded;

/// The most that one call looks at.
const PAGE: u64 = 1_000;

/// Send a message again that has failed, expired or been cancelled; or many, by filter and at a rate.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  hongyan messages retry 0198c7a1f0c27d3aa5c2f4d1e8b97f10\n  hongyan messages retry --status failed --reason upstream_unavailable --rate 20"
)]
pub struct RetryArgs {
    /// The message's id; without one, filters say which messages
    id: Option<String>,
    /// Also an unconfirmed message, which the user may have already
    #[arg(long, requires = "id")]
    force: bool,
    #[command(flatten)]
    which: Which,
    /// Messages a second
    #[arg(long, default_value_t = 10.0, conflicts_with = "id")]
    rate: f64,
    /// At most so many
    #[arg(long, conflicts_with = "id")]
    limit: Option<u64>,
    #[command(flatten)]
    gateway: GatewayArgs,
}

#[derive(Debug, Args)]
struct Which {
    /// Of this account
    #[arg(long, value_name = "NAME", conflicts_with = "id")]
    account: Option<String>,
    /// Of this broadcast
    #[arg(long, value_name = "ID", conflicts_with = "id")]
    broadcast: Option<String>,
    /// failed (the default) or cancelled
    #[arg(long, conflicts_with = "id")]
    status: Option<String>,
    /// For this reason, such as upstream_unavailable
    #[arg(long, conflicts_with = "id")]
    reason: Option<String>,
    /// Whose last call was answered with this errcode
    #[arg(long, value_name = "ERRCODE", conflicts_with = "id")]
    code: Option<i64>,
    /// By this template
    #[arg(long, value_name = "ID", conflicts_with = "id")]
    template: Option<String>,
    /// To this openid
    #[arg(long, value_name = "OPENID", conflicts_with = "id")]
    to: Option<String>,
    /// With this reference
    #[arg(long, value_name = "TEXT", conflicts_with = "id")]
    reference: Option<String>,
    /// Accepted at this time or later
    #[arg(long, value_name = "TIME", conflicts_with = "id")]
    since: Option<String>,
    /// Accepted before this time
    #[arg(long, value_name = "TIME", conflicts_with = "id")]
    until: Option<String>,
    /// Ended at this time or later
    #[arg(long, value_name = "TIME", conflicts_with = "id")]
    ended_since: Option<String>,
}

const NARROWS_NOTHING: (&str, &str) = (
    "give the id of a message, or say which messages by at least one of --account, --broadcast, --reason, --code, --template, \
     --to, --reference, --since and --ended-since; --status, --until and --limit alone do not narrow it enough",
    "请给出消息 id，或用 --account、--broadcast、--reason、--code、--template、--to、--reference、--since、--ended-since \
     中的至少一个指明要重发哪些消息；仅有 --status、--until、--limit 范围过大",
);

impl Which {
    /// Whether it says more than that everything is meant which ever failed.
    fn narrows(&self) -> bool {
        let mut body = self.body();
        body.retain(|name, _| name != "status" && name != "until");
        !body.is_empty()
    }

    fn body(&self) -> Map<String, Value> {
        let words = [
            ("account", &self.account),
            ("broadcast", &self.broadcast),
            ("status", &self.status),
            ("reason", &self.reason),
            ("template_id", &self.template),
            ("touser", &self.to),
            ("reference", &self.reference),
            ("since", &self.since),
            ("until", &self.until),
            ("ended_since", &self.ended_since),
        ];
        let given = words.into_iter().filter_map(|(name, value)| {
            let value = value.as_ref()?;
            Some((name.to_owned(), Value::from(value.as_str())))
        });
        let code = self.code.map(|code| ("code".to_owned(), Value::from(code)));
        given.chain(code).collect()
    }
}

pub fn run(args: &RetryArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    if args.id.is_none() && !args.which.narrows() {
        let (english, chinese) = NARROWS_NOTHING;
        anyhow::bail!(context.lang.pick(english, chinese));
    }
    let client = GatewayClient::new(&args.gateway)?;
    let Some(id) = &args.id else {
        return many(args, &client, context);
    };
    let path = format!("/v1/messages/{}/retry", encoded(id));
    shown(
        &block_on_here(client.post(&path, &json!({"force": args.force})))?,
        context,
    )
}

/// Call after call, until all were looked at. Interrupted, it is simply run again: what is queued is not found any more.
fn many(
    args: &RetryArgs,
    client: &GatewayClient,
    context: &mut Context<'_>,
) -> anyhow::Result<ExitCode> {
    let mut body = args.which.body();
    body.insert("rate".to_owned(), json!(args.rate));
    let mut left = args.limit.unwrap_or(u64::MAX);
    let (mut retried, mut held, mut skipped) = (0, 0, Map::new());
    let mut last_due = Value::Null;
    while left > 0 {
        body.insert("limit".to_owned(), json!(left.min(PAGE)));
        let done = block_on_here(client.post("/v1/messages/retry", &json!(body)))?;
        retried += done["retried"].as_u64().unwrap_or(0);
        held += done["held"].as_u64().unwrap_or(0);
        for (why, count) in done["skipped"].as_object().into_iter().flatten() {
            let before = skipped.get(why).and_then(Value::as_u64).unwrap_or(0);
            skipped.insert(why.clone(), json!(before + count.as_u64().unwrap_or(0)));
        }
        if !done["last_due_at"].is_null() {
            last_due = done["last_due_at"].clone();
        }
        let Some(cursor) = done["next_cursor"].as_str() else {
            break;
        };
        body.insert("cursor".to_owned(), json!(cursor));
        left = left.saturating_sub(PAGE);
    }
    let summary =
        json!({"retried": retried, "held": held, "skipped": skipped, "last_due_at": last_due});
    if context.json {
        context.value(&summary)?;
        return Ok(ExitCode::SUCCESS);
    }
    let queued = context.lang.pick("queued again", "已重新排队");
    context.line(&format!("{queued}: {retried}"))?;
    if held > 0 {
        let waits = context.lang.pick(
            "of these, waiting until their broadcast is resumed",
            "其中等待所属群发恢复",
        );
        context.line(&format!("{waits}: {held}"))?;
    }
    for (why, count) in &skipped {
        let left_alone = context.lang.pick("left alone", "未处理");
        context.line(&format!("{left_alone} ({why}): {count}"))?;
    }
    if let Some(due) = last_due.as_str() {
        let last = context
            .lang
            .pick("the last one is due at", "最后一条的发送时间");
        context.line(&format!("{last} {due}"))?;
    }
    Ok(ExitCode::SUCCESS)
}
