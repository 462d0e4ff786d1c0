//! Events out, as the outside sees them: where they may be posted, how they are signed, and the posting itself.
//! It must not decide what becomes of an event: `courier::webhook` does.

pub mod guard;
pub mod post;
pub mod sign;
