//! `/v1/messages`: hand messages over, look at them, cancel them, send them again.
//! It must not know how a message travels; it reads requests, calls the domain and shows what it says.

mod agreement;
pub mod batch;
pub mod change;
mod data;
/// Public for the fuzz target alone.
#[doc(hidden)]
pub mod draft;
pub mod dry_run;
mod faults;
mod fields;
pub mod foreign;
pub(in crate::api) mod keys;
mod line_up;
pub mod list;
pub mod retry_all;
pub mod send;
pub mod show;
mod text;
