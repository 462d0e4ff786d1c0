//! What the simulator's recipients saw: whether anything was lost or doubled.

use anyhow::Context;

use crate::Result;

/// How many recipients saw nothing, and how many copies were one too many. Every message goes to another openid, so this
/// holds for whatever is between, and whatever ids it gives.
pub(crate) async fn lost_and_doubled(upstream: &str, all: u64) -> Result<(u64, u64)> {
    let uri: http::Uri = format!("{upstream}/__sim/seen").parse()?;
    let address = uri.authority().context("no host")?.to_string();
    let stream = tokio::net::TcpStream::connect(&address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await?;
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(connection);
    let request = hyper::Request::get("/__sim/seen")
        .header("host", address)
        .body(http_body_util::Empty::<bytes::Bytes>::new())?;
    let body = http_body_util::BodyExt::collect(sender.send_request(request).await?.into_body())
        .await?
        .to_bytes();
    let seen: SeenCounts = serde_json::from_slice(&body)?;
    let recipients = u64::try_from(seen.counts.len())?;
    let copies: u64 = seen.counts.values().sum();
    Ok((all.saturating_sub(recipients), copies - recipients))
}

/// What the simulator says of its recipients.
#[derive(serde::Deserialize)]
struct SeenCounts {
    counts: std::collections::HashMap<String, u64>,
}
