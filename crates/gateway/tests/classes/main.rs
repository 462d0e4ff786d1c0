//! What each of WeChat's answers does to a message, its account, its template and its recipient: the whole gateway,
//! and a simulator that gives every code. The tables are data, to be read at one sitting.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that cannot go on fails its test"
)]

mod last;
mod rig;
mod send;
mod send_table;
mod silence;
mod templates;
mod token;
mod token_table;
