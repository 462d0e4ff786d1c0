//! WeChat's Official Account API as a Rust client: calls, error classes, callbacks.
//! Knows WeChat's protocol and nothing of who calls it: no queue, no store, no configuration, no clock.
//!
//! A call ends in one of four ways, and the caller's next step depends on nothing else: a good answer, or a
//! [`CallError`](error::CallError) that says *not sent*, *in doubt* or *refused*; a refusal has a
//! [class](error::ApiError::class). Secrets have types that do not print.
//!
//! Without the feature `client` the crate is wire types, classes and callbacks, and pulls in no HTTP library.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod answer;
pub mod callback;
#[cfg(feature = "client")]
pub mod client;
pub mod errcode;
pub mod error;
pub mod industry;
pub mod oauth;
pub mod quota;
pub mod subscription;
pub mod template;
pub mod token;
pub mod user;

mod personal;
#[cfg(feature = "client")]
mod relay;
mod secret;

pub use secret::{AccessToken, AppSecret};
