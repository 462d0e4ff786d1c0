//! What goes wrong at some accounts is no trouble of the others.

use std::time::Duration;

use hongyan_wechat_sim::Fault;
use hongyan_wechat_sim::fault::{Place, What};
use serde_json::{Value, json};

use crate::harness::{Settings, TestGateway, message, openid};

const ACCOUNTS: usize = 50;
const MESSAGES: usize = 2_000;
const SLOW: usize = 1;
const WITHOUT_TOKEN: usize = 2;
const BROKEN: usize = 3;

/// Name and appid of the accounts beside the first.
fn others() -> Vec<(&'static str, &'static str)> {
    let name = |n: usize| &*format!("clinic-{n}").leak();
    let appid = |n: usize| &*format!("wx{n:016x}").leak();
    (1..ACCOUNTS).map(|n| (name(n), appid(n))).collect()
}

#[tokio::test]
async fn three_stuck_accounts_keep_nobody_else_waiting() {
    let others = others();
    let gateway = TestGateway::with(Settings {
        others: others.clone(),
        // Under [upstream]: so that the end of the story need not wait long for the slow one.
        sections: "read_timeout = \"1s\"".to_owned(),
        ..Settings::default()
    })
    .await;
    let all_ok = |list: &Value| {
        let accounts = list["accounts"].as_array().unwrap();
        accounts.len() == ACCOUNTS && accounts.iter().all(|account| account["state"] == "ok")
    };
    gateway.until_reply("/v1/accounts", "ok", all_ok).await;
    let (_, slow) = others[SLOW - 1];
    let (_, without_token) = others[WITHOUT_TOKEN - 1];
    let (_, broken) = others[BROKEN - 1];
    let late = What::Slow(Duration::from_secs(60));
    let silent = What::Hang { accepted: false };
    let error = What::Status {
        status: 500,
        accepted: false,
    };
    for fault in [
        Fault::new(late).account(slow),
        Fault::new(silent).at(Place::Tokens).account(without_token),
        Fault::new(error).account(broken),
    ] {
        gateway.sim.fault(fault);
    }
    assert!(gateway.sim.revoke_tokens(without_token));
    // Whose turn it is goes round, so that those in trouble are among the first everywhere.
    let messages = (0..MESSAGES).map(|n| {
        let mut message = message(&openid(n));
        if let Some(nth) = (n % ACCOUNTS).checked_sub(1) {
            message["account"] = json!(others[nth].0);
        } else {
            message["account"] = json!(crate::harness::ACCOUNT);
        }
        message
    });
    let messages: Vec<Value> = messages.collect();
    for batch in messages.chunks(500) {
        let reply = gateway
            .post("/v1/messages/batch", &json!({"messages": batch}))
            .await;
        assert_eq!(reply.status, 202, "{reply:?}");
    }
    let each = (MESSAGES / ACCOUNTS) as u64;
    let well = others.iter().skip(BROKEN).map(|(_, appid)| *appid);
    for appid in well.chain([crate::harness::APPID]) {
        let all_of_it = format!("all messages of {appid}");
        gateway
            .until_sim(&all_of_it, |sim| sim.calls_of(appid).accepted == each)
            .await;
    }
    for stuck in [SLOW, WITHOUT_TOKEN, BROKEN] {
        let (name, _) = others[stuck - 1];
        let sent = gateway
            .get(&format!("/v1/messages?account={name}&status=sent"))
            .await;
        assert_eq!(sent.json()["messages"], json!([]), "{name} is not stuck");
    }
    gateway.finish().await;
}
