//! An event, or a user's message, as the request WeChat would post: event body, cover, signatures, query string.
//! It knows the wire form and nothing of connections or of when to post.

use hongyan_wechat::callback::envelope::{self, EncodingAesKey, KeyError};
use hongyan_wechat::callback::seal::{Cover, Seal, SealedPush, Signer, seal_push};
use hongyan_wechat::callback::{CallbackToken, Format, Mode};
use serde_json::{Value, json};

use super::queue::{About, Pending, Push};
use crate::world::CallbackAddress;

/// Why a receipt cannot be posted at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum EventError {
    #[error("the callback has no aes_key, and its mode needs one")]
    NoKey,
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Query string and body. While keys are rotated, `with_previous` signs and encrypts with the old ones.
pub(super) fn push(
    address: &CallbackAddress,
    pending: &Pending,
    now_s: i64,
    with_previous: bool,
) -> Result<(String, String), EventError> {
    let target = &address.target;
    let (token, key) = match &target.previous {
        Some(previous) if with_previous => (&previous.token, &previous.aes_key),
        _ => (&target.token, &target.aes_key),
    };
    let key = match key {
        _ if target.mode == Mode::Plain => None,
        None => return Err(EventError::NoKey),
        Some(key) => Some(key.parse::<EncodingAesKey>()?),
    };
    let seal = key.as_ref().map(|key| Seal {
        key,
        appid: &address.appid,
        random: envelope::random(),
    });
    let cover = match (seal, target.mode) {
        (Some(seal), Mode::Compatible) => Cover::Compatible(seal),
        (Some(seal), Mode::Safe) => Cover::Safe(seal),
        _ => Cover::Plain,
    };
    let nonce = rand::random_range(100_000_000..2_000_000_000_u32).to_string();
    let token = CallbackToken::new(token.as_str());
    let signer = Signer {
        token: &token,
        timestamp: now_s,
        nonce: &nonce,
    };
    let original_id = &address.original_id;
    let event = match target.format {
        Format::Xml => xml(original_id, pending),
        Format::Json => json(original_id, pending),
    };
    let sealed = seal_push(&cover, &signer, target.format, original_id, &event);
    let query = query_of(&sealed, &pending.openid);
    Ok((query, sealed.body))
}

fn xml(original_id: &str, pending: &Pending) -> String {
    let mut fields = String::new();
    for (name, value) in fields_of(pending) {
        fields.push_str(&element(name, &value));
    }
    format!(
        "<xml><ToUserName><![CDATA[{original_id}]]></ToUserName><FromUserName><![CDATA[{}]]></FromUserName><CreateTime>{}</CreateTime>{fields}</xml>",
        pending.openid, pending.created,
    )
}

/// Texts are wrapped, numbers are not, and a list is put into an element of its own name.
fn element(name: &str, value: &Value) -> String {
    match value {
        Value::String(text) => format!("<{name}><![CDATA[{text}]]></{name}>"),
        Value::Array(items) => {
            let mut list = String::new();
            for fields in items.iter().filter_map(Value::as_object) {
                let fields: String = fields
                    .iter()
                    .map(|(name, one)| element(name, one))
                    .collect();
                list.push_str(&format!("<List>{fields}</List>"));
            }
            format!("<{name}>{list}</{name}>")
        }
        number => format!("<{name}>{number}</{name}>"),
    }
}

/// JSON has the list at the top.
fn json(original_id: &str, pending: &Pending) -> String {
    let mut body = json!({
        "ToUserName": original_id, "FromUserName": pending.openid, "CreateTime": pending.created,
    });
    for (name, value) in fields_of(pending) {
        let name = if value.is_array() { "List" } else { name };
        body[name] = value;
    }
    body.to_string()
}

/// What comes after the header, in order.
fn fields_of(pending: &Pending) -> Vec<(&'static str, Value)> {
    let event = |name: &'static str| vec![("MsgType", json!("event")), ("Event", json!(name))];
    let with_list = |name, wrapper: &'static str, item: Value| {
        let mut fields = event(name);
        fields.push((wrapper, json!([item])));
        fields
    };
    match &pending.about {
        About::Message => {
            let mut fields = event("TEMPLATESENDJOBFINISH");
            fields.push(("MsgID", json!(pending.msgid)));
            fields.push(("Status", json!(pending.status.text())));
            fields
        }
        About::Subscription(template_id) => {
            let (code, text) = pending.status.of_subscription();
            let item = json!({"TemplateId": template_id, "MsgID": pending.msgid.to_string(),
                "ErrorCode": code.to_string(), "ErrorStatus": text});
            with_list("subscribe_msg_sent_event", "SubscribeMsgSentEvent", item)
        }
        About::User(Push::Popup {
            template_id,
            accept,
        }) => {
            let word = if *accept { "accept" } else { "reject" };
            let item = json!({"TemplateId": template_id, "SubscribeStatusString": word, "PopupScene": "1"});
            with_list("subscribe_msg_popup_event", "SubscribeMsgPopupEvent", item)
        }
        About::User(Push::Change { template_id }) => {
            let item = json!({"TemplateId": template_id, "SubscribeStatusString": "reject"});
            with_list(
                "subscribe_msg_change_event",
                "SubscribeMsgChangeEvent",
                item,
            )
        }
        About::User(Push::Subscribe) => event("subscribe"),
        About::User(Push::Unsubscribe) => event("unsubscribe"),
        About::User(Push::Text { content }) => vec![
            ("MsgType", json!("text")),
            ("Content", json!(content)),
            ("MsgId", json!(pending.msgid)),
        ],
    }
}

/// All values are hex, digits or URL-safe, so nothing needs escaping.
fn query_of(sealed: &SealedPush, openid: &str) -> String {
    let query = &sealed.query;
    let pairs = [
        ("signature", query.signature.as_deref()),
        ("timestamp", query.timestamp.as_deref()),
        ("nonce", query.nonce.as_deref()),
        ("openid", Some(openid)),
        ("encrypt_type", query.encrypt_type.as_deref()),
        ("msg_signature", query.msg_signature.as_deref()),
    ];
    let pairs: Vec<_> = pairs
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", value?)))
        .collect();
    pairs.join("&")
}
