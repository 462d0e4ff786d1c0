//! The part of `hongyan config encrypt` that needs a KMS.
//! It must not keep the data key.

use anyhow::anyhow;

use super::read_secret;
use crate::cli::context::Context;
use crate::cli::runtime::block_on_here;
use crate::cli::sources::SourcesArgs;
use crate::config::keyring;

/// The reference for a secret that is asked for, under this key of the configuration's KMS.
pub(super) fn seal(
    key: &str,
    sources: &SourcesArgs,
    context: &Context<'_>,
) -> anyhow::Result<String> {
    let config = sources.load(context.environment)?.config;
    let secret = read_secret(context)?;
    let near = keyring::near(config.profile, context.environment);
    let kms = keyring::kms(&config.secret_sources, &near);
    let kms = kms.map_err(|text| anyhow!("kms.endpoint {text}"))?;
    let sealing = async { Ok(kms.seal(key, &secret).await) };
    block_on_here(sealing)?.map_err(|fault| anyhow!("the data key {fault}"))
}
