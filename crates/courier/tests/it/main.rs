//! The domain under test: rules on real tasks and a paused clock, and the adapters that live in this crate.
//! No database and no socket.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a helper that cannot go on fails its test, and a search tells what it went through"
)]

mod broadcast;
mod conformance;
mod dispatch;
mod explorer;
mod foreseen;
mod quiet;
mod quota;
mod rate;
mod retention;
mod rig;
mod set_back;
mod table;
mod template;
mod token;
mod webhook;
