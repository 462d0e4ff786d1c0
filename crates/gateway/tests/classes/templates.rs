//! What each of WeChat's answers does when the templates of an account are asked for: whoever looks is told the code, and
//! only a rejected token has a consequence. The account, its messages and its flags are left alone.

use hongyan_wechat::errcode::KNOWN;
use hongyan_wechat_sim::Fault;
use hongyan_wechat_sim::config::TemplateConfig;
use hongyan_wechat_sim::fault::{Endpoint, Place, What};
use serde_json::{Value, json};

use crate::rig::{Rig, TEMPLATE, appid, name_of};

/// What makes the account fetch a new token.
const TOKEN_REJECTED: [i64; 3] = [40001, 40014, 42001];

fn codes() -> impl Iterator<Item = i64> {
    let refusals = KNOWN.iter().copied().filter(|code| *code != 0);
    refusals.chain([99_999])
}

/// The code, once; a token that is rejected has died.
fn faults(code: i64) -> Vec<Fault> {
    let strike = |what| {
        Fault::new(what)
            .at(Place::One(Endpoint::Templates))
            .account(&appid(&name_of(code)))
            .first(1)
    };
    let refusal = What::Code {
        errcode: code,
        errmsg: None,
    };
    let dies = TOKEN_REJECTED
        .contains(&code)
        .then(|| strike(What::RevokeTokens));
    dies.into_iter().chain([strike(refusal)]).collect()
}

#[tokio::test]
async fn every_code_is_told_to_whoever_asks_for_templates() {
    let template = TemplateConfig {
        template_id: TEMPLATE.to_owned(),
        title: String::new(),
        content: "{{thing1.DATA}}".to_owned(),
        subscription: false,
        long_term: false,
    };
    let faults = codes().flat_map(faults).collect();
    let rig = Rig::of(codes().map(name_of), faults, "", &[template]).await;
    // The list is asked for at the start, which each code strikes once.
    let rejected = |code: &i64| TOKEN_REJECTED.contains(code);
    for code in codes().filter(|code| !rejected(code)) {
        let told = format!("get_all_private_template answered {code}: ");
        let path = format!("/v1/templates?account={}", name_of(code));
        let list = rig.until_reply(&path, |list| told_in(list, &told)).await;
        assert_eq!(list["synced_at"], json!(null), "{code}: {list}");
    }
    // With the next token it is asked for once more.
    for code in codes().filter(rejected) {
        let path = format!("/v1/templates?account={}", name_of(code));
        rig.until_reply(&path, |list| list["synced_at"].is_string())
            .await;
    }
    rig.until(
        "fetched anew where the token was rejected",
        |rig, account| {
            let rejected = TOKEN_REJECTED.iter().any(|code| name_of(*code) == account);
            rig.calls(account).fetches() == 1 + u64::from(rejected)
        },
    )
    .await;
    rig.until_all_have_tokens().await;
    let accounts = rig.accounts().await;
    for code in codes() {
        let name = name_of(code);
        assert_eq!(accounts[&name]["flags"], json!([]), "{code}");
        let asked = 1 + u64::from(rejected(&code));
        assert_eq!(rig.calls(&name).templates, asked, "{code}: asked once");
    }
    for code in codes() {
        let path = format!("/v1/templates/sync?account={}", name_of(code));
        let synced = rig.client.post(&path, &json!({})).await.unwrap();
        assert!(synced["synced_at"].is_string(), "{code}: {synced}");
    }
    rig.send_all().await;
    rig.until("sent", |rig, account| rig.calls(account).accepted == 1)
        .await;
    rig.stop().await;
}

fn told_in(list: &Value, told: &str) -> bool {
    list["lists"][0]["error"]
        .as_str()
        .is_some_and(|error| error.contains(told))
}
