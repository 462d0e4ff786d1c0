//! The commands that set a gateway and its callers up: signatures, clients, configuration.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{configured, curl, ended, hongyan, operate, operating, run};
use crate::harness::{
    ACCOUNT, APPID, CLIENT, CLIENT_SECRET, Call, TestGateway, get, message, openid,
};

#[tokio::test]
async fn a_request_can_be_signed_for_any_program() {
    let gateway = TestGateway::start().await;
    let folder = TempDir::new().unwrap();
    let body = message(&openid(1)).to_string();
    std::fs::write(folder.path().join("it's one.json"), &body).unwrap();
    let path = "/v1/messages?wait=10";
    let url = format!("http://{}{path}", gateway.address());
    let words = ["sign", "post", &url, "--body", "it's one.json"];
    let sign = async |json: bool| {
        let words = [if json { &["--json"][..] } else { &[] }, &words].concat();
        run(operating(&gateway, folder.path(), &words))
            .await
            .unwrap()
    };

    let text = sign(false).await;
    let (headers, line) = text.split_once("\n\n").unwrap();
    let (status, sent) = curl(line.trim_end(), folder.path()).await;
    assert_eq!((status, &sent["status"]), (200, &"sent".into()), "{sent}");
    let (status, problem) = curl(line.trim_end(), folder.path()).await;
    assert_eq!((status, &problem["code"]), (401, &"unauthenticated".into()));
    assert_eq!(headers.lines().count(), 4, "{headers}");

    let signed: Value = serde_json::from_str(&sign(true).await).unwrap();
    assert_eq!(signed["curl"][0], "curl");
    let mut call = Call::new(http::Method::POST, path, body).unsigned();
    for (name, value) in signed["headers"].as_object().unwrap() {
        call = call.header(name, value.as_str().unwrap());
    }
    let reply = gateway.call(call).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    gateway.finish().await;
}

#[tokio::test]
async fn a_new_client_has_a_strong_secret() {
    let folder = TempDir::new().unwrap();
    let new = [
        "--json",
        "client",
        "new",
        "desk",
        "--scope",
        "messages:send,token",
    ];
    let said = run(hongyan(folder.path(), &new)).await.unwrap();
    let client: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&client["id"], &client["scopes"]),
        (&json!("desk"), &json!(["messages:send", "token"]))
    );
    assert_eq!(client["secret"].as_str().map(str::len), Some(43));
    let wrong = ended(hongyan(
        folder.path(),
        &["client", "new", "desk", "--scope", "all"],
    ))
    .await;
    assert_eq!(wrong.status.code(), Some(2), "wrong usage");
}

#[tokio::test]
async fn a_configuration_is_shown_without_its_secrets() {
    let (folder, settings) = configured("127.0.0.1:0");
    let mut shown = hongyan(
        folder.path(),
        &["config", "show", "--set", "delivery.max_retries=7"],
    );
    shown.env("HONGYAN__DELIVERY__CONCURRENCY", "9");
    let text = run(shown).await.unwrap();
    let line = |key: &str| {
        text.lines()
            .find(|line| line.starts_with(key))
            .unwrap_or_else(|| panic!("{text}"))
    };
    assert!(
        line("delivery.concurrency = 9").contains("# HONGYAN__DELIVERY__CONCURRENCY"),
        "{text}"
    );
    assert!(line("delivery.max_retries = 7").contains("--set"), "{text}");
    assert!(
        line("server.shutdown_timeout = \"10s\"").contains("hongyan.toml"),
        "{text}"
    );
    let said = run(hongyan(folder.path(), &["--json", "config", "show"]))
        .await
        .unwrap();
    let config: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(config["profile"], "dev");
    let key = format!("accounts[{ACCOUNT}].secret");
    let keys = config["keys"].as_array().unwrap();
    let secret = keys.iter().find(|row| row["key"] == key.as_str());
    assert_eq!(secret.unwrap_or_else(|| panic!("{said}"))["value"], "***");
    for output in [text, said] {
        assert!(
            !output.contains(&settings.secret) && !output.contains(CLIENT_SECRET),
            "{output}"
        );
    }
}

#[tokio::test]
async fn a_configuration_is_checked_whole() {
    let (folder, _) = configured("127.0.0.1:0");
    let check = ["config", "check"];
    assert_eq!(run(hongyan(folder.path(), &check)).await.unwrap(), "ok\n");
    let said = run(hongyan(folder.path(), &["--json", "config", "check"]))
        .await
        .unwrap();
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["ok"], &said["problems"]), (&json!(true), &json!([])));

    let wrong = [
        "--set",
        "delivery.concurency=3",
        "--set",
        "limits.wait=90s",
        "--set",
        "server.listen=here",
    ];
    let keys = ["delivery.concurency", "limits.wait", "server.listen"];
    let text = run(hongyan(folder.path(), &[&check[..], &wrong].concat()))
        .await
        .unwrap_err();
    assert!(keys.iter().all(|key| text.contains(key)), "{text}");
    let output = ended(hongyan(
        folder.path(),
        &[&["--json"], &check[..], &wrong].concat(),
    ))
    .await;
    assert_eq!(output.status.code(), Some(1));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut named: Vec<&str> = said["problems"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|problem| problem["key"].as_str())
        .collect();
    named.sort_unstable();
    assert_eq!(named, keys, "{said}");
}

#[tokio::test]
async fn an_operator_revokes_a_clients_tokens() {
    let gateway = TestGateway::start().await;
    let path =
        format!("/cgi-bin/token?grant_type=client_credential&appid={APPID}&secret={CLIENT_SECRET}");
    let granted = gateway.call(get(&path).unsigned()).await.json();
    let token = granted["access_token"].as_str().unwrap();
    let told = operate(&gateway, &["client", "revoke", CLIENT])
        .await
        .unwrap();
    assert_eq!(told.trim(), "the tokens of orders are revoked, for clinic");
    let path = format!("/cgi-bin/user/get?access_token={token}");
    let refused = gateway.call(get(&path).unsigned()).await.json();
    assert_eq!(refused["errcode"], 40001);
    let nobody = operate(&gateway, &["client", "revoke", "nobody"]).await;
    assert!(nobody.unwrap_err().contains("there is no such client"));
    gateway.finish().await;
}
