//! By what a call is known again: nonces that are spent once, and keys that name what they stored.
//! It knows nothing of what the calls were about.

use std::collections::HashMap;

use super::prune::take_out;
use crate::message::MessageId;
use crate::port::{DedupeMismatch, IdempotencyKey, Nonce};
use crate::time::UnixMs;

/// Spent nonces by owner.
#[derive(Debug, Default)]
pub(super) struct Nonces(HashMap<(String, String), Spent>);

#[derive(Debug)]
struct Spent {
    until: UnixMs,
    /// With this body it may come again.
    body: Option<[u8; 32]>,
}

impl Nonces {
    /// Whether the nonce may be used: it is fresh, or comes again with the body it is bound to.
    pub(super) fn allows(&self, nonce: &Nonce) -> bool {
        let known = self.0.get(&(nonce.owner.clone(), nonce.nonce.clone()));
        known.is_none_or(|spent| spent.body.is_some() && spent.body == nonce.body)
    }

    pub(super) fn keep(&mut self, nonce: &Nonce) {
        let key = (nonce.owner.clone(), nonce.nonce.clone());
        self.0.entry(key).or_insert(Spent {
            until: nonce.expires_at,
            body: nonce.body,
        });
    }

    pub(super) fn prune(&mut self, now: UnixMs, limit: usize) -> usize {
        take_out(&mut self.0, limit, |_, spent| spent.until <= now)
    }
}

/// What a key stored.
#[derive(Debug)]
pub(super) struct Known {
    body: [u8; 32],
    pub(super) until: UnixMs,
    pub(super) ids: Vec<Result<MessageId, DedupeMismatch>>,
}

/// Keys by scope, with what they stored.
#[derive(Debug, Default)]
pub(super) struct Keys(HashMap<(String, String), Known>);

/// A key came again with another body.
pub(super) struct OtherBody;

impl Keys {
    /// What this key stored before, if it is not too long ago.
    pub(super) fn find(
        &self,
        key: &IdempotencyKey,
        now: UnixMs,
    ) -> Option<Result<&Known, OtherBody>> {
        self.find_while(key, |known| now < known.until)
    }

    /// What this key stored before, if it still stands for that.
    pub(super) fn find_while(
        &self,
        key: &IdempotencyKey,
        stands: impl FnOnce(&Known) -> bool,
    ) -> Option<Result<&Known, OtherBody>> {
        let known = self.0.get(&(key.scope.clone(), key.key.clone()))?;
        if !stands(known) {
            return None;
        }
        Some(if known.body == key.body {
            Ok(known)
        } else {
            Err(OtherBody)
        })
    }

    pub(super) fn keep(
        &mut self,
        key: &IdempotencyKey,
        ids: Vec<Result<MessageId, DedupeMismatch>>,
    ) {
        let known = Known {
            body: key.body,
            until: key.expires_at,
            ids,
        };
        self.0.insert((key.scope.clone(), key.key.clone()), known);
    }

    /// Forgets those that stand for nothing any more.
    pub(super) fn prune(&mut self, limit: usize, stands: impl Fn(&Known) -> bool) -> usize {
        take_out(&mut self.0, limit, |_, known| !stands(known))
    }
}
