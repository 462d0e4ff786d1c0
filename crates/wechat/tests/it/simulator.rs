//! Every call against the simulator: the two read WeChat's documents independently, and must agree.

use hongyan_wechat::client::{Client, Hosts, TraceLayer};
use hongyan_wechat::errcode::{Class, ConfigurationFault, Endpoint, KNOWN, classify};
use hongyan_wechat::error::{CallError, DoubtCause};
use hongyan_wechat::industry::IndustryCodes;
use hongyan_wechat::subscription::{
    MiniProgramMessage, NewSubscriptionTemplate, OneTimeMessage, SubscriptionMessage,
};
use hongyan_wechat::template::{Accepted, NewTemplate, TemplateMessage};
use hongyan_wechat::token::Credential;
use hongyan_wechat::{AccessToken, AppSecret};
use hongyan_wechat_sim::fault::{Endpoint as SimEndpoint, Place, What};
use hongyan_wechat_sim::world::FollowerState;
use hongyan_wechat_sim::{AccountConfig, Fault, Sim, SimConfig, SimHandle};

use crate::server::{data, message};

pub(crate) const APPID: &str = "wx5eed0000c0ffee01";
const NEW: NewTemplate<'_> = NewTemplate {
    template_id_short: "43216",
    keyword_name_list: &["商品名称"],
};
const NOTICE: NewSubscriptionTemplate<'_> = NewSubscriptionTemplate {
    tid: "401",
    keywords: &[1, 2],
    scene: Some("取餐提醒"),
};
const CODES: IndustryCodes = IndustryCodes {
    primary: 1,
    secondary: 4,
};
const SECRET: &str = "5eed5eed5eed5eed5eed5eed5eed5eed";

pub(crate) async fn simulator() -> (SimHandle, Client, Credential) {
    let sim = Sim::start(SimConfig::new(vec![AccountConfig::new(APPID, SECRET)]))
        .await
        .unwrap();
    let hosts = Hosts::new([sim.url()]).unwrap();
    let client = Client::builder()
        .hosts(hosts)
        .layer(TraceLayer)
        .build()
        .unwrap();
    (
        sim,
        client,
        Credential {
            appid: APPID.into(),
            secret: AppSecret::new(SECRET),
        },
    )
}

#[tokio::test]
async fn a_message_goes_from_secret_to_user() {
    let (sim, client, credential) = simulator().await;
    let grant = client.stable_token(&credential, false).await.unwrap();
    let data = data(r#"{"thing1":{"value":"咖啡"}}"#);
    let first = TemplateMessage {
        client_msg_id: Some("first"),
        ..message(&data)
    };
    let sent = client.send_template(&grant.token, &first).await.unwrap();
    assert!(sent.msgid.unwrap() > i64::from(i32::MAX));
    let other = crate::server::data(r#"{"thing1":{"value":"茶"}}"#);
    let second = TemplateMessage {
        client_msg_id: Some("second"),
        ..message(&other)
    };
    client
        .send_template_fresh(&grant.token, &second, &|| true)
        .await
        .unwrap();
    assert_eq!((sim.accepted("first"), sim.accepted("second")), (1, 1));
    assert_eq!(sim.seen(first.touser).len(), 2);

    assert!(
        client
            .user_info(&grant.token, first.touser)
            .await
            .unwrap()
            .follows()
    );
    let quota = client
        .quota(&grant.token, Endpoint::TemplateSend)
        .await
        .unwrap()
        .quota;
    assert_eq!(quota.used + quota.remain, quota.daily_limit);
    client.add_template(&grant.token, NEW).await.unwrap();
    assert_eq!(client.templates(&grant.token).await.unwrap().len(), 1);
}

#[tokio::test]
async fn tokens_live_in_two_slots() {
    let (_sim, client, credential) = simulator().await;
    let stable = client.stable_token(&credential, false).await.unwrap();
    assert_eq!(
        client.stable_token(&credential, false).await.unwrap().token,
        stable.token
    );
    assert_ne!(client.token(&credential).await.unwrap().token, stable.token);
    let wrong = Credential {
        secret: AppSecret::new("wrong"),
        ..credential
    };
    let Err(CallError::Refused(refusal)) = client.stable_token(&wrong, false).await else {
        panic!()
    };
    assert_eq!(
        refusal.class(),
        Class::Configuration(ConfigurationFault::Secret)
    );
    assert!(refusal.rid.is_some());
    let unknown = AccessToken::new("74_unknown");
    let Err(CallError::Refused(refusal)) = client.templates(&unknown).await else {
        panic!()
    };
    assert_eq!(refusal.class(), Class::Token);
}

#[tokio::test]
async fn every_code_arrives_as_its_class() {
    let (sim, client, credential) = simulator().await;
    let token = client.stable_token(&credential, false).await.unwrap().token;
    let data = data(r#"{"thing1":{"value":"咖啡"}}"#);
    for code in KNOWN.iter().copied().filter(|code| *code != 0) {
        sim.clear_faults();
        sim.fault(Fault::code(code));
        let Err(CallError::Refused(refusal)) = client.send_template(&token, &message(&data)).await
        else {
            panic!("{code}")
        };
        assert_eq!(
            (refusal.code, refusal.class()),
            (code, classify(Endpoint::TemplateSend, code))
        );
    }
}

#[tokio::test]
async fn followers_are_listed_to_the_last() {
    let (sim, client, credential) = simulator().await;
    let token = client.stable_token(&credential, false).await.unwrap().token;
    assert_eq!(
        client.followers(&token, None).await.unwrap().openids.len(),
        0
    );
    for nth in 0..10_002 {
        sim.add_follower(APPID, &format!("oFan{nth:024}"), FollowerState::Subscribed);
    }
    sim.add_follower(
        APPID,
        &format!("oFan{:024}", 0),
        FollowerState::Unsubscribed,
    );
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = client.followers(&token, after.as_deref()).await.unwrap();
        if page.openids.is_empty() {
            break;
        }
        assert_eq!(page.total, 10_001);
        all.extend(page.openids);
        // Somebody is named although nobody comes after.
        after = Some(page.next.unwrap());
    }
    assert_eq!(all.len(), 10_001);
    assert_eq!(all[0], format!("oFan{:024}", 1));
    assert_eq!(sim.calls().user_get, 4);
    let unknown = client.followers(&token, Some("oNobody")).await;
    assert!(matches!(unknown, Err(CallError::Refused(refusal)) if refusal.code == 40003));
}

/// The codes that one helper call alone has are not among those that every call may be answered with.
const OF_ONE_CALL: [(Endpoint, &[i64]); 7] = [
    (Endpoint::SubscriptionTemplateList, &[200_100]),
    (
        Endpoint::SubscriptionTemplateAdd,
        &[
            200_011, 200_012, 200_013, 200_014, 200_020, 200_021, 200_022,
        ],
    ),
    (Endpoint::OauthToken, &[40029, 40163, 41008, 42003]),
    (Endpoint::TemplateAdd, &[40246, 40247, 43106, 45026, 45027]),
    (Endpoint::IndustrySet, &[40102, 40103]),
    (Endpoint::UserInfo, &[40032]),
    (Endpoint::QuotaGet, &[76003, 76021, 76022]),
];

async fn subscription(
    client: &Client,
    token: &AccessToken,
    endpoint: Endpoint,
) -> Result<Accepted, CallError> {
    let data = data(r#"{"content":{"value":"咖啡"}}"#);
    let (touser, template_id) = ("oUser", "t1");
    match endpoint {
        Endpoint::SubscriptionSend => {
            let message = SubscriptionMessage {
                touser,
                template_id,
                page: None,
                miniprogram: None,
                data: &data,
                miniprogram_state: None,
                lang: None,
            };
            client.send_subscription(token, &message).await
        }
        Endpoint::MiniProgramSend => {
            let message = MiniProgramMessage {
                touser,
                template_id,
                page: None,
                data: &data,
                miniprogram_state: None,
                lang: None,
            };
            client.send_mini_program(token, &message).await
        }
        _ => {
            let message = OneTimeMessage {
                touser,
                template_id,
                url: None,
                miniprogram: None,
                scene: 1,
                title: "title",
                data: &data,
            };
            client.send_one_time(token, &message).await
        }
    }
}

/// Where the simulator has each call.
const PLACES: &[(Endpoint, Place)] = &[
    (Endpoint::Token, Place::Tokens),
    (Endpoint::StableToken, Place::Tokens),
    (Endpoint::TemplateList, Place::One(SimEndpoint::Templates)),
    (
        Endpoint::SubscriptionTemplateList,
        Place::One(SimEndpoint::SubscriptionTemplates),
    ),
    (
        Endpoint::SubscriptionTemplateAdd,
        Place::One(SimEndpoint::SubscriptionTemplateAdd),
    ),
    (
        Endpoint::SubscriptionTemplateDelete,
        Place::One(SimEndpoint::SubscriptionTemplateDelete),
    ),
    (Endpoint::TemplateAdd, Place::One(SimEndpoint::TemplateAdd)),
    (
        Endpoint::TemplateDelete,
        Place::One(SimEndpoint::TemplateDelete),
    ),
    (Endpoint::IndustryGet, Place::One(SimEndpoint::IndustryGet)),
    (Endpoint::IndustrySet, Place::One(SimEndpoint::IndustrySet)),
    (Endpoint::SubscriptionSend, Place::One(SimEndpoint::BizSend)),
    (
        Endpoint::MiniProgramSend,
        Place::One(SimEndpoint::SubscribeSend),
    ),
    (Endpoint::OneTimeSend, Place::One(SimEndpoint::OneTimeSend)),
    (Endpoint::UserInfo, Place::One(SimEndpoint::UserInfo)),
    (Endpoint::UserList, Place::One(SimEndpoint::UserList)),
    (Endpoint::QuotaGet, Place::One(SimEndpoint::Quota)),
    (Endpoint::QuotaClear, Place::One(SimEndpoint::ClearQuota)),
    (
        Endpoint::QuotaClearBySecret,
        Place::One(SimEndpoint::ClearQuota),
    ),
    (Endpoint::OauthToken, Place::One(SimEndpoint::Oauth)),
];

#[tokio::test]
async fn every_code_of_every_other_call_arrives_as_its_class() {
    let (sim, client, credential) = simulator().await;
    let token = client.stable_token(&credential, false).await.unwrap().token;
    let call = async |endpoint| match endpoint {
        Endpoint::Token => client.token(&credential).await.err(),
        Endpoint::StableToken => client.stable_token(&credential, false).await.err(),
        Endpoint::TemplateList => client.templates(&token).await.err(),
        Endpoint::SubscriptionTemplateList => client.subscription_templates(&token).await.err(),
        Endpoint::SubscriptionTemplateAdd => {
            let added = client.add_subscription_template(&token, NOTICE).await;
            added.err()
        }
        Endpoint::SubscriptionTemplateDelete => {
            let deleted = client.delete_subscription_template(&token, "s1").await;
            deleted.err()
        }
        Endpoint::TemplateAdd => client.add_template(&token, NEW).await.err(),
        Endpoint::TemplateDelete => client.delete_template(&token, "t1").await.err(),
        Endpoint::IndustryGet => client.industries(&token).await.err(),
        Endpoint::IndustrySet => client.set_industries(&token, CODES).await.err(),
        Endpoint::UserInfo => client.user_info(&token, "oUser").await.err(),
        Endpoint::UserList => client.followers(&token, None).await.err(),
        Endpoint::QuotaGet => client.quota(&token, Endpoint::TemplateSend).await.err(),
        Endpoint::QuotaClear => client.clear_quota(&token, &credential.appid).await.err(),
        Endpoint::QuotaClearBySecret => client.clear_quota_by_secret(&credential).await.err(),
        Endpoint::OauthToken => client.authorised(&credential, "code").await.err(),
        Endpoint::SubscriptionSend | Endpoint::MiniProgramSend | Endpoint::OneTimeSend => {
            subscription(&client, &token, endpoint).await.err()
        }
        Endpoint::Other(_) => client.relay(endpoint, &token, &[], None).await.err(),
        Endpoint::TemplateSend => unreachable!("it has a test of its own"),
    };
    for (endpoint, place) in PLACES.iter().copied() {
        let own = OF_ONE_CALL.iter().filter(|(of, _)| *of == endpoint);
        let codes = own.flat_map(|(_, codes)| *codes).chain(KNOWN).copied();
        for code in codes.filter(|code| *code != 0) {
            sim.clear_faults();
            sim.fault(Fault::code(code).at(place));
            let Some(CallError::Refused(refusal)) = call(endpoint).await else {
                panic!("{code} at {endpoint}")
            };
            assert_eq!(
                (refusal.endpoint, refusal.code, refusal.class()),
                (endpoint, code, classify(endpoint, code))
            );
            assert_ne!(refusal.class(), Class::Unknown, "{code} at {endpoint}");
        }
    }
}

#[tokio::test]
async fn a_code_becomes_an_openid_once() {
    let (sim, client, credential) = simulator().await;
    let openid = "oSim000000000000000000000001";
    let now_ms = sim.clock().now_ms();
    let code = sim.world().give_code(now_ms, APPID, openid).unwrap();
    let user = client.authorised(&credential, &code).await.unwrap();
    assert_eq!((user.openid.as_str(), user.unionid), (openid, None));
    let Err(CallError::Refused(refusal)) = client.authorised(&credential, &code).await else {
        panic!()
    };
    assert_eq!(refusal.code, 40163);
    assert!(!format!("{refusal:?}").contains(SECRET));
}

#[tokio::test]
async fn trouble_on_the_wire_is_doubt() {
    let (sim, client, credential) = simulator().await;
    let token = client.stable_token(&credential, false).await.unwrap().token;
    let data = data(r#"{"thing1":{"value":"咖啡"}}"#);
    let accepted = true;
    let trouble = [
        (What::CutAfterAccept, DoubtCause::Reset),
        (What::CutBefore, DoubtCause::Reset),
        (
            What::Status {
                status: 502,
                accepted,
            },
            DoubtCause::Status(502),
        ),
        (What::Html { accepted }, DoubtCause::NotJson),
        (What::HalfBody { accepted }, DoubtCause::Reset),
    ];
    for (what, cause) in trouble {
        sim.clear_faults();
        sim.fault(Fault::new(what.clone()));
        let Err(CallError::InDoubt(doubt)) = client.send_template(&token, &message(&data)).await
        else {
            panic!("{what:?}")
        };
        assert_eq!(doubt.cause, cause, "{what:?}");
    }
}

#[tokio::test]
async fn a_quota_is_cleared_with_a_token_or_without_ten_times_in_all() {
    let (sim, client, credential) = simulator().await;
    let token = client.stable_token(&credential, false).await.unwrap().token;
    let data = data(r#"{"thing1":{"value":"咖啡"}}"#);
    assert!(sim.set_daily_quota(&credential.appid, 1));
    for nth in 0..10 {
        client.send_template(&token, &message(&data)).await.unwrap();
        let quota = client.quota(&token, Endpoint::TemplateSend).await.unwrap();
        assert_eq!((quota.quota.used, quota.quota.remain), (1, 0));
        if nth % 2 == 0 {
            client.clear_quota(&token, &credential.appid).await.unwrap();
        } else {
            client.clear_quota_by_secret(&credential).await.unwrap();
        }
    }
    for refused in [
        client.clear_quota(&token, &credential.appid).await,
        client.clear_quota_by_secret(&credential).await,
    ] {
        let Err(CallError::Refused(refused)) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!((refused.code, refused.class()), (48006, Class::Quota));
    }
}
