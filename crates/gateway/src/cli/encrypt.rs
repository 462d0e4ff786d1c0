//! `hongyan config encrypt`: turns a secret into a reference that may stand in the configuration for all to see.
//! It must not show the secret, nor take it from the command line, where other users could read it.

use std::io::{IsTerminal, Read, Write};
use std::process::ExitCode;

use anyhow::{anyhow, bail};
use clap::Args;
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::runtime::block_on_here;
use crate::cli::sources::SourcesArgs;
use crate::config::{self, keyring};

pub const EXAMPLE: &str = "\
Example:
  pass show clinic | hongyan config encrypt --kms alias/hongyan   # prints kms:…";

#[derive(Debug, Args)]
pub struct EncryptArgs {
    #[command(flatten)]
    sources: SourcesArgs,
    /// Encrypt under this key of the KMS in the configuration: its id, ARN or alias
    #[arg(long, value_name = "KEY")]
    kms: String,
}

pub fn run(args: &EncryptArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let config = config::load(&args.sources.sources(context.environment))?.config;
    let secret = read_secret(context)?;
    let near = keyring::near(&config, context.environment);
    let kms = keyring::kms(&config, &near).map_err(|text| anyhow!("kms.endpoint {text}"))?;
    let sealing = async { Ok(kms.seal(&args.kms, &secret).await) };
    let reference = block_on_here(sealing)?.map_err(|fault| anyhow!("the data key {fault}"))?;
    if context.json {
        context.value(&json!({"reference": reference}))?;
    } else {
        context.line(&reference)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// From standard input; a terminal is asked, and does not show what is typed.
fn read_secret(context: &Context<'_>) -> anyhow::Result<SecretString> {
    let mut input = std::io::stdin();
    let mut text = Zeroizing::new(String::new());
    if input.is_terminal() {
        let prompt = context.lang.pick("Secret: ", "密钥：");
        let mut shown = std::io::stderr();
        write!(shown, "{prompt}")?;
        shown.flush()?;
        let usual = tcgetattr(&input)?;
        let mut silent = usual.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(&input, SetArg::TCSANOW, &silent)?;
        let typed = input.read_line(&mut text);
        tcsetattr(&input, SetArg::TCSANOW, &usual)?;
        writeln!(shown)?;
        typed?;
    } else {
        input.read_to_string(&mut text)?;
    }
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    match secret.is_empty() {
        true => bail!("there is nothing to encrypt"),
        false => Ok(SecretString::from(secret)),
    }
}
