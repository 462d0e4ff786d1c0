//! The endpoints over real sockets, without trouble.
//! What the world decides is tested on the world; here it is about the wire.

use std::time::Duration;

use hongyan_wechat_sim::config::TemplateConfig;
use hongyan_wechat_sim::world::{AccountKind, FollowerState};
use hongyan_wechat_sim::{AccountConfig, Sim, SimConfig};
use serde_json::json;

use crate::wire::{APPID, OPENID, SECRET, call, demo, send, stable_token, token};

#[tokio::test]
async fn a_message_goes_from_token_to_screen() {
    let sim = demo().await;
    let token = token(&sim).await;
    let reply = send(&sim, &token, "m1").await;
    assert_eq!(reply.status(), "200");
    let kind = reply.header("content-type");
    assert_eq!(kind, Some("application/json; encoding=utf-8"));
    let msgid = reply.json()["msgid"].as_i64().unwrap();
    assert_eq!(sim.seen(OPENID)[0].msgid, msgid);
    assert_eq!(send(&sim, &token, "m1").await.json()["msgid"], msgid);
    assert_eq!(sim.accepted("m1"), 1);
    let calls = sim.calls_of(APPID);
    assert_eq!((calls.sends, calls.accepted, calls.repeated), (2, 1, 1));
    assert_eq!(calls.fetches(), 1);
}

#[tokio::test]
async fn plain_tokens_come_by_get_and_by_post() {
    let sim = demo().await;
    let target =
        format!("/cgi-bin/token?grant_type=client_credential&appid={APPID}&secret={SECRET}");
    let first = call(sim.addr(), "GET", &target, "").await.json();
    let second = call(sim.addr(), "POST", &target, "").await.json();
    assert_eq!(first["expires_in"], 7200);
    assert_ne!(first["access_token"], second["access_token"]);
    assert!(first.get("errcode").is_none());
    assert_eq!(sim.calls().token, 2);
}

#[tokio::test]
async fn the_clock_moves_tokens_towards_their_end() {
    let sim = demo().await;
    let first = stable_token(&sim, false).await;
    sim.advance(Duration::from_secs(3600));
    let later = stable_token(&sim, false).await;
    assert_eq!(first["access_token"], later["access_token"]);
    let left = later["expires_in"].as_i64().unwrap();
    assert!((3590..=3600).contains(&left), "{left}");
    sim.advance(Duration::from_secs(3600));
    let token = first["access_token"].as_str().unwrap();
    assert_eq!(send(&sim, token, "m1").await.errcode(), 42001);
}

#[tokio::test]
async fn the_endpoints_around_sending() {
    let sim = demo().await;
    sim.add_follower(APPID, OPENID, FollowerState::Unsubscribed);
    let token = token(&sim).await;
    let at = |path: &str| format!("/cgi-bin/{path}access_token={token}");
    let addr = sim.addr();

    let target = at(&format!("user/info?openid={OPENID}&lang=en&"));
    let info = call(addr, "GET", &target, "").await.json();
    assert_eq!(info, json!({"subscribe": 0, "openid": OPENID}));
    // Every id is known, which no list can say.
    let list = at("template/get_all_private_template?");
    assert_eq!(call(addr, "GET", &list, "").await.errcode(), 48001);
    let template = |id: &str, subscription| TemplateConfig {
        template_id: id.to_owned(),
        title: "T".to_owned(),
        content: "Goods:{{thing1.DATA}}".to_owned(),
        subscription,
        long_term: false,
    };
    for (id, subscription) in [("t1", false), ("s1", true)] {
        let template = template(id, subscription);
        assert!(sim.world().add_template(APPID, &template));
    }
    for method in ["GET", "POST"] {
        let listed = call(addr, method, &list, "").await.json();
        assert_eq!(listed["template_list"].as_array().unwrap().len(), 1);
        assert_eq!(listed["template_list"][0]["template_id"], "t1");
    }
    let list = format!("/wxaapi/newtmpl/gettemplate?access_token={token}");
    let listed = call(addr, "GET", &list, "").await.json();
    assert_eq!(
        listed["data"],
        json!([{"priTmplId": "s1", "title": "T", "content": "Goods:{{thing1.DATA}}", "example": "", "type": 2}])
    );
    let body = r#"{"cgi_path":"/cgi-bin/message/template/send"}"#;
    let quota = call(addr, "POST", &at("openapi/quota/get?"), body).await;
    assert_eq!(quota.json()["quota"]["remain"], 100_000);
    let quota = call(addr, "POST", &at("openapi/quota/get?"), "{}").await;
    assert_eq!(quota.errcode(), 76003);
    let body = json!({ "appid": APPID }).to_string();
    let cleared = call(addr, "POST", &at("clear_quota?"), &body).await;
    assert_eq!(cleared.errcode(), 0);
    let ips = call(addr, "GET", &at("get_api_domain_ip?"), "").await;
    assert!(ips.json()["ip_list"].is_array());
}

#[tokio::test]
async fn wrong_methods_bodies_and_paths() {
    let sim = demo().await;
    let token = token(&sim).await;
    let send = format!("/cgi-bin/message/template/send?access_token={token}");
    let cases = [
        ("GET", send.as_str(), "", "200", 43002),
        ("POST", send.as_str(), "{", "200", 47001),
        ("POST", send.as_str(), "{}", "200", 40036),
        ("POST", "/cgi-bin/message/template/send", "{", "200", 41001),
        ("GET", "/cgi-bin/stable_token", "", "200", 43002),
        (
            "POST",
            "/cgi-bin/stable_token",
            "grant_type=x",
            "200",
            40002,
        ),
        ("GET", "/cgi-bin/nothing", "", "404", 40066),
    ];
    for (method, target, body, status, errcode) in cases {
        let reply = call(sim.addr(), method, target, body).await;
        assert_eq!(reply.status(), status, "{method} {target}");
        assert_eq!(reply.errcode(), errcode, "{method} {target}");
    }
}

#[tokio::test]
async fn what_older_clients_still_send_is_taken() {
    let sim = demo().await;
    let token = token(&sim).await;
    let target = format!("/cgi-bin/message/template/send?debug=1&access_token={token}");
    let body = json!({"touser": OPENID, "template_id": "any", "url": "", "topcolor": "#FF0000",
        "miniprogram": {"appid": "", "pagepath": ""}, "client_msg_id": "",
        "data": {"first": {"value": ""}, "thing1": {"value": "中文", "color": "#173177"}}});
    let reply = call(sim.addr(), "POST", &target, &body.to_string()).await;
    assert_eq!(reply.errcode(), 0, "{}", reply.body);
    let mut body = body;
    body["miniprogram"] = json!(null);
    body["url"] = json!(null);
    let reply = call(sim.addr(), "POST", &target, &body.to_string()).await;
    assert_eq!(reply.errcode(), 0, "{}", reply.body);
}

#[tokio::test]
async fn the_host_goes_away_and_comes_back() {
    let sim = demo().await;
    let token = token(&sim).await;
    send(&sim, &token, "m1").await;
    sim.stop().await;
    assert!(tokio::net::TcpStream::connect(sim.addr()).await.is_err());
    sim.restart_on_same_port().await.unwrap();
    send(&sim, &token, "m1").await;
    assert_eq!(sim.accepted("m1"), 1);
    assert_eq!(sim.calls().repeated, 1);
}

#[tokio::test]
async fn accounts_are_apart() {
    let mut other = AccountConfig::new("wx00000000000000aa", "s");
    other.kind = AccountKind::Subscription;
    let mut config = SimConfig::demo();
    config.seed.accounts.push(other);
    let sim = Sim::start(config).await.unwrap();
    let body = json!({"grant_type": "client_credential", "appid": "wx00000000000000aa",
        "secret": "s"});
    let target = "/cgi-bin/stable_token";
    let granted = call(sim.addr(), "POST", target, &body.to_string()).await;
    let theirs = granted.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(send(&sim, &theirs, "m1").await.errcode(), 48001);
    sim.set_secret("wx00000000000000aa", "changed");
    let refused = call(sim.addr(), "POST", target, &body.to_string()).await;
    assert_eq!(refused.errcode(), 40125);
    let ours = token(&sim).await;
    assert_eq!(send(&sim, &ours, "m1").await.errcode(), 0);
    sim.set_whitelist(APPID, Some(Vec::new()));
    assert_eq!(stable_token(&sim, false).await["errcode"], 40164);
    sim.set_whitelist(APPID, None);
    assert!(stable_token(&sim, false).await["access_token"].is_string());
}
