//! `GET /v1/attention`: what needs a human, in one list, with what to do about each.
//! It must not do any of it.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use hongyan_courier::message::AccountName;
use hongyan_courier::port::quota::QuotaBook;
use hongyan_courier::port::{DeadLetterOffice, DeadLetters};
use hongyan_courier::quota::Quotas;
use hongyan_courier::template::catalogue::Templates;
use hongyan_courier::template::stop::Stop;
use hongyan_courier::time::{Clock, UnixMs};
use http::Uri;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::accounts::Accounts;
use crate::api::door::Signed;
use crate::api::error::Problem;
use crate::api::moments::Moment;
use crate::api::query::Query;
use crate::api::webhooks::Webhooks;
use crate::auth::client::Identity;
use crate::condition::Conditions;

mod advice;
mod quota;
mod webhook;

use advice::Advice;

/// How far back it is looked, if the caller does not say.
const LOOK_BACK: Duration = Duration::from_secs(7 * 86_400);

/// What the list is made of.
pub struct Attention {
    pub accounts: Arc<Accounts>,
    pub conditions: Arc<Conditions>,
    pub quotas: Arc<Quotas>,
    pub book: Arc<dyn QuotaBook>,
    pub templates: Arc<dyn Templates>,
    pub dead_letters: Arc<dyn DeadLetterOffice>,
    pub webhooks: Arc<Webhooks>,
    pub clock: Arc<dyn Clock>,
}

/// What needs a human, the gravest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttentionList {
    items: Vec<AttentionItem>,
}

/// One thing that needs a human.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttentionItem {
    /// `account`, `kind`, `quota`, `template`, `webhook`, `failed` or `unconfirmed`
    #[schema(example = "failed")]
    subject: &'static str,
    /// None where it is about a webhook.
    account: Option<String>,
    /// The template's id, the webhook's name, or the kind of messages, where it is about one.
    key: Option<String>,
    /// Why, as a stable word.
    reason: Option<&'static str>,
    /// How many messages it is about, or how many events wait for the webhook or were given up.
    count: Option<u64>,
    /// When it was so last; of a quota, when it will run out; of a kind, when it is tried again; of a webhook that is off or failing, since when.
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<Moment>,
    /// One of the messages.
    example: Option<String>,
    /// WeChat's or the gateway's own words, where there are any.
    detail: Option<String>,
    action: &'static str,
    action_zh: &'static str,
    /// A command that helps, if there is one.
    command: Option<String>,
}

/// What needs a human: accounts, templates and webhooks that stand still, events that were given up, quotas that will not last the day, messages that
/// failed, messages of which nobody knows whether they arrived; each with what to do about it.
#[utoipa::path(
    get, path = "/v1/attention", tag = "operations",
    params(
        ("account" = Option<String>, Query),
        ("since" = Option<String>, Query, description = "Messages that ended, and events that were given up, at this time or later; a week back by default"),
    ),
    responses(
        (status = 200, body = AttentionList),
        (status = 404, description = "No such account", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn list(
    State(attention): State<Arc<Attention>>,
    uri: Uri,
    signed: Signed,
) -> Result<Json<AttentionList>, Problem> {
    let mut query = Query::read(&uri)?;
    let (account, since) = (query.text("account")?, query.moment("since")?);
    query.nothing_else(&["account", "since"])?;
    let seen = attention.accounts.seen_by(&signed.caller);
    let account = account.map(|name| seen.named(Some(&name))).transpose()?;
    let since = since.unwrap_or_else(|| attention.clock.now().minus(LOOK_BACK));
    let items = attention.items(&signed.caller, account, since).await?;
    Ok(Json(AttentionList { items }))
}

impl Attention {
    async fn items(
        &self,
        caller: &Identity,
        account: Option<&AccountName>,
        since: UnixMs,
    ) -> Result<Vec<AttentionItem>, Problem> {
        let wanted = |name: &AccountName| account.is_none_or(|account| account == name);
        let accounts = self
            .accounts
            .seen_by(caller)
            .iter()
            .map(|known| &known.name);
        let accounts: Vec<&AccountName> = accounts.filter(|name| wanted(name)).collect();
        let mut items: Vec<AttentionItem> = Vec::new();
        for name in &accounts {
            items.extend(quota::of_account(self, name));
            items.extend(quota::of_kinds(self, name));
        }
        for name in &accounts {
            items.extend(quota::of_quotas(self, name).await?);
        }
        for name in &accounts {
            let catalogue = self.templates.catalogue(name).await?;
            let stops = catalogue.stops.values();
            let stops = stops.filter(|stop| caller.reach.has_template(&stop.template_id));
            items.extend(stops.map(|stop| of_template(name, stop)));
        }
        // They are counted by account and reason, whatever their templates.
        if caller.require_every_template().is_err() {
            return Ok(items);
        }
        if account.is_none() {
            items.extend(webhook::of_webhooks(self, caller, since).await?);
        }
        let heaps = self.dead_letters.dead_letters(since).await?;
        let heaps = heaps
            .into_iter()
            .filter(|heap| accounts.contains(&&heap.account));
        items.extend(heaps.map(|heap| of_messages(heap, since)));
        Ok(items)
    }
}

fn of_template(account: &AccountName, stop: &Stop) -> AttentionItem {
    let id = &stop.template_id;
    let flag = stop.flag();
    AttentionItem {
        command: is_plain(id).then(|| format!("hongyan templates show {id} --account {account}")),
        key: Some(flag.key),
        reason: Some(flag.reason.as_str()),
        at: Some(Moment(flag.at)),
        detail: flag.errcode.map(|code| format!("errcode {code}")),
        ..AttentionItem::new("template", account, advice::of_template(stop.cause))
    }
}

/// Whether a shell takes a word as it stands. A template's id is what some caller wrote, and a command is there to be pasted.
fn is_plain(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !word.starts_with('-') && word.bytes().all(plain)
}

/// `since` is how far back they were counted: the command sends these again, and none that ended before.
fn of_messages(heap: DeadLetters, since: UnixMs) -> AttentionItem {
    let advice = advice::of_messages(heap.status, heap.reason);
    let reason = heap.reason.map(|reason| reason.as_str());
    let command = match (advice.retry, reason, Moment(since).shown()) {
        (true, Some(reason), Some(since)) => format!(
            "hongyan messages retry --account {} --status failed --reason {reason} --ended-since {since} --rate 10",
            heap.account
        ),
        _ => format!("hongyan messages show {}", heap.example),
    };
    AttentionItem {
        reason,
        count: Some(heap.count),
        at: Some(Moment(heap.last_at)),
        example: Some(heap.example.to_string()),
        command: Some(command),
        ..AttentionItem::new(heap.status.as_str(), &heap.account, advice)
    }
}

impl AttentionItem {
    fn new<'a>(
        subject: &'static str,
        account: impl Into<Option<&'a AccountName>>,
        advice: Advice,
    ) -> Self {
        Self {
            subject,
            account: account.into().map(AccountName::to_string),
            key: None,
            reason: None,
            count: None,
            at: None,
            example: None,
            detail: None,
            action: advice.english,
            action_zh: advice.chinese,
            command: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use hongyan_courier::message::{MessageId, Reason, Status};

    use super::*;

    #[test]
    fn the_command_for_failed_messages_sends_those_that_were_counted() {
        let now = UnixMs(1_795_400_000_000);
        let heap = DeadLetters {
            account: "clinic".into(),
            status: Status::Failed,
            reason: Some(Reason::UpstreamUnavailable),
            count: 3,
            last_at: now,
            example: MessageId::new(now),
        };
        let item = of_messages(heap, now.minus(Duration::from_secs(7 * 86_400)));
        let command = "hongyan messages retry --account clinic --status failed --reason upstream_unavailable \
            --ended-since 2026-11-16T02:13:20Z --rate 10";
        assert_eq!(item.command.as_deref(), Some(command));
    }

    #[test]
    fn a_command_holds_nothing_that_a_shell_would_run() {
        assert!(is_plain("ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27iz-_tY"));
        for word in [
            "$(id)", "`id`", "a;id", "a|id", "a b", "a\nid", "--url", "模板",
        ] {
            assert!(!is_plain(word), "{word}");
        }
    }
}
