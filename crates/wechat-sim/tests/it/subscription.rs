//! What the pure world says to a subscription message: the order of checks, and the credit that each one spends.

use hongyan_wechat_sim::world::{
    AccountKind, SubscriptionCall, SubscriptionRequest, TokenRequest, World,
};
use hongyan_wechat_sim::{Push, SimHandle};

use crate::wire::{APPID, DATA, OPENID, SECRET, TEMPLATE, call, demo, token};

struct Desk {
    world: World,
    token: String,
}

impl Desk {
    fn new() -> Self {
        let text = format!(
            r#"
            [rules]
            strict = true
            [[accounts]]
            appid = "{APPID}"
            secret = "{SECRET}"
            followers = [{{ openid = "{OPENID}", state = "unsubscribed" }}]
            templates = [
                {{ template_id = "{TEMPLATE}", content = "Goods:{{{{thing1.DATA}}}}" }},
                {{ template_id = "long", content = "Goods:{{{{thing1.DATA}}}}", long_term = true }},
            ]
            "#
        );
        let mut world = World::new(&text.parse().unwrap());
        let request = TokenRequest::new(APPID, SECRET);
        let token = world.stable_token(0, &request, false).unwrap().access_token;
        Self { world, token }
    }

    fn request(&self) -> SubscriptionRequest<'static> {
        SubscriptionRequest {
            call: SubscriptionCall::Service,
            access_token: "",
            touser: OPENID,
            template_id: TEMPLATE,
            link: "",
            miniprogram: None,
            scene: None,
            title: "",
            data: DATA,
        }
    }

    fn send(&mut self, request: &SubscriptionRequest<'_>) -> i64 {
        let request = SubscriptionRequest {
            access_token: &self.token,
            ..request.clone()
        };
        match self.world.send_subscription(0, &request) {
            Ok(_) => 0,
            Err(refusal) => refusal.errcode,
        }
    }
}

#[test]
fn an_accept_is_good_for_one_message() {
    let mut desk = Desk::new();
    let request = desk.request();
    assert_eq!(desk.send(&request), 43101);
    desk.world.subscribe(APPID, OPENID, TEMPLATE, true);
    desk.world.subscribe(APPID, OPENID, TEMPLATE, true);
    assert_eq!(desk.world.credits(APPID, OPENID, TEMPLATE), 2);
    // Nobody has to follow the account; nothing is remembered of the first call.
    assert_eq!([desk.send(&request), desk.send(&request)], [0, 0]);
    assert_eq!(desk.send(&request), 43101);
    assert_eq!(desk.world.seen(OPENID).len(), 2);
}

#[test]
fn a_reject_takes_what_was_accepted_away() {
    let mut desk = Desk::new();
    desk.world.subscribe(APPID, OPENID, TEMPLATE, true);
    desk.world.subscribe(APPID, OPENID, TEMPLATE, false);
    let request = desk.request();
    assert_eq!(desk.send(&request), 43101);
}

#[test]
fn a_long_term_template_needs_no_credit() {
    let mut desk = Desk::new();
    let request = SubscriptionRequest {
        template_id: "long",
        ..desk.request()
    };
    assert_eq!([desk.send(&request), desk.send(&request)], [0, 0]);
    desk.world.subscribe(APPID, OPENID, "long", false);
    assert_eq!(desk.send(&request), 43101);
}

#[test]
fn a_message_is_judged_part_by_part() {
    let mut desk = Desk::new();
    let good = desk.request();
    let one_time = SubscriptionRequest {
        call: SubscriptionCall::OneTime,
        title: "title",
        scene: Some(1),
        data: r#"{"content":{"value":"x"}}"#,
        ..good.clone()
    };
    let cases = [
        (40036, SubscriptionRequest { template_id: "", ..good.clone() }),
        (40037, SubscriptionRequest { template_id: "other", ..good.clone() }),
        (40003, SubscriptionRequest { touser: "nobody", ..good.clone() }),
        (47003, SubscriptionRequest { data: "{}", ..good.clone() }),
        (
            41030,
            SubscriptionRequest {
                call: SubscriptionCall::MiniProgram,
                link: "https://example.com",
                ..good.clone()
            },
        ),
        (40062, SubscriptionRequest { title: "0123456789abcdef", ..one_time.clone() }),
        (40097, SubscriptionRequest { scene: Some(10_001), ..one_time.clone() }),
        (47003, SubscriptionRequest { data: DATA, ..one_time.clone() }),
        (43101, one_time),
    ];
    for (code, request) in cases {
        assert_eq!(desk.send(&request), code, "{request:?}");
    }
    desk.world.set_kind(APPID, AccountKind::Test);
    assert_eq!(desk.send(&good), 48001);
}

async fn post(sim: &SimHandle, token: &str) -> serde_json::Value {
    let body = format!(r#"{{"touser":"{OPENID}","template_id":"{TEMPLATE}","data":{DATA}}}"#);
    let path = format!("/cgi-bin/message/subscribe/bizsend?access_token={token}");
    call(sim.addr(), "POST", &path, &body).await.json()
}

#[tokio::test]
async fn two_messages_to_one_person_at_once_are_one_too_many() {
    let sim = demo().await;
    let token = token(&sim).await;
    for _ in 0..2 {
        let push = Push::Popup {
            template_id: TEMPLATE.to_owned(),
            accept: true,
        };
        assert!(sim.push(APPID, OPENID, push));
    }
    sim.set_latency(std::time::Duration::from_millis(200));
    let (one, other) = tokio::join!(post(&sim, &token), post(&sim, &token));
    let mut codes = [one, other].map(|answer| answer["errcode"].as_i64().unwrap());
    codes.sort_unstable();
    assert_eq!(codes, [0, 43108]);
    // The answer is out: the next may go.
    assert_eq!(post(&sim, &token).await["errcode"], 0);
}
