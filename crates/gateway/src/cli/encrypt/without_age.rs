//! The part of `hongyan config encrypt` that needs age, in a program that was built without it.
//! It must not do anything: it says why.

use std::path::Path;

use anyhow::bail;
use secrecy::SecretString;

use crate::cli::context::Context;
use crate::cli::sources::SourcesArgs;

const LEFT_OUT: &str =
    "this program was built without the cargo feature `age`; --kms KEY encrypts with a KMS";

pub(super) fn generate(_: &Path) -> anyhow::Result<String> {
    bail!(LEFT_OUT)
}

pub(super) fn own_recipient(_: &SourcesArgs, _: &Context<'_>) -> anyhow::Result<String> {
    bail!(LEFT_OUT)
}

pub(super) fn seal(_: &str, _: &SecretString) -> anyhow::Result<String> {
    bail!(LEFT_OUT)
}
