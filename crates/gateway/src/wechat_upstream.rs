//! WeChat as the domain wants it: the port `Upstream` over the client of `hongyan_wechat`, one set of hosts an account.
//! It must not decide anything about a message; what an answer means is the domain's business.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use hongyan_courier::kind::{Extras, Kind, ListOf};
use hongyan_courier::message::{AccountName, Content};
use hongyan_courier::port::quota::QuotaDesk;
use hongyan_courier::port::{Granted, SendCall, TokenMode, Upstream};
use hongyan_courier::recipient::Followers;
use hongyan_courier::template::book::Source;
use hongyan_courier::template::catalogue::Listed;
use hongyan_wechat::AccessToken;
use hongyan_wechat::client::Client;
use hongyan_wechat::errcode::Endpoint;
use hongyan_wechat::error::{CallError, NotSent, NotSentCause};
use hongyan_wechat::industry::{Industries, IndustryCodes};
use hongyan_wechat::oauth::Authorised;
use hongyan_wechat::quota::QuotaReport;
use hongyan_wechat::subscription::{MiniProgramMessage, OneTimeMessage, SubscriptionMessage};
use hongyan_wechat::template::{Accepted, MiniProgram, TemplateMessage};
use hongyan_wechat::token::Credential;
use hongyan_wechat::user::FollowerPage;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::api::templates::library::{Library, New};
use crate::compat::Relay;

/// One account's way to WeChat.
#[derive(Clone, Debug)]
pub struct Line {
    /// A client for the account's hosts; all lines share one pool.
    pub client: Client,
    pub credential: Credential,
}

#[derive(Debug)]
pub struct WechatUpstream {
    lines: ArcSwap<HashMap<AccountName, Arc<Line>>>,
}

impl WechatUpstream {
    pub fn new(lines: impl IntoIterator<Item = (AccountName, Line)>) -> Self {
        Self {
            lines: ArcSwap::from_pointee(by_name(lines)),
        }
    }

    /// From the next call on these are the ways to WeChat, besides those of `leaving`, which stay as they are. Calls that
    /// were begun go on as they began.
    pub fn replace(
        &self,
        lines: impl IntoIterator<Item = (AccountName, Line)>,
        leaving: &[AccountName],
    ) {
        let mut lines = by_name(lines);
        let before = self.lines.load();
        for account in leaving {
            if let Some(line) = before.get(account) {
                lines.insert(account.clone(), Arc::clone(line));
            }
        }
        self.lines.store(Arc::new(lines));
    }

    /// Whose a code of the authorise page is.
    pub async fn authorised(
        &self,
        account: &AccountName,
        code: &str,
    ) -> Result<Authorised, CallError> {
        let line = self.line(account, Endpoint::OauthToken)?;
        line.client.authorised(&line.credential, code).await
    }

    /// A page of the account's followers, from the one after `after` on.
    pub async fn followers(
        &self,
        account: &AccountName,
        token: &AccessToken,
        after: Option<&str>,
    ) -> Result<FollowerPage, CallError> {
        let line = self.line(account, Endpoint::UserList)?;
        line.client.followers(token, after).await
    }

    fn line(&self, account: &AccountName, endpoint: Endpoint) -> Result<Arc<Line>, CallError> {
        // A message may outlive its account in the configuration: it waits until the account is back.
        let lines = self.lines.load();
        lines
            .get(account)
            .cloned()
            .ok_or_else(|| unwritable(endpoint, None))
    }
}

fn by_name(
    lines: impl IntoIterator<Item = (AccountName, Line)>,
) -> HashMap<AccountName, Arc<Line>> {
    let each = lines.into_iter().map(|(name, line)| (name, Arc::new(line)));
    each.collect()
}

#[async_trait]
impl QuotaDesk for WechatUpstream {
    async fn report(
        &self,
        account: &AccountName,
        kind: Kind,
        token: &AccessToken,
    ) -> Result<QuotaReport, CallError> {
        let line = self.line(account, Endpoint::QuotaGet)?;
        line.client.quota(token, kind.traits().endpoint).await
    }

    async fn clear(
        &self,
        account: &AccountName,
        token: Option<&AccessToken>,
    ) -> Result<(), CallError> {
        let line = self.line(account, Endpoint::QuotaClear)?;
        match token {
            Some(token) => line.client.clear_quota(token, &line.credential.appid).await,
            None => line.client.clear_quota_by_secret(&line.credential).await,
        }
    }
}

#[async_trait]
impl Upstream for WechatUpstream {
    async fn send(&self, call: SendCall) -> Result<Option<i64>, CallError> {
        let endpoint = call.content.kind.traits().endpoint;
        let line = self.line(&call.content.account, endpoint)?;
        let stored = Stored::read(&call.content)
            .map_err(|error| unwritable(endpoint, Some(error.into())))?;
        let (client, token) = (&line.client, &call.token);
        let accepted = match call.content.kind {
            Kind::Template => send_template(client, &call, &stored.message(&call)).await?,
            Kind::Subscription => {
                let message = stored.subscription(&call.content);
                client.send_subscription(token, &message).await?
            }
            Kind::OneTime => {
                let message = stored.one_time(&call.content);
                client.send_one_time(token, &message).await?
            }
            Kind::MiniProgram => {
                let message = stored.mini_program(&call.content);
                client.send_mini_program(token, &message).await?
            }
        };
        Ok(accepted.msgid)
    }

    async fn fetch_token(
        &self,
        account: &AccountName,
        mode: TokenMode,
    ) -> Result<Granted, CallError> {
        let line = self.line(account, Endpoint::StableToken)?;
        let (client, credential) = (&line.client, &line.credential);
        let grant = match mode {
            TokenMode::Stable => client.stable_token(credential, false).await?,
            TokenMode::Forced => client.stable_token(credential, true).await?,
            TokenMode::Plain => client.token(credential).await?,
        };
        Ok(Granted {
            secret: grant.token,
            expires_in: grant.expires_in,
        })
    }
}

#[async_trait]
impl Followers for WechatUpstream {
    async fn follows(
        &self,
        account: &AccountName,
        openid: &str,
        token: AccessToken,
    ) -> Result<bool, CallError> {
        let line = self.line(account, Endpoint::UserInfo)?;
        let info = line.client.user_info(&token, openid).await?;
        Ok(info.follows())
    }
}

#[async_trait]
impl Source for WechatUpstream {
    async fn templates(
        &self,
        account: &AccountName,
        of: ListOf,
        token: &AccessToken,
    ) -> Result<Vec<Listed>, CallError> {
        match of {
            ListOf::Templates => {
                let line = self.line(account, Endpoint::TemplateList)?;
                let list = line.client.templates(token).await?;
                Ok(list.into_iter().map(Listed::from).collect())
            }
            ListOf::Subscriptions => {
                let line = self.line(account, Endpoint::SubscriptionTemplateList)?;
                let list = line.client.subscription_templates(token).await?;
                Ok(list.into_iter().map(Listed::from).collect())
            }
        }
    }
}

#[async_trait]
impl Library for WechatUpstream {
    async fn add(
        &self,
        account: &AccountName,
        token: &AccessToken,
        new: New<'_>,
    ) -> Result<String, CallError> {
        let line = self.line(account, Endpoint::TemplateAdd)?;
        match new {
            New::Template(new) => line.client.add_template(token, new).await,
            New::Subscription(new) => line.client.add_subscription_template(token, new).await,
        }
    }

    async fn delete(
        &self,
        account: &AccountName,
        token: &AccessToken,
        (of, template_id): (ListOf, &str),
    ) -> Result<(), CallError> {
        let line = self.line(account, Endpoint::TemplateDelete)?;
        let client = &line.client;
        match of {
            ListOf::Templates => client.delete_template(token, template_id).await,
            ListOf::Subscriptions => {
                client
                    .delete_subscription_template(token, template_id)
                    .await
            }
        }
    }

    async fn industries(
        &self,
        account: &AccountName,
        token: &AccessToken,
    ) -> Result<Industries, CallError> {
        let line = self.line(account, Endpoint::IndustryGet)?;
        line.client.industries(token).await
    }

    async fn set_industries(
        &self,
        account: &AccountName,
        token: &AccessToken,
        codes: IndustryCodes,
    ) -> Result<(), CallError> {
        let line = self.line(account, Endpoint::IndustrySet)?;
        line.client.set_industries(token, codes).await
    }
}

#[async_trait]
impl Relay for WechatUpstream {
    async fn relay(
        &self,
        account: &AccountName,
        endpoint: Endpoint,
        token: &AccessToken,
        query: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> Result<Bytes, CallError> {
        let line = self.line(account, endpoint)?;
        line.client.relay(endpoint, token, query, body).await
    }
}

/// A first call, or a repeat that must not leave too late.
async fn send_template(
    client: &Client,
    call: &SendCall,
    message: &TemplateMessage<'_>,
) -> Result<Accepted, CallError> {
    match &call.repeat {
        None => client.send_template(&call.token, message).await,
        Some(gate) => {
            let gate = Arc::clone(gate);
            client
                .send_template_fresh(&call.token, message, &move || gate())
                .await
        }
    }
}

/// The parts of a stored message that are kept as JSON text.
struct Stored<'a> {
    data: &'a RawValue,
    miniprogram: Option<StoredMiniProgram>,
    extras: Cow<'a, Extras>,
}

#[derive(Deserialize)]
struct StoredMiniProgram {
    appid: String,
    pagepath: Option<String>,
}

impl<'a> Stored<'a> {
    fn read(content: &'a Content) -> Result<Self, serde_json::Error> {
        let miniprogram = content.miniprogram.as_deref();
        Ok(Self {
            data: serde_json::from_str(&content.data)?,
            miniprogram: miniprogram.map(serde_json::from_str).transpose()?,
            extras: match content.extras.as_deref() {
                Some(extras) => Cow::Borrowed(extras),
                None => Cow::Owned(Extras::default()),
            },
        })
    }

    fn target(&self) -> Option<MiniProgram<'_>> {
        self.miniprogram.as_ref().map(|target| MiniProgram {
            appid: &target.appid,
            pagepath: target.pagepath.as_deref(),
        })
    }

    fn subscription(&'a self, content: &'a Content) -> SubscriptionMessage<'a> {
        SubscriptionMessage {
            touser: &content.touser,
            template_id: &content.template_id,
            page: self.extras.page.as_deref(),
            miniprogram: self.target(),
            data: self.data,
            miniprogram_state: self.extras.miniprogram_state.as_deref(),
            lang: self.extras.lang.as_deref(),
        }
    }

    fn mini_program(&'a self, content: &'a Content) -> MiniProgramMessage<'a> {
        MiniProgramMessage {
            touser: &content.touser,
            template_id: &content.template_id,
            page: self.extras.page.as_deref(),
            data: self.data,
            miniprogram_state: self.extras.miniprogram_state.as_deref(),
            lang: self.extras.lang.as_deref(),
        }
    }

    fn one_time(&'a self, content: &'a Content) -> OneTimeMessage<'a> {
        OneTimeMessage {
            touser: &content.touser,
            template_id: &content.template_id,
            url: content.url.as_deref(),
            miniprogram: self.target(),
            scene: self.extras.scene.unwrap_or_default(),
            title: self.extras.title.as_deref().unwrap_or_default(),
            data: self.data,
        }
    }

    fn message(&'a self, call: &'a SendCall) -> TemplateMessage<'a> {
        let content = &call.content;
        TemplateMessage {
            touser: &content.touser,
            template_id: &content.template_id,
            url: content.url.as_deref(),
            miniprogram: self.target(),
            data: self.data,
            client_msg_id: Some(&call.wire_id),
        }
    }
}

fn unwritable(
    endpoint: Endpoint,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
) -> CallError {
    NotSent {
        endpoint,
        cause: NotSentCause::Request,
        source,
    }
    .into()
}
