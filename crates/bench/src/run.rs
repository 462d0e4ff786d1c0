//! One run: every row once a round, rounds interleaved, so that a noisy minute hits all rows alike.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use tempfile::TempDir;

use crate::child::Program;
use crate::load::{Seen, Target, submit};
use crate::sign::Credential;
use crate::simulator::{APPID, CALLBACK_TOKEN, SECRET};
use crate::table::{Measured, Table};
use crate::tally::lost_and_doubled;
use crate::verdict::verdicts;
use crate::{Result, floor, plot};

/// Messages that go first, so that connections and caches are warm; whole batches of either size.
const WARM_UP: u64 = 600;
const CLIENT_SECRET: &str = "bench-client-secret-0123456789abcdef";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The gateway's program.
    #[arg(long, default_value = "target/release/hongyan")]
    gateway: PathBuf,
    /// How often every row is measured.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Messages in a row at 0 ms; rows with latency take what about ten seconds allow.
    #[arg(long, default_value_t = 40_000)]
    messages: u64,
    /// Calls to WeChat under way at once.
    #[arg(long, default_value_t = 256)]
    concurrency: u64,
    /// Callers of the gateway, and of what it is compared with.
    #[arg(long, default_value_t = 128)]
    callers: u64,
    /// Only rows whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Another gateway's URL, to be measured beside; its upstream must be the simulator at `--upstream-listen`.
    #[arg(long, requires = "other_body")]
    other_url: Option<http::Uri>,
    /// A header for the other gateway, as `name: value`.
    #[arg(long = "other-header")]
    other_headers: Vec<String>,
    /// The other gateway's body, with `{openid}` and `{number}` to be filled in.
    #[arg(long)]
    other_body: Option<String>,
    /// Where the simulator listens for the other gateway.
    #[arg(long, default_value = "127.0.0.1:18099")]
    upstream_listen: String,
    /// Also write all measurements here, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Also draw the rows at 0 ms here, as SVG.
    #[arg(long)]
    plot: Option<PathBuf>,
}

/// Who is between the load and the simulator.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Between {
    Nothing,
    Relay(Allocator),
    Hongyan { receipts: bool },
    Other,
}

/// What the relay's memory comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Allocator {
    System,
    /// The gateway's.
    Mimalloc,
}

impl Allocator {
    /// The bench's program that has it.
    fn program(self) -> Result<PathBuf> {
        let own = std::env::current_exe()?;
        Ok(match self {
            Self::System => own,
            Self::Mimalloc => own.with_file_name("hongyan-bench-mimalloc"),
        })
    }
}

struct Row {
    name: String,
    between: Between,
    latency_ms: u64,
    callers: u64,
    batch: u64,
    messages: u64,
}

fn rows(args: &Args) -> Vec<Row> {
    let row = |name: &str, between, latency_ms: u64, batch| Row {
        name: format!("{name}, {latency_ms} ms"),
        between,
        latency_ms,
        callers: args.callers,
        batch,
        // Whole batches, so that every row sends what it says.
        messages: match latency_ms {
            0 => args.messages,
            _ => (args.concurrency * 50).max(args.concurrency * 10_000 / latency_ms),
        }
        .next_multiple_of(batch),
    };
    let mut rows = Vec::new();
    for latency in [0, 50, 200] {
        rows.push(row("send floor", Between::Nothing, latency, 1));
        rows.push(row(
            "relay floor",
            Between::Relay(Allocator::System),
            latency,
            1,
        ));
        if latency == 0 {
            rows.push(row(
                "relay floor on mimalloc",
                Between::Relay(Allocator::Mimalloc),
                latency,
                1,
            ));
        }
        rows.push(row(
            "hongyan, single",
            Between::Hongyan { receipts: false },
            latency,
            1,
        ));
        rows.push(row(
            "hongyan, batches of 100",
            Between::Hongyan { receipts: false },
            latency,
            100,
        ));
        if args.other_url.is_some() {
            rows.push(row("other, single", Between::Other, latency, 1));
        }
    }
    rows.push(Row {
        callers: 64,
        ..row(
            "hongyan, single, 64 callers",
            Between::Hongyan { receipts: false },
            0,
            1,
        )
    });
    rows.push(row(
        "hongyan, single, receipts",
        Between::Hongyan { receipts: true },
        0,
        1,
    ));
    rows.retain(|row| {
        args.only
            .as_ref()
            .is_none_or(|only| row.name.contains(only.as_str()))
    });
    rows
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let mut table = Table::default();
    for round in 1..=args.rounds {
        for row in rows(&args) {
            eprintln!("round {round}: {}", row.name);
            let measured = measure(&args, &row)
                .await
                .with_context(|| row.name.clone())?;
            table.add(&row.name, measured);
        }
        if args.only.is_none() {
            eprintln!("round {round}: backlog");
            table.add("hongyan, 100,000 queued", backlog(&args, 100_000).await?);
            table.add("hongyan, 10,000 queued", backlog(&args, 10_000).await?);
        }
    }
    println!("{}", table.markdown());
    println!("{}", verdicts(&table, args.concurrency));
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_vec_pretty(&table.json())?)?;
    }
    if let Some(path) = &args.plot {
        plot::draw(&table, ", 0 ms", path)?;
    }
    Ok(())
}

async fn measure(args: &Args, row: &Row) -> Result<Measured> {
    let folder = TempDir::new()?;
    let all = WARM_UP + row.messages;
    let own = std::env::current_exe()?;
    let receipts = row.between == Between::Hongyan { receipts: true };
    let gateway_port = free_port()?;
    let mut sim_args = vec![
        "sim".into(),
        "--latency-ms".into(),
        row.latency_ms.to_string(),
        "--expect".into(),
        format!("{WARM_UP},{all}"),
    ];
    if receipts {
        sim_args.extend([
            "--callback".into(),
            format!("http://127.0.0.1:{gateway_port}/wechat/callback/bench"),
        ]);
    }
    if row.between == Between::Other {
        sim_args.extend(["--listen".into(), args.upstream_listen.clone()]);
    }
    let mut sim = Program::start(&own, &sim_args, folder.path())?;
    let upstream = format!("http://{}", sim.line("listening").await?);
    if row.between == Between::Nothing {
        return send_floor(args, row, sim, &upstream).await;
    }
    let (gateway, target) = start(args, row, &upstream, gateway_port, folder.path()).await?;
    submit(&target, 0, WARM_UP, 8).await?;
    sim.line("reached").await?;
    let before = (cpu_of(gateway.as_ref())?, sim.cpu()?);
    let seen = submit(&target, WARM_UP, all, row.callers).await?;
    let reached: u64 = sim.line("reached").await?.parse()?;
    // A double that is on its way shall be counted.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut measured = rates(&seen, row, reached);
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let per_10k = 10_000.0 / row.messages as f64;
    measured.cpu = cpu_of(gateway.as_ref())?
        .zip(before.0)
        .map(|(after, before)| (after - before) * per_10k);
    measured.simulator_cpu = Some((sim.cpu()? - before.1) * per_10k);
    measured.peak_mib = gateway.as_ref().map(Program::peak_mib).transpose()?;
    (measured.lost, measured.doubled) = lost_and_doubled(&upstream, all).await?;
    if let Some(gateway) = gateway {
        gateway.stop().await?;
    }
    sim.stop().await?;
    Ok(measured)
}

fn cpu_of(gateway: Option<&Program>) -> Result<Option<f64>> {
    gateway.map(Program::cpu).transpose()
}

async fn send_floor(args: &Args, row: &Row, mut sim: Program, upstream: &str) -> Result<Measured> {
    floor::send_all(upstream, 0, WARM_UP, args.concurrency).await?;
    sim.line("reached").await?;
    let before = sim.cpu()?;
    let began = Instant::now();
    floor::send_all(upstream, WARM_UP, WARM_UP + row.messages, args.concurrency).await?;
    let took = began.elapsed();
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let count = row.messages as f64;
    let simulator_cpu = Some((sim.cpu()? - before) * 10_000.0 / count);
    let (lost, doubled) = lost_and_doubled(upstream, WARM_UP + row.messages).await?;
    sim.stop().await?;
    Ok(Measured {
        sent_per_s: count / took.as_secs_f64(),
        simulator_cpu,
        lost,
        doubled,
        ..Measured::default()
    })
}

fn rates(seen: &Seen, row: &Row, reached_ms: u64) -> Measured {
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let (count, calls, millis) = (
        row.messages as f64,
        seen.latencies.len() as f64,
        reached_ms.saturating_sub(seen.began_ms).max(1) as f64,
    );
    Measured {
        accept_per_s: Some(calls / seen.took.as_secs_f64()),
        p50_ms: Some(seen.quantile_ms(0.5)),
        p99_ms: Some(seen.quantile_ms(0.99)),
        p999_ms: Some(seen.quantile_ms(0.999)),
        sent_per_s: count * 1000.0 / millis,
        ..Measured::default()
    }
}

async fn start(
    args: &Args,
    row: &Row,
    upstream: &str,
    port: u16,
    folder: &Path,
) -> Result<(Option<Program>, Target)> {
    let plain = |address: String| Target {
        address,
        path: "/v1/messages".into(),
        credential: None,
        headers: Vec::new(),
        template: None,
        batch: row.batch,
    };
    match row.between {
        Between::Relay(allocator) => {
            let program = allocator.program()?;
            let relay_args = [
                "relay",
                "--upstream",
                upstream,
                "--concurrency",
                &args.concurrency.to_string(),
            ];
            let mut relay = Program::start(&program, &relay_args, folder)?;
            let address = relay.line("listening").await?;
            Ok((
                Some(relay),
                Target {
                    credential: Some(credential()),
                    ..plain(address)
                },
            ))
        }
        Between::Other => {
            let url = args.other_url.clone().context("--other-url")?;
            let authority = url
                .authority()
                .context("--other-url has no host")?
                .to_string();
            let headers = args
                .other_headers
                .iter()
                .filter_map(|line| line.split_once(':'));
            let headers = headers
                .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
                .collect();
            let target = Target {
                path: url.path().to_owned(),
                headers,
                template: args.other_body.clone(),
                ..plain(authority)
            };
            Ok((None, target))
        }
        Between::Nothing | Between::Hongyan { .. } => {
            let receipts = row.between == Between::Hongyan { receipts: true };
            let gateway = hongyan(args, upstream, port, receipts, folder).await?;
            let path = if row.batch == 1 {
                "/v1/messages"
            } else {
                "/v1/messages/batch"
            };
            let target = Target {
                credential: Some(credential()),
                path: path.into(),
                ..plain(format!("127.0.0.1:{port}"))
            };
            Ok((Some(gateway), target))
        }
    }
}

fn credential() -> Credential {
    Credential {
        id: "bench".into(),
        secret: CLIENT_SECRET.into(),
    }
}

async fn hongyan(
    args: &Args,
    upstream: &str,
    port: u16,
    receipts: bool,
    folder: &Path,
) -> Result<Program> {
    let callback = if receipts {
        format!("callback_token = \"{CALLBACK_TOKEN}\"\n")
    } else {
        String::new()
    };
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\n\
         [delivery]\nconcurrency = {}\n\
         [[accounts]]\nname = \"bench\"\nappid = \"{APPID}\"\nsecret = \"{SECRET}\"\napi_base = \"{upstream}\"\n{callback}\
         [[clients]]\nid = \"bench\"\nsecrets = [\"{CLIENT_SECRET}\"]\nscopes = [\"messages:send\"]\n",
        args.concurrency
    );
    std::fs::write(folder.join("hongyan.toml"), config)?;
    let program = args
        .gateway
        .canonicalize()
        .with_context(|| format!("no gateway at {}", args.gateway.display()))?;
    let gateway = Program::start(&program, &["serve"], folder)?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .is_err()
    {
        if Instant::now() > deadline {
            let said = std::fs::read_to_string(folder.join("stderr.log")).unwrap_or_default();
            anyhow::bail!("the gateway does not come up: {said}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(gateway)
}

/// The gateway's memory with so many messages queued and WeChat away.
async fn backlog(args: &Args, messages: u64) -> Result<Measured> {
    let folder = TempDir::new()?;
    let (port, nowhere) = (free_port()?, free_port()?);
    let gateway = hongyan(
        args,
        &format!("http://127.0.0.1:{nowhere}"),
        port,
        false,
        folder.path(),
    )
    .await?;
    let target = Target {
        address: format!("127.0.0.1:{port}"),
        path: "/v1/messages/batch".into(),
        credential: Some(credential()),
        headers: Vec::new(),
        template: None,
        batch: 100,
    };
    let before = gateway.cpu()?;
    let seen = submit(&target, 0, messages, 8).await?;
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let (calls, per_10k) = (seen.latencies.len() as f64, 10_000.0 / messages as f64);
    let measured = Measured {
        accept_per_s: Some(calls / seen.took.as_secs_f64()),
        p50_ms: Some(seen.quantile_ms(0.5)),
        p99_ms: Some(seen.quantile_ms(0.99)),
        p999_ms: Some(seen.quantile_ms(0.999)),
        cpu: Some((gateway.cpu()? - before) * per_10k),
        peak_mib: Some(gateway.peak_mib()?),
        ..Measured::default()
    };
    gateway.stop().await?;
    Ok(measured)
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port())
}
