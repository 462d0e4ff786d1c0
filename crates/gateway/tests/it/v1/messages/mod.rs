//! `/v1/messages`.

mod batch;
mod change;
mod fit;
mod hang_up;
mod idempotency;
mod invalid;
mod kinds;
mod list;
mod retry_all;
mod send;
mod wait;
