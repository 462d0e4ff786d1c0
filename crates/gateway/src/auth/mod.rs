//! Who is calling, and may they: signed requests, their clients and scopes.
//! It must not know routes, stores or configuration files; it is handed keys, a request and the time.

pub mod authenticator;
pub mod bearer;
pub mod canonical;
pub mod client;
pub mod credentials;
pub mod error;
pub mod nonces;
pub mod refused;
pub mod scope;
pub mod signature;
pub mod signer;
