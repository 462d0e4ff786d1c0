//! The simulator over real sockets and its world without any: one binary.
//! Only what a user of the crate can reach is used here.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its shared parts too"
)]

mod control;
mod faults;
mod http;
mod oauth;
mod outage;
mod receipts;
mod rules;
mod subscription;
mod wire;
mod world_send;
mod world_token;
