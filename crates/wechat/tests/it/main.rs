//! The crate from outside: classes and callbacks as tables and properties, the client against small servers.
//! Servers are sockets on port 0 that say what each test scripts; nothing here knows the gateway.

#![expect(clippy::unwrap_used, reason = "a test's own helpers may fail the test")]

mod answer;
mod callback;
mod calls;
mod doubt;
mod errcode;
mod fresh;
mod hosts;
mod measure;
mod operate;
mod pool;
mod proxy;
mod secrets;
mod server;
mod simulator;
