//! The accept loop: connections as plain HTTP/1.1, which can all be dropped at once when the host goes away.
//! It knows nothing of what is asked over them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Shared, routes};

/// After a failed accept (usually: out of file descriptors), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Between an outage's beginning and the end of its connections: the answer to whoever asked for it must leave.
const LAST_WORD: Duration = Duration::from_millis(20);

/// Serves until `stop`; then every connection is dropped as it stands. An outage does the same for a while.
pub(crate) async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let mut listener = listener;
    loop {
        let connections = stop.child_token();
        let length = tokio::select! {
            () = stop.cancelled() => return,
            never = accept(&listener, &shared, &tasks, &connections) => match never {},
            length = shared.outage.begins() => length,
        };
        let Ok(addr) = listener.local_addr() else {
            return;
        };
        drop(listener);
        tokio::time::sleep(LAST_WORD).await;
        connections.cancel();
        let back = async {
            tokio::time::sleep(length).await;
            rebind(addr).await
        };
        listener = tokio::select! {
            () = stop.cancelled() => return,
            listener = back => listener,
        };
    }
}

async fn accept(
    listener: &TcpListener,
    shared: &Arc<Shared>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Infallible {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                tasks.spawn(connection(stream, peer, Arc::clone(shared), stop.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The port was this simulator's; should somebody have taken it meanwhile, it waits for them to go.
async fn rebind(addr: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(addr).await {
            Ok(listener) => return listener,
            Err(error) => {
                tracing::warn!(%error, "the port is not free again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
) {
    // Without it small answers wait for the other side's acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps Nagle's algorithm");
    }
    let caller = peer.ip().to_canonical();
    let service = service_fn(|request| routes::respond(&shared, caller, request));
    let connection = http1::Builder::new()
        .keep_alive(true)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        () = stop.cancelled() => {}
        // Errors are the other side's hanging up, and our own cuts.
        _ = connection => {}
    }
}
