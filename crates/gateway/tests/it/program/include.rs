//! A part of the configuration in a configuration centre: what changes there is in force at once, what is wrong there is
//! refused, and a centre that is away stops nothing.

use std::collections::HashMap;
use std::path::Path;

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hongyan_wechat_sim::{AccountConfig, Sim, SimConfig};
use http::StatusCode;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Child;

use super::place::{Place, Text, nacos_listen};
use super::{Lines, address, ended, hongyan, line_with, run, servers, spoken, stop};
use crate::harness::{
    APPID, CLIENT, CLIENT_SECRET, SECRET, get as call, message, openid, post as post_to,
};

const SECOND: (&str, &str) = ("pharmacy", "wx00000000000000bb");
const NACOS: &str = "nacos:hongyan/gateway.toml";

async fn nacos() -> Place {
    async fn content(
        State(text): State<Text>,
        Query(query): Query<HashMap<String, String>>,
    ) -> Response {
        let asked = ["dataId", "group", "tenant"].map(|name| query[name].as_str());
        assert_eq!(asked, ["gateway.toml", "hongyan", "prod"]);
        match text.borrow().clone() {
            none if none.is_empty() => StatusCode::NOT_FOUND.into_response(),
            text => text.into_response(),
        }
    }
    Place::start("", |routes| {
        routes
            .route("/nacos/v1/cs/configs", get(content))
            .route("/nacos/v1/cs/configs/listener", post(nacos_listen))
    })
    .await
}

/// A key whose text stands behind its index. While it has no index, nothing is answered.
async fn consul() -> Place {
    async fn key(
        State(text): State<Text>,
        Query(query): Query<HashMap<String, String>>,
    ) -> Response {
        let index = |text: &str| -> u64 { text.split(' ').next().unwrap().parse().unwrap_or(99) };
        let mut text = (*text).clone();
        if let Some(asked) = query.get("index") {
            let asked: u64 = asked.parse().unwrap();
            let _ = text.wait_for(|text| index(text) > asked).await;
        }
        let shown = text.borrow().clone();
        match shown.split_once(' ') {
            Some((index, text)) => {
                ([("X-Consul-Index", index.to_owned())], text.to_owned()).into_response()
            }
            None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        }
    }
    Place::start("away", |routes| {
        routes.route("/v1/kv/hongyan/gateway", get(key))
    })
    .await
}

/// The file, which says where the rest is.
fn configure(folder: &Path, reference: &str, sections: &str) {
    let text = format!(
        "include = [\"{reference}\"]\n[server]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = \"sqlite://hongyan.db\"\n\
         [[clients]]\nid = \"{CLIENT}\"\nsecrets = [\"{CLIENT_SECRET}\"]\n\
         scopes = [\"messages:send\", \"messages:read\", \"accounts\"]\n{sections}"
    );
    std::fs::write(folder.join("hongyan.toml"), text).unwrap();
}

fn at_nacos(place: &Place) -> String {
    let address = &place.address;
    format!("[nacos]\naddress = \"{address}\"\nnamespace = \"prod\"\n")
}

fn at_consul(address: &str) -> String {
    format!("[consul]\naddress = \"{address}\"\n")
}

fn accounts(wechat: &str, all: &[(&str, &str)]) -> String {
    let each = all.iter().map(|(name, appid)| {
        format!("[[accounts]]\nname = \"{name}\"\nappid = \"{appid}\"\nsecret = \"{SECRET}\"\napi_base = \"{wechat}\"\n")
    });
    each.collect()
}

async fn wechat() -> hongyan_wechat_sim::SimHandle {
    let known = [APPID, SECOND.1].map(|appid| AccountConfig::new(appid, SECRET));
    Sim::start(SimConfig::new(known.to_vec())).await.unwrap()
}

async fn serve(folder: &Path) -> (Child, Lines, String) {
    let (child, mut lines) = spoken(hongyan(folder, &["serve", "--log-format", "text"]));
    let listen = address(&line_with("listening", &mut lines).await);
    (child, lines, listen)
}

/// Has a message sent by the second account, or told why not.
async fn by_second(listen: &str, number: usize) -> (u16, Value) {
    let mut body = message(&openid(number));
    body["account"] = SECOND.0.into();
    let reply = post_to("/v1/messages?wait=15", &body).make(listen).await;
    (reply.status.as_u16(), reply.json()["status"].clone())
}

#[tokio::test]
async fn an_account_that_comes_into_a_document_is_served_and_a_wrong_document_is_refused_whole() {
    let (sim, nacos, folder) = (wechat().await, nacos().await, TempDir::new().unwrap());
    let first = ("clinic", APPID);
    let publish = |text: String| drop(nacos.text.send_replace(text));
    publish(accounts(&sim.url(), &[first]));
    configure(folder.path(), NACOS, &at_nacos(&nacos));
    let (child, mut lines, listen) = serve(folder.path()).await;
    assert_eq!(by_second(&listen, 1).await.0, 422);

    publish(accounts(&sim.url(), &[first, SECOND]));
    let line = line_with("accounts added: pharmacy", &mut lines).await;
    assert!(line.contains("an included document changed"), "{line}");
    assert_eq!(by_second(&listen, 2).await, (200, "sent".into()));

    // One of its accounts is right: nothing of it is taken all the same.
    let wrong = format!("{}[nonsense]\n", accounts(&sim.url(), &[first]));
    publish(wrong);
    let line = line_with("is refused", &mut lines).await;
    assert!(
        line.contains(&format!("nonsense ({NACOS}): unknown key")),
        "{line}"
    );
    assert!(line.contains("the one in force goes on"), "{line}");
    assert_eq!(by_second(&listen, 3).await, (200, "sent".into()));

    publish(accounts(&sim.url(), &[first]));
    line_with("accounts removed: pharmacy", &mut lines).await;
    assert_eq!(by_second(&listen, 4).await.0, 422);
    stop(child).await;
    sim.stop().await;
}

#[tokio::test]
#[ignore = "needs rnacos: scripts/secret-stores.sh"]
async fn an_account_that_is_added_in_a_real_nacos_is_served() {
    let (sim, nacos, folder) = (
        wechat().await,
        servers::Nacos::start().await,
        TempDir::new().unwrap(),
    );
    let first = ("clinic", APPID);
    let publish = async |all: &[(&str, &str)]| {
        let text = accounts(&sim.url(), all);
        nacos.publish("gateway.toml", &text).await;
    };
    publish(&[first]).await;
    configure(folder.path(), NACOS, &nacos.section());
    let (child, mut lines, listen) = serve(folder.path()).await;
    publish(&[first, SECOND]).await;
    line_with("accounts added: pharmacy", &mut lines).await;
    assert_eq!(by_second(&listen, 1).await, (200, "sent".into()));
    publish(&[first]).await;
    line_with("accounts removed: pharmacy", &mut lines).await;
    stop(child).await;
    sim.stop().await;
}

#[tokio::test]
async fn a_centre_that_is_away_stops_a_start_and_nothing_later() {
    let (sim, consul, folder) = (wechat().await, consul().await, TempDir::new().unwrap());
    let reference = "consul:hongyan/gateway";
    configure(folder.path(), reference, &at_consul("http://127.0.0.1:1"));
    let said = ended(hongyan(folder.path(), &["serve", "--log-format", "text"])).await;
    assert_eq!(said.status.code(), Some(1));
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(
        said.contains("include (hongyan.toml): consul:hongyan/gateway 127.0.0.1:1 cannot be asked"),
        "{said}"
    );

    let publish = |index: &str, all: &[(&str, &str)]| {
        let text = format!("{index} {}", accounts(&sim.url(), all));
        drop(consul.text.send_replace(text));
    };
    publish("7", &[("clinic", APPID)]);
    configure(folder.path(), reference, &at_consul(&consul.address));
    let (child, mut lines, listen) = serve(folder.path()).await;

    consul.text.send_replace("away".to_owned());
    let line = line_with("consul does not say whether something changed", &mut lines).await;
    assert!(line.contains("WARN"), "{line}");
    let more = "[[clients]]\nid = \"desk\"\nsecrets = [\"of-its-own\"]\nscopes = [\"accounts\"]\n";
    configure(
        folder.path(),
        reference,
        &(at_consul(&consul.address) + more),
    );
    let line = line_with("the one in force goes on", &mut lines).await;
    assert!(line.contains("WARN") && line.contains(reference), "{line}");
    assert_eq!(call("/v1/accounts").make(&listen).await.status, 200);

    publish("8", &[("clinic", APPID), SECOND]);
    let line = line_with("accounts added: pharmacy", &mut lines).await;
    assert!(line.contains("clients changed"), "{line}");
    assert_eq!(by_second(&listen, 1).await, (200, "sent".into()));
    stop(child).await;
    sim.stop().await;
}

#[tokio::test]
async fn a_document_is_a_layer_between_the_files_and_the_environment() {
    let (nacos, folder) = (nacos().await, TempDir::new().unwrap());
    let publish = |text: &str| drop(nacos.text.send_replace(text.to_owned()));
    let limits = "[limits]\nbody_bytes = 2001\nwait = \"11s\"\nbatch_messages = 11\n";
    configure(
        folder.path(),
        NACOS,
        &(limits.to_owned() + &at_nacos(&nacos)),
    );
    publish("[limits]\nwait = \"12s\"\nbatch_messages = 12\n");
    let mut showing = hongyan(folder.path(), &["config", "show"]);
    showing.env("HONGYAN__LIMITS__BATCH_MESSAGES", "13");
    let shown = run(showing).await.unwrap();
    let row = |key: &str| {
        let mut rows = shown.lines().filter(|line| line.starts_with(key));
        let row = rows.next().unwrap_or_else(|| panic!("{shown}"));
        row.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let in_file = "hongyan.toml";
    for (key, value, layer) in [
        ("include", &format!("[\"{NACOS}\"]")[..], in_file),
        ("limits.body_bytes", "2001", in_file),
        ("limits.wait", "\"12s\"", NACOS),
        (
            "limits.batch_messages",
            "13",
            "HONGYAN__LIMITS__BATCH_MESSAGES",
        ),
    ] {
        assert_eq!(row(key), format!("{key} = {value} # {layer}"));
    }

    // What it may not say, what cannot be read, and what is not there.
    for (text, problem) in [
        (
            "include = []\n[vault]\naddress = \"https://evil.example.com\"\n",
            "vault (nacos:hongyan/gateway.toml): belongs in a file",
        ),
        (
            "\n\n[[accounts]]\nsecret = hunter2\n",
            "nacos:hongyan/gateway.toml: line 4, column 10 is not valid TOML",
        ),
        (
            "",
            "include (hongyan.toml): nacos:hongyan/gateway.toml is not there",
        ),
    ] {
        publish(text);
        let said = run(hongyan(folder.path(), &["config", "check"])).await;
        let said = said.unwrap_err();
        assert!(
            said.contains(problem) && !said.contains("hunter2"),
            "{said}"
        );
    }
}
