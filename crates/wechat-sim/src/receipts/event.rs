//! A receipt as the request WeChat would post: event body, cover, signatures, query string.
//! It knows the wire form and nothing of connections or of when to post.

use hongyan_wechat::callback::envelope::{self, EncodingAesKey, KeyError};
use hongyan_wechat::callback::seal::{Cover, Seal, SealedPush, Signer, seal_push};
use hongyan_wechat::callback::{CallbackToken, Format, Mode};

use super::queue::Pending;
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
    format!(
        "<xml><ToUserName><![CDATA[{original_id}]]></ToUserName><FromUserName><![CDATA[{}]]></FromUserName><CreateTime>{}</CreateTime><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[TEMPLATESENDJOBFINISH]]></Event><MsgID>{}</MsgID><Status><![CDATA[{}]]></Status></xml>",
        pending.openid,
        pending.created,
        pending.msgid,
        pending.status.text()
    )
}

fn json(original_id: &str, pending: &Pending) -> String {
    serde_json::json!({
        "ToUserName": original_id, "FromUserName": pending.openid, "CreateTime": pending.created,
        "MsgType": "event", "Event": "TEMPLATESENDJOBFINISH", "MsgID": pending.msgid,
        "Status": pending.status.text(),
    })
    .to_string()
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
