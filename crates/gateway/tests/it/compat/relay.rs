//! What is passed on: with the real token, which nobody gets to see.

use std::time::Duration;

use serde_json::json;

use super::{LISTED, code, got, posted, token};
use crate::harness::{ACCOUNT, APPID, Settings, TestGateway, openid};

async fn real_token(gateway: &TestGateway) -> String {
    let path = format!("/v1/accounts/{ACCOUNT}/token?reveal=true");
    let shown = gateway.get(&path).await.json();
    shown["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn reads_are_wechats_own_and_show_no_token() {
    let settings = Settings::listing(&[(LISTED, "商品:{{thing1.DATA}}")]);
    let gateway = TestGateway::with(settings).await;
    gateway.until_listed().await;
    let token = token(&gateway).await;
    let real = real_token(&gateway).await;
    let list = "/cgi-bin/template/get_all_private_template";
    let quota = json!({"cgi_path": "/cgi-bin/message/template/send"});
    let answers = [
        got(&gateway, list, &token).await,
        // Some SDKs POST it.
        posted(&gateway, list, &token, &json!({})).await,
        got(&gateway, "/cgi-bin/template/get_industry", &token).await,
        got(
            &gateway,
            &format!("/cgi-bin/user/info?openid={}&lang=zh_CN&debug=1", openid(1)),
            &token,
        )
        .await,
        got(&gateway, "/cgi-bin/user/get?next_openid=", &token).await,
        posted(&gateway, "/cgi-bin/openapi/quota/get", &token, &quota).await,
        got(&gateway, "/cgi-bin/get_api_domain_ip", &token).await,
    ];
    for answer in &answers {
        assert_eq!(code(answer), 0, "{answer}");
        let text = answer.to_string();
        assert!(
            !text.contains(&real) && !text.contains("errmsg\":\"system"),
            "{text}"
        );
    }
    assert_eq!(answers[0]["template_list"][0]["template_id"], LISTED);
    assert_eq!(answers[1], answers[0]);
    assert_eq!(answers[3]["subscribe"], 1);
    assert!(answers[5]["quota"]["daily_limit"].is_number());
    let refused = got(&gateway, "/cgi-bin/user/info?openid=nobody", &token).await;
    assert_eq!(code(&refused), 40003);
    gateway.finish().await;
}

#[tokio::test]
async fn a_read_heeds_that_the_real_token_was_replaced() {
    let gateway = TestGateway::start().await;
    let token = token(&gateway).await;
    let read = "/cgi-bin/user/get";
    assert_eq!(code(&got(&gateway, read, &token).await), 0);
    assert!(gateway.sim.revoke_tokens(APPID));
    assert_eq!(code(&got(&gateway, read, &token).await), 0);
    // With WeChat away there is no answer to pass on, and asking again does no harm.
    gateway.sim.stop().await;
    let away = got(&gateway, read, &token).await;
    assert_eq!(code(&away), -1, "{away}");
    gateway.sim.restart_on_same_port().await.unwrap();
    gateway.finish().await;
}

#[tokio::test]
async fn templates_are_added_and_deleted_and_the_list_is_known_at_once() {
    let gateway = TestGateway::with(Settings::listing(&[(LISTED, "商品:{{thing1.DATA}}")])).await;
    gateway.until_listed().await;
    let token = token(&gateway).await;
    let add = json!({"template_id_short": "43216", "keyword_name_list": ["商品名称"]});
    let added = posted(&gateway, "/cgi-bin/template/api_add_template", &token, &add).await;
    assert_eq!(code(&added), 0, "{added}");
    let id = added["template_id"].as_str().unwrap();
    let shown = gateway.get(&format!("/v1/templates/{id}")).await;
    assert_eq!(shown.status, 200, "{shown:?}");
    let gone = json!({"template_id": id});
    let deleted = posted(
        &gateway,
        "/cgi-bin/template/del_private_template",
        &token,
        &gone,
    )
    .await;
    assert_eq!(code(&deleted), 0, "{deleted}");
    let again = posted(
        &gateway,
        "/cgi-bin/template/del_private_template",
        &token,
        &gone,
    )
    .await;
    assert_eq!(code(&again), 40037, "{again}");
    let add = json!({"tid": "401", "kidList": [3, 1], "sceneDesc": "取餐提醒"});
    let added = posted(&gateway, "/wxaapi/newtmpl/addtemplate", &token, &add).await;
    let id = added["priTmplId"].as_str().unwrap();
    let shown = gateway.get(&format!("/v1/templates/{id}")).await.json();
    assert_eq!(shown["list"], "subscription", "{shown}");
    let gone = json!({"priTmplId": id});
    let delete = "/wxaapi/newtmpl/deltemplate";
    let deleted = posted(&gateway, delete, &token, &gone).await;
    assert_eq!(code(&deleted), 0, "{deleted}");
    let industries = json!({"industry_id1": "1", "industry_id2": "4"});
    let set = posted(
        &gateway,
        "/cgi-bin/template/api_set_industry",
        &token,
        &industries,
    )
    .await;
    assert_eq!(code(&set), 0, "{set}");
    gateway.finish().await;
}

#[tokio::test]
async fn a_cleared_quota_is_counted() {
    let gateway = TestGateway::start().await;
    let token = token(&gateway).await;
    let clear = "/cgi-bin/clear_quota";
    let other = json!({"appid": "wx0000000000000000"});
    assert_eq!(code(&posted(&gateway, clear, &token, &other).await), 40013);
    let own = json!({"appid": APPID});
    let cleared = posted(&gateway, clear, &token, &own).await;
    assert_eq!(code(&cleared), 0, "{cleared}");
    let v2 = json!({"appid": APPID, "appsecret": crate::harness::CLIENT_SECRET});
    let cleared = posted(&gateway, "/cgi-bin/clear_quota/v2", "", &v2).await;
    assert_eq!(code(&cleared), 0, "{cleared}");
    let account = |list: &serde_json::Value| list["accounts"][0]["quota"]["clearings_left"] == 8;
    gateway
        .until_reply("/v1/accounts", "counted", account)
        .await;
    for _ in 0..8 {
        posted(&gateway, clear, &token, &own).await;
    }
    assert_eq!(code(&posted(&gateway, clear, &token, &own).await), 48006);
    gateway.finish().await;
}

#[tokio::test]
async fn a_read_that_wechat_does_not_answer_in_time_is_given_up() {
    let settings = Settings {
        // Under [upstream].
        sections: "read_timeout = \"1s\"".to_owned(),
        ..Settings::default()
    };
    let gateway = TestGateway::with(settings).await;
    let token = token(&gateway).await;
    let read = "/cgi-bin/user/get";
    assert_eq!(code(&got(&gateway, read, &token).await), 0);
    gateway.sim.set_latency(Duration::from_secs(3));
    let late = got(&gateway, read, &token).await;
    assert_eq!(code(&late), -1, "{late}");
    gateway.sim.set_latency(Duration::ZERO);
    gateway.finish().await;
}
