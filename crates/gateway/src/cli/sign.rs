//! `hongyan sign`: the signature headers of a request, and the curl command that sends it.
//! It must not send the request itself.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::Args;
use http::{Method, Uri};
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::gateway::CallerArgs;
use crate::clock::SystemClock;

const EXAMPLE: &str = "\
Example:
  export HONGYAN_CLIENT_ID=orders HONGYAN_CLIENT_SECRET=…
  hongyan sign POST http://127.0.0.1:8080/v1/messages --body message.json";

/// Print the signature headers of a request, as curl arguments too.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct SignArgs {
    /// GET, POST, …
    method: String,
    /// The whole URL with its query
    url: String,
    /// The file that will be the body; - is standard input
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    #[command(flatten)]
    caller: CallerArgs,
}

pub fn run(args: &SignArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let method: Method = args
        .method
        .to_ascii_uppercase()
        .parse()
        .with_context(|| format!("{:?} is not a method", args.method))?;
    let uri: Uri = args
        .url
        .parse()
        .with_context(|| format!("{:?} is not a URL", args.url))?;
    ensure!(
        uri.scheme().is_some() && uri.host().is_some(),
        "{:?} is not a whole URL, http://host/path",
        args.url
    );
    let body = args.body.as_deref().map(read).transpose()?;
    let signer = args.caller.signer()?;
    let headers = signer.headers(
        &method,
        &uri,
        body.as_deref().unwrap_or_default(),
        SystemClock::new().wall(),
    )?;
    let curl = curl(&method, &args.url, &headers, args.body.as_deref());
    if context.json {
        let headers: serde_json::Map<_, _> = headers
            .into_iter()
            .map(|(k, v)| (k.to_owned(), v.into()))
            .collect();
        context.value(
            &json!({"method": method.as_str(), "url": args.url, "headers": headers, "curl": curl}),
        )?;
    } else {
        for (name, value) in &headers {
            context.line(&format!("{name}: {value}"))?;
        }
        let quoted: Vec<String> = curl.iter().map(|word| quote(word)).collect();
        context.line(&format!("\n{}", quoted.join(" ")))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut body = Vec::new();
        std::io::stdin()
            .read_to_end(&mut body)
            .context("standard input")?;
        return Ok(body);
    }
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn curl(
    method: &Method,
    url: &str,
    headers: &[(&str, String)],
    body: Option<&Path>,
) -> Vec<String> {
    let mut words: Vec<String> = ["curl", "-sS", "-X", method.as_str()]
        .map(str::to_owned)
        .to_vec();
    for (name, value) in headers {
        words.extend(["-H".to_owned(), format!("{name}: {value}")]);
    }
    if let Some(path) = body {
        words.extend(["-H", "Content-Type: application/json", "--data-binary"].map(str::to_owned));
        words.push(format!("@{}", path.display()));
    }
    // The signature covers the path as sent; curl would tidy `..` away.
    words.extend(["--path-as-is".to_owned(), url.to_owned()]);
    words
}

/// For a POSIX shell.
pub fn quote(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:@=,%+".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_shell() {
        for (word, quoted) in [
            ("-H", "-H"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
            ("a&b", "'a&b'"),
        ] {
            assert_eq!(quote(word), quoted);
        }
    }
}
