//! The other kinds of messages go out by broadcast too, and what of them cannot be repeated is not.

use hongyan_wechat_sim::fault::{Endpoint, Place, What};
use hongyan_wechat_sim::{Fault, Push};
use serde_json::{Value, json};

use crate::harness::{APPID, Settings, TEMPLATE, TestGateway, openid};

/// An order of this kind, for four recipients.
fn order(kind: &str, fields: &Value) -> Value {
    let recipients = (1..=4).map(|nth| json!({"openid": openid(nth), "name": "a&b"}));
    let mut order = json!({"kind": kind, "template_id": TEMPLATE, "data": {"thing1": {"value": "{{name}}您好"}},
        "recipients": recipients.collect::<Vec<_>>()});
    for (name, value) in fields.as_object().unwrap() {
        order[name] = value.clone();
    }
    order
}

#[tokio::test]
async fn what_cannot_be_repeated_goes_out_row_by_row_and_never_twice() {
    let page = json!({"page": "https://example.com/?of={{name}}"});
    let path = json!({"page": "pages/order?of={{name}}"});
    let once = json!({"scene": 1000, "title": "预约提醒", "url": "https://example.com/?of={{name}}",
        "data": {"content": {"value": "{{name}}您好"}}});
    for (kind, endpoint, fields, link) in [
        ("subscription", Endpoint::BizSend, page, "page"),
        (
            "miniprogram_subscription",
            Endpoint::SubscribeSend,
            path,
            "page",
        ),
        ("one_time_subscription", Endpoint::OneTimeSend, once, "url"),
    ] {
        let settings = Settings {
            concurrency: 1,
            ..Settings::default()
        };
        let gateway = TestGateway::with(settings).await;
        for nth in 1..=3 {
            let push = Push::Popup {
                template_id: TEMPLATE.to_owned(),
                accept: true,
            };
            assert!(gateway.sim.push(APPID, &openid(nth), push));
        }
        // Of the first call nobody can tell; and the fourth user did not agree.
        let cut = Fault::new(What::CutAfterAccept).at(Place::One(endpoint));
        gateway.sim.fault(cut.first(1));
        let id = gateway.ordered(&order(kind, &fields)).await;
        gateway.wish(&id, "start").await;
        let done = gateway.until_broadcast(&id, "done").await;
        let progress = |name: &str| done["progress"][name].as_u64().unwrap();
        assert_eq!(
            ["sent", "unconfirmed", "failed"].map(progress),
            [2, 1, 1],
            "{kind}: {done}"
        );
        let seen = [1, 2, 3, 4].map(|nth| gateway.sim.seen(&openid(nth)).len());
        assert_eq!(seen, [1, 1, 1, 0], "{kind}");
        let list = format!("/v1/messages?broadcast={id}&status=failed");
        let refused = gateway.get(&list).await.json()["messages"][0].clone();
        assert_eq!(
            (&refused["kind"], &refused["reason"]),
            (&json!(kind), &json!("user_refused"))
        );
        let whole = format!("/v1/messages/{}", refused["id"].as_str().unwrap());
        let whole = gateway.get(&whole).await.json();
        let leads = whole[link].as_str().unwrap();
        assert!(leads.ends_with("?of=a%26b"), "{kind}: {leads}");
        gateway.finish().await;
    }
}
