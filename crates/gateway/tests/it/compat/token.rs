//! `/cgi-bin/token` and `/cgi-bin/stable_token`: virtual tokens, and how they end.

use std::time::Duration;

use http::Method;
use rusqlite::Connection;
use serde_json::json;

use super::{code, got, grant_path, raw, said, token};
use crate::harness::{ACCOUNT, APPID, CLIENT, CLIENT_SECRET, SECRET, TestGateway, get, post};

const STABLE: &str = "/cgi-bin/stable_token";
const READ: &str = "/cgi-bin/user/get";

#[tokio::test]
async fn a_token_is_given_however_an_sdk_asks() {
    let gateway = TestGateway::start().await;
    let asked = json!({"grant_type": "client_credential", "appid": APPID, "secret": CLIENT_SECRET});
    let path = grant_path(APPID, CLIENT_SECRET);
    let form = path.split_once('?').unwrap().1;
    for call in [
        get(&path),
        raw(Method::POST, &path, ""),
        raw(Method::POST, "/cgi-bin/token", form),
        post("/cgi-bin/token", &asked),
        post(STABLE, &asked),
    ] {
        let granted = said(&gateway, call).await;
        assert_eq!(granted["expires_in"], 7200);
        assert_eq!(granted.get("errcode"), None, "{granted}");
        let token = granted["access_token"].as_str().unwrap();
        let words = [ACCOUNT, CLIENT, APPID, CLIENT_SECRET];
        assert!(token.len() < 512 && words.iter().all(|word| !token.contains(word)));
        assert_eq!(code(&got(&gateway, READ, token).await), 0);
    }
    gateway.finish().await;
}

#[tokio::test]
async fn who_asks_wrongly_is_told_so_in_wechats_codes() {
    let gateway = TestGateway::start().await;
    let asked = async |path: String| said(&gateway, get(&path)).await;
    for (path, errcode, words) in [
        (
            "/cgi-bin/token".to_owned(),
            40002,
            "invalid grant_type rid: ",
        ),
        (grant_path("", CLIENT_SECRET), 41002, "appid missing rid: "),
        (grant_path(APPID, ""), 41004, "appsecret missing rid: "),
        (
            grant_path("wx0000000000000000", CLIENT_SECRET),
            40013,
            "invalid appid rid: ",
        ),
        (grant_path(APPID, "wrong"), 40125, "invalid appsecret"),
        // The account's own secret stays here.
        (grant_path(APPID, SECRET), 40125, "invalid appsecret"),
        (STABLE.to_owned(), 43002, "require POST method rid: "),
    ] {
        let answer = asked(path.clone()).await;
        assert_eq!(code(&answer), errcode, "{path}: {answer}");
        let errmsg = answer["errmsg"].as_str().unwrap();
        assert!(errmsg.starts_with(words), "{errmsg}");
        assert!(!errmsg.contains("wrong") && !errmsg.contains("story-app"));
    }
    gateway.finish().await;
}

#[tokio::test]
async fn a_token_outlives_a_restart_and_dies_with_its_clients_secret() {
    let mut gateway = TestGateway::start().await;
    let token = token(&gateway).await;
    gateway.restart().await;
    assert_eq!(code(&got(&gateway, READ, &token).await), 0);
    gateway.settings.client_secret = "another-secret-of-the-same-client".to_owned();
    gateway.restart().await;
    let answer = got(&gateway, READ, &token).await;
    assert_eq!(code(&answer), 40001, "{answer}");
    gateway.finish().await;
}

#[tokio::test]
async fn a_token_lives_as_long_as_the_secret_that_it_was_fetched_with() {
    let mut gateway = TestGateway::start().await;
    let newer = "the-newer-secret-of-the-same-client";
    for kept in [newer, CLIENT_SECRET] {
        gateway.settings.client_secret = format!("{newer}\", \"{CLIENT_SECRET}");
        gateway.reload().await.unwrap();
        let mut held = Vec::new();
        for secret in [newer, CLIENT_SECRET] {
            let granted = said(&gateway, get(&grant_path(APPID, secret))).await;
            let token = granted["access_token"].as_str().unwrap().to_owned();
            assert_eq!(code(&got(&gateway, READ, &token).await), 0);
            held.push((secret, token));
        }
        gateway.settings.client_secret = kept.to_owned();
        gateway.reload().await.unwrap();
        for (secret, token) in held {
            let wanted = if secret == kept { 0 } else { 40001 };
            let answer = got(&gateway, READ, &token).await;
            assert_eq!(code(&answer), wanted, "{secret}, when {kept} is kept");
        }
    }
    gateway.settings.client_secret = CLIENT_SECRET.to_owned();
    gateway.reload().await.unwrap();
    gateway.finish().await;
}

#[tokio::test]
async fn programs_at_one_address_are_all_told_that_their_tokens_died_with_a_secret() {
    let mut gateway = TestGateway::start().await;
    let mut held = Vec::new();
    for _ in 0..9 {
        held.push(token(&gateway).await);
    }
    gateway.settings.client_secret = "another-secret-of-the-same-client".to_owned();
    gateway.reload().await.unwrap();
    let way = grant_path(APPID, &gateway.settings.client_secret);
    for old in held {
        assert_eq!(code(&got(&gateway, READ, &old).await), 40001);
        let granted = said(&gateway, get(&way)).await;
        let new = granted["access_token"].as_str().unwrap();
        assert_eq!(code(&got(&gateway, READ, new).await), 0);
    }
    gateway.finish().await;
}

#[tokio::test]
async fn programs_that_force_a_new_token_together_do_not_kill_each_others() {
    let gateway = TestGateway::start().await;
    let wish = json!({"grant_type": "client_credential", "appid": APPID, "secret": CLIENT_SECRET,
        "force_refresh": true});
    let forced = futures::future::join_all((0..8).map(|_| said(&gateway, post(STABLE, &wish))));
    for granted in forced.await {
        let token = granted["access_token"].as_str().unwrap();
        assert_eq!(code(&got(&gateway, READ, token).await), 0, "{granted}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn an_operator_revokes_tokens_and_new_ones_are_good() {
    let mut gateway = TestGateway::start().await;
    let old = token(&gateway).await;
    let path = format!("/v1/clients/{CLIENT}/tokens/revoke");
    let revoked = gateway.post(&path, &json!({"account": ACCOUNT})).await;
    assert_eq!(revoked.status, 200, "{revoked:?}");
    assert_eq!(
        revoked.json(),
        json!({"client": CLIENT, "accounts": [ACCOUNT]})
    );
    let new = token(&gateway).await;
    for _ in 0..2 {
        assert_eq!(code(&got(&gateway, READ, &old).await), 40001);
        assert_eq!(code(&got(&gateway, READ, &new).await), 0);
        gateway.restart().await;
    }
    for (path, body) in [
        ("/v1/clients/nobody/tokens/revoke", json!({})),
        (&path, json!({"account": "xyzzy"})),
    ] {
        let refused = gateway.post(path, &body).await;
        refused.problem(404, "not_found");
    }
    gateway.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_is_in_force_though_whoever_asked_for_it_hung_up() {
    let gateway = TestGateway::start().await;
    let token = token(&gateway).await;
    let database = Connection::open(gateway.database()).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let path = format!("/v1/clients/{CLIENT}/tokens/revoke");
    let no = json!({});
    let revoking = gateway.post(&path, &no);
    let hung_up = tokio::time::timeout(Duration::from_millis(300), revoking).await;
    assert!(hung_up.is_err(), "the store is held");
    // Time enough for the gateway to notice.
    tokio::time::sleep(Duration::from_millis(100)).await;
    database.execute_batch("ROLLBACK").unwrap();
    for _ in 0..100 {
        if code(&got(&gateway, READ, &token).await) == 40001 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(code(&got(&gateway, READ, &token).await), 40001);
    gateway.finish().await;
}

#[tokio::test]
async fn a_forced_token_kills_those_before_it() {
    let gateway = TestGateway::start().await;
    let old = token(&gateway).await;
    let mut wish =
        json!({"grant_type": "client_credential", "appid": APPID, "secret": CLIENT_SECRET});
    said(&gateway, post(STABLE, &wish)).await;
    assert_eq!(code(&got(&gateway, READ, &old).await), 0, "not forced");
    wish["force_refresh"] = json!(true);
    let forced = said(&gateway, post(STABLE, &wish)).await;
    let new = forced["access_token"].as_str().unwrap();
    assert_eq!(code(&got(&gateway, READ, &old).await), 40001);
    // Its twin within half a minute kills nothing.
    said(&gateway, post(STABLE, &wish)).await;
    assert_eq!(code(&got(&gateway, READ, new).await), 0);
    gateway.finish().await;
}
