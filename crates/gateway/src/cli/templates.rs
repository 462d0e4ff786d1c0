//! `hongyan templates list|show|sync|resume|add|delete` and `industries`: the templates of an account.
//! It must not check a message, nor know WeChat's rules: the gateway tells them.

use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::context::{Context, Lang};
use crate::cli::gateway::GatewayArgs;
use crate::cli::http::GatewayClient;
use crate::cli::runtime::block_on_here;
use crate::cli::table::{cell, elements, encoded, objects, pairs, table};

/// Look at an account's templates, fetch the list anew, let a stopped one go on, add and delete some.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan templates list --account clinic")]
pub struct TemplatesArgs {
    #[command(subcommand)]
    command: TemplatesCommand,
}

#[derive(Debug, Subcommand)]
enum TemplatesCommand {
    List(ListArgs),
    Show(ShowArgs),
    Sync(SyncArgs),
    Resume(ResumeArgs),
    Add(AddArgs),
    Delete(DeleteArgs),
    Industries(IndustriesArgs),
}

#[derive(Debug, Args)]
struct AccountArgs {
    /// May be left out while there is only one
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    #[command(flatten)]
    gateway: GatewayArgs,
}

/// List the templates of an account, as WeChat listed them last.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan templates list --account clinic")]
struct ListArgs {
    /// Also those that the account had once
    #[arg(long)]
    gone: bool,
    #[command(flatten)]
    of: AccountArgs,
}

/// Show a template as its user sees it, with its keys, their rules and its history.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  hongyan templates show ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY"
)]
struct ShowArgs {
    id: String,
    #[command(flatten)]
    of: AccountArgs,
}

/// Fetch the lists from WeChat now.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan templates sync --account clinic")]
struct SyncArgs {
    #[command(flatten)]
    of: AccountArgs,
}

/// Let a stopped template go on: its waiting messages are sent as they were written.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  hongyan templates resume ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY"
)]
struct ResumeArgs {
    id: String,
    #[command(flatten)]
    of: AccountArgs,
}

/// Add a template from WeChat's library of template messages, or from that of subscription messages.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  hongyan templates add 43216 --keyword 商品名称 --keyword 取餐时间\n  \
                  hongyan templates add 401 --kind subscription --keyword 3 --keyword 1 --scene 取餐提醒"
)]
struct AddArgs {
    /// Its number in the library
    number: String,
    /// Of which kind of messages
    #[arg(long, value_name = "KIND", default_value = TEMPLATE, value_parser = KINDS)]
    kind: String,
    /// A keyword that it is to have; its number, for subscription messages; may be repeated, in order
    #[arg(long = "keyword", value_name = "WORD")]
    keywords: Vec<String>,
    /// For subscription messages: what it is for, in at most 15 characters
    #[arg(long, value_name = "TEXT")]
    scene: Option<String>,
    #[command(flatten)]
    of: AccountArgs,
}

const TEMPLATE: &str = "template";
const KINDS: [&str; 3] = [TEMPLATE, "subscription", "miniprogram_subscription"];

/// Delete a template; its messages that wait go on waiting.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  hongyan templates delete ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY --yes"
)]
struct DeleteArgs {
    id: String,
    /// Of which kind of messages, if it is in no list that is known
    #[arg(long, value_name = "KIND", value_parser = KINDS)]
    kind: Option<String>,
    /// Do it without asking back
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    of: AccountArgs,
}

/// Show an account's industries, or set them: once a month, and WeChat then deletes the templates of the old ones.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan templates industries clinic --set 1,4 --yes")]
struct IndustriesArgs {
    account: String,
    /// The codes of the first and the second, 1 to 41
    #[arg(long, value_name = "FIRST,SECOND", value_delimiter = ',', num_args = 1)]
    set: Vec<u8>,
    /// Do it without asking back
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    gateway: GatewayArgs,
}

pub fn run(args: &TemplatesArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let lang = context.lang;
    let (answer, text) = match &args.command {
        TemplatesCommand::List(args) => {
            let gone = args.gone.then_some(("gone", "true"));
            let list = args.of.get("/v1/templates", gone)?;
            let text = listed(&list, lang);
            (list, text)
        }
        TemplatesCommand::Show(args) => {
            let template = args.of.get(&path(&args.id, ""), None)?;
            let text = shown(&template, lang);
            (template, text)
        }
        TemplatesCommand::Sync(args) => {
            let synced = args.of.post("/v1/templates/sync")?;
            let text = changes(&synced, lang);
            (synced, text)
        }
        TemplatesCommand::Resume(args) => {
            let resumed = args.of.post(&path(&args.id, "/resume"))?;
            (resumed, "resumed: its waiting messages go on".to_owned())
        }
        TemplatesCommand::Add(args) => {
            let body = args.body()?;
            let client = GatewayClient::new(&args.of.gateway)?;
            let added = block_on_here(client.post("/v1/templates", &body))?;
            let text = cell(&added["template_id"]);
            (added, text)
        }
        TemplatesCommand::Delete(args) => {
            ensure!(
                args.yes,
                "this deletes the template in WeChat; give --yes to do it"
            );
            let client = GatewayClient::new(&args.of.gateway)?;
            let kind = args.kind.as_deref().map(|kind| ("kind", kind));
            let address = args.of.address(&path(&args.id, ""), kind);
            let deleted = block_on_here(client.delete(&address))?;
            (deleted, "deleted".to_owned())
        }
        TemplatesCommand::Industries(args) => {
            let industries = args.call()?;
            let text = industries_shown(&industries);
            (industries, text)
        }
    };
    if context.json {
        context.value(&answer)?;
    } else {
        context.line(&text)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn path(id: &str, action: &str) -> String {
    format!("/v1/templates/{}{action}", encoded(id))
}

impl AccountArgs {
    fn address(&self, path: &str, more: Option<(&str, &str)>) -> String {
        let account = self.account.as_deref().map(|name| ("account", name));
        let query: Vec<String> = account
            .into_iter()
            .chain(more)
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        if query.is_empty() {
            path.to_owned()
        } else {
            format!("{path}?{}", query.join("&"))
        }
    }

    fn get(&self, path: &str, more: Option<(&str, &str)>) -> anyhow::Result<Value> {
        let address = self.address(path, more);
        block_on_here(GatewayClient::new(&self.gateway)?.get(&address))
    }

    fn post(&self, path: &str) -> anyhow::Result<Value> {
        let address = self.address(path, None);
        block_on_here(GatewayClient::new(&self.gateway)?.post(&address, &json!({})))
    }
}

impl AddArgs {
    fn body(&self) -> anyhow::Result<Value> {
        let (account, kind) = (&self.of.account, &self.kind);
        if kind == TEMPLATE {
            ensure!(self.scene.is_none(), "--scene is for subscription messages");
            return Ok(json!({
                "account": account, "template_id_short": self.number, "keyword_name_list": self.keywords,
            }));
        }
        let numbers = self.keywords.iter().map(|word| word.parse());
        let numbers: Result<Vec<u32>, _> = numbers.collect();
        let numbers = numbers.context("a keyword of a subscription template is its number")?;
        Ok(json!({
            "account": account, "kind": kind, "tid": self.number, "kid_list": numbers, "scene_desc": self.scene,
        }))
    }
}

impl IndustriesArgs {
    fn call(&self) -> anyhow::Result<Value> {
        let client = GatewayClient::new(&self.gateway)?;
        let path = format!("/v1/accounts/{}/industries", encoded(&self.account));
        match self.set.as_slice() {
            [] => block_on_here(client.get(&path)),
            [primary, secondary] => {
                ensure!(
                    self.yes,
                    "WeChat allows this once a month and deletes the templates of the old industries; give --yes to do it"
                );
                let body = json!({"primary": primary, "secondary": secondary});
                block_on_here(client.post(&path, &body))
            }
            _ => anyhow::bail!("give two codes, as in --set 1,4"),
        }
    }
}

fn listed(list: &Value, lang: Lang) -> String {
    let columns = ["template_id", "list", "lasts", "state", "title", "content"];
    let mut text = objects(&list["templates"], &columns);
    text.push('\n');
    for one in elements(&list["lists"]) {
        let synced = match &one["synced_at"] {
            Value::Null => "never: its kinds of messages go unchecked".to_owned(),
            at => cell(at),
        };
        text.push_str(&format!("\n{} list: {synced}", cell(&one["list"])));
        if let Some(error) = one["error"].as_str() {
            text.push_str(&format!("; the last attempt failed: {error}"));
        }
    }
    text + &stops(&list["stopped"], lang)
}

fn stops(stopped: &Value, lang: Lang) -> String {
    let line = |stop: &Value| {
        let told = [
            &stop["template_id"],
            &stop["cause"],
            &stop["since"],
            &stop[lang.pick("advice", "advice_zh")],
        ];
        let [id, cause, since, advice] = told.map(cell);
        match lang {
            Lang::En => format!("\nstopped: {id} ({cause}) since {since}; {advice}"),
            Lang::Zh => format!("\n已停用：{id}（{cause}），自 {since} 起；{advice}"),
        }
    };
    elements(stopped).iter().map(line).collect()
}

fn shown(template: &Value, lang: Lang) -> String {
    let rule = lang.pick("rule", "rule_zh");
    let names = [
        "template_id",
        "list",
        "lasts",
        "title",
        "state",
        "first_seen",
        "last_seen",
        "gone_at",
    ];
    let mut parts = vec![pairs(&names.map(|name| (name, cell(&template[name]))))];
    if template["stop"].is_object() {
        let stop = json!([template["stop"]]);
        parts.push(stops(&stop, lang).trim_start().to_owned());
    }
    parts.push(indented(&cell(&template["preview"])));
    let key = |key: &Value| {
        let needed = match key["required"].as_bool() {
            Some(true) => lang.pick("yes", "是"),
            _ => lang.pick("no, WeChat drops it", "否，微信会丢弃"),
        };
        vec![cell(&key["key"]), needed.to_owned(), cell(&key[rule])]
    };
    let keys = elements(&template["keys"]).iter().map(key);
    parts.push(table(&["key", "required", "rule"], keys));
    let oddities = elements(&template["oddities"]).iter();
    let oddities: Vec<_> = oddities.map(|odd| format!("odd: {}", cell(odd))).collect();
    if !oddities.is_empty() {
        parts.push(oddities.join("\n"));
    }
    parts.push(objects(&template["history"], &["at", "change", "title"]));
    parts.join("\n\n")
}

fn indented(text: &str) -> String {
    let lines = text.lines().map(|line| format!("  | {line}"));
    lines.collect::<Vec<_>>().join("\n")
}

fn changes(synced: &Value, lang: Lang) -> String {
    let changes = &synced["changes"];
    let mut text = if elements(changes).is_empty() {
        "nothing changed".to_owned()
    } else {
        objects(changes, &["template_id", "change", "title"])
    };
    text.push_str(&stops(&synced["stopped"], lang));
    for id in elements(&synced["resumed"]) {
        text.push_str(&format!("\nresumed: {}", cell(id)));
    }
    text
}

fn industries_shown(industries: &Value) -> String {
    let name = |industry: &Value| {
        let (first, second) = (&industry["first_class"], &industry["second_class"]);
        match first {
            Value::Null => "not set".to_owned(),
            first => format!("{} / {}", cell(first), cell(second)),
        }
    };
    pairs(&[
        ("first", name(&industries["primary_industry"])),
        ("second", name(&industries["secondary_industry"])),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_shown_with_what_an_operator_must_know() {
        let template = json!({
            "template_id": "t1", "title": "取餐提醒", "state": "stopped",
            "stop": {"template_id": "t1", "cause": "edited", "since": "2026-01-01T00:00:00Z",
                "advice": "look", "advice_zh": "核对模板"},
            "preview": "商品：示例内容\n时间：08:00",
            "keys": [{"key": "thing1", "required": true, "rule": "any text", "rule_zh": "任意文字"},
                {"key": "first", "required": false, "rule": null, "rule_zh": null}],
            "oddities": ["byte 3: not a key"],
            "history": [{"at": "2026-01-01T00:00:00Z", "change": "edited", "title": "取餐提醒"}],
        });
        let english = shown(&template, Lang::En);
        for part in [
            "stopped: t1 (edited) since 2026-01-01T00:00:00Z; look",
            "  | 商品：示例内容\n  | 时间：08:00",
            "no, WeChat drops it",
            "odd: byte 3: not a key",
        ] {
            assert!(english.contains(part), "{part}: {english}");
        }
        assert!(shown(&template, Lang::Zh).contains("任意文字"));
        let stopped = json!({"stopped": [template["stop"]]});
        for told in [
            shown(&template, Lang::Zh),
            listed(&stopped, Lang::Zh),
            changes(&stopped, Lang::Zh),
        ] {
            let line = "已停用：t1（edited），自 2026-01-01T00:00:00Z 起；核对模板";
            assert!(told.contains(line), "{told}");
        }
    }
}
