//! Recipients and suppressions as callers see them.
//! It must not show what no longer holds.

use hongyan_courier::message::AccountName;
use hongyan_courier::recipient::{Credit, Listed, Recipient, Suppression};
use hongyan_courier::time::UnixMs;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::moments::Moment;
use crate::auth::client::Identity;

#[derive(Serialize, ToSchema)]
#[schema(as = Recipient)]
pub struct RecipientView {
    account: String,
    openid: String,
    /// `unknown`, `subscribed`, `unsubscribed`, `blacklisted` or `dead`
    #[schema(example = "subscribed")]
    state: &'static str,
    /// Who said so: `errcode`, `receipt`, `event` or `user_info`
    source: Option<&'static str>,
    /// Since when it is known.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Moment>,
    /// Until then nothing that WeChat says suppresses.
    #[schema(value_type = Option<String>, format = DateTime)]
    override_until: Option<Moment>,
    /// WeChat is being asked whether the user follows.
    confirming: bool,
    /// Why nothing, or not one template, is sent; those that hold.
    suppressions: Vec<SuppressionView>,
    /// What the user agreed to, where one message needs one agreement, as far as the gateway heard of it.
    credits: Vec<CreditView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Suppression)]
pub struct SuppressionView {
    /// None for all templates.
    template_id: Option<String>,
    #[schema(example = "not_subscribed")]
    reason: &'static str,
    /// `errcode`, `receipt`, `event`, `user_info` or `operator`
    source: &'static str,
    errcode: Option<i64>,
    note: Option<String>,
    /// When it was said last.
    #[schema(value_type = String, format = DateTime)]
    at: Moment,
    /// For good without.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Moment>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Credit)]
pub struct CreditView {
    template_id: String,
    left: u32,
}

/// A suppression in a list.
#[derive(Serialize, ToSchema)]
pub struct SuppressedView {
    openid: String,
    #[serde(flatten)]
    suppression: SuppressionView,
}

impl RecipientView {
    pub fn of(account: &AccountName, openid: String, known: Recipient, now: UnixMs) -> Self {
        let suppressions = known.suppressions.into_iter();
        let credits = known.credits.into_iter();
        Self {
            account: account.to_string(),
            openid,
            state: known.state.as_str(),
            source: known.source.map(|source| source.as_str()),
            since: known.since.map(Moment),
            override_until: known.override_until.filter(|end| now < *end).map(Moment),
            confirming: known.confirm_at.is_some(),
            suppressions: suppressions
                .filter(|one| one.holds(now))
                .map(SuppressionView::from)
                .collect(),
            credits: credits.map(CreditView::from).collect(),
        }
    }

    /// Without what is about templates that the caller does not reach.
    pub fn for_caller(mut self, caller: &Identity) -> Self {
        let reached = |id: &str| caller.reach.has_template(id);
        let about = |one: &SuppressionView| one.template_id.as_deref().is_none_or(reached);
        self.suppressions.retain(about);
        self.credits.retain(|credit| reached(&credit.template_id));
        self
    }
}

impl From<Suppression> for SuppressionView {
    fn from(one: Suppression) -> Self {
        Self {
            template_id: one.template_id,
            reason: one.reason.as_str(),
            source: one.source.as_str(),
            errcode: one.errcode,
            note: one.note,
            at: Moment(one.at),
            expires_at: one.expires_at.map(Moment),
        }
    }
}

impl From<Credit> for CreditView {
    fn from(credit: Credit) -> Self {
        Self {
            template_id: credit.template_id,
            left: credit.left,
        }
    }
}

impl From<Listed> for SuppressedView {
    fn from(one: Listed) -> Self {
        Self {
            openid: one.openid,
            suppression: one.suppression.into(),
        }
    }
}
