//! The calls that send subscription messages: three paths, one body, and an answer without a msgid.
//! What is asked of a message is the world's business.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Shared;
use super::answer::{self, Answer, Cut};
use super::business::{Call, followed, require_post};
use super::carry::{Done, Subject, carry};
use crate::receipts::About;
use crate::world::{MiniProgram, SubscriptionCall, SubscriptionRequest};

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    touser: Cow<'a, str>,
    #[serde(borrow, default)]
    template_id: Cow<'a, str>,
    #[serde(borrow, default)]
    page: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    url: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    miniprogram: Option<MiniProgram<'a>>,
    #[serde(default)]
    scene: Option<i64>,
    #[serde(borrow, default)]
    title: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

impl Body<'_> {
    fn request<'b>(&'b self, call: SubscriptionCall, token: &'b str) -> SubscriptionRequest<'b> {
        let link = match call {
            SubscriptionCall::OneTime => &self.url,
            SubscriptionCall::Service | SubscriptionCall::MiniProgram => &self.page,
        };
        SubscriptionRequest {
            call,
            access_token: token,
            touser: &self.touser,
            template_id: &self.template_id,
            link: link.as_deref().unwrap_or(""),
            miniprogram: self.miniprogram.clone(),
            scene: self.scene,
            title: self.title.as_deref().unwrap_or(""),
            data: self.data.map_or("", RawValue::get),
        }
    }
}

pub(super) async fn send(call: Call<'_>, which: SubscriptionCall) -> Result<Answer, Cut> {
    let endpoint = which.endpoint();
    if !call.post {
        return require_post(&call, endpoint).await;
    }
    let access_token = call.query("access_token");
    let owner = call.owner(&access_token);
    let body = serde_json::from_slice::<Body<'_>>(&call.body);
    let subject = Subject {
        endpoint,
        appid: owner.as_deref(),
        openid: body.as_ref().ok().map(|body| &*body.touser),
    };
    let shared = call.shared;
    carry(shared, subject, |now_ms| match &body {
        Ok(body) => send_now(shared, now_ms, &body.request(which, &access_token)),
        Err(_) => {
            let mut world = shared.world();
            let refusal = world.unreadable(now_ms, endpoint, &access_token);
            answer::refusal_json(&refusal).into()
        }
    })
    .await
}

fn send_now(shared: &Arc<Shared>, now_ms: i64, request: &SubscriptionRequest<'_>) -> Done {
    let mut world = shared.world();
    let accepted = match world.send_subscription(now_ms, request) {
        Ok(accepted) => accepted,
        Err(refusal) => return answer::refusal_json(&refusal).into(),
    };
    let about = match request.call {
        SubscriptionCall::OneTime => None,
        SubscriptionCall::Service | SubscriptionCall::MiniProgram => {
            Some(About::Subscription(request.template_id.into()))
        }
    };
    let json = Bytes::from_static(br#"{"errcode":0,"errmsg":"ok"}"#);
    followed(
        shared,
        (world, now_ms),
        accepted,
        json,
        (request.touser, about),
    )
}
