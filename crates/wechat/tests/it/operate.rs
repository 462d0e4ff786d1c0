//! What operators do to an account's templates and industries, against the simulator.

use std::time::Duration;

use hongyan_wechat::AccessToken;
use hongyan_wechat::client::Client;
use hongyan_wechat::errcode::{AccountFault, Class, Endpoint, Fault, RateScope, TemplateFault};
use hongyan_wechat::error::{ApiError, CallError, DoubtCause};
use hongyan_wechat::industry::{Industries, Industry, IndustryCodes};
use hongyan_wechat::subscription::{Lasts, NewSubscriptionTemplate};
use hongyan_wechat::template::{NewTemplate, TemplateMessage};
use hongyan_wechat_sim::SimHandle;
use hongyan_wechat_sim::world::AccountKind;

use crate::server::{Act, Server, data, message, token as any_token};
use crate::simulator::simulator;

const DRINK: NewTemplate<'_> = NewTemplate {
    template_id_short: "43216",
    keyword_name_list: &["商品名称", "取餐时间"],
};
const NOTICE: NewSubscriptionTemplate<'_> = NewSubscriptionTemplate {
    tid: "401",
    keywords: &[3, 1],
    scene: Some("取餐提醒"),
};
const SHOP: IndustryCodes = IndustryCodes {
    primary: 1,
    secondary: 4,
};
const COURIER: IndustryCodes = IndustryCodes {
    primary: 13,
    secondary: 41,
};

async fn operator() -> (SimHandle, Client, AccessToken) {
    let (sim, client, credential) = simulator().await;
    let token = client.stable_token(&credential, false).await.unwrap().token;
    (sim, client, token)
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, CallError>) -> ApiError {
    match answer {
        Err(CallError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_template_is_added_used_and_deleted() {
    let (sim, client, token) = operator().await;
    let id = client.add_template(&token, DRINK).await.unwrap();
    assert_eq!(id.len(), 43);
    let listed = client.templates(&token).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].template_id, id);
    assert_eq!(
        listed[0].content,
        "商品名称:{{thing1.DATA}}\n取餐时间:{{thing2.DATA}}"
    );

    let values = data(r#"{"thing1":{"value":"咖啡"},"thing2":{"value":"下午"}}"#);
    let drink = TemplateMessage {
        template_id: &id,
        ..message(&values)
    };
    client.send_template(&token, &drink).await.unwrap();
    client.delete_template(&token, &id).await.unwrap();
    assert_eq!(client.templates(&token).await.unwrap(), []);
    assert_eq!(
        refusal(client.send_template(&token, &drink).await).code,
        40037
    );
    let again = refusal(client.delete_template(&token, &id).await);
    assert_eq!(
        (again.code, again.class()),
        (40037, Class::Template(TemplateFault::Unknown))
    );
    assert_eq!(sim.calls().del_template, 2);
}

#[tokio::test]
async fn the_twenty_sixth_template_is_refused_until_one_is_deleted() {
    let (_sim, client, token) = operator().await;
    let mut ids = Vec::new();
    for _ in 0..25 {
        ids.push(client.add_template(&token, DRINK).await.unwrap());
    }
    let full = refusal(client.add_template(&token, DRINK).await);
    assert_eq!(
        (full.code, full.class()),
        (45026, Class::Parameter(Fault::Request))
    );
    client.delete_template(&token, &ids[7]).await.unwrap();
    client.add_template(&token, DRINK).await.unwrap();
    assert_eq!(client.templates(&token).await.unwrap().len(), 25);
}

#[tokio::test]
async fn the_two_libraries_ask_for_different_things() {
    let (_sim, client, token) = operator().await;
    for (template_id_short, keyword_name_list, code) in [
        ("43216", &[][..], 40246),
        ("43216", &["商品", " "], 40246),
        ("TMabc", &[], 40037),
        ("", &[], 40037),
    ] {
        let new = NewTemplate {
            template_id_short,
            keyword_name_list,
        };
        assert_eq!(
            refusal(client.add_template(&token, new).await).code,
            code,
            "{new:?}"
        );
    }
    let old = NewTemplate {
        template_id_short: "TM00015",
        keyword_name_list: &[],
    };
    client.add_template(&token, old).await.unwrap();
    let listed = client.templates(&token).await.unwrap();
    assert!(listed[0].content.starts_with("{{first.DATA}}\n"));
    assert!(listed[0].content.ends_with("\n{{remark.DATA}}"));
}

#[tokio::test]
async fn a_subscription_template_is_added_and_deleted() {
    let (sim, client, token) = operator().await;
    let id = client.add_subscription_template(&token, NOTICE).await;
    let id = id.unwrap();
    let listed = client.subscription_templates(&token).await.unwrap();
    assert_eq!((listed.len(), &listed[0].template_id), (1, &id));
    assert_eq!(
        listed[0].content,
        "关键词3:{{thing3.DATA}}\n关键词1:{{thing1.DATA}}"
    );
    assert_eq!(listed[0].lasts, Some(Lasts::OneTime));
    // It is none of the other list's.
    assert_eq!(
        refusal(client.delete_template(&token, &id).await).code,
        40037
    );
    let delete = async || client.delete_subscription_template(&token, &id).await;
    delete().await.unwrap();
    assert_eq!(refusal(delete().await).code, 40037);
    assert_eq!(sim.calls().del_subscription_template, 2);
}

#[tokio::test]
async fn the_library_of_subscription_templates_says_what_it_does_not_take() {
    let (_sim, client, token) = operator().await;
    let add = async |new| client.add_subscription_template(&token, new).await;
    let tid = NewSubscriptionTemplate { tid: "x", ..NOTICE };
    assert_eq!(refusal(add(tid).await).code, 200_014);
    for keywords in [&[][..], &[1], &[1, 1], &[1, 2, 3, 4, 5, 6]] {
        let new = NewSubscriptionTemplate { keywords, ..NOTICE };
        assert_eq!(refusal(add(new).await).code, 200_020, "{keywords:?}");
    }
    let scene = Some("一二三四五六七八九十一二三四五六");
    let long = NewSubscriptionTemplate { scene, ..NOTICE };
    assert_eq!(refusal(add(long).await).code, 200_021);
    let unsaid = NewSubscriptionTemplate {
        scene: None,
        ..NOTICE
    };
    for _ in 0..25 {
        add(unsaid).await.unwrap();
    }
    assert_eq!(refusal(add(NOTICE).await).code, 200_012);
    // The other list has room of its own.
    client.add_template(&token, DRINK).await.unwrap();
}

#[tokio::test]
async fn industries_are_set_once_a_month_and_take_the_templates_with_them() {
    let (sim, client, credential) = simulator().await;
    let token = client.stable_token(&credential, false).await.unwrap().token;
    assert_eq!(
        client.industries(&token).await.unwrap(),
        Industries::default()
    );
    client.add_template(&token, DRINK).await.unwrap();
    client.set_industries(&token, SHOP).await.unwrap();
    assert_eq!(client.templates(&token).await.unwrap().len(), 1);
    let named = |first: &str, second: &str| {
        Some(Industry {
            first_class: first.to_owned(),
            second_class: second.to_owned(),
        })
    };
    let shop = Industries {
        primary_industry: named("IT科技", "互联网|电子商务"),
        secondary_industry: named("IT科技", "电子技术"),
    };
    assert_eq!(client.industries(&token).await.unwrap(), shop);

    let early = refusal(client.set_industries(&token, COURIER).await);
    assert_eq!(
        (early.code, early.class()),
        (43100, Class::Rate(RateScope::Template))
    );
    assert_eq!(client.industries(&token).await.unwrap(), shop);

    sim.advance(Duration::from_secs(31 * 24 * 3600));
    let token = client.stable_token(&credential, false).await.unwrap().token;
    client.set_industries(&token, COURIER).await.unwrap();
    assert_eq!(client.templates(&token).await.unwrap(), []);
    let courier = client.industries(&token).await.unwrap();
    assert_eq!(courier.secondary_industry, named("其它", "其它"));
}

#[tokio::test]
async fn a_code_that_is_no_industry_is_refused_and_costs_nothing() {
    let (_sim, client, token) = operator().await;
    for codes in [(0, 1), (1, 42), (255, 255)] {
        let (primary, secondary) = codes;
        let answer = client
            .set_industries(&token, IndustryCodes { primary, secondary })
            .await;
        assert_eq!(refusal(answer).code, 40102, "{codes:?}");
    }
    client.set_industries(&token, SHOP).await.unwrap();
}

#[tokio::test]
async fn an_account_without_template_messages_has_none_to_change() {
    let (sim, client, token) = operator().await;
    sim.world()
        .set_kind(crate::simulator::APPID, AccountKind::Subscription);
    let refusals = [
        refusal(client.add_template(&token, DRINK).await),
        refusal(client.delete_template(&token, "t1").await),
        refusal(client.industries(&token).await),
        refusal(client.set_industries(&token, SHOP).await),
    ];
    for refusal in refusals {
        assert_eq!(
            (refusal.code, refusal.class()),
            (48001, Class::Account(AccountFault::Capability))
        );
    }
}

#[tokio::test]
async fn an_answer_that_does_not_say_what_became_of_the_call_is_doubt() {
    for answer in [r#"{"errmsg":"ok"}"#, "{}"] {
        let server = Server::always(Act::answer(answer)).await;
        let client = server.client();
        let token = any_token();
        let causes = [
            client.add_template(&token, DRINK).await.err(),
            client.delete_template(&token, "t1").await.err(),
            client.set_industries(&token, SHOP).await.err(),
            client.add_subscription_template(&token, NOTICE).await.err(),
            client
                .delete_subscription_template(&token, "s1")
                .await
                .err(),
        ];
        let causes = causes.map(|error| match error {
            Some(CallError::InDoubt(doubt)) => (doubt.endpoint, doubt.cause),
            other => panic!("{other:?}"),
        });
        assert_eq!(
            causes,
            [
                (Endpoint::TemplateAdd, DoubtCause::Incomplete("template_id")),
                (Endpoint::TemplateDelete, DoubtCause::Incomplete("errcode")),
                (Endpoint::IndustrySet, DoubtCause::Incomplete("errcode")),
                (
                    Endpoint::SubscriptionTemplateAdd,
                    DoubtCause::Incomplete("priTmplId")
                ),
                (
                    Endpoint::SubscriptionTemplateDelete,
                    DoubtCause::Incomplete("errcode")
                ),
            ]
        );
    }
}
