//! What the pure world says to a message: the order of checks, the repeat window, quotas, what was seen.
//! Times are milliseconds from an arbitrary zero.

use hongyan_wechat_sim::world::{
    AccountKind, FollowerState, MiniProgram, SendRequest, TokenRequest, World,
};
use hongyan_wechat_sim::{Seed, SimConfig};

use crate::wire::{APPID, DATA, OPENID, SECRET, TEMPLATE};

fn seed(rules: &str) -> Seed {
    let text = format!(
        r#"
        [rules]
        {rules}
        [[accounts]]
        appid = "{APPID}"
        secret = "{SECRET}"
        daily_quota = 3
        followers = [{{ openid = "{OPENID}" }}]
        templates = [{{ template_id = "{TEMPLATE}", content = "Goods:{{{{thing1.DATA}}}}" }}]
        "#
    );
    text.parse().unwrap()
}

struct Desk {
    world: World,
    token: String,
}

impl Desk {
    fn new(rules: &str) -> Self {
        let mut world = World::new(&seed(rules));
        let request = TokenRequest::new(APPID, SECRET);
        let token = world.stable_token(0, &request, false).unwrap().access_token;
        Self { world, token }
    }

    fn message(&self) -> SendRequest<'static> {
        SendRequest {
            touser: OPENID,
            template_id: TEMPLATE,
            data: DATA,
            ..SendRequest::default()
        }
    }

    fn send(&mut self, at: i64, message: &SendRequest<'_>) -> Result<(i64, bool), i64> {
        let request = SendRequest {
            access_token: &self.token,
            ..message.clone()
        };
        match self.world.send(at, &request) {
            Ok(accepted) => Ok((accepted.msgid, accepted.repeated)),
            Err(refusal) => Err(refusal.errcode),
        }
    }
}

fn program(appid: &'static str, pagepath: &'static str) -> Option<MiniProgram<'static>> {
    Some(MiniProgram {
        appid: appid.into(),
        pagepath: pagepath.into(),
    })
}

#[test]
fn a_message_is_judged_part_by_part() {
    let mut desk = Desk::new("strict = true");
    let ok = desk.message();
    let long_url = "u".repeat(2084);
    let all_wrong = SendRequest {
        touser: "nobody",
        template_id: "",
        data: "[]",
        ..ok.clone()
    };
    let cases = [
        (40036, all_wrong.clone()),
        (
            40037,
            SendRequest {
                template_id: "unknown",
                ..all_wrong.clone()
            },
        ),
        (
            40003,
            SendRequest {
                template_id: TEMPLATE,
                ..all_wrong
            },
        ),
        (
            40003,
            SendRequest {
                touser: "oBBBBBBBBBBBBBBBBBBBBBBBBBBB",
                ..ok.clone()
            },
        ),
        (
            40039,
            SendRequest {
                url: &long_url,
                data: "[]",
                ..ok.clone()
            },
        ),
        (
            40165,
            SendRequest {
                miniprogram: program("wx1", "a b"),
                ..ok.clone()
            },
        ),
        (
            40166,
            SendRequest {
                miniprogram: program("wx1", "a"),
                data: "[]",
                ..ok.clone()
            },
        ),
        (
            47003,
            SendRequest {
                data: "[]",
                ..ok.clone()
            },
        ),
    ];
    for (errcode, message) in cases {
        assert_eq!(desk.send(1, &message), Err(errcode), "{message:?}");
    }
    assert_eq!(desk.world.calls().rejected_with(40003), 2);
    assert_eq!(desk.world.seen_count(OPENID), 0);
}

#[test]
fn blocked_words_and_empty_mini_programs() {
    let mut desk = Desk::new("blocked_words = ['prize']");
    let advertisement = SendRequest {
        data: r#"{"thing1":{"value":"A prize"}}"#,
        ..desk.message()
    };
    assert_eq!(desk.send(1, &advertisement), Err(40249));
    let nowhere = SendRequest {
        miniprogram: program("", ""),
        ..desk.message()
    };
    assert!(desk.send(1, &nowhere).is_ok());
}

#[test]
fn data_is_refused_with_the_field_that_is_wrong() {
    let cases = [
        (r#""{}""#, "data.thing1.value is empty"),
        (r#"{}"#, "data.thing1.value is empty"),
        (
            r#"{"thing1.DATA":{"value":"x"}}"#,
            "data.thing1.value is empty",
        ),
        (r#"{"thing1":"x"}"#, "data.thing1.value is empty"),
        (r#"{"thing1":{"value":" "}}"#, "data.thing1.value is empty"),
        (
            r#"{"thing1":{"value":"一二三四五六七八九十一二三四五六七八九十一"}}"#,
            "data.thing1.value invalid",
        ),
    ];
    for (data, field) in cases {
        let mut desk = Desk::new("strict = true");
        let token = desk.token.clone();
        let request = SendRequest {
            access_token: &token,
            data,
            ..desk.message()
        };
        let refusal = desk.world.send(1, &request).unwrap_err();
        assert_eq!(refusal.errcode, 47003, "{data}");
        let start = format!("argument invalid! {field} rid: ");
        assert!(refusal.errmsg.starts_with(&start), "{}", refusal.errmsg);
    }
}

#[test]
fn a_key_is_judged_where_it_is_asked_for_or_nothing_is_known_of_the_template() {
    let data = r#"{"thing1":{"value":"x"},"character_string2":{"value":"中"},"note":{"value":""}}"#;
    let mut desk = Desk::new("");
    let message = SendRequest {
        data,
        ..desk.message()
    };
    assert!(
        desk.send(1, &message).is_ok(),
        "what is not asked for is dropped"
    );
    let on_demand = SendRequest {
        template_id: "another",
        ..message
    };
    assert_eq!(desk.send(1, &on_demand), Err(47003));
}

#[test]
fn a_constant_may_be_left_empty() {
    let mut desk = Desk::new("");
    let mut message = SendRequest {
        template_id: "another",
        data: r#"{"const1":{"value":""}}"#,
        ..desk.message()
    };
    assert!(desk.send(1, &message).is_ok());
    message.data = r#"{"thing1":{"value":""}}"#;
    assert_eq!(desk.send(1, &message), Err(47003));
}

#[test]
fn people_and_accounts_can_be_closed_to_messages() {
    let mut desk = Desk::new("");
    let message = desk.message();
    let states = [
        (FollowerState::Unsubscribed, Err(43004)),
        (FollowerState::Blacklisted, Err(43019)),
        (FollowerState::Refused, Err(43101)),
    ];
    for (state, expected) in states {
        desk.world.add_follower(APPID, OPENID, state);
        assert_eq!(desk.send(1, &message), expected);
    }
    desk.world
        .add_follower(APPID, OPENID, FollowerState::Subscribed);
    desk.world.set_kind(APPID, AccountKind::Subscription);
    assert_eq!(desk.send(1, &message), Err(48001));
}

#[test]
fn a_client_msg_id_is_remembered_ten_minutes_from_its_acceptance() {
    let mut desk = Desk::new("");
    let message = SendRequest {
        client_msg_id: Some("m1"),
        ..desk.message()
    };
    let (msgid, repeated) = desk.send(0, &message).unwrap();
    assert!(!repeated);
    assert_eq!(desk.send(599_999, &message), Ok((msgid, true)));
    assert_eq!(desk.world.accepted("m1"), 1);
    let (again, repeated) = desk.send(600_000, &message).unwrap();
    assert!(again > msgid && !repeated);
    assert_eq!(desk.world.accepted("m1"), 2);

    let other = SendRequest {
        touser: "oBBBBBBBBBBBBBBBBBBBBBBBBBBB",
        ..message
    };
    let (msgid, repeated) = desk.send(600_000, &other).unwrap();
    assert!(!repeated, "another openid is another message");
    assert_eq!(desk.send(600_001, &other), Ok((msgid, true)));
    assert_eq!(desk.world.accepted("m1"), 3);
    assert_eq!(desk.world.shown().map(|(_, times)| times).sum::<u32>(), 3);
}

#[test]
fn a_repeat_can_be_answered_with_a_code() {
    let mut desk = Desk::new("repeat_errcode = 40241");
    let message = SendRequest {
        client_msg_id: Some("m1"),
        ..desk.message()
    };
    assert!(desk.send(0, &message).is_ok());
    assert_eq!(desk.send(1, &message), Err(40241));
    assert_eq!(desk.world.accepted("m1"), 1);
}

#[test]
fn the_content_rule_refuses_the_same_within_a_minute() {
    let mut desk = Desk::new("content_rule = true");
    let message = desk.message();
    let different = SendRequest {
        data: r#"{"thing1":{"value":"Another"}}"#,
        ..desk.message()
    };
    assert!(desk.send(0, &message).is_ok());
    assert_eq!(desk.send(59_999, &message), Err(40241));
    assert!(desk.send(59_999, &different).is_ok());
    assert!(desk.send(60_000, &message).is_ok());
}

#[test]
fn too_many_to_one_openid_in_a_minute() {
    let mut desk = Desk::new("per_openid_minute = 1");
    let message = desk.message();
    assert!(desk.send(0, &message).is_ok());
    assert_eq!(desk.send(59_999, &message), Err(43117));
    assert!(desk.send(60_000, &message).is_ok());
}

#[test]
fn the_daily_quota_ends_at_beijing_midnight_or_when_cleared() {
    let mut desk = Desk::new("");
    let message = desk.message();
    let midnight = 16 * 3_600_000;
    let late = midnight - 60_000;
    let request = TokenRequest::new(APPID, SECRET);
    let granted = desk.world.stable_token(late, &request, false).unwrap();
    desk.token = granted.access_token;
    let path = "/cgi-bin/message/template/send";
    for used in 0..3 {
        let quota = desk.world.quota(late, &desk.token, path).unwrap();
        assert_eq!(quota["quota"]["remain"], 3 - used);
        assert!(desk.send(late, &message).is_ok());
    }
    assert_eq!(desk.send(midnight - 1, &message), Err(45009));
    assert!(desk.send(midnight, &message).is_ok());

    for _ in 0..2 {
        desk.send(midnight, &message).unwrap();
    }
    assert_eq!(desk.send(midnight, &message), Err(45009));
    for _ in 0..10 {
        let cleared = desk.world.clear_quota(midnight, &desk.token, APPID);
        assert!(cleared.is_ok());
    }
    assert!(desk.send(midnight, &message).is_ok());
    let refused = desk.world.clear_quota(midnight, &desk.token, APPID);
    assert_eq!(refused.unwrap_err().errcode, 48006);
}

#[test]
fn too_many_sends_in_a_minute_are_refused_and_quota_get_says_how_many_may_be() {
    let mut desk = Desk::new("");
    assert!(desk.world.set_sends_a_minute(APPID, Some(2)));
    let message = desk.message();
    let path = "/cgi-bin/message/template/send";
    let said = desk.world.quota(0, &desk.token, path).unwrap();
    let limit = serde_json::json!({"call_count": 2, "refresh_second": 60});
    assert_eq!(said["rate_limit"], limit);
    for minute in 0..2 {
        let now = minute * 60_000;
        let answers = [0, 1, 2].map(|_| desk.send(now, &message).map(|_| ()));
        let expected = if minute == 0 { Ok(()) } else { Err(45009) };
        assert_eq!(answers, [Ok(()), expected, Err(45011)]);
    }
    assert!(desk.world.set_sends_a_minute(APPID, None));
    assert_eq!(desk.send(60_000, &message).map(|_| ()), Err(45009));
}

#[test]
fn what_was_seen_is_kept_in_order_and_only_counted_when_lean() {
    let mut desk = Desk::new("");
    let message = SendRequest {
        client_msg_id: Some("m1"),
        ..desk.message()
    };
    let (msgid, _) = desk.send(7, &message).unwrap();
    assert_eq!(msgid.to_string().len(), 19);
    let seen = desk.world.seen(OPENID);
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].at, seen[0].msgid), (7, msgid));
    assert_eq!(seen[0].client_msg_id.as_deref(), Some("m1"));
    assert_eq!((&*seen[0].template_id, &*seen[0].data), (TEMPLATE, DATA));

    let mut lean = Desk::new("lean = true");
    lean.send(7, &message).unwrap();
    assert!(lean.world.seen(OPENID).is_empty());
    assert_eq!(lean.world.seen_counts()[OPENID], 1);
    assert_eq!(lean.world.accepted("m1"), 1);
}

#[test]
fn an_account_made_anew_forgets_its_tokens() {
    let mut desk = Desk::new("");
    let message = desk.message();
    desk.world.add_account(&SimConfig::demo().seed.accounts[0]);
    assert_eq!(desk.send(1, &message), Err(40001));
}

#[test]
fn an_unknown_key_in_the_seed_is_an_error() {
    for text in [
        "stric = true",
        "[rules]\nstric = true",
        "[[accounts]]\nappid = 'a'\nsecret = 's'\nquota = 1",
    ] {
        let error = text.parse::<Seed>().unwrap_err().to_string();
        assert!(error.contains("unknown field"), "{error}");
    }
}
