//! What is passed on to WeChat: with the real token, which neither the caller nor a log gets to see.
//! It must not know whether the caller may ask.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hongyan_courier::message::AccountName;
use hongyan_courier::port::Token;
use hongyan_courier::quota::ClearError;
use hongyan_courier::reach::Reach;
use hongyan_wechat::AccessToken;
use hongyan_wechat::errcode::{Class, Endpoint};
use hongyan_wechat::error::CallError;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use super::answer::{Answer, Refusal};
use super::calls::{Call, Change};
use super::{Compat, Note, Params, codes, quoted};
use crate::api::deed;
use crate::auth::client::Identity;

/// How long a call waits in all for a token where there is none, or for another when WeChat refused one. The keeper fetches
/// another within two seconds, and SDKs give up after five.
const TOKEN_PATIENCE: Duration = Duration::from_secs(3);
const TOKEN_POLL: Duration = Duration::from_millis(50);
/// How long a caller waits for the new list after a change; it is fetched all the same.
const LIST_PATIENCE: Duration = Duration::from_secs(1);

/// WeChat, for whatever is asked.
#[async_trait]
pub trait Relay: Send + Sync {
    /// Asks with the account's token, these further parts of a query, and a body if it is a POST.
    async fn relay(
        &self,
        account: &AccountName,
        endpoint: Endpoint,
        token: &AccessToken,
        query: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> Result<Bytes, CallError>;
}

/// A call that is passed on.
pub(super) struct Passed<'a> {
    pub(super) call: &'static Call,
    pub(super) params: &'a Params,
    /// None for a GET.
    pub(super) body: Option<Bytes>,
}

impl Compat {
    /// Asks, and shows what WeChat says. Whatever happens, asking again does no harm.
    pub(super) async fn read(
        &self,
        account: &AccountName,
        passed: &Passed<'_>,
    ) -> Result<Bytes, Refusal> {
        self.ask(account, passed)
            .await
            .map_err(|error| match &error {
                NotAnswered::ByWechat(CallError::Refused(refused)) if !is_token(&error) => {
                    refused.into()
                }
                _ => Refusal::new(-1, "system error"),
            })
    }

    /// The same, of templates: a client that is confined to some sees those.
    pub(super) async fn list_templates(
        &self,
        account: &AccountName,
        passed: &Passed<'_>,
        reach: &Reach,
    ) -> Result<Answer, Refusal> {
        let body = self.read(account, passed).await?;
        if reach.templates().is_none() {
            return Ok(Answer::Relayed(body));
        }
        let shown = confined(&body, reach);
        let shown = shown.ok_or_else(|| Refusal::new(-1, "system error"))?;
        Ok(Answer::Relayed(shown))
    }

    /// Tells WeChat of a change of the account's templates, and has the list fetched anew.
    pub(super) async fn change(
        &self,
        (caller, account): (&Identity, &AccountName),
        passed: &Passed<'_>,
        (change, note): (Change, Note),
    ) -> Result<Answer, Refusal> {
        let every = caller.reach.templates().is_none();
        let (what, subject, allowed) = match change {
            Change::AddTemplate => ("templates.add", None, every),
            Change::SetIndustry => ("templates.set_industries", None, every),
            Change::DeleteTemplate => {
                let id = template_id(passed);
                let allowed = caller.reach.has_template(&id);
                ("templates.delete", Some(id), allowed)
            }
        };
        if !allowed {
            return Err(Refusal::new(48001, "api unauthorized"));
        }
        let details = deed::details(passed.body.as_deref().unwrap_or_default());
        self.note((caller, account), what, (subject, details), note)
            .await?;
        let told = self.ask(account, passed).await;
        let body = told.map_err(|error| match &error {
            NotAnswered::ByWechat(CallError::Refused(refused))
                if refused.class() == Class::Busy =>
            {
                codes::unknown_outcome()
            }
            NotAnswered::ByWechat(CallError::Refused(refused)) if !is_token(&error) => {
                refused.into()
            }
            NotAnswered::ByWechat(CallError::InDoubt(_)) => codes::unknown_outcome(),
            // Nothing was done.
            _ => codes::slower(),
        })?;
        if !matches!(
            timeout(LIST_PATIENCE, self.book.sync(account)).await,
            Ok(Ok(_))
        ) {
            tracing::info!(%account, "the list of templates was changed and is not fetched yet");
        }
        Ok(Answer::Relayed(body))
    }

    /// Clears the quotas, counting it as one of the month's ten.
    pub(super) async fn clear_quota(
        &self,
        (caller, account): (&Identity, &AccountName),
        note: Note,
    ) -> Result<Answer, Refusal> {
        self.note((caller, account), "quota.clear", (None, None), note)
            .await?;
        match self.quotas.clear(account).await {
            Ok(_) => Ok(Answer::Done),
            Err(ClearError::Spent { .. }) => Err(Refusal::new(
                48006,
                "api forbidden clear quota because of reaching the limit",
            )),
            Err(ClearError::InDoubt(_)) => Err(codes::unknown_outcome()),
            Err(ClearError::NoSuchAccount) => Err(Refusal::new(40013, "invalid appid")),
            Err(ClearError::Failed(_) | ClearError::Store(_)) => Err(codes::slower()),
        }
    }

    async fn ask(&self, account: &AccountName, passed: &Passed<'_>) -> Result<Bytes, NotAnswered> {
        let until = Instant::now() + TOKEN_PATIENCE;
        let token = self.token_but(account, None, until).await;
        let token = token.ok_or(NotAnswered::NoToken)?;
        let refused = match self.ask_with(&token, account, passed).await {
            Err(error) if is_token(&error) => error,
            answered => return answered,
        };
        // Somebody outside may have fetched one; ours is being fetched now.
        match self.token_but(account, Some(&token), until).await {
            Some(another) => self.ask_with(&another, account, passed).await,
            None => Err(refused),
        }
    }

    /// The account's token, another one than this, if there is one soon.
    async fn token_but(
        &self,
        account: &AccountName,
        bad: Option<&Token>,
        until: Instant,
    ) -> Option<Token> {
        loop {
            if let Ok(token) = self.keeper.current(account)
                && bad.is_none_or(|bad| bad.secret != token.secret)
            {
                return Some(token);
            }
            if Instant::now() >= until {
                return None;
            }
            sleep(TOKEN_POLL).await;
        }
    }

    async fn ask_with(
        &self,
        token: &Token,
        account: &AccountName,
        passed: &Passed<'_>,
    ) -> Result<Bytes, NotAnswered> {
        let endpoint = Endpoint::Other(passed.call.path);
        let query: Vec<(&str, &str)> = passed.params.but(&["access_token"]).collect();
        let asking = self.upstream.relay(
            account,
            endpoint,
            &token.secret,
            &query,
            passed.body.clone(),
        );
        let answer = asking.await;
        self.keeper.answered(account, token, &answer);
        let body = answer.map_err(NotAnswered::ByWechat)?;
        Ok(quoted::without_secrets(body, token.secret.expose()))
    }
}

/// Why there is no good answer of WeChat's.
enum NotAnswered {
    /// There is nothing to ask with.
    NoToken,
    ByWechat(CallError),
}

/// Whether it was the real token that WeChat refused, which is not the caller's business.
fn is_token(error: &NotAnswered) -> bool {
    matches!(error, NotAnswered::ByWechat(CallError::Refused(refused)) if refused.class() == Class::Token)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    #[serde(alias = "priTmplId")]
    template_id: String,
}

fn template_id(passed: &Passed<'_>) -> String {
    let body = passed.body.as_deref().unwrap_or_default();
    serde_json::from_slice::<Named>(body)
        .unwrap_or_default()
        .template_id
}

/// A list without the templates beyond a client's reach; none if it cannot be read.
fn confined(body: &[u8], reach: &Reach) -> Option<Bytes> {
    let mut whole: Value = serde_json::from_slice(body).ok()?;
    for (list, id) in [("template_list", "template_id"), ("data", "priTmplId")] {
        if let Some(list) = whole.get_mut(list).and_then(Value::as_array_mut) {
            list.retain(|one| one[id].as_str().is_some_and(|id| reach.has_template(id)));
        }
    }
    serde_json::to_vec(&whole).ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confined_client_sees_its_templates() {
        let reach = Reach::within(Vec::new(), vec!["t1".into()]);
        let body = br#"{"template_list":[{"template_id":"t1"},{"template_id":"t2"}]}"#;
        let shown = confined(body, &reach).unwrap();
        assert_eq!(&shown[..], br#"{"template_list":[{"template_id":"t1"}]}"#);
        let body = br#"{"errcode":0,"data":[{"priTmplId":"t2"}]}"#;
        let shown = confined(body, &reach).unwrap();
        assert_eq!(&shown[..], br#"{"data":[],"errcode":0}"#);
    }
}
