//! WeChat's pushes to a callback address: signatures, the AES envelope, and the events inside.
//! Knows no HTTP server and no clock: time windows and replays are the receiver's to check.

pub mod envelope;
pub mod event;
pub mod open;
pub mod seal;
pub mod signature;

mod body;
mod fields;

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use envelope::EncodingAesKey;

/// The longest push body that is looked at, in bytes. WeChat's own stay under 10 KiB.
pub const MAX_BODY: usize = 1024 * 1024;

/// How an account's pushes are protected, as set in WeChat's console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Plain bodies; the signature does not bind them.
    Plain,
    /// Plain fields beside an encrypted part, and only the latter is believed.
    Compatible,
    /// Encrypted bodies.
    Safe,
}

/// How a push body is written, by account setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// An `<xml>` document.
    Xml,
    /// A JSON object.
    Json,
}

/// The token of the callback settings (3 to 32 letters and digits): a shared secret, shown nowhere.
#[derive(Clone)]
pub struct CallbackToken(SecretString);

impl CallbackToken {
    /// Takes the token as set in WeChat's console.
    #[must_use]
    pub fn new(token: impl Into<String>) -> Self {
        Self(SecretString::from(token.into()))
    }

    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for CallbackToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("CallbackToken([redacted])")
    }
}

/// What is needed to check and open one account's pushes. Current values first, then previous ones of a rotation.
#[derive(Clone, Debug)]
pub struct CallbackSecrets {
    /// The account's appid, which every encrypted push must end with.
    pub appid: String,
    /// Tokens that may have signed.
    pub tokens: Vec<CallbackToken>,
    /// Keys that may have encrypted; empty in plain mode.
    pub keys: Vec<EncodingAesKey>,
}

/// The query string of a callback call; every value is as received, percent-decoded.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct CallbackQuery {
    /// SHA-1 over token, timestamp and nonce.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
    /// A random number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// What the address check wants back, verbatim; absent from pushes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub echostr: Option<String>,
    /// `aes` on encrypted pushes; absent or `raw` on plain ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypt_type: Option<String>,
    /// SHA-1 over token, timestamp, nonce and the encrypted part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msg_signature: Option<String>,
    /// The sender's openid, where WeChat adds it. Not covered by any signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub openid: Option<String>,
}

crate::debug_without!(
    CallbackQuery: timestamp, nonce, encrypt_type; signature, echostr, msg_signature, openid
);

/// Why a callback call was not believed. Says which check failed, and nothing of the secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallbackError {
    /// A part of the query is absent.
    #[error("the query lacks `{0}`")]
    Query(&'static str),
    /// `signature` or `msg_signature` is not by any of the tokens.
    #[error("`{0}` does not match")]
    Signature(&'static str),
    /// An encrypted push was due by the account's mode, and this one is not.
    #[error("the push is not encrypted, and the account's callback mode asks for it")]
    NotEncrypted,
    /// The push has nothing but an encrypted part, and the account's mode is plain.
    #[error("the push is encrypted, and the account's callback mode is plain")]
    Encrypted,
    /// The encrypted part cannot be opened.
    #[error("the encrypted part cannot be opened: {0}")]
    Envelope(#[from] envelope::EnvelopeError),
    /// The body is longer than [`MAX_BODY`].
    #[error("the body is longer than 1 MiB")]
    TooLarge,
    /// The body has a document type declaration.
    #[error("the body declares a document type")]
    Doctype,
    /// The body is neither an `<xml>` document nor a JSON object of the shape that WeChat documents.
    #[error("the body is not a push: {0}")]
    Malformed(&'static str),
}
