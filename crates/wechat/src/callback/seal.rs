//! The other side of `open`: replies to WeChat, and pushes as WeChat makes them, for simulators and tests.
//! Knows no clock and draws no random numbers: both are arguments.

use serde::Serialize;

use super::envelope::{self, EncodingAesKey};
use super::{CallbackQuery, CallbackToken, Format, signature};

/// What encrypts: a key, the appid it is for, and 16 fresh random bytes (see [`envelope::random`]).
#[derive(Clone, Debug)]
pub struct Seal<'a> {
    /// The key; for a reply, the one that opened the push.
    pub key: &'a EncodingAesKey,
    /// The account's appid.
    pub appid: &'a str,
    /// Fresh for every call.
    pub random: [u8; 16],
}

/// What signs: the token, and the moment and nonce it covers.
#[derive(Clone, Debug)]
pub struct Signer<'a> {
    /// The token; for a reply, the one that signed the push.
    pub token: &'a CallbackToken,
    /// Unix seconds.
    pub timestamp: i64,
    /// For a reply, the push's own nonce.
    pub nonce: &'a str,
}

/// How a push is protected.
#[derive(Clone, Debug)]
pub enum Cover<'a> {
    /// The plain body.
    Plain,
    /// The plain fields and the encrypted part.
    Compatible(Seal<'a>),
    /// `ToUserName` and the encrypted part.
    Safe(Seal<'a>),
}

/// A push as WeChat posts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedPush {
    /// The query string's values.
    pub query: CallbackQuery,
    /// The body.
    pub body: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reply<'a> {
    encrypt: &'a str,
    msg_signature: &'a str,
    time_stamp: i64,
    nonce: &'a str,
}

/// Encrypts and signs a reply to a push, in the push's own format.
#[must_use]
pub fn seal_reply(seal: &Seal<'_>, signer: &Signer<'_>, format: Format, reply: &str) -> String {
    let encrypt = envelope::encrypt(seal.key, seal.appid, reply.as_bytes(), seal.random);
    let time_stamp = signer.timestamp;
    let msg_signature = signature::sign_encrypted(
        signer.token,
        &time_stamp.to_string(),
        signer.nonce,
        &encrypt,
    );
    match format {
        Format::Xml => format!(
            "<xml><Encrypt><![CDATA[{encrypt}]]></Encrypt><MsgSignature><![CDATA[{msg_signature}]]></MsgSignature>\
             <TimeStamp>{time_stamp}</TimeStamp><Nonce>{}</Nonce></xml>",
            quick_xml::escape::escape(signer.nonce)
        ),
        Format::Json => {
            let reply = Reply {
                encrypt: &encrypt,
                msg_signature: &msg_signature,
                time_stamp,
                nonce: signer.nonce,
            };
            serde_json::json!(reply).to_string()
        }
    }
}

/// Makes a push of `body` (an `<xml>` document or a JSON object, by `format`) to the account `to_user_name`.
///
/// In compatible mode the encrypted part is put in as the last field of `body`, which must have a field already.
#[must_use]
pub fn seal_push(
    cover: &Cover<'_>,
    signer: &Signer<'_>,
    format: Format,
    to_user_name: &str,
    body: &str,
) -> SealedPush {
    let timestamp = signer.timestamp.to_string();
    let mut query = CallbackQuery {
        signature: Some(signature::sign(signer.token, &timestamp, signer.nonce)),
        nonce: Some(signer.nonce.to_owned()),
        ..CallbackQuery::default()
    };
    let (seal, whole) = match cover {
        Cover::Plain => {
            query.timestamp = Some(timestamp);
            return SealedPush {
                query,
                body: body.to_owned(),
            };
        }
        Cover::Compatible(seal) => (seal, true),
        Cover::Safe(seal) => (seal, false),
    };
    let encrypt = envelope::encrypt(seal.key, seal.appid, body.as_bytes(), seal.random);
    query.encrypt_type = Some("aes".to_owned());
    query.msg_signature = Some(signature::sign_encrypted(
        signer.token,
        &timestamp,
        signer.nonce,
        &encrypt,
    ));
    query.timestamp = Some(timestamp);
    let body = match (format, whole) {
        (Format::Xml, true) => before_end(body, "</xml>") + &xml_encrypt(&encrypt) + "</xml>",
        (Format::Xml, false) => {
            let to = quick_xml::escape::escape(to_user_name);
            format!(
                "<xml><ToUserName>{to}</ToUserName>{}</xml>",
                xml_encrypt(&encrypt)
            )
        }
        (Format::Json, true) => before_end(body, "}") + &format!(r#","Encrypt":"{encrypt}"}}"#),
        (Format::Json, false) => {
            serde_json::json!({ "ToUserName": to_user_name, "Encrypt": encrypt }).to_string()
        }
    };
    SealedPush { query, body }
}

fn before_end(body: &str, end: &str) -> String {
    let body = body.trim_end();
    body.strip_suffix(end).unwrap_or(body).to_owned()
}

fn xml_encrypt(encrypt: &str) -> String {
    format!("<Encrypt><![CDATA[{encrypt}]]></Encrypt>")
}
