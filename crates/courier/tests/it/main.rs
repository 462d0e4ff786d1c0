//! The domain under test: rules on real tasks and a paused clock, and the adapters that live in this crate.
//! No database and no socket.

mod conformance;
mod explorer;
mod rig;
