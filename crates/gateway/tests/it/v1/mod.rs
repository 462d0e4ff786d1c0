//! The calls of the API.

mod accounts;
mod auth;
mod broadcasts;
mod messages;
mod receipts;
mod refusals;
mod templates;
mod token;
mod webhooks;
