//! A message is held against its template before it is stored.

use hongyan_wechat_sim::config::TemplateConfig;
use serde_json::{Value, json};

use crate::harness::{APPID, Settings, TEMPLATE, TestGateway, message, openid, post, template};

pub(super) const TEXT: &str =
    "商品：{{thing1.DATA}}\n金额：{{amount2.DATA}}\n取餐码：{{character_string3.DATA}}";
const OTHER: &str = "OTHERbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY";
pub(super) const LONG: &str = "一二三四五六七八九十一二三四五六七八九十长";

async fn with(account: &str) -> TestGateway {
    let settings = Settings {
        account: account.to_owned(),
        ..Settings::listing(&[(TEMPLATE, TEXT)])
    };
    let gateway = TestGateway::with(settings).await;
    gateway.until_listed().await;
    gateway
}

pub(super) fn body(thing: &str, amount: &str, code: &str) -> Value {
    let mut body = message(&openid(1));
    body["data"] = json!({
        "thing1": {"value": thing}, "amount2": {"value": amount}, "character_string3": {"value": code},
    });
    body
}

pub(super) fn good() -> Value {
    body("咖啡", "¥18.50", "A-17")
}

#[tokio::test]
async fn what_wechat_would_refuse_is_refused_field_by_field() {
    let gateway = with("").await;
    let mut bad = body(LONG, "十八元", "A-17");
    bad["data"]
        .as_object_mut()
        .unwrap()
        .remove("character_string3");
    bad["data"]["character_string3.DATA"] = json!({"value": "x"});
    bad["miniprogram"] = json!({"appid": "gh_1", "pagepath": "https://x"});
    let reply = gateway.post("/v1/messages", &bad).await;
    reply.problem(422, "invalid_message");
    let errors = reply.json()["errors"].as_array().unwrap().clone();
    let told: Vec<_> = errors
        .iter()
        .map(|error| {
            let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
            (text("field"), text("rule"), error["length"].as_u64())
        })
        .collect();
    let expected = [
        ("miniprogram.appid", "miniprogram.appid", Some(4)),
        ("miniprogram.pagepath", "miniprogram.pagepath", Some(9)),
        ("data.amount2.value", "amount.form", Some(3)),
        ("data.thing1.value", "thing.length", Some(21)),
        ("data.character_string3", "missing", None),
    ];
    let expected =
        expected.map(|(field, rule, length)| (field.to_owned(), rule.to_owned(), length));
    assert_eq!(told, expected);
    assert_eq!(
        errors[3]["problem"],
        "has 21 characters; thing takes at most 20"
    );
    assert_eq!(errors[3]["problem_zh"], "有 21 个字符；thing 最多 20 个");
    let stored = gateway.get("/v1/messages").await.json();
    assert_eq!(
        (&stored["messages"], gateway.sim.calls().sends),
        (&json!([]), 0)
    );
    let id = gateway.send(&good()).await;
    gateway.until(&id, "sent").await;
    gateway.finish().await;
}

#[tokio::test]
async fn what_wechat_drops_is_a_warning() {
    let gateway = with("").await;
    let mut body = good();
    body["data"]["remark"] = json!({"value": "x"});
    body["data"]["thing9"] = json!({"value": "x"});
    let reply = gateway.post("/v1/messages", &body).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    assert_eq!(
        reply.json()["warnings"],
        json!([
            "data.remark: WeChat no longer shows this key and drops it（微信不再显示该字段，会将其丢弃）",
            "data.thing9: the template has no such key; WeChat drops it（模板没有该字段，微信会将其丢弃）",
        ])
    );
    let id = reply.json()["id"].as_str().unwrap().to_owned();
    gateway.until(&id, "sent").await;
    let waited = gateway.post("/v1/messages?wait=10", &body).await;
    assert_eq!(waited.status, 200, "{waited:?}");
    assert_eq!(waited.json()["warnings"], reply.json()["warnings"]);
    assert_eq!(waited.json()["status"], "sent");
    gateway.finish().await;
}

#[tokio::test]
async fn a_message_or_its_account_says_what_becomes_of_a_violation() {
    let gateway = with("on_violation = \"truncate\"").await;
    let cut = gateway.post("/v1/messages", &body(LONG, "¥1", "A")).await;
    assert_eq!(cut.status, 202, "{cut:?}");
    let warning = cut.json()["warnings"][0].as_str().unwrap().to_owned();
    assert!(
        warning.starts_with("data.thing1.value: was cut from"),
        "{warning}"
    );
    let id = cut.json()["id"].as_str().unwrap().to_owned();
    let stored = gateway.until(&id, "sent").await;
    let value = stored["data"]["thing1"]["value"].as_str().unwrap();
    assert_eq!((value.chars().count(), value.ends_with('…')), (20, true));
    // Cutting does not mend an amount.
    let amount = body("咖啡", "十八元", "A");
    gateway
        .post("/v1/messages", &amount)
        .await
        .problem(422, "invalid_message");

    let wish = |body: &Value, wish: &str| {
        let mut body = body.clone();
        body["on_violation"] = json!(wish);
        body
    };
    let rejected = wish(&body(LONG, "¥1", "A"), "reject");
    gateway
        .post("/v1/messages", &rejected)
        .await
        .problem(422, "invalid_message");
    let anyway = gateway.post("/v1/messages", &wish(&amount, "send")).await;
    let warning = anyway.json()["warnings"][0].as_str().unwrap().to_owned();
    assert!(warning.contains("is sent against the rule"), "{warning}");
    let nonsense = gateway.post("/v1/messages", &wish(&good(), "drop")).await;
    let said = nonsense.problem(422, "invalid_message");
    assert_eq!(said, "on_violation: must be reject, truncate or send");
    gateway.finish().await;
}

fn of_template(id: &str) -> Value {
    let mut body = good();
    body["template_id"] = json!(id);
    body
}

#[tokio::test]
async fn an_unknown_template_costs_one_fetch_and_a_new_one_is_found_by_it() {
    let gateway = with("").await;
    let fetched = gateway.sim.calls().templates;
    let refused = async |id: &str| {
        let reply = gateway.post("/v1/messages", &of_template(id)).await;
        let told = reply.problem(422, "invalid_message");
        assert_eq!(
            told,
            "template_id: is not a template of this account: WeChat does not list it"
        );
        assert_eq!(reply.json()["errors"][0]["rule"], "template_id.unknown");
    };
    refused("typo").await;
    assert_eq!(gateway.sim.calls().templates, fetched + 1);
    let new = template(&(OTHER, "{{thing1.DATA}}"));
    gateway.sim.world().add_template(APPID, &new);
    let id = gateway.send(&of_template(OTHER)).await;
    gateway.until(&id, "sent").await;
    assert_eq!(gateway.sim.calls().templates, fetched + 2);
    // However often the typo comes, WeChat is not asked again so soon.
    for _ in 0..20 {
        refused("typo").await;
    }
    assert_eq!(gateway.sim.calls().templates, fetched + 2);
    gateway.finish().await;
}

#[tokio::test]
async fn however_many_unknown_ids_come_wechat_is_asked_a_few_times_and_nothing_untrue_is_said() {
    let gateway = with("").await;
    let fetched = gateway.sim.calls().templates;
    for nth in 0..5 {
        let unknown = of_template(&format!("unknown-{nth}"));
        let reply = gateway.post("/v1/messages", &unknown).await;
        reply.problem(422, "invalid_message");
    }
    let new = template(&(OTHER, "{{thing1.DATA}}"));
    gateway.sim.world().add_template(APPID, &new);
    // Nobody asked WeChat about this one: it may be new, and it is.
    let taken = gateway.post("/v1/messages", &of_template(OTHER)).await;
    assert_eq!(taken.status, 202, "{taken:?}");
    let warning = taken.json()["warnings"][0].as_str().unwrap().to_owned();
    assert!(
        warning.starts_with("template_id: is not in the last list"),
        "{warning}"
    );
    let id = taken.json()["id"].as_str().unwrap().to_owned();
    gateway.until(&id, "sent").await;
    assert_eq!(gateway.sim.calls().templates, fetched + 5);
    gateway.finish().await;
}

#[tokio::test]
async fn a_kind_that_is_not_the_templates_is_told_as_such_and_costs_no_fetch() {
    let gateway = with("").await;
    let subscription = TemplateConfig {
        subscription: true,
        ..template(&(OTHER, "{{thing1.DATA}}"))
    };
    gateway.sim.world().add_template(APPID, &subscription);
    gateway.synced().await;
    let fetched = gateway.sim.calls().templates;
    let of_kind = |id: &str, kind: &str| {
        let mut body = of_template(id);
        body["kind"] = json!(kind);
        body
    };
    for (body, rule, problem, problem_zh) in [
        (
            of_kind(TEMPLATE, "subscription"),
            json!("kind.other"),
            "is not the template's: WeChat lists it as one of template messages",
            json!("与模板不符：微信把它列为模板消息的模板"),
        ),
        (
            of_kind(OTHER, "template"),
            json!("kind.other"),
            "is not the template's: WeChat lists it as one of subscription messages",
            json!("与模板不符：微信把它列为订阅消息的模板"),
        ),
        (
            of_kind(OTHER, "sms"),
            Value::Null,
            "must be one of template, subscription, one_time_subscription, miniprogram_subscription",
            Value::Null,
        ),
    ] {
        let reply = gateway.post("/v1/messages", &body).await;
        reply.problem(422, "invalid_message");
        let errors = reply.json()["errors"].as_array().unwrap().clone();
        assert_eq!(errors.len(), 1, "{errors:?}");
        let told = ["field", "rule", "problem", "problem_zh"].map(|name| errors[0][name].clone());
        assert_eq!(told, [json!("kind"), rule, json!(problem), problem_zh]);
    }
    assert_eq!(gateway.sim.calls().templates, fetched);
    gateway.finish().await;
}

#[tokio::test]
async fn a_list_that_never_came_lets_messages_through() {
    let mut gateway = with("").await;
    gateway.down().await;
    gateway.sim.fault("code=-1:at=templates".parse().unwrap());
    std::fs::remove_file(gateway.database()).unwrap();
    gateway.up().await;
    let id = gateway.send(&message(&openid(1))).await;
    let message = gateway.until(&id, "failed").await;
    assert_eq!(
        message["reason"], "invalid_data",
        "WeChat itself says what is missing"
    );
    gateway.finish().await;
}

#[tokio::test]
async fn an_outage_of_the_list_refuses_no_template_that_may_be_new() {
    let gateway = with("").await;
    gateway.sim.fault("code=-1:at=templates".parse().unwrap());
    let mut new = message(&openid(1));
    new["template_id"] = json!(OTHER);
    let reply = gateway.post("/v1/messages", &new).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    let warning = reply.json()["warnings"][0].as_str().unwrap().to_owned();
    assert!(
        warning.starts_with("template_id: is not in the last list"),
        "{warning}"
    );
    gateway.finish().await;
}

#[tokio::test]
async fn one_bad_message_of_a_batch_is_refused_alone() {
    let gateway = with("").await;
    let mut unknown = good();
    unknown["template_id"] = json!(OTHER);
    let batch = json!({"messages": [good(), body("", "¥1", "A"), unknown, good()]});
    let reply = gateway.post("/v1/messages/batch", &batch).await.json();
    let results = reply["results"].as_array().unwrap();
    assert!(
        results[0]["id"].is_string() && results[3]["id"].is_string(),
        "{reply}"
    );
    assert_eq!(results[1]["error"]["errors"][0]["rule"], "empty");
    assert_eq!(
        results[2]["error"]["errors"][0]["rule"],
        "template_id.unknown"
    );
    for result in [&results[0], &results[3]] {
        gateway.until(result["id"].as_str().unwrap(), "sent").await;
    }
    gateway.finish().await;
}

#[tokio::test]
async fn a_repeat_is_known_again_although_the_template_was_edited() {
    let gateway = with("").await;
    let keyed = || post("/v1/messages", &good()).header("idempotency-key", "k1");
    let first = gateway.call(keyed()).await.json();
    gateway.until(first["id"].as_str().unwrap(), "sent").await;
    gateway.relist(TEMPLATE, "{{time1.DATA}}").await;
    gateway
        .post("/v1/messages", &good())
        .await
        .problem(422, "invalid_message");
    let again = gateway.call(keyed()).await;
    assert_eq!(
        (again.status.as_u16(), &again.json()["id"]),
        (202, &first["id"])
    );
    gateway.finish().await;
}

#[tokio::test]
async fn a_dry_run_stores_nothing_and_shows_what_the_user_would_see() {
    let gateway = with("on_violation = \"truncate\"").await;
    let path = "/v1/messages?dry_run=true";
    let dry = gateway.post(path, &good()).await;
    assert_eq!(dry.status, 200, "{dry:?}");
    let dry = dry.json();
    assert_eq!(dry["rendered"], "商品：咖啡\n金额：¥18.50\n取餐码：A-17");
    assert_eq!(
        (&dry["would"], &dry["checked"], &dry["title"]),
        (&json!("send"), &json!(true), &json!("取餐提醒"))
    );
    let cut = gateway.post(path, &body(LONG, "¥1", "A")).await.json();
    assert_eq!(cut["warnings"].as_array().unwrap().len(), 1);
    assert!(cut["rendered"].as_str().unwrap().contains('…'), "{cut}");
    gateway
        .post(path, &body("", "¥1", "A"))
        .await
        .problem(422, "invalid_message");
    let stored = gateway.get("/v1/messages").await.json();
    assert_eq!(
        (&stored["messages"], gateway.sim.calls().sends),
        (&json!([]), 0)
    );

    let keyed = |path: &str| post(path, &good()).header("idempotency-key", "k1");
    assert_eq!(gateway.call(keyed(path)).await.json()["would"], "send");
    let first = gateway.call(keyed("/v1/messages")).await.json();
    assert!(first["id"].is_string(), "a rehearsal keeps no key: {first}");
    let again = gateway.call(keyed(path)).await.json();
    assert_eq!(
        (&again["would"], &again["id"]),
        (&json!("repeat"), &first["id"])
    );
    gateway.relist(TEMPLATE, "{{thing1.DATA}}").await;
    let waits = gateway.post(path, &good()).await.json();
    assert_eq!(
        (&waits["would"], &waits["reason"]),
        (&json!("wait"), &json!("template_stopped"))
    );
    gateway.finish().await;
}

#[tokio::test]
async fn a_subscription_message_goes_through_with_warnings_until_its_list_comes() {
    let gateway = with("").await;
    let subscription = |thing: &str, amount: &str| {
        let mut body = message(&openid(1));
        body["kind"] = json!("subscription");
        body["template_id"] = json!(OTHER);
        body["data"] = json!({
            "thing1": {"value": thing}, "amount2": {"value": amount}, "custom": {"value": LONG},
        });
        body
    };
    // Of an amount, this kind takes ten digits and template messages twelve.
    let path = "/v1/messages?dry_run=true";
    let bad = subscription(LONG, "¥12345678901");
    let through = gateway.post(path, &bad).await.json();
    assert_eq!(through["would"], "send", "{through}");
    let warnings = through["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 2, "{through}");
    for (warning, field) in warnings.iter().zip(["amount2", "thing1"]) {
        let warning = warning.as_str().unwrap();
        assert!(
            warning.starts_with(&format!("data.{field}.value: ")),
            "{through}"
        );
    }
    let good = gateway.post(path, &subscription("咖啡", "¥1")).await.json();
    assert_eq!(
        (&good["would"], &good["warnings"]),
        (&json!("send"), &json!([]))
    );

    let listed = TemplateConfig {
        subscription: true,
        ..template(&(OTHER, "位置：{{thing1.DATA}}\n金额：{{amount2.DATA}}"))
    };
    gateway.sim.world().add_template(APPID, &listed);
    gateway.synced().await;
    let refused = gateway.post(path, &bad).await;
    refused.problem(422, "invalid_message");
    let errors = refused.json()["errors"].clone();
    let rules = [&errors[0]["rule"], &errors[1]["rule"]];
    assert_eq!(rules, ["amount.length", "thing.length"]);
    assert_eq!(errors.as_array().unwrap().len(), 2, "{errors}");
    let mut known = subscription("咖啡", "¥1");
    let dry = gateway.post(path, &known).await.json();
    assert_eq!(dry["rendered"], "位置：咖啡\n金额：¥1");
    let warning = dry["warnings"][0].as_str().unwrap();
    assert!(
        warning.starts_with("data.custom: the template has no such key"),
        "{dry}"
    );
    known["data"].as_object_mut().unwrap().remove("amount2");
    let missing = gateway.post("/v1/messages", &known).await;
    missing.problem(422, "invalid_message");
    assert_eq!(missing.json()["errors"][0]["rule"], "missing");
    // A template of the other list is none of this kind's.
    known["template_id"] = json!(TEMPLATE);
    let other = gateway.post("/v1/messages", &known).await;
    other.problem(422, "invalid_message");
    assert_eq!(other.json()["errors"][0]["rule"], "kind.other");
    assert_eq!(gateway.sim.calls().bizsends, 0);
    gateway.finish().await;
}
