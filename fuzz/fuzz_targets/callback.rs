//! What it does is in `bodies`, which the workspace's tests run on the seeds: they need no fuzzer to compile.
#![no_main]

#[path = "../bodies/callback.rs"]
mod callback;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| callback::run(bytes));
