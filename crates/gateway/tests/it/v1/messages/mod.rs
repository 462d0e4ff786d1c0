//! `/v1/messages`.

mod batch;
mod change;
mod fit;
mod hang_up;
mod idempotency;
mod in_vain;
mod invalid;
mod kinds;
mod list;
mod retry_all;
mod send;
mod wait;
