//! The promises about tokens: one for everybody, fetched as seldom as it goes, and trouble that stays with its account.
//! Every test is a whole node on a paused clock.

mod fought;
mod rationed;
mod renewed;
mod revoked;
mod shared;
mod sought;
mod stopped;
mod wished;
