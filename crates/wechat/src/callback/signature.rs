//! SHA-1 signatures of callback calls, made and checked in constant time.
//! Knows nothing of bodies: a plain signature does not bind one.

use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

use super::{CallbackError, CallbackQuery, CallbackToken};

/// The `signature` of an address check or a plain push: lower-case hex SHA-1 of the three values, sorted by bytes
/// and joined.
///
/// ```
/// use hongyan_wechat::callback::{CallbackToken, signature};
///
/// // The example of WeChat's own documentation.
/// let token = CallbackToken::new("AAAAA");
/// let signed = signature::sign(&token, "1714036504", "1514711492");
/// assert_eq!(signed, "f464b24fc39322e44b38aa78f5edd27bd1441696");
/// ```
#[must_use]
pub fn sign(token: &CallbackToken, timestamp: &str, nonce: &str) -> String {
    digest(&mut [token.expose(), timestamp, nonce])
}

/// The `msg_signature` of an encrypted push or reply, which covers `encrypt` (the Base64 text) too.
#[must_use]
pub fn sign_encrypted(
    token: &CallbackToken,
    timestamp: &str,
    nonce: &str,
    encrypt: &str,
) -> String {
    digest(&mut [token.expose(), timestamp, nonce, encrypt])
}

/// Whether `given` is the [`sign`]ature by any of `tokens`.
#[must_use]
pub fn verify(tokens: &[CallbackToken], timestamp: &str, nonce: &str, given: &str) -> bool {
    any(tokens, given, |token| sign(token, timestamp, nonce)).is_some()
}

/// Checks an address check (`GET`), and gives the `echostr` to answer with, verbatim and as plain text.
///
/// # Errors
/// [`CallbackError::Query`] names the first part that is absent; [`CallbackError::Signature`].
pub fn echo<'q>(
    tokens: &[CallbackToken],
    query: &'q CallbackQuery,
) -> Result<&'q str, CallbackError> {
    verify_query(tokens, query)?;
    required(query.echostr.as_deref(), "echostr")
}

/// Checks the `signature` of a plain push, which covers token, timestamp and nonce but not the body.
///
/// # Errors
/// [`CallbackError::Query`] names the first part that is absent; [`CallbackError::Signature`].
pub fn verify_query(tokens: &[CallbackToken], query: &CallbackQuery) -> Result<(), CallbackError> {
    let given = required(query.signature.as_deref(), "signature")?;
    let (timestamp, nonce) = moment(query)?;
    if verify(tokens, timestamp, nonce, given) {
        Ok(())
    } else {
        Err(CallbackError::Signature("signature"))
    }
}

/// Checks the `msg_signature` of an encrypted push over `encrypt`, and says which of `tokens` made it.
///
/// # Errors
/// [`CallbackError::Query`] names the first part that is absent; [`CallbackError::Signature`].
pub fn verify_encrypted(
    tokens: &[CallbackToken],
    query: &CallbackQuery,
    encrypt: &str,
) -> Result<usize, CallbackError> {
    let given = required(query.msg_signature.as_deref(), "msg_signature")?;
    let (timestamp, nonce) = moment(query)?;
    any(tokens, given, |token| {
        sign_encrypted(token, timestamp, nonce, encrypt)
    })
    .ok_or(CallbackError::Signature("msg_signature"))
}

fn moment(query: &CallbackQuery) -> Result<(&str, &str), CallbackError> {
    Ok((
        required(query.timestamp.as_deref(), "timestamp")?,
        required(query.nonce.as_deref(), "nonce")?,
    ))
}

fn required<'q>(value: Option<&'q str>, name: &'static str) -> Result<&'q str, CallbackError> {
    value.ok_or(CallbackError::Query(name))
}

fn any(
    tokens: &[CallbackToken],
    given: &str,
    expected: impl Fn(&CallbackToken) -> String,
) -> Option<usize> {
    tokens
        .iter()
        .position(|token| expected(token).as_bytes().ct_eq(given.as_bytes()).into())
}

fn digest(parts: &mut [&str]) -> String {
    parts.sort_unstable();
    let mut sha1 = Sha1::new();
    for part in parts {
        sha1.update(part.as_bytes());
    }
    hex::encode(sha1.finalize())
}
