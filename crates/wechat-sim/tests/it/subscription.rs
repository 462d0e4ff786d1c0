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
                {{ template_id = "{TEMPLATE}", content = "Goods:{{{{thing1.DATA}}}}", subscription = true }},
                {{ template_id = "plain", content = "Goods:{{{{thing1.DATA}}}}" }},
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
fn a_refused_message_spends_no_accept() {
    let mut desk = Desk::new();
    desk.world.rules_mut().per_openid_minute = Some(1);
    desk.world.subscribe(APPID, OPENID, TEMPLATE, true);
    desk.world.subscribe(APPID, OPENID, TEMPLATE, true);
    let request = desk.request();
    assert_eq!([desk.send(&request), desk.send(&request)], [0, 43117]);
    assert_eq!(desk.world.credits(APPID, OPENID, TEMPLATE), 1);
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
    let mut check = |code, change: &dyn Fn(&mut SubscriptionRequest<'static>)| {
        let mut request = desk.request();
        change(&mut request);
        assert_eq!(desk.send(&request), code, "{request:?}");
    };
    check(40036, &|request| request.template_id = "");
    check(40037, &|request| request.template_id = "other");
    check(40037, &|request| request.template_id = "plain");
    check(40003, &|request| request.touser = "nobody");
    check(47003, &|request| request.data = "{}");
    check(41030, &|request| {
        request.call = SubscriptionCall::MiniProgram;
        request.link = "https://example.com";
    });
    check(43101, &|_| {});
    desk.world.set_kind(APPID, AccountKind::Test);
    let request = desk.request();
    assert_eq!(desk.send(&request), 48001);
}

#[test]
fn a_one_time_message_has_a_title_a_scene_and_one_text() {
    let mut desk = Desk::new();
    let good = SubscriptionRequest {
        call: SubscriptionCall::OneTime,
        title: "title",
        scene: Some(1),
        data: r#"{"content":{"value":"x"}}"#,
        ..desk.request()
    };
    let mut check = |code, change: &dyn Fn(&mut SubscriptionRequest<'static>)| {
        let mut request = good.clone();
        change(&mut request);
        assert_eq!(desk.send(&request), code, "{request:?}");
    };
    check(40062, &|request| request.title = "0123456789abcdef");
    check(40097, &|request| request.scene = Some(10_001));
    check(47003, &|request| request.data = DATA);
    check(43101, &|_| {});
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
