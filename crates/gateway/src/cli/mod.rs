//! The command line: one file for each command, each with its arguments and its `run`.
//! It must not do a command's work here, and operator commands know the gateway by its HTTP API alone.

pub mod accounts;
pub mod attention;
pub mod audit;
pub mod broadcast;
pub mod broadcasts;
pub mod client;
pub mod config_cmd;
pub mod context;
pub mod demo;
pub mod encrypt;
pub mod gateway;
pub mod http;
pub mod list;
pub mod messages;
pub mod migrate;
pub mod recipients;
pub mod retry;
pub mod runtime;
pub mod send;
pub mod serve;
pub mod sign;
pub mod sim;
pub mod sources;
pub mod table;
pub mod templates;
pub mod token;
pub mod webhooks;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::environment::Environment;
use context::{Context, Lang};

/// Hongyan: a gateway for WeChat template messages.
#[derive(Debug, Parser)]
#[command(
    name = "hongyan",
    version,
    propagate_version = true,
    after_help = "Example:\n  hongyan demo"
)]
pub struct Cli {
    /// Write JSON for machines instead of text for people.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Demo(demo::DemoArgs),
    Serve(serve::ServeArgs),
    Sim(sim::SimArgs),
    Send(send::SendArgs),
    Broadcast(broadcast::BroadcastArgs),
    Broadcasts(broadcasts::BroadcastsArgs),
    Messages(messages::MessagesArgs),
    Accounts(accounts::AccountsArgs),
    Attention(attention::AttentionArgs),
    Audit(audit::AuditArgs),
    Token(token::TokenArgs),
    Templates(templates::TemplatesArgs),
    Recipients(recipients::RecipientsArgs),
    Webhooks(webhooks::WebhooksArgs),
    Migrate(migrate::MigrateArgs),
    Sign(sign::SignArgs),
    Client(client::ClientArgs),
    Config(config_cmd::ConfigArgs),
}

/// Parses, runs, and turns an error into one line on standard error: 1 for a failure, 2 for wrong usage.
pub fn main(environment: &Environment) -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => {
            // Nothing is left to do if standard error is gone.
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2));
        }
    };
    let mut out = std::io::stdout().lock();
    let lang = Lang::from_environment(environment);
    let mut context = Context {
        json: cli.json,
        lang,
        environment,
        out: &mut out,
    };
    let result =
        run(cli.command, &mut context).and_then(|code| Ok(context.out.flush().map(|()| code)?));
    result.unwrap_or_else(|error| {
        // `hongyan … | head` is no failure.
        if is_broken_pipe(&error) {
            return ExitCode::SUCCESS;
        }
        let _ = writeln!(std::io::stderr(), "hongyan: {}", http::said(&error, lang));
        ExitCode::FAILURE
    })
}

fn run(command: Command, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(args) => demo::run(&args, context),
        Command::Serve(args) => serve::run(&args, context),
        Command::Sim(args) => sim::run(&args, context),
        Command::Send(args) => send::run(&args, context),
        Command::Broadcast(args) => broadcast::run(&args, context),
        Command::Broadcasts(args) => broadcasts::run(&args, context),
        Command::Messages(args) => messages::run(&args, context),
        Command::Accounts(args) => accounts::run(&args, context),
        Command::Attention(args) => attention::run(&args, context),
        Command::Audit(args) => audit::run(&args, context),
        Command::Token(args) => token::run(&args, context),
        Command::Templates(args) => templates::run(&args, context),
        Command::Recipients(args) => recipients::run(&args, context),
        Command::Webhooks(args) => webhooks::run(&args, context),
        Command::Migrate(args) => migrate::run(&args, context),
        Command::Sign(args) => sign::run(&args, context),
        Command::Client(args) => client::run(&args, context),
        Command::Config(args) => config_cmd::run(&args, context),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_tree_is_sound_and_every_command_shows_an_example() {
        fn visit(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            let after = command.get_after_help().map(ToString::to_string);
            let shows = after.is_some_and(|after| after.starts_with("Example:\n  "));
            assert!(shows, "`{path} --help` has no example");
            assert!(command.get_about().is_some(), "`{path}` is not described");
            command
                .get_subcommands()
                .for_each(|child| visit(child, &path));
        }
        Cli::command().debug_assert();
        visit(&Cli::command(), "");
    }
}
