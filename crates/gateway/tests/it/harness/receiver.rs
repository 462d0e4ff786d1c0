//! A program that is posted to: it keeps what comes, and answers as it is told.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio_util::task::TaskTracker;

/// Something that was posted.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Post {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Default)]
struct Kept {
    posts: Mutex<Vec<Post>>,
    /// What the next posts are answered with; 204 when it is used up.
    answers: Mutex<VecDeque<(StatusCode, Option<String>)>>,
}

pub(crate) struct Receiver {
    pub(crate) addr: SocketAddr,
    kept: Arc<Kept>,
    serving: tokio::task::JoinHandle<()>,
}

async fn take(State(kept): State<Arc<Kept>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let post = Post {
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        body,
    };
    let answer = kept.answers.lock().unwrap().pop_front();
    kept.posts.lock().unwrap().push(post);
    match answer {
        Some((status, Some(location))) => (status, [("location", location)]).into_response(),
        Some((status, None)) => status.into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let kept = Arc::<Kept>::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let router = Router::new().fallback(take).with_state(kept.clone());
        let serving = TaskTracker::new().spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        Self {
            addr,
            kept,
            serving,
        }
    }

    /// Answers the next post with this status.
    pub(crate) fn answer(&self, status: u16) {
        let status = StatusCode::from_u16(status).unwrap();
        self.kept.answers.lock().unwrap().push_back((status, None));
    }

    /// Sends the next post elsewhere.
    pub(crate) fn redirect(&self, location: &str) {
        let answer = (StatusCode::TEMPORARY_REDIRECT, Some(location.to_owned()));
        self.kept.answers.lock().unwrap().push_back(answer);
    }

    pub(crate) fn posts(&self) -> Vec<Post> {
        self.kept.posts.lock().unwrap().clone()
    }

    /// The posts, once there are so many.
    pub(crate) async fn until(&self, count: usize) -> Vec<Post> {
        let waiting = async {
            while self.posts().len() < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let come = tokio::time::timeout(super::PATIENCE, waiting).await;
        assert!(come.is_ok(), "{count} posts never came: {:?}", self.posts());
        self.posts()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
