//! Callback tokens and AES keys that were taken out of the configuration: WeChat may go on to use them until somebody has
//! changed them there too, so they are heeded a while longer. A restart forgets them.

use std::collections::HashMap;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use crate::config::resolved::{AccountSecrets, Secrets};

/// How long they are heeded.
pub(super) const HEEDED: Duration = Duration::from_secs(3_600);

/// Of each account, until when.
#[derive(Clone, Debug, Default)]
pub(super) struct Retired(HashMap<String, Vec<Old>>);

#[derive(Clone, Debug)]
struct Old {
    kind: Kind,
    value: SecretString,
    until: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Token,
    AesKey,
}

impl Retired {
    /// Takes note of what the new secrets lack. What is back is not old any more.
    pub(super) fn note(
        &mut self,
        before: &[AccountSecrets],
        after: &[AccountSecrets],
        now: Instant,
    ) {
        self.0
            .retain(|name, _| after.iter().any(|account| account.name == *name));
        for new in after {
            let mut old = self.0.remove(&new.name).unwrap_or_default();
            if let Some(was) = before.iter().find(|account| account.name == new.name) {
                for (kind, values) in both(was) {
                    old.extend(values.iter().map(|value| Old {
                        kind,
                        value: value.clone(),
                        until: now + HEEDED,
                    }));
                }
            }
            for (kind, values) in both(new) {
                old.retain(|one| one.kind != kind || !holds(values, &one.value));
            }
            if !old.is_empty() {
                self.0.insert(new.name.clone(), old);
            }
        }
    }

    /// The secrets with those that are still heeded behind them.
    pub(super) fn join(&self, secrets: &Secrets) -> Secrets {
        let mut joined = secrets.clone();
        for account in &mut joined.accounts {
            for old in self.0.get(&account.name).into_iter().flatten() {
                let values = match old.kind {
                    Kind::Token => &mut account.callback_tokens,
                    Kind::AesKey => &mut account.encoding_aes_keys,
                };
                values.push(old.value.clone());
            }
        }
        joined
    }

    /// Forgets those whose time is over. Answers whether there were any.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        let count = |all: &Self| all.0.values().map(Vec::len).sum::<usize>();
        let before = count(self);
        for old in self.0.values_mut() {
            old.retain(|one| now < one.until);
        }
        self.0.retain(|_, old| !old.is_empty());
        count(self) < before
    }

    /// When the time of the first of them is over.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.values().flatten().map(|old| old.until).min()
    }
}

fn both(secrets: &AccountSecrets) -> [(Kind, &[SecretString]); 2] {
    [
        (Kind::Token, &secrets.callback_tokens),
        (Kind::AesKey, &secrets.encoding_aes_keys),
    ]
}

fn holds(values: &[SecretString], one: &SecretString) -> bool {
    let mut values = values.iter();
    values.any(|value| value.expose_secret() == one.expose_secret())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(tokens: &[&str]) -> AccountSecrets {
        AccountSecrets {
            name: "clinic".to_owned(),
            secret: SecretString::from("s"),
            callback_tokens: tokens
                .iter()
                .map(|token| SecretString::from(*token))
                .collect(),
            encoding_aes_keys: Vec::new(),
            proxy_login: None,
            consumers: Vec::new(),
        }
    }

    fn tokens(retired: &Retired, account: AccountSecrets) -> Vec<String> {
        let secrets = Secrets {
            accounts: vec![account],
            clients: Vec::new(),
            jwt: Vec::new(),
            jwt_prints: Vec::new(),
            tls: None,
            webhooks: Vec::new(),
        };
        let joined = retired.join(&secrets);
        let tokens = joined.accounts[0].callback_tokens.iter();
        tokens.map(|one| one.expose_secret().to_owned()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_token_is_heeded_for_an_hour_behind_the_new_one() {
        let (mut retired, start) = (Retired::default(), Instant::now());
        retired.note(&[account(&["old"])], &[account(&["new"])], start);
        assert_eq!(tokens(&retired, account(&["new"])), ["new", "old"]);
        assert_eq!(retired.next(), Some(start + HEEDED));
        assert!(!retired.expire(start + HEEDED / 2));
        retired.note(
            &[account(&["new"])],
            &[account(&["newer"])],
            start + HEEDED / 2,
        );
        assert_eq!(
            tokens(&retired, account(&["newer"])),
            ["newer", "old", "new"]
        );
        assert!(retired.expire(start + HEEDED));
        assert_eq!(tokens(&retired, account(&["newer"])), ["newer", "new"]);
        retired.note(&[account(&["newer"])], &[account(&["new"])], start + HEEDED);
        assert_eq!(tokens(&retired, account(&["new"])), ["new", "newer"]);
        retired.note(&[account(&["new"])], &[], start + HEEDED);
        assert_eq!(
            retired.next(),
            None,
            "of an account that is gone nothing is heeded"
        );
    }
}
