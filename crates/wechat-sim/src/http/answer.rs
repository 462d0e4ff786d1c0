//! Answers on the wire: WeChat's JSON with its odd header, and the bodies that break off half way.
//! It knows nothing of why an answer looks the way it does.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use crate::world::Refusal;

/// As production sends it; the parameter really is `encoding`.
const JSON: HeaderValue = HeaderValue::from_static("application/json; encoding=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

const BUSY_PAGE: &str = "<!DOCTYPE html>\n<html><head><title>WeChat</title></head><body><h1>The server is busy. Please try again later.</h1></body></html>\n";

/// Long enough for the first half to have left the socket.
const BREAK_OFF_AFTER: Duration = Duration::from_millis(5);

/// The connection is to be closed without an answer.
#[derive(Debug)]
pub(crate) struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the connection is cut on purpose")
    }
}

impl std::error::Error for Cut {}

pub(crate) enum AnswerBody {
    Whole(Option<Bytes>),
    /// Promises more than it gives.
    Half {
        first: Option<Bytes>,
        pause: Pin<Box<Sleep>>,
    },
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Half { first, pause } => match first.take() {
                Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                None => pause.as_mut().poll(context).map(|()| Some(Err(Cut))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Half { .. } => SizeHint::default(),
        }
    }
}

pub(crate) type Answer = Response<AnswerBody>;

pub(crate) fn json(body: impl Into<Bytes>) -> Answer {
    answer(StatusCode::OK, JSON, body.into())
}

pub(crate) fn text(body: String) -> Answer {
    answer(StatusCode::OK, TEXT, body.into())
}

pub(crate) fn page(status: StatusCode) -> Answer {
    answer(status, HTML, Bytes::from_static(BUSY_PAGE.as_bytes()))
}

pub(crate) fn html(status: StatusCode, page: String) -> Answer {
    answer(status, HTML, page.into())
}

pub(crate) fn json_with(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    answer(status, JSON, body.into())
}

/// The head promises the whole, the body ends after its half.
pub(crate) fn half(body: &Bytes) -> Answer {
    let first = body.slice(..body.len() / 2);
    let pause = Box::pin(tokio::time::sleep(BREAK_OFF_AFTER));
    let mut answer = Response::new(AnswerBody::Half {
        first: Some(first),
        pause,
    });
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    answer
}

pub(crate) fn refusal_json(refusal: &Refusal) -> Bytes {
    serde_json::json!({"errcode": refusal.errcode, "errmsg": refusal.errmsg})
        .to_string()
        .into()
}

fn answer(status: StatusCode, kind: HeaderValue, body: Bytes) -> Answer {
    let mut answer = Response::new(AnswerBody::Whole(Some(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}
