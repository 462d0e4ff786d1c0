//! The plain addresses under which events were put onto the spool, until it is empty. One that comes again with another
//! body must be refused before it is acknowledged: among thousands of pushes a second two may share an address.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hongyan_courier::port::Nonce;
use sha2::{Digest, Sha256};

/// Half a SHA-256: as much as tells one from another, of a spool that may hold a million.
type Half = [u8; 16];

#[derive(Debug, Default)]
pub struct Addresses(Mutex<HashMap<Half, Half>>);

impl Addresses {
    /// Answers whether an event may come under this address: it is new here, or comes again with the same body.
    pub(super) fn take(&self, nonce: &Nonce) -> bool {
        let Some(body) = &nonce.body else { return true };
        let address = Sha256::new()
            .chain_update(&nonce.owner)
            .chain_update([0])
            .chain_update(&nonce.nonce);
        let body = half(body);
        *self
            .known()
            .entry(half(&address.finalize().into()))
            .or_insert(body)
            == body
    }

    /// Nothing lies on the spool any more: the store knows its addresses.
    pub(super) fn forget(&self) {
        *self.known() = HashMap::new();
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Half, Half>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn half(whole: &[u8; 32]) -> Half {
    std::array::from_fn(|i| whole[i])
}
