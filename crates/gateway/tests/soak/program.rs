//! The gateway as a child process, with its folder, its port and its simulator.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use hongyan_wechat_sim::{AccountConfig, CallbackTarget, Sim, SimConfig, SimHandle};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

pub(crate) const APPID: &str = "wx00000000000000aa";
pub(crate) const OTHER_APPID: &str = "wx00000000000000bb";
const SECRET: &str = "soak-app-secret";
pub(crate) const CALLBACK_TOKEN: &str = "soakcallbacktoken";
pub(crate) const CLIENT: &str = "soak";
pub(crate) const CLIENT_SECRET: &str = "soak-client-secret-0123456789";

/// What a test wants of the gateway.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) concurrency: usize,
    /// As the configuration writes it, as below; none for an account without receipts.
    pub(crate) receipt_timeout: Option<&'static str>,
    /// None for the default, as below.
    pub(crate) shutdown_timeout: Option<&'static str>,
    pub(crate) read_timeout: Option<&'static str>,
    /// Whole sections, as the configuration writes them.
    pub(crate) sections: &'static str,
    /// Of the first account; more than any run needs by default.
    pub(crate) daily_quota: u64,
    pub(crate) quota_poll: Option<&'static str>,
    /// Accounts in all, of which every test has two.
    pub(crate) accounts: usize,
}

/// The name and appid of an account by its number.
pub(crate) fn account(nth: usize) -> (String, String) {
    match nth {
        0 => ("main".to_owned(), APPID.to_owned()),
        1 => ("other".to_owned(), OTHER_APPID.to_owned()),
        _ => (format!("clinic-{nth}"), format!("wx{nth:016x}")),
    }
}

impl Wish {
    /// So many calls at once, no receipts, and otherwise the defaults.
    pub(crate) fn slots(concurrency: usize) -> Self {
        Self {
            concurrency,
            receipt_timeout: None,
            shutdown_timeout: None,
            read_timeout: None,
            sections: "",
            daily_quota: 100_000_000,
            quota_poll: None,
            accounts: 2,
        }
    }
}

/// The line that sets a key; nothing where the default is wished.
fn line(key: &str, value: Option<&str>) -> String {
    value.map_or(String::new(), |value| format!("{key} = \"{value}\"\n"))
}

pub(crate) struct Gateway {
    pub(crate) sim: SimHandle,
    pub(crate) port: u16,
    folder: TempDir,
    program: PathBuf,
    child: Option<Child>,
}

/// A free port below those that the system gives to outgoing connections: while the gateway is down, a connection to its
/// port could otherwise be given that very port, and meet itself.
fn free_port() -> u16 {
    loop {
        let port = rand::random_range(10_000..30_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Gateway {
    pub(crate) async fn start(wish: Wish) -> Self {
        let accounts = (0..wish.accounts).map(account);
        let known = accounts.map(|(_, appid)| AccountConfig::new(&appid, SECRET));
        let sim = Sim::start(SimConfig::new(known.collect()).lean())
            .await
            .unwrap();
        assert!(sim.set_daily_quota(APPID, wish.daily_quota));
        let (port, folder) = (free_port(), TempDir::new().unwrap());
        let receipts = match wish.receipt_timeout {
            None => String::new(),
            Some(timeout) => {
                let url = format!("http://127.0.0.1:{port}/wechat/callback/main");
                sim.set_callback(APPID, Some(CallbackTarget::new(&url, CALLBACK_TOKEN)));
                format!("callback_token = \"{CALLBACK_TOKEN}\"\nreceipt_timeout = \"{timeout}\"\n")
            }
        };
        let url = sim.url();
        let table = |nth: usize| {
            let (name, appid) = account(nth);
            format!(
                "[[accounts]]\nname = \"{name}\"\nappid = \"{appid}\"\nsecret = \"{SECRET}\"\napi_base = \"{url}\"\n"
            )
        };
        let others: String = (1..wish.accounts).map(table).collect();
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\n{}[delivery]\nconcurrency = {}\n\
             [quota]\n{}[upstream]\nprobe_interval = \"1s\"\n{}{}{}{receipts}{others}\
             [[clients]]\nid = \"{CLIENT}\"\nsecrets = [\"{CLIENT_SECRET}\"]\nscopes = [\"messages:send\", \"messages:read\", \"accounts\", \"broadcasts\"]\n",
            line("shutdown_timeout", wish.shutdown_timeout),
            wish.concurrency,
            line("poll_interval", wish.quota_poll),
            line("read_timeout", wish.read_timeout),
            wish.sections,
            table(0),
        );
        std::fs::write(folder.path().join("hongyan.toml"), config).unwrap();
        let program = PathBuf::from(env!("CARGO_BIN_EXE_hongyan"));
        let mut gateway = Self {
            sim,
            port,
            folder,
            program,
            child: None,
        };
        gateway.up().await;
        gateway
    }

    /// Starts the program and waits until it answers.
    pub(crate) async fn up(&mut self) {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .unwrap();
        let mut command = Command::new(&self.program);
        command
            .arg("serve")
            .current_dir(self.folder.path())
            .env("HONGYAN_LOG", "warn");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true);
        self.child = Some(command.spawn().unwrap());
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "the gateway does not come up: {}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// SIGKILL, and gone.
    pub(crate) async fn kill(&mut self) {
        self.child.take().unwrap().kill().await.unwrap();
    }

    /// How much memory the program has, in MiB.
    pub(crate) fn memory_mib(&self) -> u64 {
        let pid = self.child.as_ref().and_then(Child::id).unwrap();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = resident.unwrap().trim().trim_end_matches(" kB");
        kib.parse::<u64>().unwrap() / 1_024
    }

    /// How much CPU the program has used since it started.
    pub(crate) fn cpu(&self) -> Duration {
        const TICK: Duration = Duration::from_millis(10);
        let pid = self.child.as_ref().and_then(Child::id).unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        // Behind the name, which may hold anything, user and system time are the twelfth and thirteenth field.
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let ticks = |nth| fields.split(' ').nth(nth).unwrap().parse::<u32>().unwrap();
        TICK * (ticks(11) + ticks(12))
    }

    /// SIGTERM; answers how long it took to end and whether it ended well.
    pub(crate) async fn terminate(&mut self) -> (Duration, bool) {
        let mut child = self.child.take().unwrap();
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap());
        let began = Instant::now();
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        let status = child.wait().await.unwrap();
        (began.elapsed(), status.success())
    }

    /// How large its database is, in MiB, with what is not in the file itself yet.
    pub(crate) fn store_mib(&self) -> u64 {
        let files = ["hongyan.db", "hongyan.db-wal"].map(|name| self.folder.path().join(name));
        let bytes = files.iter().filter_map(|file| std::fs::metadata(file).ok());
        bytes.map(|file| file.len()).sum::<u64>() >> 20
    }

    /// Where its database lies.
    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("hongyan.db")
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}
