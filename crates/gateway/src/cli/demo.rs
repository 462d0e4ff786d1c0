//! `hongyan demo`: one message's life from the call to `delivered`, without an account, a configuration or a network.
//! It must not do anything that a real gateway would not: the message goes through the front door, signed.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use clap::Args;
use hongyan_courier::message::{MessageId, Status};
use hongyan_courier::observer::Event;
use http::Method;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::auth::signer::Signer;
use crate::cli::context::Context;
use crate::cli::gateway::{CallerArgs, GatewayArgs};
use crate::cli::http::GatewayClient;
use crate::cli::runtime::{asked_to_stop, block_on};
use crate::cli::sign::quote;
use crate::clock::SystemClock;
use crate::demo::{CLIENT, Demo, OPENID, TEMPLATE};

const EXAMPLE: &str = "\
Example:
  hongyan demo --once";

/// How long `--once` waits for `delivered`.
const PATIENCE: Duration = Duration::from_secs(30);
const USUAL_PORT: u16 = 8080;
/// What a shell says of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Show a message's life, with a simulated WeChat and no configuration.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct DemoArgs {
    /// End as soon as the message is delivered
    #[arg(long)]
    once: bool,
    /// Where the gateway listens; 127.0.0.1:8080 by default, or another port if that is taken
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

pub fn run(args: &DemoArgs, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    let listen = args.listen.unwrap_or_else(|| usual(args.once));
    block_on(async {
        let asked = asked_to_stop()?;
        let mut demo = Demo::start(listen).await?;
        let mut show = Show::new(context);
        let shown = async {
            show.title()?;
            let life = show.life(&mut demo);
            match tokio::time::timeout(PATIENCE, life).await {
                Ok(shown) => shown?,
                Err(_) => bail!("not delivered within {} s", PATIENCE.as_secs()),
            }
            if !args.once {
                show.invitation(&demo)?;
                show.go_on(&mut demo).await?;
            }
            Ok(ExitCode::SUCCESS)
        };
        let result = tokio::select! {
            biased;
            result = shown => result,
            // It is how a demo that stays up ends; one that was to end by itself has not shown what it should.
            () = asked => Ok(if args.once { INTERRUPTED.into() } else { ExitCode::SUCCESS }),
        };
        demo.stop().await;
        result
    })
}

/// The usual port where it is free; nobody needs to find a demo that ends by itself.
fn usual(once: bool) -> SocketAddr {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, USUAL_PORT));
    if !once && TcpListener::bind(usual).is_ok() {
        usual
    } else {
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
    }
}

fn message() -> Value {
    json!({
        "touser": OPENID,
        "template_id": TEMPLATE,
        "data": {"thing1": {"value": "Hongyan 鸿雁"}, "time2": {"value": "2026-11-23 08:00"}},
        "reference": "demo",
    })
}

fn client(demo: &Demo) -> anyhow::Result<GatewayClient> {
    let caller = CallerArgs {
        client_id: Some(CLIENT.to_owned()),
        client_secret: Some(SecretString::from(demo.client_secret.as_str())),
    };
    GatewayClient::new(&GatewayArgs {
        url: demo.url.clone(),
        caller,
    })
}

/// Writes for people, or one JSON value a line.
struct Show<'a, 'c> {
    context: &'a mut Context<'c>,
    began: Instant,
}

impl<'a, 'c> Show<'a, 'c> {
    fn new(context: &'a mut Context<'c>) -> Self {
        Self {
            context,
            began: Instant::now(),
        }
    }

    fn title(&mut self) -> anyhow::Result<()> {
        if !self.context.json {
            let title = self.context.lang.pick(
                "Hongyan with a simulated WeChat: one template message, from the call to `delivered`.",
                "鸿雁与模拟微信：一条模板消息，从调用到 delivered。",
            );
            self.context.line(&format!("{title}\n"))?;
        }
        Ok(())
    }

    /// Sends the message and shows what happens until it is delivered.
    async fn life(&mut self, demo: &mut Demo) -> anyhow::Result<()> {
        let client = client(demo)?;
        let body = message();
        let send = client.post("/v1/messages", &body);
        tokio::pin!(send);
        let mut sent: Option<MessageId> = None;
        loop {
            tokio::select! {
                answer = &mut send, if sent.is_none() => {
                    let answer = answer?;
                    let id = answer["id"].as_str().and_then(|id| id.parse().ok());
                    sent = Some(id.ok_or_else(|| anyhow!("the gateway answered without an id: {answer}"))?);
                }
                event = demo.events.recv() => {
                    let event = event.ok_or_else(|| anyhow!("the gateway has stopped"))?;
                    self.event(&event)?;
                    match event {
                        Event::Moved { status: Status::Delivered, .. } => return Ok(()),
                        Event::Moved { status, reason, .. } if status.ended() => {
                            bail!("the message is {status}: {}", reason.map_or("no reason", |reason| reason.as_str()));
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    async fn go_on(&mut self, demo: &mut Demo) -> anyhow::Result<()> {
        while let Some(event) = demo.events.recv().await {
            self.event(&event)?;
        }
        Ok(())
    }

    fn event(&mut self, event: &Event) -> anyhow::Result<()> {
        let Some((word, english, chinese)) = told(event) else {
            return Ok(());
        };
        let text = self.context.lang.pick(&english, &chinese).to_owned();
        let at_ms = self.began.elapsed().as_millis();
        if self.context.json {
            let line = json!({"at_ms": u64::try_from(at_ms).unwrap_or(u64::MAX), "step": word, "text": text});
            self.context.line(&line.to_string())?;
        } else {
            self.context
                .line(&format!("{at_ms:>6} ms  {word:<14} {text}"))?;
        }
        // Each step is to be seen as it happens, also through a pipe.
        self.context.out.flush()?;
        Ok(())
    }

    /// What to try next.
    fn invitation(&mut self, demo: &Demo) -> anyhow::Result<()> {
        let curl = curl(demo)?;
        if self.context.json {
            let line = json!({"url": demo.url, "client_id": CLIENT, "client_secret": demo.client_secret, "curl": curl});
            self.context.line(&line.to_string())?;
        } else {
            let lang = self.context.lang;
            let (gateway, docs) = (
                lang.pick("gateway", "网关"),
                lang.pick("documentation", "文档"),
            );
            let wechat = lang.pick("WeChat (sim)", "微信（模拟）");
            let (id, secret) = (
                lang.pick("client id", "客户端"),
                lang.pick("secret", "密钥"),
            );
            let hint = lang.pick(
                "A call to try from another terminal; its signature is good once, for 5 minutes:",
                "在另一个终端试一试；此签名仅可使用一次，5 分钟内有效：",
            );
            let stop = lang.pick("Ctrl-C stops it all.", "按 Ctrl-C 结束。");
            let (url, sim) = (&demo.url, demo.sim.url());
            self.context.line(&format!(
                "\n{gateway:<14} {url}\n{docs:<14} {url}/docs\n{wechat:<14} {sim}\n{id:<14} {CLIENT}\n{secret:<14} {}\n\n{hint}\n\n{curl}\n\n{stop}\n",
                demo.client_secret,
            ))?;
        }
        self.context.out.flush()?;
        Ok(())
    }
}

/// A step's word, and what it means in English and Chinese.
fn told(event: &Event) -> Option<(&'static str, String, String)> {
    Some(match event {
        Event::Accepted { id, .. } => (
            "accepted",
            format!("{id} is stored durably"),
            format!("{id} 已落盘"),
        ),
        Event::TokenFetched {
            expires_at: Some(_),
            ..
        } => (
            "token fetched",
            "the account's access_token, once for everybody".to_owned(),
            "已取得 access_token，供所有调用共用".to_owned(),
        ),
        Event::TokenFetched {
            expires_at: None, ..
        } => (
            "no token",
            "WeChat gave no access_token".to_owned(),
            "微信未返回 access_token".to_owned(),
        ),
        Event::Moved {
            status: Status::Sent,
            msgid,
            ..
        } => {
            let msgid = msgid.map_or_else(String::new, |msgid| msgid.to_string());
            (
                "sent",
                format!("WeChat took it as msgid {msgid}"),
                format!("微信已受理，msgid {msgid}"),
            )
        }
        Event::Receipt { status, .. } => (
            "receipt",
            format!("WeChat says: {status}"),
            format!("收到微信回执：{status}"),
        ),
        Event::Moved {
            status: Status::Delivered,
            ..
        } => (
            "delivered",
            "the user has it".to_owned(),
            "已送达用户".to_owned(),
        ),
        Event::Moved { status, reason, .. } => {
            let why = reason.map_or("", |reason| reason.as_str());
            (status.as_str(), why.to_owned(), why.to_owned())
        }
        Event::Standing {
            stopped: Some(detail),
            ..
        } => ("stopped", detail.clone(), detail.clone()),
        Event::Standing { stopped: None, .. } => ("resumed", String::new(), String::new()),
        Event::Called { .. }
        | Event::KindGoesOn { .. }
        | Event::Suppressed { .. }
        | Event::TemplatesSynced { .. }
        | Event::TemplatesStopped { .. } => return None,
    })
}

/// A signed call, ready for a shell.
fn curl(demo: &Demo) -> anyhow::Result<String> {
    let url = format!("{}/v1/messages?wait=10", demo.url);
    let body = message().to_string();
    let signer = Signer::new(CLIENT, &SecretString::from(demo.client_secret.as_str()));
    let headers = signer.headers(
        &Method::POST,
        &url.parse()?,
        body.as_bytes(),
        SystemClock::new().wall(),
    )?;
    let mut line = "curl -sS".to_owned();
    for (name, value) in headers {
        line.push_str(&format!(" -H {}", quote(&format!("{name}: {value}"))));
    }
    line.push_str(&format!(" --data-binary {} {}", quote(&body), quote(&url)));
    Ok(line)
}
