//! A place on this machine that stands in for one where secrets or a part of the configuration are kept: a text that
//! changes, and whoever serves it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use md5::{Digest, Md5};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// A text that changes, and whoever serves it.
pub(super) struct Place {
    pub(super) text: watch::Sender<String>,
    pub(super) address: String,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub(super) type Text = Arc<watch::Receiver<String>>;

impl Place {
    pub(super) async fn start(text: &str, routes: fn(Router<Text>) -> Router<Text>) -> Self {
        let (text, reader) = watch::channel(text.to_owned());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = routes(Router::new()).with_state(Arc::new(reader));
        let serving = TaskTracker::new().spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        Self {
            text,
            address,
            serving,
        }
    }
}

pub(super) fn header<'r>(request: &'r Request, name: &str) -> &'r str {
    let value = request.headers().get(name);
    value.and_then(|value| value.to_str().ok()).unwrap_or("")
}

/// Holds the poll, as long as it says, while the MD5 that it brings is that of the content; there is none of no content.
pub(super) async fn nacos_listen(State(text): State<Text>, request: Request) -> Response {
    let patience: u64 = header(&request, "Long-Pulling-Timeout").parse().unwrap();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let form: HashMap<String, String> = Query::try_from_uri(
        &format!("/?{}", String::from_utf8_lossy(&body))
            .parse()
            .unwrap(),
    )
    .unwrap()
    .0;
    let listening = form["Listening-Configs"]
        .trim_end_matches('\u{1}')
        .to_owned();
    let parts: Vec<&str> = listening.split('\u{2}').collect();
    assert_eq!((parts[1], parts[3]), ("hongyan", "prod"));
    let differs = |text: &String| match text.as_str() {
        "" => !parts[2].is_empty(),
        text => hex::encode(Md5::digest(text)) != parts[2],
    };
    let mut text = (*text).clone();
    let changed = tokio::time::timeout(Duration::from_millis(patience), text.wait_for(differs));
    match changed.await {
        Ok(_) => format!("{}%02hongyan%02prod%01\n", parts[0]).into_response(),
        Err(_) => "".into_response(),
    }
}
