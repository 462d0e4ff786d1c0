//! The relay floor: the same HTTP server and client with nothing between them. Accepts into memory and sends;
//! what it holds is gone when it stops, and nobody is asked who they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::serve::ListenerExt as _;
use hongyan_wechat::template::TemplateMessage;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::{Semaphore, mpsc};

use crate::{Result, floor};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The simulator's address, as `http://HOST:PORT`.
    #[arg(long)]
    upstream: String,
    #[arg(long, default_value_t = 256)]
    concurrency: usize,
}

#[derive(Deserialize)]
struct Incoming {
    touser: String,
    template_id: String,
    data: Box<RawValue>,
}

#[derive(Clone)]
struct Relay {
    queue: mpsc::UnboundedSender<(u64, Incoming)>,
    next: Arc<AtomicU64>,
}

pub(crate) async fn serve(args: Args) -> Result<()> {
    let (client, token) = floor::client(&args.upstream).await?;
    let (queue, mut waiting) = mpsc::unbounded_channel::<(u64, Incoming)>();
    let slots = Arc::new(Semaphore::new(args.concurrency));
    let sending = tokio_util::task::TaskTracker::new();
    let tracker = sending.clone();
    sending.spawn(async move {
        while let Some((id, message)) = waiting.recv().await {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                return;
            };
            let (client, token) = (client.clone(), token.clone());
            tracker.spawn(async move {
                let wire_id = format!("{id:032x}");
                let wire = TemplateMessage {
                    touser: &message.touser,
                    template_id: &message.template_id,
                    url: None,
                    miniprogram: None,
                    data: &message.data,
                    client_msg_id: Some(&wire_id),
                };
                if let Err(error) = client.send_template(&token, &wire).await {
                    eprintln!("{error}");
                }
                drop(slot);
            });
        }
    });
    let relay = Relay {
        queue,
        next: Arc::default(),
    };
    let app = Router::new()
        .route("/v1/messages", post(accept))
        .with_state(relay);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening {}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| {
        // As the gateway does; an option that cannot be set changes nothing but the measurement.
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, app).await?)
}

async fn accept(State(relay): State<Relay>, body: Bytes) -> (StatusCode, String) {
    let Ok(message) = serde_json::from_slice::<Incoming>(&body) else {
        return (StatusCode::BAD_REQUEST, "{}".into());
    };
    let id = relay.next.fetch_add(1, Ordering::Relaxed);
    // The receiver lives as long as the program.
    let _ = relay.queue.send((id, message));
    (
        StatusCode::ACCEPTED,
        format!(r#"{{"id":"{id:032x}","status":"queued"}}"#),
    )
}
