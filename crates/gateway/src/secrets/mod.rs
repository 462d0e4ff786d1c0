//! Secret references and their values: what a configuration says instead of a secret, and how it becomes one.
//! It must not know configuration files or who uses a secret; a value never reaches an error, a log or `Debug`.

#[cfg(feature = "age")]
pub mod age;
#[cfg(feature = "consul")]
pub mod consul;
pub mod env;
pub mod field;
pub mod file;
pub mod http;
pub mod keyring;
#[cfg(feature = "kms")]
pub mod kms;
#[cfg(feature = "nacos")]
pub mod nacos;
pub mod outage;
pub mod reference;
pub mod sealed;
pub mod seen;
#[cfg(feature = "kms")]
pub mod sigv4;
#[cfg(feature = "vault")]
pub mod vault;

use async_trait::async_trait;
use secrecy::SecretString;

/// Somewhere that secrets are kept. Each is found at a place: what a reference says after its scheme.
#[async_trait]
pub trait SecretSource: Send + Sync {
    /// The secret at a place, as it is now.
    async fn read(&self, place: &str) -> Result<SecretString, Fault>;

    /// Returns once the secret at a place may be another one than when it was last read, and never where a secret
    /// cannot change while the program runs.
    async fn changed(&self, place: &str) {
        let _ = place;
        std::future::pending::<()>().await;
    }
}

/// Why there is no secret. It reads on after the reference.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("is not set in the environment")]
    Unset,
    #[error("is empty")]
    Empty,
    #[error("is not UTF-8 text")]
    NotText,
    #[error("is longer than {SECRET_BYTES_MAX} bytes; is it the right file?")]
    TooLong,
    #[error("cannot be read: {0}")]
    Unreadable(std::io::Error),
    #[error("can be read by others (mode {0:o}); chmod 600 it")]
    Exposed(u32),
    /// It is not there, or is not what the reference says. Trying again would not help.
    #[error("{0}")]
    Wrong(String),
    /// Where it is kept cannot be asked now.
    #[error("{0}")]
    Away(String),
}

/// No secret of ours is longer; a reference to a log file or a device is a mistake.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// A secret from bytes, without the one line end that editors and `echo` leave.
fn text(bytes: &[u8]) -> Result<SecretString, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::NotText)?;
    let text = text
        .strip_suffix('\n')
        .map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() {
        Err(Fault::Empty)
    } else {
        Ok(SecretString::from(text))
    }
}
