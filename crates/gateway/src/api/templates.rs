//! `/v1/templates`: the templates of accounts as they are known, fetched anew, resumed; and for operators added, deleted,
//! with the accounts' industries. It must not decide what a list changes, nor whether a message fits.

pub mod industries;
pub mod library;
pub mod list;
pub mod show;
pub mod sync;

use std::sync::Arc;
use std::time::Duration;

use hongyan_courier::message::AccountName;
use hongyan_courier::port::{Ledger, Token};
use hongyan_courier::template::book::{Book, SyncError};
use hongyan_courier::template::catalogue::Templates as Port;
use hongyan_courier::template::measure::Counting;
use hongyan_courier::template::stop::Stop;
use hongyan_courier::time::Clock;
use hongyan_courier::token::Keeper;
use hongyan_wechat::errcode::{Class, RateScope};
use hongyan_wechat::error::CallError;
use http::Uri;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::accounts::Accounts;
use crate::api::door::Signed;
use crate::api::error::Problem;
use crate::api::moments::Moment;
use crate::api::query::Query;
use crate::auth::client::Identity;
use library::Library;

const UPSTREAM_PAUSE: Duration = Duration::from_secs(5);
/// Longer than any call to WeChat takes.
const SYNC_PATIENCE: Duration = Duration::from_secs(55);

/// What the template calls are made of.
pub struct Templates {
    pub accounts: Arc<Accounts>,
    pub book: Arc<Book>,
    pub templates: Arc<dyn Port>,
    pub keeper: Arc<Keeper>,
    pub library: Arc<dyn Library>,
    pub ledger: Arc<dyn Ledger>,
    pub clock: Arc<dyn Clock>,
    pub counting: Counting,
}

/// A template of which nothing is sent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TemplateStop)]
pub struct StopView {
    template_id: String,
    /// `edited`, `gone`, `unknown`, `unusable`, `restricted` or `content_blocked`
    #[schema(example = "edited")]
    cause: &'static str,
    /// The errcode that said so; none if WeChat's list did.
    errcode: Option<i64>,
    #[schema(value_type = String, format = DateTime)]
    since: Moment,
    /// What to do about it.
    advice: &'static str,
    /// The same in Chinese.
    advice_zh: &'static str,
}

impl From<&Stop> for StopView {
    fn from(stop: &Stop) -> Self {
        let (advice, advice_zh) = stop.cause.advice();
        Self {
            template_id: stop.template_id.clone(),
            cause: stop.cause.as_str(),
            errcode: stop.errcode,
            since: Moment(stop.since),
            advice,
            advice_zh,
        }
    }
}

impl Templates {
    /// The account that the query names, and nothing else in it.
    fn account<'a>(&'a self, uri: &Uri, caller: &'a Identity) -> Result<&'a AccountName, Problem> {
        let mut query = Query::read(uri)?;
        let name = query.text("account")?;
        query.nothing_else(&["account"])?;
        self.accounts.seen_by(caller).named(name.as_deref())
    }

    /// Spends the nonce of a call that changes something with WeChat, and writes down that it was asked for.
    async fn spend(&self, signed: &mut Signed, account: &AccountName) -> Result<(), Problem> {
        signed.about(account);
        if let Some(nonce) = signed.nonce.take() {
            self.ledger.spend(nonce, self.clock.now()).await?;
        }
        Ok(())
    }

    /// Makes a call with the account's token.
    async fn ask<T>(
        &self,
        account: &AccountName,
        call: impl AsyncFnOnce(&Token) -> Result<T, CallError>,
    ) -> Result<T, Problem> {
        let token = self.keeper.current(account).map_err(|_| {
            Problem::unavailable("the account has no usable token at present", UPSTREAM_PAUSE)
        })?;
        let error = match call(&token).await {
            Ok(answer) => {
                self.keeper.accepted(account, &token);
                return Ok(answer);
            }
            Err(error) => error,
        };
        let CallError::Refused(refusal) = &error else {
            let text = format!("{error}; look at what there is before doing it again");
            return Err(Problem::unavailable(text, UPSTREAM_PAUSE));
        };
        match refusal.class() {
            Class::Token => {
                self.keeper.rejected(account, &token);
                Err(Problem::unavailable(error.to_string(), UPSTREAM_PAUSE))
            }
            Class::Busy | Class::Rate(RateScope::Account) => {
                Err(Problem::unavailable(error.to_string(), UPSTREAM_PAUSE))
            }
            _ => Err(Problem::conflict(format!("WeChat refused: {error}"))),
        }
    }

    /// After a change of our own the list is not as it was. That it cannot be fetched now does not undo the change.
    async fn look_again(&self, account: &AccountName) {
        let syncing = tokio::time::timeout(UPSTREAM_PAUSE, self.book.sync(account));
        if !matches!(syncing.await, Ok(Ok(_))) {
            tracing::warn!(%account, "the list of templates could not be fetched after a change");
        }
    }
}

fn not_synced(error: &SyncError) -> Problem {
    match error {
        SyncError::NoSuchAccount => Problem::not_found(error.to_string()),
        SyncError::NotGranted(_) => Problem::conflict(error.to_string()),
        _ => Problem::unavailable(error.to_string(), UPSTREAM_PAUSE),
    }
}
