//! Another configuration while the gateway runs: what is new works, what is gone is refused, and what was under way ends
//! as it began.

use std::time::Duration;

use hongyan_gateway::clock::SystemClock;
use hongyan_wechat::callback::{CallbackToken, signature};
use hongyan_wechat_sim::AccountConfig;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::harness::{
    ACCOUNT, APPID, CLIENT, CLIENT_SECRET, SECRET, Settings, TestGateway, get, message, openid,
    post,
};

const SECOND: (&str, &str) = ("pharmacy", "wx00000000000000bb");

fn to_second(number: usize) -> Value {
    let mut message = message(&openid(number));
    message["account"] = SECOND.0.into();
    message
}

#[tokio::test]
async fn an_account_comes_goes_and_comes_back_without_losing_a_message() {
    let mut gateway = TestGateway::start().await;
    let unknown = gateway.post("/v1/messages", &to_second(1)).await;
    assert_eq!(unknown.status, 422, "{unknown:?}");

    gateway
        .sim
        .add_account(&AccountConfig::new(SECOND.1, SECRET));
    gateway.settings.others.push(SECOND);
    let changes = gateway.reload().await.unwrap();
    assert_eq!(
        (changes.added.as_slice(), changes.removed.len()),
        (&[SECOND.0.to_owned()][..], 0)
    );
    let id = gateway.send(&to_second(1)).await;
    gateway.until(&id, "sent").await;

    // Calls that are under way when it goes are waited for; what waits in the store stays there.
    gateway.sim.set_latency(Duration::from_millis(300));
    let mut under_way = Vec::new();
    for number in 2..6 {
        under_way.push(gateway.send(&to_second(number)).await);
    }
    gateway.settings.others.clear();
    let changes = gateway.reload().await.unwrap();
    assert_eq!(changes.removed, [SECOND.0]);
    for id in &under_way {
        let status = gateway.get(&format!("/v1/messages/{id}")).await.json();
        assert!(
            ["sent", "queued"].contains(&status["status"].as_str().unwrap()),
            "{status}"
        );
    }
    assert_eq!(
        gateway.post("/v1/messages", &to_second(7)).await.status,
        422
    );
    let accounts = gateway.get("/v1/accounts").await.json();
    assert_eq!(accounts["accounts"].as_array().unwrap().len(), 1);

    gateway.sim.set_latency(Duration::ZERO);
    gateway.settings.others.push(SECOND);
    gateway.reload().await.unwrap();
    for id in &under_way {
        gateway.until(id, "sent").await;
    }
    for number in 1..6 {
        assert_eq!(gateway.sim.seen(&openid(number)).len(), 1, "{number}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn an_account_that_waits_for_its_secret_goes_on_with_the_right_one() {
    let mut gateway = TestGateway::with(Settings {
        secret: "not-the-secret".to_owned(),
        ..Settings::default()
    })
    .await;
    let id = gateway.send(&message(&openid(1))).await;
    gateway.until_stopped().await;

    gateway.settings.secret = SECRET.to_owned();
    let changes = gateway.reload().await.unwrap();
    assert_eq!(changes.changed, [ACCOUNT]);
    gateway.until(&id, "sent").await;
    gateway.finish().await;
}

#[tokio::test]
async fn the_next_token_is_fetched_with_the_new_secret() {
    let mut gateway = TestGateway::start().await;
    let id = gateway.send(&message(&openid(1))).await;
    gateway.until(&id, "sent").await;
    gateway.sim.set_secret(APPID, "the-new-secret");
    gateway.settings.secret = "the-new-secret".to_owned();
    gateway.reload().await.unwrap();
    gateway.sim.revoke_tokens(APPID);
    let id = gateway.send(&message(&openid(2))).await;
    gateway.until(&id, "sent").await;
    gateway.finish().await;
}

#[tokio::test]
async fn callbacks_may_be_signed_with_the_old_token_or_the_new_one_for_a_while() {
    let token = |name: &str| format!("callback_token = \"{name}\"\n");
    let mut gateway = TestGateway::with(Settings {
        account: token("first"),
        ..Settings::default()
    })
    .await;
    let answers = async |gateway: &TestGateway, token: &str| {
        let (seconds, nonce) = ((SystemClock::new().wall().0 / 1000).to_string(), "n");
        let signed = signature::sign(&CallbackToken::new(token), &seconds, nonce);
        let path = format!(
            "/wechat/callback/{ACCOUNT}?signature={signed}&timestamp={seconds}&nonce={nonce}&echostr=1"
        );
        gateway.call(get(&path).unsigned()).await.status.as_u16()
    };
    assert_eq!(answers(&gateway, "first").await, 200);
    assert_eq!(answers(&gateway, "second").await, 403);

    gateway.settings.account = token("second");
    gateway.reload().await.unwrap();
    for (token, status) in [("first", 200), ("second", 200), ("third", 403)] {
        assert_eq!(answers(&gateway, token).await, status, "{token}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn a_clients_old_secret_dies_at_once_and_its_nonces_do_not_come_back() {
    let mut gateway = TestGateway::start().await;
    let read = get("/v1/accounts").sealed();
    assert_eq!(gateway.call(read.clone()).await.status, 200);
    let second =
        "[[clients]]\nid = \"desk\"\nsecrets = [\"a-desk-of-its-own\"]\nscopes = [\"accounts\"]\n";
    gateway.settings.more = second.to_owned();
    let changes = gateway.reload().await.unwrap();
    assert!(changes.clients && changes.changed.is_empty(), "{changes:?}");
    assert_eq!(gateway.call(read).await.status, 401, "it was seen before");

    gateway.settings.client_secret = "another-battery-staple".to_owned();
    gateway.reload().await.unwrap();
    let old = get("/v1/accounts").secret(CLIENT_SECRET);
    assert_eq!(gateway.call(old).await.status, 401);
    let new = get("/v1/accounts").secret("another-battery-staple");
    assert_eq!(gateway.call(new).await.status, 200);
    gateway.settings.client_secret = CLIENT_SECRET.to_owned();
    gateway.reload().await.unwrap();
    gateway.finish().await;
}

#[tokio::test]
async fn an_issuers_key_counts_while_it_is_listed() {
    let listed = |keys: &[&str]| {
        format!("[[jwt]]\nname = \"login\"\nalgorithm = \"HS256\"\nkid = \"h\"\nkeys = {keys:?}\n")
    };
    let (old, new) = (
        "the first secret that the login service signs with",
        "the second secret that the login service signs with",
    );
    let mut gateway = TestGateway::with(Settings {
        more: listed(&[old]),
        ..Settings::default()
    })
    .await;
    let seen = async |gateway: &TestGateway, key: &str| {
        let exp = SystemClock::new().wall().0 / 1000 + 60;
        let claims = json!({"sub": CLIENT, "aud": "hongyan", "exp": exp, "scope": "accounts"});
        let header = Header {
            kid: Some("h".to_owned()),
            ..Header::new(Algorithm::HS256)
        };
        let key = EncodingKey::from_secret(key.as_bytes());
        let bearer = format!("Bearer {}", encode(&header, &claims, &key).unwrap());
        let call = get("/v1/accounts").unsigned();
        let reply = gateway.call(call.header("authorization", &bearer)).await;
        reply.status.as_u16()
    };
    for (keys, of_old, of_new) in [
        (&[old][..], 200, 401),
        (&[new, old], 200, 200),
        (&[new], 401, 200),
    ] {
        gateway.settings.more = listed(keys);
        gateway.reload().await.unwrap();
        assert_eq!(seen(&gateway, old).await, of_old, "{keys:?}");
        assert_eq!(seen(&gateway, new).await, of_new, "{keys:?}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn a_configuration_that_is_wrong_is_refused_whole() {
    let mut gateway = TestGateway::start().await;
    gateway.settings.others.push(SECOND);
    gateway.settings.more = "[[clients]]\nid = \"desk\"\n".to_owned();
    let refused = gateway.reload().await.unwrap_err().to_string();
    assert!(refused.contains("clients[desk].secrets"), "{refused}");
    gateway.settings.more.clear();
    gateway.settings.others = vec![(ACCOUNT, SECOND.1)];
    assert!(gateway.reload().await.is_err(), "two of one name");

    gateway.settings.others.clear();
    gateway.settings.appid = SECOND.1;
    let refused = gateway.reload().await.unwrap_err().to_string();
    assert!(refused.contains("keeps its appid"), "{refused}");
    let known = gateway.get("/v1/accounts").await.json();
    assert_eq!(known["accounts"].as_array().unwrap().len(), 1);
    gateway.settings.appid = APPID;
    assert!(gateway.reload().await.unwrap().none());
    let sent = gateway
        .call(post("/v1/messages", &json!(message(&openid(1)))))
        .await;
    assert_eq!(sent.status, 202);
    gateway.finish().await;
}

#[tokio::test]
async fn what_is_read_at_a_start_alone_is_said_to_wait() {
    let mut gateway = TestGateway::start().await;
    gateway.settings.concurrency = 32;
    let changes = gateway.reload().await.unwrap();
    assert_eq!(changes.waiting, ["delivery"]);
    gateway.settings.concurrency = Settings::default().concurrency;

    let hook = |secret: &str| {
        format!(
            "[[webhooks]]\nname = \"status\"\nclient = \"{CLIENT}\"\nurl = \"https://example.com/\"\n\
             secrets = [\"whsec_{}\"]\n",
            secret.repeat(8)
        )
    };
    gateway.settings.more = hook("Zm9y");
    let changes = gateway.reload().await.unwrap();
    assert_eq!(changes.waiting, ["webhooks"]);
    gateway.restart().await;
    assert!(gateway.reload().await.unwrap().none());
    gateway.settings.more = hook("YmFy");
    let changes = gateway.reload().await.unwrap();
    assert_eq!(changes.waiting, ["webhooks"], "its secret alone");
    gateway.finish().await;
}
