//! Every token ever handed out, and how one that is presented is judged.
//! It knows nothing of the slots a token belonged to.

use std::collections::HashMap;

use rand::RngExt;
use rand::rngs::SmallRng;

use super::refusal::Denied;

pub(crate) const LIFETIME_MS: i64 = 7_200_000;
const TOKEN_LEN: usize = 136;
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#[derive(Clone, Debug)]
struct Issued {
    account: usize,
    expires_ms: i64,
    /// Set once it is superseded: until when it still works.
    usable_until_ms: Option<i64>,
}

/// Every token ever handed out, of all accounts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry(HashMap<String, Issued>);

impl Registry {
    /// The token works until then and no longer.
    pub(crate) fn supersede(&mut self, token: Option<&String>, usable_until_ms: i64) {
        if let Some(issued) = token.and_then(|token| self.0.get_mut(token)) {
            let until = issued.usable_until_ms.unwrap_or(i64::MAX);
            issued.usable_until_ms = Some(until.min(usable_until_ms));
        }
    }

    pub(crate) fn mint(&mut self, account: usize, now_ms: i64, random: &mut SmallRng) -> String {
        let mut token = String::with_capacity(TOKEN_LEN);
        token.push_str("74_");
        while token.len() < TOKEN_LEN {
            token.push(char::from(URL_SAFE[random.random_range(0..URL_SAFE.len())]));
        }
        let issued = Issued {
            account,
            expires_ms: now_ms + LIFETIME_MS,
            usable_until_ms: None,
        };
        self.0.insert(token.clone(), issued);
        token
    }

    /// The order of checks: missing, malformed, superseded or unknown, aged.
    pub(crate) fn check(&self, now_ms: i64, token: &str) -> Result<usize, Denied> {
        if token.is_empty() {
            return Err(Denied::code(41001));
        }
        let Some(issued) = self.0.get(token) else {
            let code = if looks_like_token(token) {
                40001
            } else {
                40014
            };
            return Err(Denied::code(code));
        };
        if issued.usable_until_ms.is_some_and(|until| until <= now_ms) {
            return Err(Denied::code(40001));
        }
        if issued.expires_ms <= now_ms {
            return Err(Denied::code(42001));
        }
        Ok(issued.account)
    }

    /// Until its natural end.
    pub(crate) fn left_ms(&self, now_ms: i64, token: &str) -> i64 {
        self.0
            .get(token)
            .map_or(0, |issued| issued.expires_ms - now_ms)
    }

    pub(crate) fn forget(&mut self, account: usize) {
        self.0.retain(|_, issued| issued.account != account);
    }

    /// Whose token this is or once was.
    pub(crate) fn owner(&self, token: &str) -> Option<usize> {
        Some(self.0.get(token)?.account)
    }
}

fn looks_like_token(token: &str) -> bool {
    let Some((number, rest)) = token.split_once('_') else {
        return false;
    };
    number.parse::<u8>().is_ok()
        && rest.len() >= 100
        && rest.bytes().all(|byte| URL_SAFE.contains(&byte))
}
