//! The promises about sending: fair, bounded, one at a time for each recipient, and nothing lost to an outage of WeChat,
//! of the store or of the node. Every test is a whole node on a paused clock.

mod doubt;
mod fairness;
mod limits;
mod outage;
mod retire;
mod slots;
mod spared;
mod stop;
mod store;
mod unsent;
