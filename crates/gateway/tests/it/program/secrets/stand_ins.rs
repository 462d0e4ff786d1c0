//! Vault, Consul and Nacos as this program meets them: their own addresses, headers, shapes and ways to wait for a change.
//! They stand in for the real ones, which cannot be had where these tests run (but for Nacos: see `real`).

use std::collections::HashMap;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use http_body_util::BodyExt;
use serde_json::json;
use tokio::sync::Notify;

use super::super::place::{Place, Text, header, nacos_listen};
use super::{Kept, RIGHT, WRONG};

const TOKEN: &str = "the-token-of-the-place";

async fn vault_kv(State(text): State<Text>, request: Request) -> Response {
    if header(&request, "X-Vault-Token") != TOKEN {
        let denied = json!({"errors": ["permission denied"]});
        return (StatusCode::FORBIDDEN, denied.to_string()).into_response();
    }
    let data = json!({"app": *text.borrow(), "other": "x"});
    let metadata = json!({"version": 3, "destroyed": false});
    json!({"request_id": "1", "lease_id": "", "data": {"data": data, "metadata": metadata}})
        .to_string()
        .into_response()
}

async fn vault_transit(request: Request) -> Response {
    let allowed = header(&request, "X-Vault-Token") == TOKEN;
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let asked: serde_json::Value = serde_json::from_slice(&body).unwrap();
    if !allowed || asked["ciphertext"] != "vault:v1:sealed" {
        return StatusCode::BAD_REQUEST.into_response();
    }
    // "the-app-secret"
    json!({"data": {"plaintext": "dGhlLWFwcC1zZWNyZXQ="}})
        .to_string()
        .into_response()
}

#[tokio::test]
async fn a_secret_of_vaults_kv_engine_is_looked_at() {
    let vault = Place::start(WRONG, |routes| {
        routes.route("/v1/secret/data/clinic", get(vault_kv))
    })
    .await;
    let sections = format!(
        "[vault]\naddress = \"{}\"\ntoken = \"env:VAULT_TOKEN\"\npoll_interval = \"1s\"\n",
        vault.address
    );
    Kept::new("vault:secret/clinic#app", &sections)
        .with("VAULT_TOKEN", TOKEN)
        .follows(async || drop(vault.text.send_replace(RIGHT.to_owned())))
        .await;
}

#[tokio::test]
async fn vaults_transit_engine_decrypts_what_the_configuration_holds() {
    let vault = Place::start("", |routes| {
        routes.route("/v1/transit/decrypt/hongyan", post(vault_transit))
    })
    .await;
    let sections = format!(
        "[vault]\naddress = \"{}\"\ntoken = \"env:VAULT_TOKEN\"\n",
        vault.address
    );
    let kept = Kept::new("vault:transit/hongyan#vault:v1:sealed", &sections);
    let kept = kept.with("VAULT_TOKEN", TOKEN);
    kept.configure("http://127.0.0.1:1");
    let checked = super::run(kept.command(&["config", "check"])).await;
    assert_eq!(checked.as_deref(), Ok("ok\n"));
    let broken = Kept::new("vault:transit/hongyan#vault:v1:broken", &sections);
    let broken = broken.with("VAULT_TOKEN", TOKEN);
    broken.configure("http://127.0.0.1:1");
    let said = super::run(broken.command(&["config", "check"]))
        .await
        .unwrap_err();
    assert!(said.contains("is refused by Vault"), "{said}");
}

/// Blocks like Consul while nothing is newer than the index that is asked with.
async fn consul(
    State(text): State<Text>,
    Query(query): Query<HashMap<String, String>>,
    request: Request,
) -> Response {
    if header(&request, "X-Consul-Token") != TOKEN {
        return StatusCode::FORBIDDEN.into_response();
    }
    assert!(query.contains_key("raw"));
    let mut text = (*text).clone();
    let index = |text: &str| if text == WRONG { 7 } else { 8 };
    if let Some(asked) = query.get("index") {
        assert_eq!(query["wait"], "55s");
        let asked: u64 = asked.parse().unwrap();
        let newer = text.wait_for(|text| index(text) > asked);
        let _ = tokio::time::timeout(Duration::from_secs(55), newer).await;
    }
    let now = text.borrow().clone();
    ([("X-Consul-Index", index(&now).to_string())], now).into_response()
}

#[tokio::test]
async fn a_key_of_consul_is_waited_for() {
    let place = Place::start(WRONG, |routes| {
        routes.route("/v1/kv/hongyan/clinic", get(consul))
    })
    .await;
    let sections = format!(
        "[consul]\naddress = \"{}\"\ntoken = \"env:CONSUL_TOKEN\"\n",
        place.address
    );
    Kept::new("consul:hongyan/clinic", &sections)
        .with("CONSUL_TOKEN", TOKEN)
        .follows(async || drop(place.text.send_replace(RIGHT.to_owned())))
        .await;
}

#[tokio::test]
async fn a_consul_that_counts_anew_is_waited_for_all_the_same() {
    const BEFORE: &str = "10 not-the-app-secret";
    static WAITS: Notify = Notify::const_new();
    /// The text stands behind its index.
    async fn counting(
        State(text): State<Text>,
        Query(query): Query<HashMap<String, String>>,
    ) -> Response {
        let mut text = (*text).clone();
        let first = text.borrow().clone();
        let asked = query.get("index").map(|asked| asked.parse().unwrap());
        let shown = match (asked, first.as_str()) {
            (None, _) => first,
            // The count begins anew while the first query blocks.
            (Some(10), BEFORE) => "3 not-the-app-secret".to_owned(),
            (Some(3), BEFORE) => {
                WAITS.notify_one();
                let _ = text.changed().await;
                text.borrow().clone()
            }
            (Some(asked), _) => panic!("asked with {asked}"),
        };
        let (index, text) = shown.split_once(' ').unwrap();
        ([("X-Consul-Index", index.to_owned())], text.to_owned()).into_response()
    }
    let place = Place::start(BEFORE, |routes| {
        routes.route("/v1/kv/clinic", get(counting))
    })
    .await;
    let sections = format!("[consul]\naddress = \"{}\"\n", place.address);
    Kept::new("consul:clinic", &sections)
        .follows(async || {
            let waits = tokio::time::timeout(Duration::from_secs(10), WAITS.notified());
            waits.await.expect("it waits by the new count");
            drop(place.text.send_replace(format!("4 {RIGHT}")));
        })
        .await;
}

#[tokio::test]
async fn a_webhooks_secret_may_be_kept_elsewhere_too() {
    let secret = format!("whsec_{}", "Zm9y".repeat(8));
    let vault = Place::start(&secret, |routes| {
        routes.route("/v1/secret/data/hook", get(vault_kv))
    })
    .await;
    let sections = format!(
        "[vault]\naddress = \"{}\"\ntoken = \"env:VAULT_TOKEN\"\n\
         [[webhooks]]\nname = \"status\"\nclient = \"orders\"\nurl = \"https://example.com/\"\n\
         secrets = [\"vault:secret/hook#app\"]\n",
        vault.address
    );
    let kept = Kept::new("env:APP", &sections).with("APP", RIGHT);
    let kept = kept.with("VAULT_TOKEN", TOKEN);
    kept.configure("http://127.0.0.1:1");
    let checked = super::run(kept.command(&["config", "check"])).await;
    assert_eq!(checked.as_deref(), Ok("ok\n"));
}

fn nacos_text(secret: &str) -> String {
    json!({"clinic": secret}).to_string()
}

async fn nacos_login(body: Bytes) -> Response {
    assert_eq!(body, "username=hongyan&password=p%26w");
    json!({"accessToken": TOKEN, "tokenTtl": 18000, "globalAdmin": false})
        .to_string()
        .into_response()
}

async fn nacos_get(
    State(text): State<Text>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    if query.get("accessToken").map(String::as_str) != Some(TOKEN) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let asked = ["dataId", "group", "tenant"].map(|name| query[name].as_str());
    assert_eq!(asked, ["secrets.json", "hongyan", "prod"]);
    text.borrow().clone().into_response()
}

#[tokio::test]
async fn a_configuration_of_nacos_is_listened_to() {
    let place = Place::start(&nacos_text(WRONG), |routes| {
        routes
            .route("/nacos/v1/auth/login", post(nacos_login))
            .route("/nacos/v1/cs/configs", get(nacos_get))
            .route("/nacos/v1/cs/configs/listener", post(nacos_listen))
    })
    .await;
    let sections = format!(
        "[nacos]\naddress = \"{}\"\nnamespace = \"prod\"\nusername = \"hongyan\"\npassword = \"env:NACOS\"\n",
        place.address
    );
    Kept::new("nacos:hongyan/secrets.json#clinic", &sections)
        .with("NACOS", "p&w")
        .follows(async || drop(place.text.send_replace(nacos_text(RIGHT))))
        .await;
}
