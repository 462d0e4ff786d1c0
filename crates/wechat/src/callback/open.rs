//! From a callback call to an event that can be believed: signature, envelope, event, without downgrade.
//! Knows no time window and no replay; the receiver checks those.

use serde::Deserialize;

use super::body::{self, Body, Text};
use super::event::{self, Event};
use super::{CallbackError, CallbackQuery, CallbackSecrets, Format, Mode, envelope, signature};

/// A push that was checked.
#[derive(Clone, Debug)]
pub struct Opened {
    /// What it says.
    pub event: Event,
    /// The plain body: as received in plain mode, else as decrypted.
    pub body: Vec<u8>,
    /// How the push was written; a reply is written likewise.
    pub format: Format,
    /// The place of the key that opened it in [`CallbackSecrets::keys`]; `None` in plain mode.
    pub key: Option<usize>,
    /// The place of the token that signed it in [`CallbackSecrets::tokens`]; `None` in plain mode.
    pub token: Option<usize>,
}

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
    let inside = envelope::decrypt(&secrets.keys, &secrets.appid, &encrypt)?;
    Ok(Opened {
        event: event::parse(&inside.message)?,
        body: inside.message,
        format: body::format(text)?,
        key: Some(inside.key),
        token: Some(token),
    })
}
