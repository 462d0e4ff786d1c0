//! A small signed HTTP client of the gateway, for operator commands: one call, one connection.
//! It must not know what a call means; an answer is JSON or one clear line.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnectorBuilder;
use serde_json::Value;
use tower::ServiceExt;

use crate::api::token::REFRESH_TIMEOUT;
use crate::auth::signer::Signer;
use crate::cli::context::Lang;
use crate::cli::gateway::GatewayArgs;
use crate::clock::SystemClock;

/// Longer than the gateway takes for any call, so that what it says is heard.
const CALL_TIMEOUT: Duration = REFRESH_TIMEOUT.saturating_add(Duration::from_secs(15));
const ANSWER_BYTES_MAX: usize = 64 << 20;

#[derive(Debug)]
pub struct GatewayClient {
    base: String,
    signer: Signer,
    clock: SystemClock,
}

impl GatewayClient {
    pub fn new(args: &GatewayArgs) -> anyhow::Result<Self> {
        let base = args.url.trim_end_matches('/').to_owned();
        let uri: Uri = base
            .parse()
            .with_context(|| format!("{base:?} is not a URL"))?;
        let known = matches!(uri.scheme_str(), Some("http" | "https"));
        ensure!(
            known && uri.path() == "/",
            "{base:?} is not the URL of a gateway, such as http://127.0.0.1:8080"
        );
        Ok(Self {
            base,
            signer: args.caller.signer()?,
            clock: SystemClock::new(),
        })
    }

    pub async fn get(&self, path_and_query: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path_and_query, None).await
    }

    pub async fn post(&self, path_and_query: &str, body: &Value) -> anyhow::Result<Value> {
        self.post_once(path_and_query, body, None).await
    }

    /// The same, known again by this key.
    pub async fn post_once(
        &self,
        path_and_query: &str,
        body: &Value,
        idempotency_key: Option<&str>,
    ) -> anyhow::Result<Value> {
        let payload = Payload {
            bytes: serde_json::to_vec(body)?.into(),
            content_type: "application/json",
            idempotency_key,
        };
        self.call(Method::POST, path_and_query, Some(payload)).await
    }

    /// Posts rows as they stand in a file.
    pub async fn post_csv(&self, path_and_query: &str, bytes: Bytes) -> anyhow::Result<Value> {
        let payload = Payload {
            bytes,
            content_type: "text/csv",
            idempotency_key: None,
        };
        self.call(Method::POST, path_and_query, Some(payload)).await
    }

    pub async fn delete(&self, path_and_query: &str) -> anyhow::Result<Value> {
        self.call(Method::DELETE, path_and_query, None).await
    }

    async fn call(
        &self,
        method: Method,
        path_and_query: &str,
        payload: Option<Payload<'_>>,
    ) -> anyhow::Result<Value> {
        let url = format!("{}{path_and_query}", self.base);
        let uri: Uri = url
            .parse()
            .with_context(|| format!("{url:?} is not a URL"))?;
        let request = self.request(method, &uri, payload)?;
        let away = |what: String| Away(format!("{} {what}", self.base));
        let (status, answer) = tokio::time::timeout(CALL_TIMEOUT, exchange(uri, request))
            .await
            .map_err(|_| {
                away(format!(
                    "did not answer within {} s",
                    CALL_TIMEOUT.as_secs()
                ))
            })?
            .with_context(|| away("cannot be reached".to_owned()))?;
        read_answer(status, &answer)
    }

    fn request(
        &self,
        method: Method,
        uri: &Uri,
        payload: Option<Payload<'_>>,
    ) -> anyhow::Result<Request<Full<Bytes>>> {
        let body = payload.as_ref().map(|payload| payload.bytes.clone());
        let headers = self.signer.headers(
            &method,
            uri,
            body.as_deref().unwrap_or_default(),
            self.clock.wall(),
        )?;
        let host = uri.authority().context("the URL has no host")?.as_str();
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let agent = concat!("hongyan/", env!("CARGO_PKG_VERSION"));
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header(HOST, host)
            .header(USER_AGENT, agent);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(payload) = payload {
            request = request.header(CONTENT_TYPE, payload.content_type);
            if let Some(key) = payload.idempotency_key {
                request = request.header("idempotency-key", key);
            }
        }
        Ok(request.body(Full::new(body.unwrap_or_default()))?)
    }
}

/// What a call carries.
struct Payload<'a> {
    bytes: Bytes,
    content_type: &'static str,
    idempotency_key: Option<&'a str>,
}

/// The gateway did not answer; whether it heard the call is not known.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Away(String);

/// The gateway refused a call.
#[derive(Debug, thiserror::Error)]
#[error("{line}")]
struct Refused {
    status: StatusCode,
    line: String,
    /// The same, with what is wrong with each field in Chinese.
    chinese: String,
}

/// An error as one line, in the language as far as the gateway answered in it.
pub fn said(error: &anyhow::Error, lang: Lang) -> String {
    let line = format!("{error:#}");
    match error.downcast_ref::<Refused>() {
        Some(refused) => line.replace(&refused.line, lang.pick(&refused.line, &refused.chinese)),
        None => line,
    }
}

/// Whether the same call may go well in a moment: nobody answered, or the gateway said so.
pub fn may_pass(error: &anyhow::Error) -> bool {
    let busy = [
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    let refused = error.downcast_ref::<Refused>();
    error.downcast_ref::<Away>().is_some()
        || refused.is_some_and(|refused| busy.contains(&refused.status))
}

/// Whether the gateway takes less at a time.
pub fn too_large(error: &anyhow::Error) -> bool {
    let refused = error.downcast_ref::<Refused>();
    refused.is_some_and(|refused| refused.status == StatusCode::PAYLOAD_TOO_LARGE)
}

/// Connection and answer live in this one future, so that nothing is left behind when it is dropped.
async fn exchange(uri: Uri, request: Request<Full<Bytes>>) -> anyhow::Result<(StatusCode, Bytes)> {
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(rustls::crypto::aws_lc_rs::default_provider())?
        .https_or_http()
        .enable_http1()
        .build();
    let stream = connector
        .oneshot(uri)
        .await
        .map_err(|error| anyhow!(error))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    let answer = async move {
        let response: Response<Incoming> = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| anyhow!(error))?;
        Ok((status, body.to_bytes()))
    };
    tokio::pin!(answer);
    tokio::select! {
        result = &mut answer => result,
        // The connection may end first and still have handed over the answer.
        _ = connection => answer.await,
    }
}

fn read_answer(status: StatusCode, body: &[u8]) -> anyhow::Result<Value> {
    let value: Value = match serde_json::from_slice(body) {
        Ok(value) => value,
        Err(_) => {
            bail!("the answer is not the gateway's: HTTP {status} without JSON; check the URL")
        }
    };
    if status.is_success() {
        return Ok(value);
    }
    let refused = Refused {
        status,
        line: one_line(status, &value, Lang::En),
        chinese: one_line(status, &value, Lang::Zh),
    };
    Err(refused.into())
}

/// A problem document as one line: what is wrong, field by field, then how to find it again.
fn one_line(status: StatusCode, problem: &Value, lang: Lang) -> String {
    let text = |key: &str| problem[key].as_str().unwrap_or_default();
    let mut line = match text("detail") {
        "" => format!("HTTP {status}"),
        detail => detail.to_owned(),
    };
    let errors = problem["errors"].as_array().map_or(&[][..], Vec::as_slice);
    let in_chinese = lang == Lang::Zh && errors.iter().any(|of| of["problem_zh"].is_string());
    let each: Vec<String> = errors.iter().map(|error| field(error, lang)).collect();
    match errors.len() {
        // One that is alone is the detail.
        0 | 1 if !in_chinese => {}
        1 => line = each.concat(),
        count if in_chinese => line = format!("{count} 个字段有误：{}", each.join("；")),
        _ => line = format!("{line}: {}", each.join("; ")),
    }
    if !text("code").is_empty() {
        line = format!("{line} [{}, trace {}]", text("code"), text("trace_id"));
    }
    line
}

/// What is wrong with a field; in English where the gateway has no other word for it.
fn field(error: &Value, lang: Lang) -> String {
    let english = error["problem"].as_str().unwrap_or("?");
    let chinese = error["problem_zh"].as_str().unwrap_or(english);
    let name = error["field"].as_str().unwrap_or("?");
    format!("{name}: {}", lang.pick(english, chinese))
}

#[cfg(test)]
mod tests;
