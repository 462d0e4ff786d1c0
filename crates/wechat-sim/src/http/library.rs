//! The endpoints by which an operator changes an account's templates and industries.
//! They read the calls; what comes of them is the world's to say.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use super::answer::{Answer, Cut};
use super::business::{Call, ask, require_post, text_field};
use crate::fault::Endpoint;
use crate::world::World;

#[derive(Default, Deserialize)]
#[serde(default)]
struct NewTemplate {
    template_id_short: Value,
    keyword_name_list: Vec<String>,
}

pub(crate) async fn add(call: Call<'_>) -> Result<Answer, Cut> {
    if !call.post {
        return require_post(&call, Endpoint::TemplateAdd).await;
    }
    let new: NewTemplate = serde_json::from_slice(&call.body).unwrap_or_default();
    ask(&call, Endpoint::TemplateAdd, |world, now_ms, token| {
        let number = text_or_number(&new.template_id_short);
        world.template_add(now_ms, token, &number, &new.keyword_name_list)
    })
    .await
}

pub(crate) async fn delete(call: Call<'_>) -> Result<Answer, Cut> {
    if !call.post {
        return require_post(&call, Endpoint::TemplateDelete).await;
    }
    let template_id = text_field(&call.body, "template_id");
    ask(&call, Endpoint::TemplateDelete, |world, now_ms, token| {
        world.template_delete(now_ms, token, &template_id)
    })
    .await
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NewSubscriptionTemplate {
    tid: Value,
    #[serde(rename = "kidList")]
    keywords: Vec<u32>,
    #[serde(rename = "sceneDesc")]
    scene: String,
}

pub(crate) async fn add_subscription(call: Call<'_>) -> Result<Answer, Cut> {
    let endpoint = Endpoint::SubscriptionTemplateAdd;
    if !call.post {
        return require_post(&call, endpoint).await;
    }
    let new: NewSubscriptionTemplate = serde_json::from_slice(&call.body).unwrap_or_default();
    ask(&call, endpoint, |world, now_ms, token| {
        let tid = text_or_number(&new.tid);
        let wanted = (new.keywords.as_slice(), new.scene.as_str());
        world.subscription_template_add(now_ms, token, &tid, wanted)
    })
    .await
}

pub(crate) async fn delete_subscription(call: Call<'_>) -> Result<Answer, Cut> {
    let endpoint = Endpoint::SubscriptionTemplateDelete;
    if !call.post {
        return require_post(&call, endpoint).await;
    }
    let template_id = text_field(&call.body, "priTmplId");
    ask(&call, endpoint, |world, now_ms, token| {
        world.subscription_template_delete(now_ms, token, &template_id)
    })
    .await
}

pub(crate) async fn industry(call: Call<'_>) -> Result<Answer, Cut> {
    ask(&call, Endpoint::IndustryGet, World::industry).await
}

pub(crate) async fn set_industry(call: Call<'_>) -> Result<Answer, Cut> {
    if !call.post {
        return require_post(&call, Endpoint::IndustrySet).await;
    }
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    ask(&call, Endpoint::IndustrySet, |world, now_ms, token| {
        let codes = ["industry_id1", "industry_id2"].map(|name| text_or_number(&body[name]));
        world.set_industry(now_ms, token, [&codes[0], &codes[1]])
    })
    .await
}

/// SDKs give these numbers as text or as numbers.
fn text_or_number(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => text.into(),
        Value::Number(number) => number.to_string().into(),
        _ => "".into(),
    }
}
