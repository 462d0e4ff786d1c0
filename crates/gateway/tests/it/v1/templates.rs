//! `/v1/templates`: what is known of an account's templates, and what operators change of it.

mod stops;

use hongyan_wechat_sim::Fault;
use hongyan_wechat_sim::config::TemplateConfig;
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, APPID, Call, Settings, TEMPLATE, TestGateway, template};

const TEXT: &str = "{{first.DATA}}商品：{{thing1.DATA}}\n金额：{{amount2.DATA}}\n{{remark}}";

fn gateway() -> impl Future<Output = TestGateway> {
    TestGateway::with(Settings::listing(&[(TEMPLATE, TEXT)]))
}

fn ids(list: &Value) -> Vec<&str> {
    let all = list["templates"].as_array().unwrap().iter();
    all.map(|one| one["template_id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
#[ignore = "waits a minute: make soak"]
async fn the_list_is_fetched_as_often_as_the_configuration_says() {
    let gateway = TestGateway::with(Settings {
        sections: "[templates]\nsync_interval = \"1m\"".to_owned(),
        ..Settings::listing(&[(TEMPLATE, TEXT)])
    })
    .await;
    gateway.until_listed().await;
    let fetched = gateway.sim.calls().templates;
    let (world, began) = (&gateway.sim, tokio::time::Instant::now());
    let another = async {
        while world.calls().templates == fetched {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    let soon = std::time::Duration::from_secs(80);
    tokio::time::timeout(soon, another).await.expect("a fetch");
    let waited = began.elapsed().as_secs();
    assert!((40..=80).contains(&waited), "{waited} s");
    gateway.finish().await;
}

#[tokio::test]
async fn the_list_is_fetched_at_start_and_kept() {
    let mut gateway = gateway().await;
    let list = gateway.until_listed().await;
    assert_eq!(ids(&list), [TEMPLATE]);
    let first = &list["templates"][0];
    assert_eq!(
        (&first["content"], &first["state"]),
        (&json!(TEXT), &json!("ok"))
    );
    assert_eq!(
        (&list["lists"][0]["error"], &list["stopped"]),
        (&Value::Null, &json!([]))
    );
    gateway
        .get("/v1/templates?account=x")
        .await
        .problem(404, "not_found");

    // What was known stays known while WeChat cannot be asked.
    gateway.sim.fault("code=-1:at=templates".parse().unwrap());
    gateway.restart().await;
    let failed = |list: &Value| {
        list["lists"][0]["error"]
            .as_str()
            .is_some_and(|why| why.contains("answered -1"))
    };
    let list = gateway.until_reply("/v1/templates", "failed", failed).await;
    assert_eq!(ids(&list), [TEMPLATE]);
    let refused = gateway.post("/v1/templates/sync", &json!({})).await;
    let refused = refused.problem(503, "unavailable");
    assert!(
        refused.starts_with("WeChat did not list the templates: "),
        "{refused}"
    );
    gateway.finish().await;
}

#[tokio::test]
async fn a_template_is_shown_as_its_user_would_see_it() {
    let gateway = gateway().await;
    gateway.until_listed().await;
    let shown = gateway
        .get(&format!("/v1/templates/{TEMPLATE}"))
        .await
        .json();
    assert_eq!(
        shown["preview"],
        "商品：示例内容\n金额：¥100.00\n{{remark}}"
    );
    assert_eq!(shown["oddities"].as_array().unwrap().len(), 1, "{shown}");
    let keys = shown["keys"].as_array().unwrap();
    let told: Vec<_> = keys
        .iter()
        .map(|key| (&key["key"], &key["required"], &key["rule"]))
        .collect();
    let thing = json!("any text, at most 20 characters");
    assert_eq!(told[1], (&json!("thing1"), &json!(true), &thing));
    assert_eq!((told[0].1, told[0].2), (&json!(false), &Value::Null));
    let amount = keys[2]["rule_zh"].as_str().unwrap();
    assert!(amount.ends_with("最多 12 位数字"), "{amount}");
    assert_eq!(shown["history"][0]["change"], "added");
    // The sample is a message that passes.
    let body = json!({"touser": "o1", "template_id": TEMPLATE, "data": shown["sample"]});
    let dry = gateway
        .post("/v1/messages?dry_run=true", &body)
        .await
        .json();
    assert_eq!(dry["rendered"], shown["preview"], "{dry}");
    gateway
        .get("/v1/templates/t0")
        .await
        .problem(404, "not_found");
    gateway.finish().await;
}

#[tokio::test]
async fn operators_add_and_delete_templates() {
    let gateway = gateway().await;
    gateway.until_listed().await;
    let new = json!({"template_id_short": "43216", "keyword_name_list": ["商品名称", "取餐时间"]});
    let added = gateway.post("/v1/templates", &new).await;
    assert_eq!(added.status, 201, "{added:?}");
    let id = added.json()["template_id"].as_str().unwrap().to_owned();
    let list = gateway.get("/v1/templates").await.json();
    assert!(
        ids(&list).contains(&id.as_str()),
        "it is known at once: {list}"
    );
    let unknown = json!({"template_id_short": "43216"});
    let refused = gateway
        .post("/v1/templates", &unknown)
        .await
        .problem(409, "conflict");
    assert!(refused.contains("40246"), "{refused}");
    let nothing = gateway.post("/v1/templates", &json!({})).await;
    assert_eq!(
        nothing.problem(422, "invalid_message"),
        "template_id_short: is missing"
    );

    let path = format!("/v1/templates/{id}");
    let delete = || Call::new(http::Method::DELETE, &path, "");
    assert_eq!(gateway.call(delete()).await.status, 200);
    let list = gateway.get("/v1/templates").await.json();
    assert_eq!(ids(&list), [TEMPLATE]);
    let all = gateway.get("/v1/templates?gone=true").await.json();
    assert_eq!(all["templates"].as_array().unwrap().len(), 2);
    assert_eq!(gateway.get(&path).await.json()["state"], "gone");
    gateway.call(delete()).await.problem(409, "conflict");
    gateway.finish().await;
}

#[tokio::test]
async fn operators_add_and_delete_templates_of_subscription_messages() {
    let gateway = gateway().await;
    gateway.until_listed().await;
    let new =
        json!({"kind": "subscription", "tid": "401", "kid_list": [3, 1], "scene_desc": "取餐提醒"});
    let added = gateway.post("/v1/templates", &new).await;
    assert_eq!(added.status, 201, "{added:?}");
    assert_eq!(added.json()["list"], "subscription");
    let path = format!(
        "/v1/templates/{}",
        added.json()["template_id"].as_str().unwrap()
    );
    let shown = gateway.get(&path).await.json();
    assert_eq!(
        (&shown["list"], &shown["lasts"]),
        (&json!("subscription"), &json!("one_time")),
        "{shown}"
    );
    assert_eq!(
        shown["content"],
        "关键词3:{{thing3.DATA}}\n关键词1:{{thing1.DATA}}"
    );
    let one = json!({"kind": "miniprogram_subscription", "tid": "401", "kid_list": [3]});
    let refused = gateway.post("/v1/templates", &one).await;
    assert!(refused.problem(409, "conflict").contains("200020"));
    for (wrong, problem) in [
        (
            json!({"kind": "subscription", "kid_list": [1, 2]}),
            "tid: is missing",
        ),
        (
            json!({"tid": "401", "template_id_short": "1"}),
            "tid: is not for a template of the template list",
        ),
        (
            json!({"kind": "subscription", "tid": "401", "keyword_name_list": ["a"]}),
            "keyword_name_list: is not for a template of the subscription list",
        ),
        (
            json!({"kind": "one_time_subscription", "tid": "401"}),
            "kind: must be template, subscription or miniprogram_subscription",
        ),
    ] {
        let refused = gateway.post("/v1/templates", &wrong).await;
        assert_eq!(refused.problem(422, "invalid_message"), problem);
    }
    assert_eq!(gateway.sim.calls().add_subscription_template, 2);

    // In which list it is, is known.
    let delete = |path: &str| Call::new(http::Method::DELETE, path, "");
    let deleted = gateway.call(delete(&path)).await;
    assert_eq!(
        (deleted.status.as_u16(), &deleted.json()["list"]),
        (200, &json!("subscription"))
    );
    assert_eq!(gateway.get(&path).await.json()["state"], "gone");
    let unknown = "/v1/templates/s0?kind=subscription";
    let refused = gateway.call(delete(unknown)).await;
    assert!(
        refused
            .problem(409, "conflict")
            .contains("newtmpl/deltemplate")
    );
    let refused = gateway.call(delete("/v1/templates/s0?kind=x")).await;
    refused.problem(400, "malformed");
    gateway.finish().await;
}

#[tokio::test]
async fn operators_set_industries() {
    let gateway = gateway().await;
    gateway.until_listed().await;
    let path = format!("/v1/accounts/{ACCOUNT}/industries");
    let none = gateway.get(&path).await.json();
    assert_eq!(none["primary_industry"], Value::Null);
    let set = gateway
        .post(&path, &json!({"primary": 1, "secondary": 13}))
        .await;
    assert_eq!(
        set.json()["secondary_industry"]["second_class"],
        "快递",
        "{set:?}"
    );
    let again = gateway
        .post(&path, &json!({"primary": 2, "secondary": 13}))
        .await;
    assert!(
        again.problem(409, "conflict").contains("43100"),
        "once a month"
    );
    let wrong = gateway
        .post(&path, &json!({"primary": 42, "secondary": 0}))
        .await;
    wrong.problem(422, "invalid_message");
    assert_eq!(wrong.json()["errors"].as_array().unwrap().len(), 2);
    gateway
        .get("/v1/accounts/x/industries")
        .await
        .problem(404, "not_found");
    gateway.finish().await;
}

#[tokio::test]
async fn whoever_lacks_the_scope_neither_sees_nor_changes_templates() {
    let settings = Settings {
        scopes: vec!["messages:send", "accounts"],
        ..Settings::default()
    };
    let gateway = TestGateway::with(settings).await;
    let path = format!("/v1/templates/{TEMPLATE}");
    gateway.get("/v1/templates").await.problem(403, "forbidden");
    for path in [
        "/v1/templates",
        "/v1/templates/sync",
        &format!("{path}/resume"),
    ] {
        gateway
            .post(path, &json!({}))
            .await
            .problem(403, "forbidden");
    }
    let delete = Call::new(http::Method::DELETE, &path, "");
    gateway.call(delete).await.problem(403, "forbidden");
    let industries = format!("/v1/accounts/{ACCOUNT}/industries");
    gateway
        .post(&industries, &json!({}))
        .await
        .problem(403, "forbidden");
    gateway.finish().await;
}

#[tokio::test]
async fn a_rejected_token_is_replaced_and_the_list_fetched_after_all() {
    let gateway = gateway().await;
    gateway.until_listed().await;
    let strikes = [
        "revoke:at=templates:first=1",
        "code=40001:at=templates:first=1",
    ];
    for strike in strikes {
        gateway.sim.fault(strike.parse::<Fault>().unwrap());
    }
    gateway
        .post("/v1/templates/sync", &json!({}))
        .await
        .problem(503, "unavailable");
    let listed = |list: &Value| list["lists"][0]["error"].is_null();
    gateway
        .until_reply("/v1/templates", "listed anew", listed)
        .await;
    gateway.finish().await;
}

#[tokio::test]
async fn an_account_need_not_have_both_lists() {
    let mut gateway = TestGateway::start().await;
    let refused = |list: &Value| {
        let error = list["lists"][1]["error"].as_str();
        error.is_some_and(|why| why.contains("48001"))
    };
    let list = gateway.until_reply("/v1/templates", "asked", refused).await;
    assert_eq!(list["synced_at"], Value::Null, "{list}");
    let refused = gateway.post("/v1/templates/sync", &json!({})).await;
    let refused = refused.problem(409, "conflict");
    assert!(
        refused.starts_with("WeChat gives this account no list"),
        "{refused}"
    );

    let subscription = TemplateConfig {
        subscription: true,
        ..template(&("s1", "位置：{{enum_string2.DATA}}"))
    };
    gateway.sim.world().add_template(APPID, &subscription);
    let synced = gateway.post("/v1/templates/sync", &json!({})).await;
    assert_eq!(synced.status, 200, "{synced:?}");
    gateway.restart().await;
    let fetched = |list: &Value| {
        list["lists"][1]["synced_at"].is_string() && list["lists"][1]["error"].is_null()
    };
    let list = gateway
        .until_reply("/v1/templates", "fetched again", fetched)
        .await;
    assert_eq!(
        (ids(&list), &list["templates"][0]["list"]),
        (vec!["s1"], &json!("subscription"))
    );
    assert_eq!(list["lists"][0]["synced_at"], Value::Null, "{list}");
    gateway.finish().await;
}
