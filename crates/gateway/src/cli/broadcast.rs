//! `hongyan broadcast`: hands over a file of recipients, or names everybody, and watches until all is sent. Interrupted
//! anywhere, the same command finds its broadcast again and goes on.
//! It must not judge a message: the gateway does.

mod bar;
mod check;
mod order;
mod told;
mod upload;
mod watch;

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use indicatif::ProgressBar;
use serde_json::{Value, json};

use crate::cli::context::{Context, Lang};
use crate::cli::gateway::GatewayArgs;
use crate::cli::http::{GatewayClient, may_pass};
use crate::cli::runtime::{asked_to_stop, block_on};
use crate::cli::send::key_value;
use crate::cli::table::encoded;
use told::{told, told_check};

const EXAMPLE: &str = "\
Example:
  hongyan broadcast --template TEMPLATE_ID --recipients people.csv --data 'thing1={{name}}' --rate 100
  hongyan broadcast --template TEMPLATE_ID --recipients all --data thing1=Hello --dry-run";

/// How long a gateway that does not answer is waited for, before giving up; what was done stays done.
const AWAY_MAX: Duration = Duration::from_secs(300);
const AWAY_PAUSE: Duration = Duration::from_secs(1);

/// Send a message to many recipients, each with the values of its row.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct BroadcastArgs {
    /// WeChat's template id
    #[arg(long, value_name = "ID", required_unless_present = "resume")]
    template: Option<String>,
    /// A CSV file whose header names its columns, the first of them openid; or all, for everybody who follows the account
    #[arg(long, value_name = "FILE|all", required_unless_present = "resume")]
    recipients: Option<String>,
    /// A key of the template and its text, which may name columns as {{column}}; may be repeated. Without any, every column
    /// is a key
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    data: Vec<(String, String)>,
    /// Where a tap leads; may name columns
    #[arg(long = "url", value_name = "URL")]
    link: Option<String>,
    /// The account that sends; may be left out while there is only one
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Your own word for each message; may name columns
    #[arg(long, value_name = "TEXT")]
    reference: Option<String>,
    /// high, normal or bulk
    #[arg(long)]
    priority: Option<String>,
    /// At most so many messages a second
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// Not to begin before this time, as in 2027-01-01T08:00:00+08:00
    #[arg(long, value_name = "TIME")]
    send_at: Option<String>,
    /// Nothing of it is sent after this time
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// Check every row, and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Start although some rows are bad; they are passed over
    #[arg(long)]
    skip_bad_rows: bool,
    /// Send it anew although the same file was sent in the same way; what of that has not ended is gone on with
    #[arg(long)]
    again: bool,
    /// Do not wait until all is sent
    #[arg(long)]
    detach: bool,
    /// Go on with this broadcast; with --recipients if its upload was interrupted
    #[arg(long, value_name = "ID", conflicts_with_all = ["template", "data", "dry_run", "again"])]
    resume: Option<String>,
    #[command(flatten)]
    gateway: GatewayArgs,
}

/// A broadcast that this command has to do with.
struct Task<'a> {
    args: &'a BroadcastArgs,
    client: GatewayClient,
    bar: ProgressBar,
    /// Set once somebody who sees no bar was told that a call does not go well.
    told_trouble: OnceLock<()>,
    lang: Lang,
    /// The broadcast's id, once it is known.
    id: OnceLock<String>,
}

pub fn run(args: &BroadcastArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let task = Task {
        args,
        client: GatewayClient::new(&args.gateway)?,
        bar: bar::bar(context.json),
        told_trouble: OnceLock::new(),
        lang: context.lang,
        id: args
            .resume
            .clone()
            .map_or_else(OnceLock::new, OnceLock::from),
    };
    if args.dry_run {
        let found = block_on(task.check());
        task.bar.finish_and_clear();
        let found = found?;
        return told_check(task.recipients()?, &found, context);
    }
    let working = async {
        let stop = asked_to_stop()?;
        tokio::select! {
            done = task.work() => done.map(Some),
            () = stop => Ok(None),
        }
    };
    let worked = block_on(working);
    task.bar.finish_and_clear();
    let Some(end) = worked? else {
        context.line(&task.interrupted())?;
        return Ok(ExitCode::from(130));
    };
    told(args, end, context)
}

/// How it ended for this command.
enum End {
    /// Not started: there are bad rows, and nobody said that they may be passed over.
    BadRows { broadcast: Value, found: Value },
    /// Started, and not waited for; or ended, or paused by somebody.
    Stands(Value),
}

impl Task<'_> {
    async fn work(&self) -> anyhow::Result<End> {
        let mut broadcast = match &self.args.resume {
            Some(id) => self.get(id).await?,
            None => self.order().await?,
        };
        let id = id(&broadcast)?.to_owned();
        self.id.get_or_init(|| id.clone());
        if broadcast["status"] == "cancelled" {
            return self.get(&id).await.map(End::Stands);
        }
        if broadcast["source"] == "rows" && broadcast["upload"]["complete"] == false {
            broadcast = self.upload(&id, &broadcast).await?;
        }
        if broadcast["status"] == "ready"
            && !self.args.skip_bad_rows
            && let Some(end) = self.bad_rows(&id).await?
        {
            return Ok(end);
        }
        let wish = match (&self.args.resume, broadcast["status"].as_str()) {
            (Some(_), Some("paused")) => "resume",
            _ => "start",
        };
        let path = format!("/v1/broadcasts/{}/{wish}", encoded(&id));
        let started = self
            .again(async || self.client.post(&path, &json!({})).await)
            .await?;
        if self.args.detach {
            return Ok(End::Stands(started));
        }
        self.watch(&id).await.map(End::Stands)
    }

    /// The rows that keep it from being started, if there are any: also those whose values break the template. By its id alone
    /// nobody knows what it says, so then only those that are no rows at all.
    async fn bad_rows(&self, id: &str) -> anyhow::Result<Option<End>> {
        let broadcast = self.get(id).await?;
        let found = if self.args.resume.is_none() && broadcast["source"] == "rows" {
            self.check().await?
        } else {
            let (upload, problems) = (&broadcast["upload"], &broadcast["problems"]);
            json!({"rows": upload["rows"], "bad_rows": upload["bad_rows"], "problems": problems})
        };
        let bad = found["bad_rows"].as_u64() > Some(0);
        Ok(bad.then_some(End::BadRows { broadcast, found }))
    }

    async fn get(&self, id: &str) -> anyhow::Result<Value> {
        let path = format!("/v1/broadcasts/{}", encoded(id));
        self.again(async || self.client.get(&path).await).await
    }

    /// Makes a call that may be made twice, until the gateway answers.
    async fn again(&self, call: impl AsyncFn() -> anyhow::Result<Value>) -> anyhow::Result<Value> {
        let began = tokio::time::Instant::now();
        let shown = self.bar.message();
        loop {
            match call().await {
                Err(error) if may_pass(&error) && began.elapsed() < AWAY_MAX => {
                    self.troubled(&error);
                    tokio::time::sleep(AWAY_PAUSE).await;
                }
                answer => {
                    if self.bar.message() != shown {
                        self.bar.set_message(shown);
                    }
                    return answer;
                }
            }
        }
    }
}

fn id(broadcast: &Value) -> anyhow::Result<&str> {
    broadcast["id"].as_str().context("the answer has no id")
}

fn open(path: &str) -> anyhow::Result<File> {
    File::open(PathBuf::from(path)).with_context(|| unreadable(path))
}

fn unreadable(path: &str) -> String {
    format!("{path} cannot be read")
}
