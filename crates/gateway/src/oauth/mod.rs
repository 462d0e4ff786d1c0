//! Web authorisation: where a user may be sent back to, what a browser keeps meanwhile, and the openid as it is handed on.
//! It must not know HTTP beyond addresses, nor talk to WeChat.

pub mod pending;
pub mod redirect;
pub mod token;
