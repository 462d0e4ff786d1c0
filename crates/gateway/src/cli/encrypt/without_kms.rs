//! The part of `hongyan config encrypt` that needs a KMS, in a program that was built without it.
//! It must not do anything: it says why.

use anyhow::bail;

use crate::cli::context::Context;
use crate::cli::sources::SourcesArgs;

pub(super) fn seal(_: &str, _: &SourcesArgs, _: &Context<'_>) -> anyhow::Result<String> {
    bail!(
        "this program was built without the cargo feature `kms`; --age RECIPIENT encrypts to a key of age"
    )
}
