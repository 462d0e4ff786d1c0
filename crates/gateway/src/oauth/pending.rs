//! What a browser keeps while its user is with WeChat: sealed, so that it can be believed when it comes back, in a cookie,
//! so that nobody else can bring it. Nothing is stored here before a code comes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac;
use hongyan_courier::time::UnixMs;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::token::tag;

/// How long a user may take, in seconds.
pub const LIFE_SECONDS: i64 = 600;

/// The longest state of a program's own, in bytes.
pub const CALLER_STATE_MAX: usize = 256;

const VERSION: &str = "hongyan-oauth-pending-v1";

/// A user on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The client to which the user is to come back.
    pub client: String,
    /// Where to.
    pub redirect: String,
    /// The program's own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Until when, in Unix seconds.
    pub until: i64,
}

/// The word that goes to WeChat and back: what WeChat takes is letters and digits.
pub fn new_state() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}

/// Whether this can be a word of ours.
pub fn is_state(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The cookie's name; each way has its own, so that two open windows do not meet.
pub fn cookie_name(state: &str) -> String {
    format!("hongyan_oauth_{state}")
}

impl Pending {
    /// The cookie's value.
    pub fn seal(&self, account: &str, state: &str, secret: &SecretString) -> String {
        let body = serde_json::to_vec(self).expect("strings and numbers are JSON");
        let body = URL_SAFE_NO_PAD.encode(body);
        let sealed = tag(secret, &bound(account, state, &body)).finalize();
        format!("{body}.{}", URL_SAFE_NO_PAD.encode(sealed.into_bytes()))
    }

    /// Reads a cookie's value; none if it was not sealed for this account and state by one of the client's secrets, or is
    /// too old. `secrets_of` gives a client's secrets.
    pub fn open<'a>(
        value: &str,
        (account, state): (&str, &str),
        secrets_of: impl FnOnce(&str) -> &'a [SecretString],
        wall: UnixMs,
    ) -> Option<Self> {
        let (body, seal) = value.split_once('.')?;
        let seal = URL_SAFE_NO_PAD.decode(seal).ok()?;
        let pending: Self = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()?;
        let text = bound(account, state, body);
        let genuine = secrets_of(&pending.client)
            .iter()
            .any(|secret| tag(secret, &text).verify_slice(&seal).is_ok());
        (genuine && wall.0.div_euclid(1_000) < pending.until).then_some(pending)
    }
}

/// A purpose of its own keeps the seal from serving as anything else that the secret signs.
fn bound(account: &str, state: &str, body: &str) -> Vec<u8> {
    format!("{VERSION}\n{account}\n{state}\n{body}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_795_400_000_000);

    #[test]
    fn what_a_browser_brings_back_is_believed_only_whole_and_in_time() {
        let secrets = [SecretString::from("new"), SecretString::from("old")];
        let pending = Pending {
            client: "orders".into(),
            redirect: "https://a.example/".into(),
            state: Some("x".into()),
            until: NOW.0 / 1_000 + LIFE_SECONDS,
        };
        let state = new_state();
        assert!(is_state(&state));
        let of = |client: &str| {
            if client == "orders" {
                &secrets[..]
            } else {
                &[]
            }
        };
        for secret in &secrets {
            let value = pending.seal("clinic", &state, secret);
            let open = |value: &str, account: &str, state: &str, wall: UnixMs| {
                Pending::open(value, (account, state), of, wall)
            };
            assert_eq!(open(&value, "clinic", &state, NOW), Some(pending.clone()));
            let late = UnixMs(NOW.0 + LIFE_SECONDS * 1_000);
            assert_eq!(open(&value, "clinic", &state, late), None);
            assert_eq!(open(&value, "school", &state, NOW), None);
            assert_eq!(open(&value, "clinic", &new_state(), NOW), None);
            assert_eq!(open(&value[1..], "clinic", &state, NOW), None);
            assert_eq!(
                open(value.split('.').next().unwrap(), "clinic", &state, NOW),
                None
            );
        }
        let foreign = pending.seal("clinic", &state, &SecretString::from("foreign"));
        assert_eq!(Pending::open(&foreign, ("clinic", &state), of, NOW), None);
    }
}
