//! The program `hongyan` as a library, so that tests and benches can build the same parts.
//! It must not know how a store or a WeChat call works inside: it wires, authenticates and speaks HTTP.
#![forbid(unsafe_code)]

pub mod api;
pub mod app;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod compat;
pub mod condition;
pub mod config;
pub mod crew;
pub mod demo;
pub mod followers;
pub mod hub;
pub mod limits;
pub mod listen;
pub mod metrics;
pub mod network;
pub mod oauth;
pub mod reload;
pub mod role;
pub mod secrets;
pub mod telemetry;
pub mod tls;
pub mod wait;
pub mod webhook;
pub mod wechat_upstream;
