//! Stories: the real gateway over SQLite, a simulated WeChat, real sockets; one promise a test.
//! They know the gateway by its HTTP face and its configuration, and WeChat by what the simulator saw.

#![expect(clippy::unwrap_used, reason = "a story's own helpers may fail it")]

mod attacks;
mod callback;
mod compat;
mod connection;
mod document;
mod edges;
mod egress;
mod fuzzed;
mod harness;
mod neighbours;
mod oauth;
mod ops;
mod peers;
mod program;
mod receipts;
mod reload;
mod retention;
mod signers;
mod snippets;
mod store;
mod v1;
