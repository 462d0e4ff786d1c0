//! Who is not let in, what is not passed on, and that nobody is told so without end.

use std::time::Duration;

use http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{LISTED, SEND, code, got, posted, raw, said, token};
use crate::harness::{ACCOUNT, APPID, Settings, TestGateway, get, message, openid, post};

#[tokio::test]
async fn a_bad_token_is_told_so_a_few_times_and_then_to_go_slower() {
    let gateway = TestGateway::start().await;
    let mut codes = Vec::new();
    let began = std::time::Instant::now();
    for nth in 0..5 {
        let junk = format!("74_r9nIv6gg-{nth}");
        codes.push(code(
            &posted(&gateway, SEND, &junk, &message(&openid(1))).await,
        ));
    }
    assert_eq!(codes, [40001, 40001, 40001, 40001, 45011]);
    assert!(began.elapsed().as_secs_f32() > 2.5);
    // A good one is let in all the while.
    let good = token(&gateway).await;
    assert_eq!(
        code(&posted(&gateway, SEND, &good, &message(&openid(1))).await),
        0
    );
    assert_eq!(gateway.sim.seen(&openid(1)).len(), 1);
    gateway.finish().await;
}

#[tokio::test]
async fn without_one_token_there_is_no_call() {
    let gateway = TestGateway::start().await;
    let token = token(&gateway).await;
    assert_eq!(code(&said(&gateway, get("/cgi-bin/user/get")).await), 41001);
    let twice = format!("/cgi-bin/user/get?access_token={token}&access_token={token}");
    assert_eq!(code(&said(&gateway, get(&twice)).await), 41001);
    gateway.finish().await;
}

#[tokio::test]
async fn a_client_does_what_its_scopes_say() {
    let settings = Settings {
        scopes: vec!["messages:read"],
        ..Settings::default()
    };
    let gateway = TestGateway::with(settings).await;
    let token = token(&gateway).await;
    let nothing = json!({});
    for (path, scope) in [
        (SEND, "messages:send"),
        ("/cgi-bin/template/get_all_private_template", "templates"),
        ("/cgi-bin/template/del_private_template", "templates"),
        ("/cgi-bin/user/info/batchget", "recipients"),
        ("/cgi-bin/clear_quota", "quota"),
        ("/cgi-bin/openapi/quota/get", "quota or accounts"),
        ("/cgi-bin/callback/check", "wechat:read"),
    ] {
        let answer = posted(&gateway, path, &token, &nothing).await;
        assert_eq!(code(&answer), 48001, "{path}: {answer}");
        let words = format!("api unauthorized: the client lacks {scope} rid: ");
        let errmsg = answer["errmsg"].as_str().unwrap();
        assert!(errmsg.starts_with(&words), "{errmsg}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn what_has_no_line_is_not_passed_on() {
    let gateway = TestGateway::start().await;
    let token = token(&gateway).await;
    let before = gateway.sim.calls().unknown;
    for path in [
        "/cgi-bin/menu/create",
        "/cgi-bin/message/mass/sendall",
        "/cgi-bin/user/info/updateremark",
        "/cgi-bin/user/../menu/create",
        "/cgi-bin/user/info/",
        "/cgi-bin/User/get",
        "/wxa/getwxacode",
        "/wxaapi/newtmpl/addtemplates",
    ] {
        let answer = posted(&gateway, path, &token, &json!({})).await;
        assert_eq!(code(&answer), 48001, "{path}: {answer}");
    }
    for (method, path, errcode) in [
        (Method::POST, "/cgi-bin/user/get", 43001),
        (Method::GET, SEND, 43002),
        (Method::DELETE, SEND, 43002),
        (Method::PUT, "/cgi-bin/token", 43002),
    ] {
        let call = raw(method, &format!("{path}?access_token={token}"), "{}");
        assert_eq!(code(&said(&gateway, call).await), errcode, "{path}");
    }
    let long = "x".repeat(3 << 20);
    let call = raw(Method::POST, &format!("{SEND}?access_token={token}"), &long);
    assert_eq!(code(&said(&gateway, call).await), 45002);
    assert_eq!(gateway.sim.calls().unknown, before);
    gateway.finish().await;
}

#[tokio::test]
async fn a_token_is_for_one_account() {
    let other = "wx00000000000000bb";
    let settings = Settings {
        others: vec![("school", other)],
        ..Settings::default()
    };
    let gateway = TestGateway::with(settings).await;
    let token = token(&gateway).await;
    assert_eq!(
        code(&posted(&gateway, SEND, &token, &message(&openid(1))).await),
        0
    );
    assert_eq!(gateway.sim.calls_of(other).sends, 0);
    assert_eq!(gateway.sim.calls_of(APPID).sends, 1);
    let wrong = json!({"appid": other});
    assert_eq!(
        code(&posted(&gateway, "/cgi-bin/clear_quota", &token, &wrong).await),
        40013
    );
    gateway.finish().await;
}

#[tokio::test]
async fn a_confined_client_reaches_its_accounts_and_templates_alone() {
    let (own, other) = (LISTED, "nR2listedtemplatexxxxxxxxxxxxxxxxxxxxxxxxxx");
    let settings = Settings {
        others: vec![("school", "wx00000000000000bb")],
        scopes: vec!["messages:send", "templates", "recipients"],
        client: format!("accounts = [\"{ACCOUNT}\"]\ntemplates = [\"{own}\"]\n"),
        ..Settings::listing(&[
            (own, "商品:{{thing1.DATA}}"),
            (other, "商品:{{thing1.DATA}}"),
        ])
    };
    let gateway = TestGateway::with(settings).await;
    let foreign = super::grant_path("wx00000000000000bb", crate::harness::CLIENT_SECRET);
    assert_eq!(code(&said(&gateway, get(&foreign)).await), 40013);
    let token = token(&gateway).await;
    let list = got(
        &gateway,
        "/cgi-bin/template/get_all_private_template",
        &token,
    )
    .await;
    let listed = list["template_list"].as_array().unwrap();
    assert_eq!(listed.len(), 1, "{list}");
    assert_eq!(listed[0]["template_id"], own);
    for (template, errcode) in [(own, 0), (other, 48001)] {
        let mut body = message(&openid(1));
        body["template_id"] = json!(template);
        let answer = posted(&gateway, SEND, &token, &body).await;
        assert_eq!(code(&answer), errcode, "{answer}");
        let gone = json!({"template_id": other});
        let path = "/cgi-bin/template/del_private_template";
        assert_eq!(code(&posted(&gateway, path, &token, &gone).await), 48001);
    }
    // It shows what was sent by any template, and to whom.
    let blocked = json!({"tmpl_msg_id": "1"});
    let path = "/wxa/sec/queryblocktmplmsg";
    assert_eq!(code(&posted(&gateway, path, &token, &blocked).await), 48001);
    let add = json!({"template_id_short": "43216", "keyword_name_list": ["商品名称"]});
    let added = posted(&gateway, "/cgi-bin/template/api_add_template", &token, &add).await;
    assert_eq!(code(&added), 48001);
    gateway.finish().await;
}

/// Else strangers could fill the memory with bodies.
#[tokio::test]
async fn of_a_stranger_no_body_is_waited_for() {
    let gateway = TestGateway::start().await;
    let head = format!(
        "POST {SEND}?access_token=nobodys HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"
    );
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut said = vec![0; 4096];
    let reading = stream.read(&mut said);
    let read = tokio::time::timeout(Duration::from_secs(10), reading).await;
    let read = read.expect("an answer without a body").unwrap();
    let said = String::from_utf8_lossy(&said[..read]);
    assert!(said.contains("\"errcode\":40001"), "{said}");
    gateway.finish().await;
}

#[tokio::test]
async fn of_a_call_that_brings_a_secret_little_is_read() {
    let gateway = TestGateway::start().await;
    let long = json!({"grant_type": "client_credential", "pad": "x".repeat(20_000)});
    let answer = said(&gateway, post("/cgi-bin/stable_token", &long)).await;
    assert_eq!(code(&answer), 45002, "{answer}");
    gateway.finish().await;
}
