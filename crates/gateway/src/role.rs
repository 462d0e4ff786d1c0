//! Runs a gateway: binds its listeners, runs its tasks, and stops in two steps within one deadline.
//! It must not build anything, nor know signals: whoever starts it says when to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::config::server::Server;

/// What one process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Roles {
    /// Everything.
    All,
    /// Takes messages and receipts in.
    Api,
    /// Sends.
    Worker,
}

impl Roles {
    /// Whether it sends.
    pub fn works(self) -> bool {
        matches!(self, Self::All | Self::Worker)
    }

    /// Whether callers are let in; health and metrics are served in every role.
    pub fn serves(self) -> bool {
        matches!(self, Self::All | Self::Api)
    }
}

/// A gateway that runs.
pub struct Running {
    pub addr: SocketAddr,
    pub ops_addr: Option<SocketAddr>,
    stop: CancellationToken,
    finished: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Stops it and waits until it has stopped.
    pub async fn stop(self) {
        self.stop.cancel();
        self.finished().await;
    }

    /// Waits until it has stopped, which it does when the token given to `start` is cancelled.
    pub async fn finished(self) {
        // It fails only if its task panicked, which the log has then.
        let _ = self.finished.await;
    }
}

/// Binds and runs; answers as soon as callers are served.
pub async fn start(app: App, server: &Server, stop: CancellationToken) -> anyhow::Result<Running> {
    let (main, ops_listener) = (bind(server.listen).await?, server.ops_listen);
    let addr = main.local_addr()?;
    let ops = match ops_listener {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    let ops_addr = ops.as_ref().map(TcpListener::local_addr).transpose()?;
    let tracker = TaskTracker::new();
    let running = run(app, (main, ops), stop.clone());
    let finished = tracker.spawn(running);
    tracker.close();
    Ok(Running {
        addr,
        ops_addr,
        stop,
        finished,
    })
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| format!("cannot listen on {address}"))
}

async fn run(app: App, (main, ops): (TcpListener, Option<TcpListener>), stop: CancellationToken) {
    let App {
        main: routes,
        ops: ops_routes,
        dispatch,
        keeper,
        accounts,
        sweeper,
        gauges,
        store,
        stopping,
        shutdown_timeout,
    } = app;
    // Two steps: `stop` ends the taking, `last` ends what the draining still needs.
    let (tasks, last) = (TaskTracker::new(), CancellationToken::new());
    let servers = TaskTracker::new();
    servers.spawn(serve(main, routes, stop.clone()));
    if let (Some(listener), Some(routes)) = (ops, ops_routes) {
        tasks.spawn(serve(listener, routes, last.clone()));
    }
    for account in accounts {
        tasks.spawn(Arc::clone(&keeper).keep(account, last.clone()));
    }
    let gauges_stop = last.clone();
    tasks.spawn(async move { gauges.run(gauges_stop).await });
    if let Some(sweeper) = sweeper {
        let sweep_stop = stop.clone();
        tasks.spawn(async move { sweeper.run(sweep_stop).await });
    }
    let sending = TaskTracker::new();
    if let Some(dispatch) = dispatch {
        sending.spawn(dispatch.run(stop.clone(), shutdown_timeout));
    }
    tokio::select! {
        () = stop.cancelled() => {}
        () = store.broken() => {
            tracing::error!("the store broke: stopping, since only a new process can go on");
            stop.cancel();
        }
    }
    let deadline = Instant::now() + shutdown_timeout;
    tracing::info!(within_s = shutdown_timeout.as_secs(), "stopping");
    stopping.cancel();
    for (tracker, what) in [(&servers, "requests"), (&sending, "calls to WeChat")] {
        tracker.close();
        if tokio::time::timeout_at(deadline, tracker.wait())
            .await
            .is_err()
        {
            tracing::warn!("stopping with {what} under way");
        }
    }
    last.cancel();
    tasks.close();
    if tokio::time::timeout(LAST_MOMENT, tasks.wait())
        .await
        .is_err()
    {
        tracing::warn!("stopping with tasks under way");
    }
    store.close().await;
    tracing::info!("stopped");
}

/// What the tasks that only watch need to notice that it is over.
const LAST_MOMENT: Duration = Duration::from_secs(2);

async fn serve(listener: TcpListener, routes: Router, stop: CancellationToken) {
    use axum::serve::ListenerExt;
    // Small answers must not wait for the other side's acknowledgement.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps Nagle's algorithm");
        }
    });
    let served = axum::serve(listener, routes)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "a listener ended");
    }
}
