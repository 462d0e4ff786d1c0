//! WeChat's endpoints: what each reads from a call, and how the world's word becomes its JSON.
//! Faults are applied around them by `carry`.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Arc, MutexGuard};

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::answer::{self, Answer, Cut};
use super::carry::{Done, Subject, UnderWay, carry};
use super::{Shared, query};
use crate::fault::Endpoint;
use crate::receipts::About;
use crate::world::{Accepted, MiniProgram, Refusal, SendRequest, TokenGrant, TokenRequest, World};

/// A call as it came in.
pub(crate) struct Call<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) peer: IpAddr,
    pub(crate) post: bool,
    pub(crate) query: Option<&'a str>,
    pub(crate) body: Bytes,
}

impl Call<'_> {
    pub(super) fn query(&self, name: &str) -> Cow<'_, str> {
        query::value(self.query, name)
    }

    /// Faults may be meant for one account; whose call it is matters only then.
    pub(super) fn owner(&self, access_token: &str) -> Option<String> {
        if !self.shared.troubled() {
            return None;
        }
        self.shared
            .world()
            .appid_of(access_token)
            .map(str::to_owned)
    }
}

#[derive(Deserialize)]
struct SendBody<'a> {
    #[serde(borrow, default)]
    touser: Cow<'a, str>,
    #[serde(borrow, default)]
    template_id: Cow<'a, str>,
    #[serde(borrow, default)]
    url: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    miniprogram: Option<MiniProgram<'a>>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    client_msg_id: Option<Cow<'a, str>>,
}

impl SendBody<'_> {
    fn request<'b>(&'b self, access_token: &'b str) -> SendRequest<'b> {
        SendRequest {
            access_token,
            touser: &self.touser,
            template_id: &self.template_id,
            url: self.url.as_deref().unwrap_or(""),
            miniprogram: self.miniprogram.clone(),
            data: self.data.map_or("", RawValue::get),
            client_msg_id: self.client_msg_id.as_deref().filter(|id| !id.is_empty()),
        }
    }
}

pub(crate) async fn send(call: Call<'_>) -> Result<Answer, Cut> {
    if !call.post {
        return require_post(&call, Endpoint::Send).await;
    }
    let access_token = call.query("access_token");
    let owner = call.owner(&access_token);
    let body = serde_json::from_slice::<SendBody<'_>>(&call.body);
    let subject = Subject {
        endpoint: Endpoint::Send,
        appid: owner.as_deref(),
        openid: body.as_ref().ok().map(|body| &*body.touser),
    };
    let shared = call.shared;
    carry(shared, subject, |now_ms| match &body {
        Ok(body) => send_now(shared, now_ms, &body.request(&access_token)),
        Err(_) => {
            let refusal = shared
                .world()
                .unreadable(now_ms, Endpoint::Send, &access_token);
            answer::refusal_json(&refusal).into()
        }
    })
    .await
}

fn send_now(shared: &Arc<Shared>, now_ms: i64, request: &SendRequest<'_>) -> Done {
    let mut world = shared.world();
    let answer = world.send(now_ms, request);
    let accepted = match answer {
        Ok(accepted) => accepted,
        Err(refusal) => return answer::refusal_json(&refusal).into(),
    };
    let msgid = accepted.msgid;
    let json = format!(r#"{{"errcode":0,"errmsg":"ok","msgid":{msgid}}}"#).into();
    let about = (!accepted.repeated).then_some(About::Message);
    followed(
        shared,
        (world, now_ms),
        accepted,
        json,
        (request.touser, about),
    )
}

/// The answer to an accepted message, with the event that follows it, if any.
pub(super) fn followed(
    shared: &Arc<Shared>,
    (mut world, now_ms): (MutexGuard<'_, World>, i64),
    accepted: Accepted,
    json: Bytes,
    (touser, about): (&str, Option<About>),
) -> Done {
    let about = about.filter(|_| world.has_callback(&accepted));
    let counted = world.enter(&accepted);
    drop(world);
    let under_way = counted.then(|| UnderWay {
        shared: Arc::clone(shared),
        accepted,
    });
    Done {
        json,
        hold: about.and_then(|about| shared.receipts.plan(now_ms, &accepted, touser, about)),
        under_way,
    }
}

/// The fields of both token endpoints, and of `clear_quota/v2` in its own spelling.
#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenBody {
    grant_type: String,
    appid: String,
    #[serde(alias = "appsecret")]
    secret: String,
    force_refresh: bool,
}

pub(crate) async fn token(call: Call<'_>) -> Result<Answer, Cut> {
    let body = TokenBody {
        grant_type: call.query("grant_type").into_owned(),
        appid: call.query("appid").into_owned(),
        secret: call.query("secret").into_owned(),
        force_refresh: false,
    };
    fetch(&call, Endpoint::Token, &body, World::token).await
}

pub(crate) async fn stable_token(call: Call<'_>) -> Result<Answer, Cut> {
    if !call.post {
        return require_post(&call, Endpoint::StableToken).await;
    }
    // A body that is no JSON reads as one without fields: 40002, as production answers.
    let body: TokenBody = serde_json::from_slice(&call.body).unwrap_or_default();
    let force = body.force_refresh;
    let endpoint = if force {
        Endpoint::ForcedToken
    } else {
        Endpoint::StableToken
    };
    fetch(&call, endpoint, &body, |world, now_ms, request| {
        world.stable_token(now_ms, request, force)
    })
    .await
}

async fn fetch(
    call: &Call<'_>,
    endpoint: Endpoint,
    body: &TokenBody,
    grant: impl FnOnce(&mut World, i64, &TokenRequest<'_>) -> Result<TokenGrant, Refusal>,
) -> Result<Answer, Cut> {
    let subject = Subject {
        endpoint,
        appid: Some(&body.appid),
        openid: None,
    };
    carry(call.shared, subject, |now_ms| {
        let request = TokenRequest {
            grant_type: &body.grant_type,
            appid: &body.appid,
            secret: &body.secret,
            ip: call.peer,
        };
        let granted = grant(&mut call.shared.world(), now_ms, &request);
        told(granted.map(
            |token| json!({"access_token": token.access_token, "expires_in": token.expires_in}),
        ))
    })
    .await
}

/// `GET /sns/oauth2/access_token`: it takes the secret, as the token endpoints do.
pub(crate) async fn redeem_code(call: Call<'_>) -> Result<Answer, Cut> {
    let body = TokenBody {
        grant_type: call.query("grant_type").into_owned(),
        appid: call.query("appid").into_owned(),
        secret: call.query("secret").into_owned(),
        force_refresh: false,
    };
    let code = call.query("code").into_owned();
    let subject = Subject {
        endpoint: Endpoint::Oauth,
        appid: Some(&body.appid),
        openid: None,
    };
    carry(call.shared, subject, |now_ms| {
        let request = TokenRequest {
            grant_type: &body.grant_type,
            appid: &body.appid,
            secret: &body.secret,
            ip: call.peer,
        };
        told(call.shared.world().authorise(now_ms, &request, &code))
    })
    .await
}

pub(crate) async fn templates(call: Call<'_>) -> Result<Answer, Cut> {
    ask(&call, Endpoint::Templates, World::templates).await
}

pub(crate) async fn subscription_templates(call: Call<'_>) -> Result<Answer, Cut> {
    let endpoint = Endpoint::SubscriptionTemplates;
    ask(&call, endpoint, World::subscription_templates).await
}

pub(crate) async fn user_info(call: Call<'_>) -> Result<Answer, Cut> {
    let openid = call.query("openid").into_owned();
    ask(&call, Endpoint::UserInfo, |world, now_ms, token| {
        world.user_info(now_ms, token, &openid)
    })
    .await
}

pub(crate) async fn followers(call: Call<'_>) -> Result<Answer, Cut> {
    let after = call.query("next_openid").into_owned();
    ask(&call, Endpoint::UserList, |world, now_ms, token| {
        world.followers(now_ms, token, &after)
    })
    .await
}

pub(crate) async fn quota(call: Call<'_>) -> Result<Answer, Cut> {
    let path = text_field(&call.body, "cgi_path");
    ask(&call, Endpoint::Quota, |world, now_ms, token| {
        world.quota(now_ms, token, &path)
    })
    .await
}

pub(crate) async fn clear_quota(call: Call<'_>) -> Result<Answer, Cut> {
    let appid = text_field(&call.body, "appid");
    ask(&call, Endpoint::ClearQuota, |world, now_ms, token| {
        world.clear_quota(now_ms, token, &appid)
    })
    .await
}

pub(crate) async fn clear_quota_by_secret(call: Call<'_>) -> Result<Answer, Cut> {
    let body: TokenBody = serde_json::from_slice(&call.body).unwrap_or_default();
    ask(&call, Endpoint::ClearQuota, |world, now_ms, _| {
        world.clear_quota_by_secret(now_ms, &body.appid, &body.secret)
    })
    .await
}

pub(crate) async fn api_domain_ip(call: Call<'_>) -> Result<Answer, Cut> {
    ask(&call, Endpoint::ApiDomainIp, World::api_domain_ip).await
}

pub(crate) async fn unknown(call: Call<'_>) -> Result<Answer, Cut> {
    let now_ms = call.shared.clock.now_ms();
    let mut world = call.shared.world();
    world.arrived_at(Endpoint::Unknown, None);
    let refusal = world.refuse_as_told(now_ms, None, 40066, None);
    let body = answer::refusal_json(&refusal);
    Ok(answer::json_with(StatusCode::NOT_FOUND, body))
}

pub(super) async fn ask(
    call: &Call<'_>,
    endpoint: Endpoint,
    respond: impl FnOnce(&mut World, i64, &str) -> Result<Value, Refusal>,
) -> Result<Answer, Cut> {
    let access_token = call.query("access_token");
    let owner = call.owner(&access_token);
    let subject = Subject {
        endpoint,
        appid: owner.as_deref(),
        openid: None,
    };
    carry(call.shared, subject, |now_ms| {
        told(respond(&mut call.shared.world(), now_ms, &access_token))
    })
    .await
}

pub(super) async fn require_post(call: &Call<'_>, endpoint: Endpoint) -> Result<Answer, Cut> {
    let subject = Subject {
        endpoint,
        appid: None,
        openid: None,
    };
    carry(call.shared, subject, |now_ms| {
        let mut world = call.shared.world();
        world.arrived_at(endpoint, None);
        let refusal = world.refuse_as_told(now_ms, None, 43002, None);
        answer::refusal_json(&refusal).into()
    })
    .await
}

fn told(answer: Result<Value, Refusal>) -> Done {
    let json = match answer {
        Ok(value) => value.to_string().into(),
        Err(refusal) => answer::refusal_json(&refusal),
    };
    json.into()
}

pub(super) fn text_field(body: &[u8], name: &str) -> String {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    value[name].as_str().unwrap_or("").to_owned()
}
