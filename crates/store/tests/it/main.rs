//! The SQLite adapter's tests: one binary, one file per promise. Everything runs on files in temporary directories.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that cannot go on fails its test"
)]

mod bounds;
mod breaking;
mod conformance;
mod crash;
mod forgetting;
mod opening;
mod space;
mod spool;
mod support;
mod versions;
mod writing;
