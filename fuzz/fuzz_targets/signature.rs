//! What it does is in `bodies`, which the workspace's tests run on the seeds: they need no fuzzer to compile.
#![no_main]

#[path = "../bodies/signature.rs"]
mod signature;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| signature::run(bytes));
