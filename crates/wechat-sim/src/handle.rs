//! Starting a simulator and driving it: what a test holds in its hand.
//! Thin on purpose: it passes requests on to the world, the faults, the clock and the receipts.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::SimClock;
use crate::config::{AccountConfig, CallbackTarget, ReceiptPolicy, SimConfig};
use crate::fault::Fault;
use crate::http::{Shared, server};
use crate::receipts::{self, Push, ReceiptTally};
use crate::world::{Calls, FollowerState, Seen, World};

/// The simulator; see [`Sim::start`].
#[derive(Debug)]
pub struct Sim;

impl Sim {
    /// Binds, and serves on the current tokio runtime until the handle is stopped or dropped.
    pub async fn start(config: SimConfig) -> io::Result<SimHandle> {
        let listener = TcpListener::bind(config.bind).await?;
        let random_seed = config.seed.rules.random_seed;
        let world = World::new(&config.seed);
        let shared = Shared::new(config.clock, world, config.receipts, random_seed);
        for fault in config.faults {
            shared.add_fault(fault);
        }
        shared.set_latency(config.latency);
        let handle = SimHandle {
            addr: listener.local_addr()?,
            shared: Arc::new(shared),
            running: Mutex::default(),
        };
        handle.run(listener);
        Ok(handle)
    }
}

/// A running simulator. Dropping it stops it.
#[derive(Debug)]
pub struct SimHandle {
    addr: SocketAddr,
    shared: Arc<Shared>,
    running: Mutex<Running>,
}

/// What one start left running; a restart makes a new one.
#[derive(Clone, Debug, Default)]
struct Running {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Drop for SimHandle {
    fn drop(&mut self) {
        self.running().stop.cancel();
    }
}

impl SimHandle {
    /// `http://127.0.0.1:port`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn clock(&self) -> &SimClock {
        &self.shared.clock
    }

    /// The state itself, locked: everything a test may want beyond the methods here.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world()
    }

    /// What this openid saw; empty in lean mode.
    pub fn seen(&self, openid: &str) -> Vec<Seen> {
        self.world().seen(openid)
    }

    pub fn seen_counts(&self) -> HashMap<String, u32> {
        self.world().seen_counts()
    }

    /// How often a message with this `client_msg_id` was really shown.
    pub fn accepted(&self, client_msg_id: &str) -> u32 {
        self.world().accepted(client_msg_id)
    }

    pub fn calls(&self) -> Calls {
        self.world().calls().clone()
    }

    /// Zeroes for an account that is not there.
    pub fn calls_of(&self, appid: &str) -> Calls {
        self.world().calls_of(appid).cloned().unwrap_or_default()
    }

    pub fn fault(&self, fault: Fault) {
        self.shared.add_fault(fault);
    }

    pub fn clear_faults(&self) {
        self.shared.clear_faults();
    }

    pub fn set_latency(&self, latency: Duration) {
        self.shared.set_latency(latency);
    }

    /// Both slots' tokens die now; false when there is no such account, as below.
    pub fn revoke_tokens(&self, appid: &str) -> bool {
        let now_ms = self.clock().now_ms();
        self.world().revoke_tokens(now_ms, appid)
    }

    /// Somebody else who holds the secret fetches a token.
    pub fn fetch_by_another_holder(&self, appid: &str, force: bool) -> bool {
        let now_ms = self.clock().now_ms();
        self.world().fetch_by_another_holder(now_ms, appid, force)
    }

    pub fn advance(&self, by: Duration) {
        self.shared.clock.advance(by);
        self.shared.receipts.look_again();
    }

    pub fn set_time_ms(&self, unix_ms: i64) {
        self.shared.clock.set_ms(unix_ms);
        self.shared.receipts.look_again();
    }

    pub fn add_account(&self, account: &AccountConfig) {
        self.world().add_account(account);
    }

    pub fn add_follower(&self, appid: &str, openid: &str, state: FollowerState) -> bool {
        self.world().add_follower(appid, openid, state)
    }

    pub fn set_secret(&self, appid: &str, secret: &str) -> bool {
        self.world().set_secret(appid, secret)
    }

    /// None switches the whitelist off.
    pub fn set_whitelist(&self, appid: &str, whitelist: Option<Vec<IpAddr>>) -> bool {
        self.world().set_whitelist(appid, whitelist)
    }

    pub fn set_daily_quota(&self, appid: &str, daily_quota: u64) -> bool {
        self.world().set_daily_quota(appid, daily_quota)
    }

    /// Beyond so many sends in a minute, 45011. None: as many as anybody likes.
    pub fn set_sends_a_minute(&self, appid: &str, limit: Option<u64>) -> bool {
        self.world().set_sends_a_minute(appid, limit)
    }

    /// None: no receipts any more.
    pub fn set_callback(&self, appid: &str, target: Option<CallbackTarget>) -> bool {
        self.world().set_callback(appid, target)
    }

    /// Where web authorisation may send users back to; none for anywhere.
    pub fn set_oauth_domain(&self, appid: &str, domain: Option<&str>) -> bool {
        self.world().set_oauth_domain(appid, domain)
    }

    /// A user does something that WeChat tells the account's callback, and keeps in mind itself; false when there is no
    /// such account.
    pub fn push(&self, appid: &str, openid: &str, push: Push) -> bool {
        self.shared.push(appid, openid, push)
    }

    pub fn set_receipts(&self, policy: ReceiptPolicy) {
        self.shared.receipts.set_policy(policy);
    }

    /// What was said first of a message, in WeChat's words; none if its receipt was lost.
    pub fn receipt_of(&self, msgid: i64) -> Option<&'static str> {
        self.shared.receipts.said(msgid)
    }

    /// Within which time this share of all deliveries to callbacks was answered, to the millisecond.
    pub fn answered_within(&self, share: f64) -> Duration {
        self.shared.receipts.answered_within(share)
    }

    pub fn receipts(&self) -> ReceiptTally {
        self.shared.receipts.tally()
    }

    /// WeChat's host goes away: the port is closed and every connection dropped as it stands.
    /// The world stays, and so do receipts not yet posted.
    pub async fn stop(&self) {
        let running = self.running().clone();
        running.stop.cancel();
        running.tasks.close();
        running.tasks.wait().await;
    }

    /// It comes back where it was, after a stop.
    pub async fn restart_on_same_port(&self) -> io::Result<()> {
        self.stop().await;
        let listener = TcpListener::bind(self.addr).await?;
        *self.running() = Running::default();
        self.run(listener);
        Ok(())
    }

    fn run(&self, listener: TcpListener) {
        let Running { stop, tasks } = self.running().clone();
        let shared = Arc::clone(&self.shared);
        receipts::run(&shared, &tasks, &stop);
        tasks.spawn(server::serve(listener, shared, tasks.clone(), stop));
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
