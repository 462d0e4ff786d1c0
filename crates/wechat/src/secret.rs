//! Secrets of an account as types that cannot be printed.
//! Knows nothing of where they come from or are kept.

use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

/// A secret that a call carries, so that it can be masked in what comes back.
pub(crate) type SharedSecret = Arc<SecretString>;

/// An access_token: what business calls are made with. Cheap to clone; compared in constant time.
///
/// ```
/// use hongyan_wechat::AccessToken;
///
/// let token = AccessToken::new("74_r9nIv6gg");
/// assert_eq!(format!("{token:?}"), "AccessToken(58b86bd9)");
/// assert_eq!(token, AccessToken::new("74_r9nIv6gg"));
/// ```
#[derive(Clone)]
pub struct AccessToken(SharedSecret);

impl AccessToken {
    /// Takes a token as WeChat gave it.
    #[must_use]
    pub fn new(token: impl Into<String>) -> Self {
        Self(Arc::new(SecretString::from(token.into())))
    }

    /// The token itself, for a call or a store. It must not reach a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    #[cfg(feature = "client")]
    pub(crate) fn shared(&self) -> SharedSecret {
        Arc::clone(&self.0)
    }

    /// Eight hex digits of the token's SHA-1: tells tokens apart in logs without telling them.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hex = hex::encode(Sha1::digest(self.expose()));
        hex.truncate(8);
        hex
    }
}

impl PartialEq for AccessToken {
    fn eq(&self, other: &Self) -> bool {
        self.expose()
            .as_bytes()
            .ct_eq(other.expose().as_bytes())
            .into()
    }
}

impl Eq for AccessToken {}

impl fmt::Debug for AccessToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "AccessToken({})", self.fingerprint())
    }
}

/// An AppSecret: what access_tokens are fetched with. Shown nowhere.
#[derive(Clone)]
pub struct AppSecret(SharedSecret);

impl AppSecret {
    /// Takes a secret as WeChat's console showed it.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(Arc::new(SecretString::from(secret.into())))
    }

    #[cfg(feature = "client")]
    pub(crate) fn shared(&self) -> SharedSecret {
        Arc::clone(&self.0)
    }

    /// The secret itself, for a token call. It must not reach a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for AppSecret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("AppSecret([redacted])")
    }
}
