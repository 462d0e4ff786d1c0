//! Who did what, to what, from where: a list that only grows, each entry sealed together with all before it, so that none
//! can be changed or taken out unnoticed. It must not know how anybody proved who they are.

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use crate::message::AccountName;
use crate::port::StoreError;
use crate::time::UnixMs;

/// Something that somebody asks for. It is written down in the transaction that does it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// When it was asked for.
    pub at: UnixMs,
    /// Who: a client's id, or `local:` and a user of the machine.
    pub who: String,
    /// From which address.
    pub from: Option<String>,
    /// What, as a stable word: `messages.cancel`.
    pub what: String,
    /// In which account, where it is one.
    pub account: Option<AccountName>,
    /// To which message, broadcast, template or webhook.
    pub subject: Option<String>,
    /// To which recipient: see [`mark`].
    pub recipient: Option<String>,
    /// How, as it was asked for; of bounded length, without secrets.
    pub details: Option<String>,
    /// The trace that it is part of.
    pub trace_id: Option<String>,
}

/// An act as it stands in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place, counted from 1 without a gap.
    pub number: u64,
    /// What was done.
    pub act: Act,
    /// Seals it and all before it.
    pub seal: Seal,
}

/// SHA-256 over an entry and the seal before it.
pub type Seal = [u8; 32];

/// What stands before the first entry.
pub const FIRST: Seal = [0; 32];

/// Which entries to list.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// By this client.
    pub who: Option<String>,
    /// In one of these accounts; in all, and in none, where there are none here.
    pub accounts: Vec<AccountName>,
    /// To this message, broadcast, template or webhook.
    pub subject: Option<String>,
    /// To the recipient with this mark.
    pub recipient: Option<String>,
    /// At this moment or later.
    pub since: Option<UnixMs>,
    /// Before this moment.
    pub until: Option<UnixMs>,
    /// Newest first, older than this one; none begins at the newest.
    pub before: Option<u64>,
    /// Oldest first, newer than this one.
    pub after: Option<u64>,
}

/// The list.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Writes an act down that is done elsewhere; durable when answered.
    async fn record(&self, act: Act) -> Result<(), StoreError>;
    /// A page of the list.
    async fn audited(&self, filter: AuditFilter, limit: usize) -> Result<Vec<Entry>, StoreError>;
}

/// Stands for a recipient in the list, which never forgets, so that a recipient can be forgotten: who knows the openid finds
/// what was done to it, and nobody else learns it.
pub fn mark(openid: &str) -> String {
    let hash = Sha256::new()
        .chain_update("hongyan recipient\n")
        .chain_update(openid)
        .finalize();
    hash[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The seal of an entry.
pub fn seal(before: &Seal, number: u64, act: &Act) -> Seal {
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update(number.to_be_bytes());
    hash.update(act.at.0.to_be_bytes());
    let account = act.account.as_ref().map(AccountName::as_str);
    for part in [
        Some(act.who.as_str()),
        act.from.as_deref(),
        Some(act.what.as_str()),
        account,
        act.subject.as_deref(),
        act.recipient.as_deref(),
        act.details.as_deref(),
        act.trace_id.as_deref(),
    ] {
        // With its length before it no part runs into the next, and what is not there is not what is empty.
        let length = part.map_or(u64::MAX, |part| part.len() as u64);
        hash.update(length.to_be_bytes());
        hash.update(part.unwrap_or_default());
    }
    hash.finalize().into()
}

/// Looks a list through, entry by entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verifier {
    number: u64,
    seal: Seal,
}

impl Default for Verifier {
    fn default() -> Self {
        Self {
            number: 0,
            seal: FIRST,
        }
    }
}

/// Where a list is not what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// An entry was taken out, or the list begins later.
    #[error("entry {expected} is missing: {found} comes instead")]
    Missing {
        /// The number that should come.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// An entry, or one before it, was changed.
    #[error("entry {0} is not what was written down, or one before it is not")]
    Changed(u64),
}

impl Verifier {
    /// Takes the next entry, oldest first.
    pub fn take(&mut self, entry: &Entry) -> Result<(), Broken> {
        let expected = self.number + 1;
        if entry.number != expected {
            return Err(Broken::Missing {
                expected,
                found: entry.number,
            });
        }
        let seal = seal(&self.seal, entry.number, &entry.act);
        if seal != entry.seal {
            return Err(Broken::Changed(entry.number));
        }
        (self.number, self.seal) = (expected, seal);
        Ok(())
    }

    /// The last entry that was taken, and its seal.
    pub fn head(&self) -> (u64, Seal) {
        (self.number, self.seal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act(what: &str) -> Act {
        Act {
            at: UnixMs(1),
            who: "desk".into(),
            from: None,
            what: what.into(),
            account: None,
            subject: Some("m1".into()),
            recipient: None,
            details: None,
            trace_id: None,
        }
    }

    fn list(count: u64) -> Vec<Entry> {
        let mut before = FIRST;
        let entries = (1..=count).map(|number| {
            let act = act(&format!("act {number}"));
            before = seal(&before, number, &act);
            Entry {
                number,
                act,
                seal: before,
            }
        });
        entries.collect()
    }

    fn verify(list: &[Entry]) -> Result<u64, Broken> {
        let mut verifier = Verifier::default();
        for entry in list {
            verifier.take(entry)?;
        }
        Ok(verifier.head().0)
    }

    #[test]
    fn a_list_that_was_left_alone_is_sound() {
        assert_eq!(verify(&list(5)), Ok(5));
        assert_eq!(verify(&[]), Ok(0));
    }

    #[test]
    fn what_was_changed_taken_out_put_in_or_moved_is_found() {
        let mut changed = list(5);
        changed[2].act.subject = Some("m2".into());
        assert_eq!(verify(&changed), Err(Broken::Changed(3)));
        let mut resealed = list(5);
        resealed[2].act.subject = None;
        resealed[2].seal = seal(&resealed[1].seal, 3, &resealed[2].act);
        assert_eq!(verify(&resealed), Err(Broken::Changed(4)));
        let mut short = list(5);
        short.remove(1);
        let missing = Broken::Missing {
            expected: 2,
            found: 3,
        };
        assert_eq!(verify(&short), Err(missing));
        let mut renumbered = list(5);
        renumbered.remove(1);
        for (number, entry) in (1..).zip(&mut renumbered) {
            entry.number = number;
        }
        assert_eq!(verify(&renumbered), Err(Broken::Changed(2)));
        let mut moved = list(5);
        moved.swap(1, 2);
        assert!(verify(&moved).is_err());
    }

    #[test]
    fn no_two_acts_read_alike() {
        let one = Act {
            account: Some("a".into()),
            ..act("x")
        };
        let other = Act {
            account: None,
            subject: Some("a".into()),
            ..act("x")
        };
        let empty = Act {
            details: Some(String::new()),
            ..act("x")
        };
        let seals = [one, other, empty, act("x")].map(|act| seal(&FIRST, 1, &act));
        for (place, seal) in seals.iter().enumerate() {
            assert!(!seals[..place].contains(seal));
        }
    }
}
