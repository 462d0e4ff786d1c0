//! The SQLite adapter's tests: one binary, one file per promise. Everything runs on files in temporary directories.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a helper that cannot go on fails its test, and a test that proves nothing says so"
)]

mod conformance;
mod crash;
mod opening;
mod space;
mod support;
mod writing;
