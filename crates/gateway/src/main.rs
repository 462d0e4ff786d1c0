//! The program `hongyan`: hands its arguments and environment to the command line and ends with its exit code.
//! It must not know any command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

/// Many small short-lived allocations per message are what the system's allocator is slowest at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hongyan_gateway::cli::main(&hongyan_gateway::config::environment::process_environment())
}
