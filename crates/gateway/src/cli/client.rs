//! `hongyan client new|revoke`: a new client with a strong secret, as a block for hongyan.toml; and the end of the tokens
//! that a client has. It must not change any file.

use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::auth::scope::Scope;
use crate::cli::context::Context;
use crate::cli::gateway::GatewayArgs;
use crate::cli::http::GatewayClient;
use crate::cli::runtime::block_on_here;
use crate::cli::table::encoded;
use crate::config::names;

const EXAMPLE: &str = "\
Example:
  hongyan client new orders --scope messages:send --scope messages:read >> hongyan.toml
  hongyan client new clinic-desk --scope recipients --account clinic";

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
    Revoke(RevokeArgs),
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
    /// Confine it to this account; may be repeated
    #[arg(long = "account", value_name = "NAME", value_delimiter = ',')]
    accounts: Vec<String>,
    /// Confine it to this template; may be repeated
    #[arg(long = "template", value_name = "ID", value_delimiter = ',')]
    templates: Vec<String>,
}

/// Revoke the virtual tokens that a client's WeChat SDK holds; it fetches new ones with its secret.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongyan client revoke shop --account clinic")]
struct RevokeArgs {
    /// The client whose tokens they are
    id: String,
    /// Those for this account alone
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    #[command(flatten)]
    gateway: GatewayArgs,
}

pub fn run(args: &ClientArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    match &args.command {
        ClientCommand::New(args) => new(args, context),
        ClientCommand::Revoke(args) => revoke(args, context),
    }
}

fn revoke(args: &RevokeArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let path = format!("/v1/clients/{}/tokens/revoke", encoded(&args.id));
    let client = GatewayClient::new(&args.gateway)?;
    let body = json!({"account": args.account});
    let revoked = block_on_here(client.post(&path, &body))?;
    if context.json {
        context.value(&revoked)?;
        return Ok(ExitCode::SUCCESS);
    }
    let accounts = revoked["accounts"].as_array().into_iter().flatten();
    let accounts: Vec<&str> = accounts.filter_map(Value::as_str).collect();
    context.line(&format!(
        "the tokens of {} are revoked, for {}",
        args.id,
        accounts.join(", ")
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn new(args: &NewArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    let scopes: Vec<&str> = args.scopes.iter().map(|scope| scope.as_str()).collect();
    let confined = [("accounts", &args.accounts), ("templates", &args.templates)];
    if context.json {
        let mut shown = json!({"id": args.id, "secret": secret, "scopes": scopes});
        for (key, list) in confined.into_iter().filter(|(_, list)| !list.is_empty()) {
            shown[key] = json!(list);
        }
        context.value(&shown)?;
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
    for (key, list) in confined.into_iter().filter(|(_, list)| !list.is_empty()) {
        let list = toml::Value::from(list.clone());
        context.line(&format!("{key} = {list}"))?;
    }
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
            scopes: vec![Scope::MessagesSend, Scope::Accounts],
            accounts: Vec::new(),
            templates: vec!["ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY".to_owned()],
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
            assert_eq!(client.templates, args.templates);
            assert_eq!(client.scopes.iter().collect::<Vec<_>>(), args.scopes);
            assert!(
                String::from_utf8(out)
                    .unwrap()
                    .contains("env:ORDER_DESK_SECRET")
            );
        }
    }
}
