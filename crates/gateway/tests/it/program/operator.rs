//! The commands that know a running gateway by its address and a client's secret.

use hongyan_wechat_sim::config::TemplateConfig;
use serde_json::Value;

use super::{hongyan, operate, operating, run};
use crate::harness::{
    ACCOUNT, APPID, CLIENT, Receiver, Settings, TEMPLATE, TestGateway, message, openid,
};

#[tokio::test]
async fn operators_send_and_look_after_messages() {
    let gateway = TestGateway::start().await;
    let command = async |words: &[&str]| operate(&gateway, words).await;
    let send = async |openid: &str| {
        let message = [
            "--template",
            TEMPLATE,
            "--to",
            openid,
            "--data",
            "thing1=咖啡",
            "--wait",
        ];
        command(&[&["--json", "send"], &message[..]].concat()).await
    };
    let sent: Value = serde_json::from_str(&send(&openid(1)).await.unwrap()).unwrap();
    assert_eq!(sent["status"], "sent");
    let id = sent["id"].as_str().unwrap();
    let list = command(&["messages", "list", "--status", "sent"])
        .await
        .unwrap();
    assert!(list.starts_with("ID ") && list.contains(id), "{list}");
    let shown = command(&["messages", "show", id]).await.unwrap();
    assert!(shown.contains("ERRMSG"), "{shown}");
    let refused = command(&["messages", "cancel", id]).await.unwrap_err();
    assert!(
        refused.contains("is sent") && refused.lines().count() == 1,
        "{refused}"
    );
    assert!(
        send("nobody").await.is_err(),
        "a message that failed is a failure"
    );
    gateway.finish().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_message_is_said_in_the_readers_language() {
    let gateway = TestGateway::start().await;
    let to = openid(1);
    let words = [
        "send",
        "--template",
        TEMPLATE,
        "--to",
        &to,
        "--data",
        "thing1=咖啡",
        "--account",
        "hospital",
    ];
    let folder = tempfile::TempDir::new().unwrap();
    for (lang, said) in [
        (
            "en_GB.UTF-8",
            "hongyan: account: unknown account; known: clinic [",
        ),
        (
            "zh_CN.UTF-8",
            "hongyan: account: 未知账号；已配置：clinic [",
        ),
    ] {
        let mut command = operating(&gateway, folder.path(), &words);
        command.env("LANG", lang);
        let refused = run(command).await.unwrap_err();
        assert!(refused.starts_with(said), "{refused}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn operators_look_after_accounts() {
    let gateway = TestGateway::start().await;
    let well = |list: &Value| list["accounts"][0]["state"] == "ok";
    gateway.until_reply("/v1/accounts", "ok", well).await;
    let command = async |words: &[&str]| operate(&gateway, words).await.unwrap();
    assert!(command(&["token", "show", ACCOUNT]).await.contains('…'));
    assert!(
        command(&["token", "refresh", ACCOUNT])
            .await
            .contains("usable")
    );
    assert!(
        command(&["templates", "list"])
            .await
            .starts_with("TEMPLATE_ID")
    );
    gateway.finish().await;
}

#[tokio::test]
async fn operators_see_quotas_and_clear_them_when_they_mean_it() {
    let gateway = TestGateway::start().await;
    let known = |list: &Value| list["accounts"][0]["quota"]["limit"] == 100_000;
    gateway.until_reply("/v1/accounts", "a quota", known).await;
    let command = async |words: &[&str]| operate(&gateway, words).await;
    let list = command(&["accounts"]).await.unwrap();
    assert!(
        list.starts_with("NAME ") && list.contains("100000"),
        "{list}"
    );
    assert_eq!(command(&["accounts", "list"]).await.unwrap(), list);
    let shown = command(&["accounts", "show", ACCOUNT]).await.unwrap();
    assert!(
        shown.contains("clearings left") && shown.contains("open"),
        "{shown}"
    );
    let nobody = command(&["accounts", "show", "nobody"]).await.unwrap_err();
    assert!(nobody.contains("there is no account"), "{nobody}");
    let unsure = command(&["accounts", "clear-quota", ACCOUNT]).await;
    assert!(unsure.unwrap_err().contains("--yes"));
    assert_eq!(gateway.sim.calls().clear_quota, 0);
    let cleared = command(&["accounts", "clear-quota", ACCOUNT, "--yes"]).await;
    assert!(cleared.unwrap().trim_end().ends_with(" 9"));
    gateway.finish().await;
}

async fn json(gateway: &TestGateway, words: &[&str]) -> Value {
    let said = operate(gateway, &[&["--json"], words].concat()).await;
    serde_json::from_str(&said.unwrap()).unwrap()
}

#[tokio::test]
async fn machines_read_json() {
    let gateway = TestGateway::start().await;
    let id = gateway.send(&message(&openid(1))).await;
    gateway.until(&id, "sent").await;
    let list = json(&gateway, &["messages", "list", "--to", &openid(1)]).await;
    assert_eq!(list["messages"][0]["id"], id.as_str());
    assert!(list["next_cursor"].is_null());
    let shown = json(&gateway, &["messages", "show", &id]).await;
    assert_eq!(
        shown,
        gateway.get(&format!("/v1/messages/{id}")).await.json()
    );
    let token = json(&gateway, &["token", "show", ACCOUNT]).await;
    assert_eq!(
        (&token["account"], &token["usable"]),
        (&ACCOUNT.into(), &true.into())
    );
    gateway.finish().await;
}

#[tokio::test]
async fn templates_are_listed() {
    let gateway = TestGateway::start().await;
    let template = TemplateConfig {
        template_id: TEMPLATE.to_owned(),
        title: "订单通知".to_owned(),
        content: "订单号:{{character_string1.DATA}}".to_owned(),
        subscription: false,
        long_term: false,
    };
    gateway.sim.world().add_template(APPID, &template);
    gateway
        .until_reply("/v1/accounts", "ok", |list| {
            list["accounts"][0]["state"] == "ok"
        })
        .await;
    let synced = operate(&gateway, &["templates", "sync"]).await.unwrap();
    assert!(
        synced.contains("added") || synced.contains("nothing changed"),
        "{synced}"
    );
    let list = ["templates", "list", "--account", ACCOUNT];
    let listed = json(&gateway, &list).await;
    let first = &listed["templates"][0];
    assert_eq!(
        (&first["template_id"], &first["title"]),
        (&TEMPLATE.into(), &template.title.into())
    );
    let text = operate(&gateway, &list).await.unwrap();
    assert!(
        text.contains("TITLE") && text.contains("订单通知"),
        "{text}"
    );
    gateway.finish().await;
}

#[tokio::test]
async fn templates_are_added_from_either_library() {
    let gateway = TestGateway::start().await;
    let add =
        async |words: &[&str]| json(&gateway, &[&["templates", "add"][..], words].concat()).await;
    let ready = |list: &Value| list["accounts"][0]["state"] == "ok";
    gateway.until_reply("/v1/accounts", "ok", ready).await;
    let own = add(&["43216", "--keyword", "商品名称"]).await;
    assert_eq!(own["list"], "template");
    let notice = [
        "401",
        "--kind",
        "subscription",
        "--keyword",
        "3",
        "--keyword",
        "1",
    ];
    let scene = ["--scene", "取餐提醒"];
    let notice = add(&[&notice[..], &scene].concat()).await;
    assert_eq!(notice["list"], "subscription");
    let id = notice["template_id"].as_str().unwrap();
    let list = operate(&gateway, &["templates", "list"]).await.unwrap();
    assert!(list.contains("one_time"), "{list}");
    let deleted = operate(&gateway, &["templates", "delete", id, "--yes"]).await;
    assert_eq!(deleted.unwrap().trim(), "deleted");
    for words in [
        &["401", "--scene", "取餐提醒"][..],
        &["401", "--kind", "subscription", "--keyword", "商品名称"],
    ] {
        let wrong = operate(&gateway, &[&["templates", "add"][..], words].concat()).await;
        assert!(wrong.unwrap_err().starts_with("hongyan: "), "{words:?}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn a_token_is_shown_only_to_who_asks_for_it() {
    let gateway = TestGateway::start().await;
    let id = gateway.send(&message(&openid(1))).await;
    gateway.until(&id, "sent").await;
    let revealed = json(&gateway, &["token", "show", ACCOUNT, "--reveal"]).await;
    let token = revealed["access_token"].as_str().unwrap().to_owned();
    assert_eq!(gateway.sim.world().appid_of(&token), Some(APPID));
    let text = operate(&gateway, &["token", "show", ACCOUNT, "--reveal"])
        .await
        .unwrap();
    assert!(text.contains(&token), "{text}");
    for words in [
        &["token", "show", ACCOUNT][..],
        &["--json", "token", "show", ACCOUNT],
    ] {
        let masked = operate(&gateway, words).await.unwrap();
        assert!(!masked.contains(&token) && masked.contains('…'), "{masked}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn what_failed_can_be_sent_again() {
    let gateway = TestGateway::start().await;
    gateway.sim.fault("code=47003:first=1".parse().unwrap());
    let id = gateway.send(&message(&openid(1))).await;
    gateway.until(&id, "failed").await;
    let again = operate(&gateway, &["messages", "retry", &id])
        .await
        .unwrap();
    assert!(again.contains(&id), "{again}");
    gateway.until(&id, "sent").await;
    let refused = operate(&gateway, &["messages", "retry", &id, "--force"])
        .await
        .unwrap_err();
    assert!(
        refused.starts_with("hongyan: the message is sent") && refused.lines().count() == 1,
        "{refused}"
    );
    for words in [
        &["messages", "retry"][..],
        &["messages", "retry", "--status", "failed", "--limit", "5"],
        &["messages", "retry", "--until", "2027-01-01T00:00:00Z"],
    ] {
        let refused = operate(&gateway, words).await.unwrap_err();
        assert!(refused.contains("--ended-since"), "{refused}");
        assert_eq!(refused.lines().count(), 1, "{refused}");
    }
    let since = ["--ended-since", "2026-01-01T00:00:00Z"];
    let nothing = operate(&gateway, &["messages", "retry", since[0], since[1]])
        .await
        .unwrap();
    assert_eq!(nothing, "queued again: 0\n");
    gateway.finish().await;
}

#[tokio::test]
async fn recipients_are_suppressed_and_resumed_by_hand() {
    let gateway = TestGateway::start().await;
    let who = openid(1);
    let suppress = ["recipients", "suppress", &who, "--template", TEMPLATE];
    let note = ["--note", "asked us by phone", "--account", ACCOUNT];
    let said = operate(&gateway, &[&suppress[..], &note].concat()).await;
    assert!(said.unwrap().contains("asked us by phone"));
    let listed = json(&gateway, &["recipients", "list"]).await;
    assert_eq!(listed["suppressions"][0]["openid"], who.as_str());
    let text = operate(&gateway, &["recipients", "list", "--limit", "1"]).await;
    let text = text.unwrap();
    assert!(text.contains("OPENID") && text.contains(TEMPLATE), "{text}");
    let shown = json(&gateway, &["recipients", "show", &who]).await;
    let by_http = gateway.get(&format!("/v1/recipients/{who}")).await.json();
    assert_eq!(shown, by_http);
    let resume = ["recipients", "resume", &who, "--template", TEMPLATE];
    let text = operate(&gateway, &resume).await.unwrap();
    assert!(!text.contains("suppressed_by_operator"), "{text}");
    let id = gateway.send(&message(&who)).await;
    gateway.until(&id, "sent").await;
    gateway.finish().await;
}

#[tokio::test]
async fn operators_look_after_webhooks() {
    let receiver = Receiver::start().await;
    let folder = tempfile::TempDir::new().unwrap();
    let secret = run(hongyan(folder.path(), &["webhooks", "secret"]))
        .await
        .unwrap();
    let settings = Settings {
        more: format!(
            "[[webhooks]]\nname = \"status\"\nclient = \"{CLIENT}\"\nurl = \"http://{}/hook?token=hidden\"\n\
             secrets = [\"{}\"]\nallow = [\"127.0.0.1\"]\n",
            receiver.addr,
            secret.trim()
        ),
        ..Settings::default()
    };
    let gateway = TestGateway::with(settings).await;
    receiver.answer(410);
    gateway.send(&message(&openid(1))).await;
    let off = |list: &Value| list["webhooks"][0]["state"] == "off";
    gateway.until_reply("/v1/webhooks", "off", off).await;
    let command = async |words: &[&str]| operate(&gateway, words).await.unwrap();
    let list = command(&["webhooks", "list"]).await;
    assert!(
        list.starts_with("NAME ") && list.contains("HTTP 410"),
        "{list}"
    );
    assert!(
        !json(&gateway, &["webhooks", "list"])
            .await
            .to_string()
            .contains("hidden")
    );
    let events = command(&["webhooks", "events", "status", "--state", "waiting"]).await;
    assert!(events.contains("message.sent"), "{events}");
    let resumed = command(&["webhooks", "resume", "status"]).await;
    assert!(resumed.contains(" ok "), "{resumed}");
    receiver.until(2).await;
    let delivered = |page: &Value| page["events"][0]["state"] == "delivered";
    let path = "/v1/webhooks/status/events";
    let event = gateway.until_reply(path, "its event", delivered).await["events"][0]["id"].clone();
    let event = event.as_str().unwrap();
    let again = json(
        &gateway,
        &["webhooks", "redeliver", "status", "--event", event],
    )
    .await;
    assert_eq!(again["events"], 1);
    let posts = receiver.until(3).await;
    assert_eq!(posts[2].body, posts[0].body);
    gateway.finish().await;
}
