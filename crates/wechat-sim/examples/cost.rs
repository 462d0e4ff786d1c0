//! What one send costs in CPU time: the pure world, and the whole simulator over loopback in lean mode,
//! without and with receipts. It measures; it judges nothing.
//! Run with `cargo run --release -p hongyan-wechat-sim --example cost [sends] [connections]`.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use hongyan_wechat_sim::world::{SendRequest, TokenRequest, World};
use hongyan_wechat_sim::{CallbackTarget, Sim, SimConfig};
use nix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const DATA: &str = r#"{"thing1":{"value":"A parcel"},"character_string2":{"value":"SF1234567890"},"time3":{"value":"2026-11-23 19:43"}}"#;

type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[expect(clippy::print_stdout, reason = "its output is what it is for")]
fn main() -> Fallible<()> {
    let mut arguments = std::env::args().skip(1);
    let sends: usize = arguments.next().map_or(Ok(200_000), |text| text.parse())?;
    let connections: usize = arguments.next().map_or(Ok(64), |text| text.parse())?;
    println!("{sends} sends over {connections} connections, µs of CPU a send");
    println!("pure world              {:6.2}", pure(sends)?);
    let (server, client) = over_loopback(sends, connections, None)?;
    println!("simulator over loopback {server:6.2}");
    println!("the client of this test {client:6.2}");
    let (server, _) = over_loopback(sends, connections, Some(receiver()?))?;
    println!("simulator with receipts {server:6.2}");
    Ok(())
}

fn pure(sends: usize) -> Fallible<f64> {
    let seed = SimConfig::demo().lean().seed;
    let mut world = World::new(&seed);
    let account = &seed.accounts[0];
    let request = TokenRequest::new(&account.appid, &account.secret);
    let token = world.stable_token(0, &request, false)?.access_token;
    let before = cpu(ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
    for nth in 0..sends {
        world.send(
            1_000,
            &SendRequest {
                access_token: &token,
                touser: &openid(nth),
                template_id: "ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY",
                data: DATA,
                client_msg_id: Some(&format!("message-{nth:030}")),
                ..SendRequest::default()
            },
        )?;
    }
    let spent = cpu(ClockId::CLOCK_PROCESS_CPUTIME_ID)? - before;
    Ok(per_send(spent, sends))
}

/// The simulator runs on a thread of its own, so that its CPU time can be told from the client's.
fn over_loopback(
    sends: usize,
    connections: usize,
    receiver: Option<SocketAddr>,
) -> Fallible<(f64, f64)> {
    let (ready, started) = std::sync::mpsc::channel();
    let (finish, finished) = tokio::sync::oneshot::channel::<()>();
    let server = std::thread::spawn(move || -> Fallible<Duration> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let config = SimConfig::demo().lean();
            let account = config.seed.accounts[0].clone();
            let sim = Sim::start(config).await?;
            let now_ms = sim.clock().now_ms();
            let request = TokenRequest::new(&account.appid, &account.secret);
            let granted = sim.world().stable_token(now_ms, &request, false)?;
            if let Some(receiver) = receiver {
                let target = CallbackTarget::new(&format!("http://{receiver}/"), "token");
                sim.set_callback(&account.appid, Some(target));
            }
            ready.send((sim.addr(), granted.access_token))?;
            let before = cpu(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
            finished.await?;
            while sim.receipts().answered < sim.receipts().posted || sim.receipts().pending > 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Ok(cpu(ClockId::CLOCK_THREAD_CPUTIME_ID)? - before)
        })
    });
    let (addr, token) = started.recv()?;
    let client_cpu = load(addr, &token, sends, connections)?;
    finish.send(()).map_err(|()| "the simulator is gone")?;
    let server_cpu = server.join().map_err(|_| "the simulator panicked")??;
    Ok((per_send(server_cpu, sends), per_send(client_cpu, sends)))
}

/// Takes every receipt at once, on threads of its own.
fn receiver() -> Fallible<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let addr = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || take_receipts(stream));
        }
    });
    Ok(addr)
}

fn take_receipts(mut stream: std::net::TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let mut length = 0;
        while !buffer[..length].ends_with(b"</xml>") {
            match stream.read(&mut buffer[length..])? {
                0 => return Ok(()),
                more => length += more,
            }
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nsuccess")?;
    }
}

fn load(addr: SocketAddr, token: &str, sends: usize, connections: usize) -> Fallible<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let before = cpu(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    runtime.block_on(async {
        let mut callers = JoinSet::new();
        for caller in 0..connections {
            let token = token.to_owned();
            let numbers = (caller..sends).step_by(connections);
            callers.spawn(async move { caller_loop(addr, &token, numbers).await });
        }
        while let Some(outcome) = callers.join_next().await {
            outcome??;
        }
        Fallible::Ok(())
    })?;
    Ok(cpu(ClockId::CLOCK_THREAD_CPUTIME_ID)? - before)
}

async fn caller_loop(
    addr: SocketAddr,
    token: &str,
    numbers: impl Iterator<Item = usize>,
) -> Fallible<()> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let mut answer = vec![0; 4096];
    for nth in numbers {
        let body = format!(
            r#"{{"touser":"{}","template_id":"ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY","data":{DATA},"client_msg_id":"message-{nth:030}"}}"#,
            openid(nth)
        );
        let request = format!(
            "POST /cgi-bin/message/template/send?access_token={token} HTTP/1.1\r\nhost: {addr}\r\ncontent-type: application/json\r\nuser-agent: cost\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let length = stream.read(&mut answer).await?;
        let text = std::str::from_utf8(&answer[..length])?;
        if !text.contains(r#""errcode":0"#) {
            return Err(format!("not accepted: {text}").into());
        }
    }
    Ok(())
}

fn openid(nth: usize) -> String {
    format!("o{nth:027}")
}

fn cpu(clock: ClockId) -> Fallible<Duration> {
    Ok(Duration::from(clock_gettime(clock)?))
}

fn per_send(spent: Duration, sends: usize) -> f64 {
    spent.as_secs_f64() * 1e6 / sends as f64
}
