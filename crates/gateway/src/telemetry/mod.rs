//! What the gateway tells about itself: log lines, request spans, metrics.
//! It must not know what a request means, nor ever be handed a secret.

pub mod log;
pub mod mask;
pub mod prometheus;
pub mod request;
pub mod trace;
