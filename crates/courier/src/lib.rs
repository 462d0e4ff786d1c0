//! The delivery domain of Hongyan: what becomes of a message between the moment a program hands it over and the moment
//! nothing more can happen to it. It knows no database, no web framework, no environment and no clock of its own.
#![forbid(unsafe_code)]

pub mod accept;
pub mod account;
pub mod audit;
pub mod backlog;
pub mod broadcast;
pub mod bulk_retry;
pub mod by_account;
pub mod change;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod delivery;
pub mod dispatch;
pub mod kind;
#[cfg(feature = "conformance")]
pub mod memory;
pub mod message;
pub mod next;
pub mod observer;
pub mod port;
pub mod quiet;
pub mod quota;
pub mod rate;
pub mod reach;
pub mod receipt;
pub mod recipient;
pub mod retention;
pub mod sweep;
pub mod template;
pub mod time;
pub mod token;
pub mod webhook;

pub use time::{Clock, UnixMs};
