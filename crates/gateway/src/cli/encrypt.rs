//! `hongyan config encrypt`: turns a secret into a reference that may stand in the configuration for all to see.
//! It must not show the secret, nor take it from the command line, where other users could read it.

use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::sources::SourcesArgs;

#[cfg(feature = "age")]
mod to_age;
#[cfg(not(feature = "age"))]
#[path = "encrypt/without_age.rs"]
mod to_age;
#[cfg(feature = "kms")]
mod under_kms;
#[cfg(not(feature = "kms"))]
#[path = "encrypt/without_kms.rs"]
mod under_kms;

pub const EXAMPLE: &str = "\
Example:
  hongyan config encrypt --generate-key /etc/hongyan/age.key      # once, for age; prints the recipient
  hongyan config encrypt                                          # asks for the secret, prints age:…
  hongyan config encrypt --age age1… < secret                     # on another machine: the recipient is enough
  pass show clinic | hongyan config encrypt --kms alias/hongyan   # under a key of KMS, prints kms:…";

#[derive(Debug, Args)]
pub struct EncryptArgs {
    #[command(flatten)]
    sources: SourcesArgs,
    /// Encrypt to this recipient of age (age1…); that of age.identity in the configuration by default
    #[arg(long, value_name = "RECIPIENT", conflicts_with_all = ["kms", "generate_key"])]
    age: Option<String>,
    /// Encrypt under this key of the KMS in the configuration: its id, ARN or alias
    #[arg(long, value_name = "KEY")]
    kms: Option<String>,
    /// Encrypt nothing: write a new key for age to this file, which must not exist, and print its recipient
    #[arg(long, value_name = "FILE", conflicts_with = "kms")]
    generate_key: Option<PathBuf>,
}

pub fn run(args: &EncryptArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    if let Some(file) = &args.generate_key {
        let recipient = to_age::generate(file)?;
        if context.json {
            context.value(&json!({"file": file, "recipient": recipient}))?;
        } else {
            context.line(&recipient)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let reference = match (&args.kms, &args.age) {
        (Some(key), _) => under_kms::seal(key, &args.sources, context)?,
        (None, Some(recipient)) => to_age::seal(recipient, &read_secret(context)?)?,
        (None, None) => {
            let recipient = to_age::own_recipient(&args.sources, context)?;
            to_age::seal(&recipient, &read_secret(context)?)?
        }
    };
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
