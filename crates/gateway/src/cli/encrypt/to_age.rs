//! The part of `hongyan config encrypt` that needs age: its keys, and what is encrypted to them.
//! It must not show a key: what it makes goes into a file that its owner alone can read.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use secrecy::{ExposeSecret, SecretString};

use crate::cli::context::Context;
use crate::cli::runtime::block_on_here;
use crate::cli::sources::SourcesArgs;
use crate::config::keyring;
use crate::secrets::age;

/// Writes a new key to a file that did not exist; answers its recipient.
pub(super) fn generate(file: &Path) -> anyhow::Result<String> {
    let (key, recipient) = age::generate();
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o600);
    let mut written = options
        .open(file)
        .with_context(|| format!("cannot make {}", file.display()))?;
    writeln!(
        written,
        "# public key: {recipient}\n{}",
        key.expose_secret()
    )?;
    written.sync_all()?;
    Ok(recipient)
}

/// The recipient of the configuration's own key. Of the configuration no secret is fetched but that one: the others may
/// not be there yet.
pub(super) fn own_recipient(
    sources: &SourcesArgs,
    context: &Context<'_>,
) -> anyhow::Result<String> {
    let config = sources.load(context.environment)?.config;
    let identity = config.secret_sources.age.identity.as_ref();
    let identity = identity.context(
        "there is no key to encrypt to: set age.identity, or give --age RECIPIENT or --kms KEY; --generate-key FILE makes one",
    )?;
    let near = keyring::near(config.profile, context.environment);
    let fetching = async { Ok(near.resolve(identity).await?) };
    let fetched = block_on_here(fetching).context("age.identity")?;
    age::recipient_of(&fetched).map_err(|_| anyhow!("age.identity holds no AGE-SECRET-KEY-1…"))
}

pub(super) fn seal(recipient: &str, secret: &SecretString) -> anyhow::Result<String> {
    age::seal(recipient, secret).map_err(|text| anyhow!(text))
}
