//! The load bench: what Hongyan costs beside the floors below which no gateway can go. One run, one table.
//! Knows the gateway only from outside, as a program with an HTTP API; another one can be put in its place.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program whose output is a table"
)]

mod child;
mod floor;
mod load;
mod plot;
mod relay;
mod run;
mod sign;
mod simulator;
mod table;
mod tally;
mod verdict;

use clap::{Parser, Subcommand};

/// The bench's own exit: a message to a person.
pub type Result<T> = anyhow::Result<T>;

#[derive(Parser)]
#[command(about = "Measures the gateway against the floors: see docs/performance.md")]
struct Cli {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    run: run::Args,
}

#[derive(Subcommand)]
enum Part {
    /// The relay floor: the same server and client with nothing between them.
    #[command(hide = true)]
    Relay(relay::Args),
    /// The simulator, lean, which says when it has seen enough.
    #[command(hide = true)]
    Sim(simulator::Args),
}

/// Runs whatever the command line names.
#[tokio::main]
pub async fn main() -> Result<()> {
    let cli = Cli::parse();
    match cli.part {
        Some(Part::Relay(args)) => relay::serve(args).await,
        Some(Part::Sim(args)) => simulator::serve(args).await,
        None => run::run(cli.run).await,
    }
}
