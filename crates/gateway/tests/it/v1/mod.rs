//! The calls of the API.

mod accounts;
mod attention;
mod auth;
mod broadcasts;
mod messages;
mod receipts;
mod recipients;
mod refusals;
mod templates;
mod token;
mod webhooks;
