//! Carries a call to WeChat and back: host failover, bounds, and what each failure leaves known.
//! Knows HTTP and the common part of answers; no call in particular.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use secrecy::ExposeSecret;
use tokio::time::timeout;
use tower::Service;

use super::answer::{self, doubt};
use super::connect::{self, Connector, Pool};
use super::hosts::Origin;
use super::request::not_sent;
use super::way::Proxy;
use super::{ApiRequest, ApiResponse, BuildError, Timeouts, fresh};
use crate::errcode::Endpoint;
use crate::error::{CallError, Doubt, DoubtCause, NotSent, NotSentCause};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The innermost service: what a [layer](super::Builder::layer) finds at the bottom. Clones share one pool.
#[derive(Clone)]
pub struct Transport(Arc<Shared>);

pub(super) struct Shared {
    pub(super) connector: Connector,
    pool: Pool,
    user_agent: HeaderValue,
    timeouts: Timeouts,
}

impl Transport {
    pub(super) fn new(
        timeouts: Timeouts,
        max_idle: usize,
        user_agent: HeaderValue,
        proxy: Option<&Proxy>,
    ) -> Result<Self, BuildError> {
        let connector = connect::connector(timeouts, proxy)?;
        let pool = connect::pool(connector.clone(), timeouts, max_idle);
        Ok(Self(Arc::new(Shared {
            connector,
            pool,
            user_agent,
            timeouts,
        })))
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Transport")
            .field("timeouts", &self.0.timeouts)
            .finish_non_exhaustive()
    }
}

impl Service<ApiRequest> for Transport {
    type Response = ApiResponse;
    type Error = CallError;
    type Future = Pin<Box<dyn Future<Output = Result<ApiResponse, CallError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: ApiRequest) -> Self::Future {
        let shared = Arc::clone(&self.0);
        Box::pin(async move { shared.call(request).await })
    }
}

impl Shared {
    async fn call(&self, mut request: ApiRequest) -> Result<ApiResponse, CallError> {
        let endpoint = request.endpoint;
        let ask = request.ask.take();
        let mut written = Written::No;
        let exchange = async {
            match ask {
                None => self.exchange(&request, &mut written).await,
                Some(ask) => fresh::exchange(self, &request, ask, &mut written).await,
            }
        };
        match timeout(self.timeouts.call, exchange).await {
            Ok(outcome) => outcome,
            Err(_) if written.perhaps() => Err(doubt(endpoint, DoubtCause::Timeout)),
            Err(_) => Err(not_sent(endpoint, NotSentCause::Connect)),
        }
    }

    /// Tries the hosts in order, going on to the next only while nothing was sent.
    async fn exchange(
        &self,
        request: &ApiRequest,
        written: &mut Written,
    ) -> Result<ApiResponse, CallError> {
        let mut unreached = None;
        for turn in request.hosts.in_order() {
            let mut outgoing = self.outgoing(turn.origin, request)?;
            *written = Written::OnceAssigned(capture_connection(&mut outgoing));
            match self.pool.request(outgoing).await {
                Ok(response) => {
                    turn.reached();
                    return read(request, response).await;
                }
                Err(error) if error.is_connect() => unreached = Some(error.into()),
                Err(error) => {
                    turn.reached();
                    return Err(broken(request.endpoint, error));
                }
            }
        }
        let (endpoint, cause) = (request.endpoint, NotSentCause::Connect);
        Err(NotSent {
            endpoint,
            cause,
            source: unreached,
        }
        .into())
    }

    pub(super) fn outgoing(
        &self,
        origin: &Origin,
        request: &ApiRequest,
    ) -> Result<Request<Full<Bytes>>, CallError> {
        let unwritable = |_| not_sent(request.endpoint, NotSentCause::Request);
        let uri = origin.uri(request.target.clone()).map_err(unwritable)?;
        let mut outgoing = Request::new(Full::new(request.body.clone()));
        *outgoing.method_mut() = request.method.clone();
        *outgoing.uri_mut() = uri;
        let headers = outgoing.headers_mut();
        headers.insert(HOST, origin.host.clone());
        headers.insert(USER_AGENT, self.user_agent.clone());
        if !request.body.is_empty() {
            headers.insert(CONTENT_TYPE, JSON);
        }
        Ok(outgoing)
    }
}

/// Whether a byte of a call may have left: asked when the call is cut off from outside.
pub(super) enum Written {
    No,
    /// The pool does not tell when it writes, but it notes the connection before it hands the call over. The note
    /// stays when the pool takes another connection for the same call, so what then happens is doubt.
    OnceAssigned(CaptureConnection),
    Yes,
}

impl Written {
    fn perhaps(&self) -> bool {
        match self {
            Self::No => false,
            Self::OnceAssigned(connection) => connection.connection_metadata().is_some(),
            Self::Yes => true,
        }
    }
}

/// Reads an answer within its bound, and refuses those that are not WeChat's good one.
pub(super) async fn read(
    request: &ApiRequest,
    response: Response<Incoming>,
) -> Result<ApiResponse, CallError> {
    let (endpoint, limit) = (request.endpoint, request.limit);
    let status = response.status();
    if !status.is_success() {
        return Err(doubt(endpoint, DoubtCause::Status(status.as_u16())));
    }
    let body = match Limited::new(response.into_body(), limit).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err(doubt(endpoint, DoubtCause::TooLarge));
        }
        Err(error) => return Err(broken(endpoint, error)),
    };
    answer::check(endpoint, &body, request.secret.expose_secret())?;
    Ok(ApiResponse {
        endpoint,
        status: status.as_u16(),
        body,
    })
}

/// A call that broke after its first byte may have left.
pub(super) fn broken(
    endpoint: Endpoint,
    error: impl Into<Box<dyn Error + Send + Sync>>,
) -> CallError {
    let source = error.into();
    let cause = cause(&*source);
    Doubt {
        endpoint,
        cause,
        source: Some(source),
    }
    .into()
}

fn cause(error: &(dyn Error + 'static)) -> DoubtCause {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && error.kind() == io::ErrorKind::TimedOut
        {
            return DoubtCause::Timeout;
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>()
            && error.is_parse()
        {
            return DoubtCause::NotHttp;
        }
        next = error.source();
    }
    DoubtCause::Reset
}
