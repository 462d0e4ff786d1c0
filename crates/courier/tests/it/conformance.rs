//! The adapters of this crate pass the suites of their ports, and the lists of the suites are complete.

use std::sync::Arc;

use hongyan_courier::conformance::{Adapter, Stores, TokenCacheAdapter};
use hongyan_courier::memory::MemoryStore;
use hongyan_courier::port::TokenCache;
use hongyan_courier::token::MemoryTokenCache;

/// The store in memory; it survives being reopened because it was never closed.
struct Memory(Arc<MemoryStore>);

impl Adapter for Memory {
    async fn fresh() -> Self {
        Self(Arc::default())
    }

    fn stores(&self) -> Stores {
        Stores {
            queue: self.0.clone(),
            ledger: self.0.clone(),
            dead_letters: self.0.clone(),
            standings: self.0.clone(),
            quotas: self.0.clone(),
            recipients: self.0.clone(),
            broadcasts: self.0.clone(),
            outbox: self.0.clone(),
            templates: self.0.clone(),
            forgetting: self.0.clone(),
            virtual_tokens: self.0.clone(),
            audit: self.0.clone(),
        }
    }

    async fn reopened(self) -> Self {
        self
    }
}

struct TokensInMemory;

impl TokenCacheAdapter for TokensInMemory {
    async fn fresh() -> Arc<dyn TokenCache> {
        Arc::new(MemoryTokenCache::default())
    }
}

mod memory {
    use super::Memory;

    hongyan_courier::queue_conformance!(Memory);
    hongyan_courier::ledger_conformance!(Memory);
    hongyan_courier::dead_letters_conformance!(Memory);
    hongyan_courier::standings_conformance!(Memory);
    hongyan_courier::recipients_conformance!(Memory);
    hongyan_courier::broadcasts_conformance!(Memory);
    hongyan_courier::templates_conformance!(Memory);
    hongyan_courier::virtual_tokens_conformance!(Memory);
    hongyan_courier::nodes_conformance!(Memory);
    hongyan_courier::outbox_conformance!(Memory);
    hongyan_courier::audit_conformance!(Memory);
}

mod tokens {
    use super::TokensInMemory;

    hongyan_courier::token_cache_conformance!(TokensInMemory);
}

#[test]
fn every_promise_is_listed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/conformance");
    let lists = ["mod.rs", "people.rs"].map(|file| format!("{folder}/{file}"));
    let lists = lists
        .map(|path| std::fs::read_to_string(path).unwrap())
        .concat();
    let listed: Vec<&str> = lists.split_whitespace().collect();
    for file in std::fs::read_dir(folder).unwrap() {
        let source = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for promise in source.split("\npub async fn ").skip(1) {
            let name = promise.split('<').next().unwrap();
            assert!(listed.contains(&name), "{name} is in no list");
        }
    }
}
