//! The HTTP face of the gateway.
//! It must not know stores or WeChat calls: it turns requests into calls of the domain and results into replies.

pub mod access;
pub mod accounts;
pub mod attention;
pub mod audit;
pub mod body;
pub mod broadcasts;
pub mod callback;
pub mod clients;
pub mod deed;
pub mod docs;
pub mod door;
pub mod error;
pub mod failures;
pub mod health;
pub mod messages;
pub mod moments;
pub mod oauth;
pub mod openapi;
pub mod page;
pub mod path;
pub mod query;
pub mod quota;
pub mod receipts;
pub mod recipients;
pub mod router;
pub mod routes;
pub mod templates;
pub mod token;
pub mod webhooks;
