//! A disk that is full: when the gateway starts, and while it serves.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use hongyan_gateway::clock::SystemClock;
use hongyan_wechat_sim::{AccountConfig, Sim, SimConfig, SimHandle};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::errors::error;
use super::{configured, listening};
use crate::compat::grant_path;
use crate::harness::{APPID, CLIENT_SECRET, Call, Reply, Settings, TEMPLATE, get, openid, post};

/// How a process gets mounts of its own: as root, or as any user where the system lets users have namespaces.
const WAYS: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];

/// A command that sees a small file system in memory at `disk` below the folder, with `ballast` in it.
async fn on_a_small_disk(folder: &Path, kib: (usize, usize), words: &[&str]) -> Command {
    let (size, ballast) = kib;
    let fill = format!(
        "mount -t tmpfs -o size={size}k hongyan-test disk && head -c {ballast}k /dev/zero >disk/ballast && exec \"$0\" \"$@\""
    );
    std::fs::create_dir_all(folder.join("disk")).unwrap();
    let inside = |way: &[&str], words: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(way).args(["sh", "-c", &fill]).args(words);
        command.current_dir(folder).stdin(Stdio::null());
        command.kill_on_drop(true);
        command
    };
    for way in WAYS {
        if inside(way, &["true"])
            .output()
            .await
            .unwrap()
            .status
            .success()
        {
            return inside(way, words);
        }
    }
    panic!("no small disk can be mounted: store's tests of space say what to do");
}

#[tokio::test]
async fn a_disk_that_is_full_at_the_start() {
    let (folder, _) = configured("127.0.0.1:0");
    let set = "store.url=sqlite://disk/hongyan.db";
    let serve = [env!("CARGO_BIN_EXE_hongyan"), "serve", "--set", set];
    let said = error(on_a_small_disk(folder.path(), (64, 48), &serve).await).await;
    assert!(
        said.contains("is full") && said.contains("free some space"),
        "{said}"
    );
}

/// A gateway that runs on a small disk, and its WeChat.
struct Cramped {
    folder: TempDir,
    sim: SimHandle,
    child: Child,
    address: String,
}

impl Cramped {
    async fn start() -> Self {
        let (folder, settings) = (TempDir::new().unwrap(), Settings::default());
        let account = AccountConfig::new(APPID, &settings.secret);
        let sim = Sim::start(SimConfig::new(vec![account])).await.unwrap();
        let database = Path::new("disk/hongyan.db");
        let text = settings.toml("127.0.0.1:0", database, &sim.url());
        std::fs::write(folder.path().join("hongyan.toml"), text).unwrap();
        let serve = [
            env!("CARGO_BIN_EXE_hongyan"),
            "serve",
            "--log-format",
            "text",
        ];
        let mut command = on_a_small_disk(folder.path(), (24 << 10, 12 << 10), &serve).await;
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let address = listening(&mut child).await;
        Self {
            folder,
            sim,
            child,
            address,
        }
    }

    async fn call(&self, call: Call) -> Reply {
        call.make(&self.address).await
    }

    /// The batch of this number, each of its messages to somebody else.
    async fn batch(&self, number: usize) -> Reply {
        let in_an_hour = SystemClock::new().wall().plus(Duration::from_secs(3_600));
        let later = jiff::Timestamp::from_millisecond(in_an_hour.0).unwrap();
        let url = format!("https://example.com/{}", "x".repeat(2_000));
        let message = |n| {
            json!({
                "touser": openid(number * BATCH + n), "template_id": TEMPLATE, "reference": format!("batch-{number}"),
                "data": {"thing1": {"value": "满"}}, "url": url,
                "send_at": (n >= AT_ONCE).then(|| later.to_string()),
            })
        };
        let messages: Vec<Value> = (0..BATCH).map(message).collect();
        self.call(post("/v1/messages/batch", &json!({"messages": messages})))
            .await
    }

    /// How many messages of a batch are stored.
    async fn stored(&self, number: usize) -> usize {
        let path = format!("/v1/messages?reference=batch-{number}&limit=200");
        let listed = self.call(get(&path)).await.json();
        listed["messages"].as_array().unwrap().len()
    }

    async fn until(&self, what: &str, path: &str, wanted: impl Fn(&Reply) -> bool) {
        let looking = async {
            while !wanted(&self.call(get(path)).await) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, looking).await;
        assert!(found.is_ok(), "{path} never comes to {what}");
    }

    /// Hands over batch after batch, taken or refused, until a path answers so.
    async fn fill(&self, fate: &mut Vec<bool>, path: &str, wanted: impl Fn(&Reply) -> bool) {
        let filling = async {
            while !wanted(&self.call(get(path)).await) {
                let reply = self.batch(fate.len()).await;
                let taken = reply.status == 202;
                if !taken {
                    let detail = reply.problem(503, "unavailable");
                    assert_eq!(detail, "the gateway's disk is full; nothing was stored");
                    assert_eq!(reply.headers["retry-after"], "30");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                fate.push(taken);
            }
        };
        let filled = tokio::time::timeout(PATIENCE, filling).await;
        assert!(filled.is_ok(), "{path} never says that the disk is full");
    }

    /// A program on an SDK sends until the disk is full: which of its messages were taken.
    async fn fill_by_sdk(&self, token: &str) -> Vec<bool> {
        let path = format!("/cgi-bin/message/template/send?access_token={token}");
        let url = format!("https://example.com/{}", "x".repeat(2_000));
        let mut fate = Vec::new();
        let filling = async {
            while fate.last() != Some(&false) {
                let message = json!({
                    "touser": openid(BY_SDK + fate.len()), "template_id": TEMPLATE, "url": url,
                    "data": {"thing1": {"value": "满"}},
                });
                let answer = self.call(post(&path, &message).unsigned()).await.json();
                let errcode = answer["errcode"].as_i64().unwrap();
                assert!([0, 45011].contains(&errcode), "{answer}");
                fate.push(errcode == 0);
            }
        };
        let filled = tokio::time::timeout(PATIENCE, filling).await;
        assert!(filled.is_ok(), "an SDK is never told that the disk is full");
        fate
    }

    /// The ballast, in the mounts that only the process has.
    fn ballast(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.child.id().unwrap()));
        let folder = self.folder.path().strip_prefix("/").unwrap();
        root.join(folder).join("disk/ballast")
    }
}

/// The messages of a batch, and how many of them are to be sent at once: the others only take up room.
const BATCH: usize = 100;
const AT_ONCE: usize = 5;
/// Whom a program on an SDK writes to, from this number on.
const BY_SDK: usize = 900_000;
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_disk_that_fills_while_it_serves() {
    let mut gateway = Cramped::start().await;
    let token = gateway.call(get(&grant_path(APPID, CLIENT_SECRET)).unsigned());
    let token = token.await.json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    // For each batch, whether it was taken.
    let mut fate = Vec::new();
    // While the log can begin anew there is room for a little, so it is not enough that one batch was refused.
    let not_ready = |reply: &Reply| reply.status == 503;
    gateway.fill(&mut fate, "/health/ready", not_ready).await;
    let degraded = |reply: &Reply| {
        let line = "hongyan_degraded{part=\"store\"} 1";
        reply.text().contains(line)
    };
    gateway.fill(&mut fate, "/metrics", degraded).await;
    let by_sdk = gateway.fill_by_sdk(&token).await;
    assert_eq!(gateway.call(get("/health/live")).await.status, 200);

    std::fs::remove_file(gateway.ballast()).unwrap();
    gateway
        .until("readiness", "/health/ready", |reply| reply.status == 200)
        .await;
    assert_eq!(gateway.batch(fate.len()).await.status, 202);
    fate.push(true);
    let taken = |fate: &[bool]| fate.iter().filter(|taken| **taken).count();
    let at_once = AT_ONCE * taken(&fate) + taken(&by_sdk);
    let sent = format!(
        "hongyan_messages_total{{account=\"clinic\",status=\"sent\",reason=\"\"}} {at_once}"
    );
    let all_sent = |reply: &Reply| reply.text().contains(&sent);
    gateway.until("all being sent", "/metrics", all_sent).await;
    assert!(fate.contains(&false));
    for (number, taken) in fate.into_iter().enumerate() {
        let stored = if taken { BATCH } else { 0 };
        assert_eq!(gateway.stored(number).await, stored, "of batch {number}");
        for n in 0..BATCH {
            let seen = gateway.sim.seen(&openid(number * BATCH + n)).len();
            assert_eq!(seen, usize::from(taken && n < AT_ONCE), "{number} {n}");
        }
    }
    for (nth, taken) in by_sdk.into_iter().enumerate() {
        let seen = gateway.sim.seen(&openid(BY_SDK + nth)).len();
        assert_eq!(seen, usize::from(taken), "{nth} of the SDK's");
    }
    assert!(gateway.child.try_wait().unwrap().is_none(), "it stayed up");
    gateway.sim.stop().await;
}
