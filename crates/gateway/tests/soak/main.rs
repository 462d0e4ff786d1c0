//! The promise under trouble: the real program as a child process, killed, cut off and stopped, and the simulator's own
//! record of what users saw. Each test has a short form that runs with the others and a long form that is ignored.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a helper that cannot go on fails its test, and a seed must be seen"
)]

mod broadcast;
mod caller;
mod check;
mod garbage;
mod kill;
mod neighbours;
mod outage;
mod program;
mod quota;
mod receipts;
mod scheduled;
mod stop;
mod token;
