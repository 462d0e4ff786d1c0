//! The calls of the API.

mod accounts;
mod attention;
mod audit;
mod auth;
mod broadcasts;
mod confined;
mod forget;
mod jwks;
mod limits;
mod messages;
mod quota;
mod receipts;
mod recipients;
mod refusals;
mod templates;
mod token;
mod webhooks;
