//! The bodies of the fuzz targets, each on its seeds. `make fuzz` goes on from there, with a compiler and a fuzzer that
//! nobody needs for anything else; here they compile with everything else, so that they cannot fall behind.

use std::fs;
use std::path::Path;

#[path = "../../../../fuzz/bodies/callback.rs"]
mod callback;
#[path = "../../../../fuzz/bodies/message.rs"]
mod message;
#[path = "../../../../fuzz/bodies/signature.rs"]
mod signature;

fn on_its_seeds(target: &str, run: fn(&[u8])) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    let seeds: Vec<_> = fs::read_dir(seeds.join(target)).unwrap().collect();
    assert!(!seeds.is_empty(), "{target} has seeds");
    for seed in seeds {
        run(&fs::read(seed.unwrap().path()).unwrap());
    }
}

#[test]
fn every_seed_of_a_callback_is_opened_or_refused() {
    on_its_seeds("callback", callback::run);
}

#[test]
fn every_seed_of_a_message_is_taken_or_refused_with_words() {
    on_its_seeds("message", message::run);
}

#[test]
fn every_seed_of_a_request_is_believed_when_it_is_signed_and_as_it_was_signed() {
    on_its_seeds("signature", signature::run);
}
