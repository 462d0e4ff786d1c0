//! How long a caller may keep a connection waiting.

use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use hongyan_gateway::listen::{House, Patience, Routes, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Wire;

/// What is long, and what is longer.
const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(30);

/// More than the system keeps for a caller who does not read.
const MUCH: usize = 64 << 20;

const ASK: &str = "GET /now HTTP/1.1\r\nhost: x\r\n\r\n";

/// A front door to two routes: one answers at once, one only after a while.
struct Door {
    address: String,
    stop: CancellationToken,
    running: TaskTracker,
}

impl Door {
    async fn open(patience: Patience) -> Self {
        let routes = Router::new()
            .route("/now", get(async || "here"))
            .route(
                "/later",
                get(async || {
                    tokio::time::sleep(3 * SHORT).await;
                    "here at last"
                }),
            )
            .route("/much", get(async || vec![b'x'; MUCH]));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (stop, running) = (CancellationToken::new(), TaskTracker::new());
        let house = House {
            patience,
            ..House::default()
        };
        running.spawn(serve(listener, Routes::new(routes), house, stop.clone()));
        running.close();
        Self {
            address,
            stop,
            running,
        }
    }

    async fn close(self) {
        self.stop.cancel();
        self.running.wait().await;
    }
}

#[tokio::test]
async fn a_head_that_comes_too_slowly_is_given_up_however_it_dribbles() {
    let door = Door::open(Patience {
        head: SHORT,
        idle: LONG,
    })
    .await;
    for asked_before in [false, true] {
        let mut wire = Wire::to(&door.address).await;
        if asked_before {
            wire.say(ASK).await;
            wire.until("here").await;
        }
        let began = Instant::now();
        wire.say("GET /now HTTP/1.1\r\nx: ").await;
        let dribbling = async {
            loop {
                tokio::time::sleep(SHORT / 20).await;
                if wire.0.write_all(b"y").await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(20 * SHORT, dribbling)
            .await
            .expect("it is given up");
        assert!(began.elapsed() >= SHORT, "but not sooner");
    }
    door.close().await;
}

#[tokio::test]
async fn a_connection_may_rest_between_requests_for_longer_than_a_head_may_take() {
    let door = Door::open(Patience {
        head: SHORT,
        idle: LONG,
    })
    .await;
    let mut wire = Wire::to(&door.address).await;
    for _ in 0..2 {
        tokio::time::sleep(3 * SHORT).await;
        wire.say(ASK).await;
        wire.until("here").await;
    }
    door.close().await;
}

#[tokio::test]
async fn a_connection_without_use_is_closed() {
    let door = Door::open(Patience {
        head: LONG,
        idle: SHORT,
    })
    .await;
    let mut never = Wire::to(&door.address).await;
    assert_eq!(never.rest().await, "");
    let mut once = Wire::to(&door.address).await;
    once.say(ASK).await;
    let heard = once.rest().await;
    assert!(
        heard.starts_with("HTTP/1.1 200 ") && heard.ends_with("here"),
        "{heard}"
    );
    door.close().await;
}

#[tokio::test]
async fn an_answer_may_take_longer_than_a_caller() {
    let door = Door::open(Patience {
        head: SHORT,
        idle: SHORT,
    })
    .await;
    let mut wire = Wire::to(&door.address).await;
    wire.say("GET /later HTTP/1.1\r\nhost: x\r\n\r\n").await;
    wire.until("here at last").await;
    door.close().await;
}

#[tokio::test]
async fn an_answer_that_is_not_taken_is_given_up() {
    let door = Door::open(Patience {
        head: SHORT,
        idle: SHORT,
    })
    .await;
    let mut wire = Wire::to(&door.address).await;
    wire.say("GET /much HTTP/1.1\r\nhost: x\r\n\r\n").await;
    // A stop waits for answers that are being taken: that it comes to its end says that this one was given up.
    let (stop, running) = (door.stop.clone(), door.running.clone());
    wire.until("\r\n\r\n").await;
    stop.cancel();
    tokio::time::timeout(20 * SHORT, running.wait())
        .await
        .expect("it is given up");
}

#[tokio::test]
async fn an_answer_may_be_taken_slowly() {
    let door = Door::open(Patience {
        head: SHORT,
        idle: SHORT,
    })
    .await;
    let mut wire = Wire::to(&door.address).await;
    wire.say("GET /much HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await;
    let (began, mut some, mut taken) = (Instant::now(), vec![0; 4 << 20], 0);
    loop {
        tokio::time::sleep(SHORT / 4).await;
        match wire.0.read_exact(&mut some).await {
            Ok(much) => taken += much,
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
                break;
            }
        }
    }
    assert_eq!(taken, MUCH, "all of it, but for the head");
    assert!(began.elapsed() > 2 * SHORT);
    door.close().await;
}
