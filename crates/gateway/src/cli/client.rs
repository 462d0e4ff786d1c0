//! `hongyan client new`: a new client with a strong secret, as a block for hongyan.toml.
//! It must not change any file.

use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::auth::scope::Scope;
use crate::cli::context::Context;
use crate::config::names;

const EXAMPLE: &str = "\
Example:
  hongyan client new orders --scope messages:send --scope messages:read >> hongyan.toml";

/// Set up the programs that may call the gateway.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan client new orders --scope messages:send")]
pub struct ClientArgs {
    #[command(subcommand)]
    command: ClientCommand,
}

#[derive(Debug, Subcommand)]
enum ClientCommand {
    New(NewArgs),
}

/// Print a clients block for hongyan.toml with a newly generated secret.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct NewArgs {
    /// The client's name: a-z 0-9 - _
    #[arg(value_parser = client_id)]
    id: String,
    /// What it may do; may be repeated
    #[arg(
        long = "scope",
        value_name = "SCOPE",
        required = true,
        value_delimiter = ','
    )]
    scopes: Vec<Scope>,
}

pub fn run(args: &ClientArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    match &args.command {
        ClientCommand::New(args) => new(args, context),
    }
}

fn new(args: &NewArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    let scopes: Vec<&str> = args.scopes.iter().map(|scope| scope.as_str()).collect();
    if context.json {
        context.value(&json!({"id": args.id, "secret": secret, "scopes": scopes}))?;
        return Ok(ExitCode::SUCCESS);
    }
    let variable = format!("{}_SECRET", args.id.to_ascii_uppercase().replace('-', "_"));
    let advice = match context.lang.pick("en", "zh") {
        "zh" => format!(
            "# 明文密钥只能用于 dev;其他环境请写 secrets = [\"env:{variable}\"],并在环境变量中设置其值。"
        ),
        _ => format!(
            "# A literal secret is for dev alone; elsewhere write secrets = [\"env:{variable}\"] and set the variable."
        ),
    };
    let quoted: Vec<String> = scopes.iter().map(|scope| format!("\"{scope}\"")).collect();
    context.line("[[clients]]")?;
    context.line(&format!("id = \"{}\"", args.id))?;
    context.line(&advice)?;
    context.line(&format!("secrets = [\"{secret}\"]"))?;
    context.line(&format!("scopes = [{}]", quoted.join(", ")))?;
    Ok(ExitCode::SUCCESS)
}

fn client_id(text: &str) -> Result<String, String> {
    names::check(text).map(|()| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::context::Lang;
    use crate::config::environment::Environment;
    use crate::config::{self, layers::Sources};

    #[test]
    fn what_is_printed_is_a_client_that_the_configuration_takes() {
        let args = NewArgs {
            id: "order-desk".to_owned(),
            scopes: vec![Scope::MessagesSend, Scope::Token],
        };
        for lang in [Lang::En, Lang::Zh] {
            let mut out = Vec::new();
            let environment = Environment::new();
            let mut context = Context {
                json: false,
                lang,
                environment: &environment,
                out: &mut out,
            };
            new(&args, &mut context).unwrap();
            let directory = tempfile::tempdir().unwrap();
            std::fs::write(directory.path().join("hongyan.toml"), &out).unwrap();
            let sources = Sources {
                directory: directory.path().to_owned(),
                ..Sources::default()
            };
            let client = config::load(&sources).unwrap().config.clients.remove(0);
            assert_eq!(client.id, "order-desk");
            assert_eq!(client.scopes.iter().collect::<Vec<_>>(), args.scopes);
            assert!(
                String::from_utf8(out)
                    .unwrap()
                    .contains("env:ORDER_DESK_SECRET")
            );
        }
    }
}
