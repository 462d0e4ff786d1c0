//! `GET /v1/audit`: who did what, to what, from where.
//! It must not add to the list: whoever does something does, in the same transaction.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hongyan_courier::audit::{Act, Audit, AuditFilter, Entry, mark};
use hongyan_courier::message::AccountName;
use http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::door::Signed;
use crate::api::error::Problem;
use crate::api::moments::Moment;
use crate::api::page;
use crate::api::query::Query;

const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 500;
const NAMES: [&str; 9] = [
    "account",
    "who",
    "subject",
    "recipient",
    "since",
    "until",
    "cursor",
    "after",
    "limit",
];

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditPage {
    pub entries: Vec<EntryView>,
    /// Leads to the next page; none on the last.
    next_cursor: Option<String>,
}

/// What somebody did.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct EntryView {
    /// Its place, counted from 1 without a gap.
    number: u64,
    #[schema(value_type = String, format = DateTime)]
    at: Moment,
    /// The client, or `local:` and a user of the machine.
    who: String,
    /// From which address; none for a command on the machine.
    from: Option<String>,
    #[schema(example = "messages.cancel")]
    what: String,
    account: Option<String>,
    /// The message, broadcast, template or webhook.
    subject: Option<String>,
    /// A mark of the recipient, which does not tell the openid: ask for `recipient=OPENID`.
    recipient: Option<String>,
    /// The body of the call, where it is small and has no values of messages.
    details: Option<String>,
    trace_id: Option<String>,
    /// SHA-256 over the entry and the seal before it, in hex.
    seal: String,
}

impl From<Entry> for EntryView {
    fn from(Entry { number, act, seal }: Entry) -> Self {
        Self {
            number,
            at: Moment(act.at),
            who: act.who,
            from: act.from,
            what: act.what,
            account: act.account.map(|account| account.to_string()),
            subject: act.subject,
            recipient: act.recipient,
            details: act.details,
            trace_id: act.trace_id,
            seal: hex::encode(seal),
        }
    }
}

impl EntryView {
    /// The entry that is shown, unless its seal is none.
    pub fn read(self) -> Option<Entry> {
        let mut seal = [0; 32];
        hex::decode_to_slice(&self.seal, &mut seal).ok()?;
        Some(Entry {
            number: self.number,
            act: Act {
                at: self.at.0,
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

/// Who did what, newest first; with `after` oldest first, from there on. `hongyan audit verify` checks that nothing was
/// changed or taken out. A client that is confined to accounts sees what was done in them.
#[utoipa::path(
    get, path = "/v1/audit", tag = "operations",
    params(
        ("account" = Option<String>, Query),
        ("who" = Option<String>, Query, description = "By this client"),
        ("subject" = Option<String>, Query, description = "To this message, broadcast, template or webhook"),
        ("recipient" = Option<String>, Query, description = "To the recipient of this openid"),
        ("since" = Option<String>, Query, description = "At this time or later"),
        ("until" = Option<String>, Query, description = "Before this time"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("after" = Option<u64>, Query, description = "Oldest first, newer than the entry of this number; 0 begins at the first"),
        ("limit" = Option<u64>, Query, description = "50 by default, 500 at most"),
    ),
    responses((status = 200, body = AuditPage))
)]
pub async fn list(
    State(audit): State<Arc<dyn Audit>>,
    uri: Uri,
    signed: Signed,
) -> Result<Json<AuditPage>, Problem> {
    let mut query = Query::read(&uri)?;
    let account = query.text("account")?;
    let mut filter = AuditFilter {
        who: query.text("who")?,
        subject: query.text("subject")?,
        recipient: query.text("recipient")?.map(|openid| mark(&openid)),
        since: query.moment("since")?,
        until: query.moment("until")?,
        before: query.cursor(|place| std::str::from_utf8(place).ok()?.parse().ok())?,
        after: query.number("after")?,
        accounts: Vec::new(),
    };
    let limit = page::limit_within(query.number("limit")?, LIMIT_DEFAULT, LIMIT_MAX)?;
    query.nothing_else(&NAMES)?;
    // What was done to which template is not in each entry.
    signed.caller.require_every_template()?;
    filter.accounts = match &account {
        Some(name) => {
            signed.caller.require_account(name)?;
            vec![AccountName::from(name.as_str())]
        }
        None => signed.caller.reach.accounts().unwrap_or_default().to_vec(),
    };
    let forward = filter.after.is_some();
    // One more than shown tells whether there is a next page.
    let mut found = audit.audited(filter, limit + 1).await?;
    let last = page::cut(&mut found, limit).filter(|_| !forward);
    Ok(Json(AuditPage {
        next_cursor: last.map(|entry| page::cursor(entry.number.to_string())),
        entries: found.into_iter().map(EntryView::from).collect(),
    }))
}
