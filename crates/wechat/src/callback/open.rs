//! From a callback call to an event that can be believed: signature, envelope, event, without downgrade.
//! Knows no time window and no replay; the receiver checks those.

use serde::Deserialize;

use super::body::{self, Body, Text};
use super::event::{self, Event};
use super::{CallbackError, CallbackQuery, CallbackSecrets, Format, Mode, envelope, signature};

/// A push that was checked.
#[derive(Clone)]
pub struct Opened {
    /// What it says.
    pub event: Event,
    /// The plain body: as received in plain mode, else as decrypted.
    pub body: Vec<u8>,
    /// How the push was written; a reply is written likewise.
    pub format: Format,
    /// The place of the key that opened it in [`CallbackSecrets::keys`]; `None` in plain mode.
    pub key: Option<usize>,
    /// The place of the token that signed it in [`CallbackSecrets::tokens`]; `None` in plain mode, and where nothing of
    /// WeChat's was checked ([`read_passed_on`]).
    pub token: Option<usize>,
}

crate::debug_without!(
    Opened: event, format, key, token; body
);

#[derive(Deserialize)]
struct Outer {
    #[serde(rename = "Encrypt")]
    encrypt: Option<Text>,
}

/// Checks a push by the account's `mode` and reads it.
///
/// In compatible and safe mode only the encrypted part is believed, and a push without one is refused, whatever its
/// query says: a plain signature proves nothing about the body. In plain mode the query's `signature` is checked.
///
/// # Errors
/// [`CallbackError`] names the first check that failed.
pub fn open(
    mode: Mode,
    secrets: &CallbackSecrets,
    query: &CallbackQuery,
    body: &[u8],
) -> Result<Opened, CallbackError> {
    let text = body::text(body)?;
    match mode {
        Mode::Plain => {
            signature::verify_query(&secrets.tokens, query)?;
            plain(query, text)
        }
        Mode::Compatible | Mode::Safe => decrypted(secrets, query, text),
    }
}

/// Reads a push whose sender is known by other means than WeChat's signature, such as one that another program received
/// and passes on. An encrypted part is decrypted, and believed rather than what stands beside it; a plain body is taken
/// as it is.
///
/// # Errors
/// [`CallbackError`] says what cannot be read.
pub fn read_passed_on(secrets: &CallbackSecrets, body: &[u8]) -> Result<Opened, CallbackError> {
    let text = body::text(body)?;
    let outer: Outer = Body::new(text)?.fields()?;
    let Some(Text(encrypt)) = outer.encrypt else {
        return plain(&CallbackQuery::default(), text);
    };
    inside(secrets, &encrypt, text, None)
}

/// Opens an encrypted reply to a push, as [`seal_reply`](super::seal::seal_reply) makes one. Answers the plain reply.
///
/// # Errors
/// [`CallbackError`] names the first check that failed.
pub fn open_reply(secrets: &CallbackSecrets, body: &[u8]) -> Result<Vec<u8>, CallbackError> {
    let sealed: SealedReply = Body::new(body::text(body)?)?.fields()?;
    let Text(encrypt) = sealed.encrypt.ok_or(CallbackError::NotEncrypted)?;
    let part = |text: Option<Text>| text.map(|Text(text)| text);
    let query = CallbackQuery {
        timestamp: part(sealed.time_stamp),
        nonce: part(sealed.nonce),
        msg_signature: part(sealed.msg_signature),
        ..CallbackQuery::default()
    };
    signature::verify_encrypted(&secrets.tokens, &query, &encrypt)?;
    Ok(envelope::decrypt(&secrets.keys, &secrets.appid, &encrypt)?.message)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SealedReply {
    encrypt: Option<Text>,
    msg_signature: Option<Text>,
    time_stamp: Option<Text>,
    nonce: Option<Text>,
}

fn plain(query: &CallbackQuery, text: &str) -> Result<Opened, CallbackError> {
    let event = event::parse(text.as_bytes()).map_err(|error| match error {
        CallbackError::Malformed(_) if query.encrypt_type.as_deref() == Some("aes") => {
            CallbackError::Encrypted
        }
        other => other,
    })?;
    Ok(Opened {
        event,
        body: text.as_bytes().to_vec(),
        format: body::format(text)?,
        key: None,
        token: None,
    })
}

fn decrypted(
    secrets: &CallbackSecrets,
    query: &CallbackQuery,
    text: &str,
) -> Result<Opened, CallbackError> {
    if query.encrypt_type.as_deref() != Some("aes") {
        return Err(CallbackError::NotEncrypted);
    }
    let outer: Outer = Body::new(text)?.fields()?;
    let Text(encrypt) = outer.encrypt.ok_or(CallbackError::NotEncrypted)?;
    let token = signature::verify_encrypted(&secrets.tokens, query, &encrypt)?;
    inside(secrets, &encrypt, text, Some(token))
}

fn inside(
    secrets: &CallbackSecrets,
    encrypt: &str,
    text: &str,
    token: Option<usize>,
) -> Result<Opened, CallbackError> {
    let inside = envelope::decrypt(&secrets.keys, &secrets.appid, encrypt)?;
    Ok(Opened {
        event: event::parse(&inside.message)?,
        body: inside.message,
        format: body::format(text)?,
        key: Some(inside.key),
        token,
    })
}
