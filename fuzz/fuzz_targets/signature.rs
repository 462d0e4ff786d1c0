//! Any query has one canonical form, which is its own canonical form; or it is refused.
#![no_main]

use hongyan_gateway::auth::{canonical, signature};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(once) = canonical::query(text) {
        assert_eq!(canonical::query(&once).as_ref(), Ok(&once));
    }
    let _ = signature::parse(text);
});
