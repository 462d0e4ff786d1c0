//! Adapters of courier's ports that need a database driver.
//! They apply the pure steps of `courier::delivery` to rows and decide nothing about a message themselves.
#![forbid(unsafe_code)]

mod fnv;
pub mod spool;
pub mod sqlite;
