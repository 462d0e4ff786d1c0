//! A call over a connection of its own, with a last question before the first byte.
//! Knows that nothing may be awaited between question and write; what is asked is the caller's.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use http::Request;
use http_body_util::Full;
use hyper::client::conn::http1;
use tokio::sync::oneshot;
use tokio::task::unconstrained;
use tower::{Service, ServiceExt};

use super::connect::{Connector, MAX_HEAD};
use super::hosts::Origin;
use super::request::not_sent;
use super::transport::{self, Shared, Written};
use super::{ApiRequest, ApiResponse, Client};
use crate::error::{CallError, NotSent, NotSentCause};

/// The transport's side of the question: where to send for an answer.
pub(super) type Ask = oneshot::Sender<oneshot::Sender<bool>>;

type Stream = <Connector as Service<http::Uri>>::Response;

impl Client {
    /// Makes a call over a new connection, if `still_allowed` says so once that stands.
    ///
    /// The check is borrowed and the layers' service is not, so the transport asks through a channel. Question,
    /// answer, and write all happen within one poll of this future: `unconstrained` keeps the runtime's budget from
    /// putting a pause between them.
    pub(crate) async fn call_fresh(
        &self,
        mut request: ApiRequest,
        still_allowed: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<ApiResponse, CallError> {
        let (ask, asked) = oneshot::channel();
        request.ask = Some(ask);
        let mut call = pin!(self.call(request));
        let mut asked = Some(asked);
        unconstrained(poll_fn(|context| {
            loop {
                if let Poll::Ready(outcome) = call.as_mut().poll(context) {
                    return Poll::Ready(outcome);
                }
                let Some(question) = &mut asked else {
                    return Poll::Pending;
                };
                let Poll::Ready(question) = Pin::new(question).poll(context) else {
                    return Poll::Pending;
                };
                asked = None;
                if let Ok(answer) = question {
                    // The transport may have timed out meanwhile; then nobody listens, and nothing is sent.
                    let _ = answer.send(still_allowed());
                }
            }
        }))
        .await
    }
}

/// Dials, asks, writes. `written` turns to yes just before the first byte can leave.
pub(super) async fn exchange(
    shared: &Shared,
    request: &ApiRequest,
    ask: Ask,
    written: &mut Written,
) -> Result<ApiResponse, CallError> {
    let endpoint = request.endpoint;
    let (origin, stream) = dial(shared, request).await?;
    let outgoing = shared.outgoing(origin, request)?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .handshake::<Stream, Full<bytes::Bytes>>(stream)
        .await
        .map_err(|error| NotSent {
            endpoint,
            cause: NotSentCause::Connect,
            source: Some(error.into()),
        })?;
    let mut connection = pin!(connection);
    let (answer, answered) = oneshot::channel();
    if ask.send(answer).is_err() || !answered.await.unwrap_or(false) {
        return Err(not_sent(endpoint, NotSentCause::NotAllowed));
    }
    *written = Written::Yes;
    let response = sender.send_request(origin_form(outgoing, request));
    let mut answer = pin!(async {
        let response = response
            .await
            .map_err(|error| transport::broken(endpoint, error))?;
        transport::read(request, response).await
    });
    let mut open = true;
    poll_fn(|context| {
        // The connection first: it is what writes, and it must on the first poll.
        open = open && connection.as_mut().poll(context).is_pending();
        answer.as_mut().poll(context)
    })
    .await
}

async fn dial<'r>(
    shared: &Shared,
    request: &'r ApiRequest,
) -> Result<(&'r Origin, Stream), CallError> {
    let mut source = None;
    for turn in request.hosts.in_order() {
        let uri = turn
            .origin
            .uri(http::uri::PathAndQuery::from_static("/"))
            .map_err(|_| not_sent(request.endpoint, NotSentCause::Request))?;
        match shared.connector.clone().oneshot(uri).await {
            Ok(stream) => {
                turn.reached();
                return Ok((turn.origin, stream));
            }
            Err(error) => source = Some(error),
        }
    }
    Err(NotSent {
        endpoint: request.endpoint,
        cause: NotSentCause::Connect,
        source,
    }
    .into())
}

/// The pool rewrites a request's address to its path; over a bare connection that is the caller's to do.
fn origin_form(
    mut outgoing: Request<Full<bytes::Bytes>>,
    request: &ApiRequest,
) -> Request<Full<bytes::Bytes>> {
    *outgoing.uri_mut() = http::Uri::from(request.target.clone());
    outgoing
}
