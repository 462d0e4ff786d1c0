//! The simulator as a program of the bench: lean, with one account, saying when it has accepted enough.

use std::time::Duration;

use hongyan_wechat_sim::{AccountConfig, CallbackTarget, Sim, SimConfig};

use crate::Result;
use crate::load::unix_ms;

/// The one account of every bench.
pub(crate) const APPID: &str = "wx0000000000000001";
pub(crate) const SECRET: &str = "bench-app-secret";
pub(crate) const CALLBACK_TOKEN: &str = "benchcallbacktoken";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Added to every answer, in milliseconds.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Say `reached <unix ms>` when so many messages were accepted; in order, comma-separated.
    #[arg(long, value_delimiter = ',')]
    expect: Vec<u64>,
    /// Where receipts go; without it there are none.
    #[arg(long)]
    callback: Option<String>,
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: std::net::SocketAddr,
}

pub(crate) async fn serve(args: Args) -> Result<()> {
    let mut config = SimConfig::new(vec![AccountConfig::new(APPID, SECRET)]).lean();
    config.latency = Duration::from_millis(args.latency_ms);
    config.bind = args.listen;
    let sim = Sim::start(config).await?;
    if let Some(url) = &args.callback {
        sim.set_callback(APPID, Some(CallbackTarget::new(url, CALLBACK_TOKEN)));
    }
    println!("listening {}", sim.addr());
    for goal in args.expect {
        while sim.calls().accepted < goal {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        println!("reached {}", unix_ms());
    }
    loop {
        tokio::time::sleep(Duration::from_secs(3_600)).await;
    }
}
