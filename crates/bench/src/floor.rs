//! The send floor: the same HTTP client, at the same concurrency and pool, sending the same messages to the simulator
//! with nothing around it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hongyan_wechat::client::{Client, Hosts};
use hongyan_wechat::template::TemplateMessage;
use hongyan_wechat::token::Credential;
use hongyan_wechat::{AccessToken, AppSecret};
use serde_json::value::RawValue;
use tokio::task::JoinSet;

use crate::Result;
use crate::load::{DATA, TEMPLATE, openid};
use crate::simulator::{APPID, SECRET};

/// A client and a token for the simulator at `base`.
pub(crate) async fn client(base: &str) -> Result<(Client, AccessToken)> {
    let client = Client::builder().hosts(Hosts::new([base])?).build()?;
    let credential = Credential {
        appid: APPID.into(),
        secret: AppSecret::new(SECRET),
    };
    let grant = client.stable_token(&credential, false).await?;
    Ok((client, grant.token))
}

/// Sends messages `from..to`, `concurrency` at a time.
pub(crate) async fn send_all(base: &str, from: u64, to: u64, concurrency: u64) -> Result<()> {
    let (client, token) = client(base).await?;
    let next = Arc::new(AtomicU64::new(from));
    let data: Arc<Box<RawValue>> = Arc::new(RawValue::from_string(DATA.to_owned())?);
    let mut senders = JoinSet::new();
    for _ in 0..concurrency {
        let (client, token, next, data) = (
            client.clone(),
            token.clone(),
            Arc::clone(&next),
            Arc::clone(&data),
        );
        senders.spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= to {
                    return Ok::<(), anyhow::Error>(());
                }
                let touser = openid(n);
                let wire_id = format!("{n:032x}");
                let message = TemplateMessage {
                    touser: &touser,
                    template_id: TEMPLATE,
                    url: None,
                    miniprogram: None,
                    data: &data,
                    client_msg_id: Some(&wire_id),
                };
                client.send_template(&token, &message).await?;
            }
        });
    }
    while let Some(done) = senders.join_next().await {
        done??;
    }
    Ok(())
}
