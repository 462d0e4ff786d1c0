//! Runs a gateway: binds its listeners, runs its tasks, and stops in two steps within one deadline.
//! It must not build anything, nor know signals: whoever starts it says when to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hongyan_courier::recipient::confirm::Confirmations;
use hongyan_courier::retention::Pruner;
use hongyan_courier::sweep::Sweeper;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::{App, Live};
use crate::config::server::Server;
use crate::listen::{House, serve};
use crate::metrics::Gauges;

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
    /// What of it can be changed.
    pub live: Arc<Live>,
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

/// Where a gateway is going to be reached.
pub struct Listeners {
    main: TcpListener,
    ops: Option<TcpListener>,
}

impl Listeners {
    pub async fn bind(server: &Server) -> anyhow::Result<Self> {
        let main = bind(server.listen).await?;
        let ops = match server.ops_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        Ok(Self { main, ops })
    }
}

/// Binds and runs; answers as soon as callers are served.
pub async fn start(app: App, server: &Server, stop: CancellationToken) -> anyhow::Result<Running> {
    start_at(app, Listeners::bind(server).await?, stop)
}

/// Runs where it is bound already.
pub fn start_at(
    app: App,
    listeners: Listeners,
    stop: CancellationToken,
) -> anyhow::Result<Running> {
    let addr = listeners.main.local_addr()?;
    let ops_addr = listeners.ops.as_ref().map(TcpListener::local_addr);
    let ops_addr = ops_addr.transpose()?;
    let (tracker, live) = (TaskTracker::new(), Arc::clone(&app.live));
    let running = run(app, listeners, stop.clone());
    let finished = tracker.spawn(running);
    tracker.close();
    Ok(Running {
        addr,
        ops_addr,
        live,
        stop,
        finished,
    })
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| format!("cannot listen on {address}"))
}

async fn run(app: App, Listeners { main, ops }: Listeners, stop: CancellationToken) {
    let App {
        main: routes,
        house,
        ops: ops_routes,
        dispatch,
        live,
        sweeper,
        pruner,
        confirmations,
        forgetter,
        expander,
        webhooks,
        gauges,
        store,
        stopping,
        shutdown_timeout,
        ..
    } = app;
    // Two steps: `stop` ends the taking, `last` ends what the draining still needs.
    let (tasks, servers) = (TaskTracker::new(), TaskTracker::new());
    let last = CancellationToken::new();
    servers.spawn(serve(main, routes, house, stop.clone()));
    if let (Some(listener), Some(routes)) = (ops, ops_routes) {
        tasks.spawn(serve(listener, routes, House::default(), last.clone()));
    }
    live.begin(tasks.clone(), stop.clone(), last.clone()).await;
    watch(gauges, &tasks, &last);
    keep_up((sweeper, pruner, confirmations), &tasks, &stop);
    if let Some(forgetter) = forgetter {
        let forget_stop = stop.clone();
        tasks.spawn(async move { forgetter.run(forget_stop).await });
    }
    if let Some(expander) = expander {
        tasks.spawn(expander.run());
    }
    let (last_moment, sending) = (LAST_MOMENT.min(shutdown_timeout / 4), TaskTracker::new());
    if let Some(dispatch) = dispatch {
        sending.spawn(dispatch.run(stop.clone(), shutdown_timeout - last_moment));
    }
    if let Some(webhooks) = webhooks {
        sending.spawn(webhooks.run(stop.clone()));
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
        within(deadline - last_moment, tracker.wait(), what).await;
    }
    last.cancel();
    tasks.close();
    within(deadline - last_moment / 2, tasks.wait(), "tasks").await;
    // What was answered is durable already: without this the next start only has more to look through.
    within(deadline, store.close(), "the store's last work").await;
    tracing::info!("stopped");
}

/// What goes on beside the sending, where this process does it.
fn keep_up(
    (sweeper, pruner, confirmations): (Option<Sweeper>, Option<Pruner>, Option<Confirmations>),
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    if let Some(sweeper) = sweeper {
        let stop = stop.clone();
        tasks.spawn(async move { sweeper.run(stop).await });
    }
    if let Some(pruner) = pruner {
        let stop = stop.clone();
        tasks.spawn(async move { pruner.run(stop).await });
    }
    if let Some(confirmations) = confirmations {
        let stop = stop.clone();
        tasks.spawn(async move { confirmations.run(stop).await });
    }
}

/// What is measured.
fn watch(gauges: Gauges, tasks: &TaskTracker, last: &CancellationToken) {
    let stop = last.clone();
    tasks.spawn(async move { gauges.run(stop).await });
}

async fn within(deadline: Instant, ending: impl Future<Output = ()>, what: &str) {
    if tokio::time::timeout_at(deadline, ending).await.is_err() {
        tracing::warn!("stopping with {what} under way");
    }
}

/// What the tasks that only watch need to notice that it is over, and the store to be closed; a part of the whole time.
const LAST_MOMENT: Duration = Duration::from_secs(2);
