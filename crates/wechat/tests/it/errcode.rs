//! Every code of the error table, with the class it must have.

use hongyan_wechat::errcode::AccountFault::{Blocked, Capability};
use hongyan_wechat::errcode::Class::{
    self, Account, Busy, Configuration, Content, Duplicate, Ok, Parameter, Quota, Rate, Recipient,
    RetiredAddress, Template, Token, Unknown,
};
use hongyan_wechat::errcode::ConfigurationFault::{
    Address, AppId, RefusedForADay, RefusedForAnHour, Request as TokenRequest, Secret,
};
use hongyan_wechat::errcode::Fault::{Data, Link, OpenId, Request};
use hongyan_wechat::errcode::RecipientFault::{Blacklisted, Limited, NotSubscribed, Refused};
use hongyan_wechat::errcode::{Endpoint, KNOWN, RateScope, TemplateFault, classify};

const SEND: &[(Class, &[i64])] = &[
    (Ok, &[0]),
    (Busy, &[-1, 61450, 200_001, 268_487_001, 268_487_002]),
    (Token, &[40001, 40014, 42001]),
    (Configuration(Secret), &[40125, 40243]),
    (Configuration(AppId), &[40013]),
    (Configuration(TokenRequest), &[40002, 41002, 41004]),
    (
        Configuration(Address),
        &[40164, 45035, 61004, 89501, 89502, 89503, 89504, 89505],
    ),
    (Configuration(RefusedForADay), &[89506]),
    (Configuration(RefusedForAnHour), &[89507]),
    (Account(Blocked), &[45102, 45501, 48004, 50004, 50007]),
    (Account(Capability), &[43104, 45103, 48001, 48008, 48009]),
    (Rate(RateScope::Account), &[45011]),
    (Rate(RateScope::Recipient), &[43108, 43117]),
    (Rate(RateScope::Template), &[43100]),
    (Quota, &[45009, 45040, 45104, 48006]),
    (Parameter(OpenId), &[40003, 49003]),
    (
        Parameter(Data),
        &[40062, 45002, 45005, 45012, 45013, 45014, 47003],
    ),
    (
        Parameter(Link),
        &[40039, 40165, 40166, 40168, 41030, 45051, 45082],
    ),
    (
        Parameter(Request),
        &[
            40004, 40008, 40033, 40035, 40097, 41001, 41009, 41011, 43001, 43002, 43003, 44002,
            45015, 45021, 45047, 47001, 47002, 9_001_001,
        ],
    ),
    (Template(TemplateFault::Unknown), &[40037]),
    (
        Template(TemplateFault::Unusable),
        &[40036, 40081, 40176, 48011],
    ),
    (Template(TemplateFault::Restricted), &[43107, 43116]),
    (Content, &[40249, 45168]),
    (Recipient(NotSubscribed), &[43004, 50005]),
    (Recipient(Refused), &[43101, 48002]),
    (Recipient(Blacklisted), &[43019]),
    (Recipient(Limited), &[50002]),
    (Duplicate, &[40241, 44007]),
    (RetiredAddress, &[48017]),
    (
        Unknown,
        &[
            40032,
            76003,
            76021,
            76022,
            1,
            -2,
            40000,
            41028,
            46101,
            99999,
            i64::MAX,
            i64::MIN,
        ],
    ),
];

/// Where the token endpoints differ.
const TOKEN: &[(Class, &[i64])] = &[
    (Configuration(Secret), &[40001, 40125]),
    (Configuration(TokenRequest), &[43002, 40002]),
];

#[test]
fn every_code_has_its_class() {
    for (class, codes) in SEND {
        for code in *codes {
            assert_eq!(classify(Endpoint::TemplateSend, *code), *class, "{code}");
            assert_eq!(KNOWN.contains(code), *class != Unknown, "{code} in KNOWN");
        }
    }
    let listed = SEND
        .iter()
        .filter(|(class, _)| *class != Unknown)
        .map(|(_, codes)| codes.len());
    assert_eq!(listed.sum::<usize>(), KNOWN.len());
    assert!(KNOWN.is_sorted());
}

#[test]
fn the_token_endpoints_differ_only_where_the_table_says() {
    for endpoint in [Endpoint::Token, Endpoint::StableToken, Endpoint::OauthToken] {
        for code in KNOWN {
            let own = TOKEN
                .iter()
                .find(|(_, codes)| codes.contains(code))
                .map(|(class, _)| *class);
            let expected = own.unwrap_or_else(|| classify(Endpoint::TemplateSend, *code));
            assert_eq!(classify(endpoint, *code), expected, "{code} at {endpoint}");
        }
    }
}

#[test]
fn other_business_calls_agree_with_send() {
    for endpoint in [
        Endpoint::TemplateList,
        Endpoint::SubscriptionTemplateList,
        Endpoint::SubscriptionTemplateAdd,
        Endpoint::SubscriptionTemplateDelete,
        Endpoint::TemplateAdd,
        Endpoint::TemplateDelete,
        Endpoint::IndustryGet,
        Endpoint::IndustrySet,
        Endpoint::UserInfo,
        Endpoint::UserList,
        Endpoint::QuotaGet,
        Endpoint::QuotaClear,
        Endpoint::QuotaClearBySecret,
    ] {
        for code in KNOWN {
            assert_eq!(
                classify(endpoint, *code),
                classify(Endpoint::TemplateSend, *code),
                "{code}"
            );
        }
    }
}

/// The codes that one call alone has.
const OF_ONE_CALL: &[(Endpoint, i64, Class)] = &[
    (Endpoint::UserInfo, 40032, Parameter(Request)),
    (Endpoint::QuotaGet, 76003, Parameter(Request)),
    (Endpoint::QuotaGet, 76021, Parameter(Request)),
    (Endpoint::QuotaGet, 76022, Parameter(Request)),
    (Endpoint::TemplateAdd, 40246, Parameter(Request)),
    (Endpoint::TemplateAdd, 45026, Parameter(Request)),
    (
        Endpoint::TemplateAdd,
        40247,
        Template(TemplateFault::Unusable),
    ),
    (
        Endpoint::TemplateAdd,
        45027,
        Template(TemplateFault::Unusable),
    ),
    (Endpoint::TemplateAdd, 43106, Account(Blocked)),
    (
        Endpoint::SubscriptionTemplateList,
        200_100,
        Account(Capability),
    ),
    (Endpoint::SubscriptionTemplateAdd, 200_011, Account(Blocked)),
    (
        Endpoint::SubscriptionTemplateAdd,
        200_012,
        Parameter(Request),
    ),
    (
        Endpoint::SubscriptionTemplateAdd,
        200_013,
        Template(TemplateFault::Unusable),
    ),
    (
        Endpoint::SubscriptionTemplateAdd,
        200_014,
        Parameter(Request),
    ),
    (
        Endpoint::SubscriptionTemplateAdd,
        200_020,
        Parameter(Request),
    ),
    (
        Endpoint::SubscriptionTemplateAdd,
        200_021,
        Parameter(Request),
    ),
    (Endpoint::IndustrySet, 40102, Parameter(Request)),
    (Endpoint::IndustrySet, 40103, Parameter(Request)),
    (Endpoint::OauthToken, 40029, Parameter(Request)),
    (Endpoint::OauthToken, 40163, Parameter(Request)),
];

#[test]
fn helper_calls_have_codes_of_their_own() {
    for (endpoint, code, class) in OF_ONE_CALL.iter().copied() {
        for other in [
            Endpoint::StableToken,
            Endpoint::TemplateSend,
            Endpoint::TemplateList,
            Endpoint::SubscriptionTemplateList,
            Endpoint::SubscriptionTemplateAdd,
            Endpoint::SubscriptionTemplateDelete,
            Endpoint::TemplateAdd,
            Endpoint::TemplateDelete,
            Endpoint::IndustryGet,
            Endpoint::IndustrySet,
            Endpoint::UserInfo,
            Endpoint::UserList,
            Endpoint::QuotaGet,
            Endpoint::QuotaClear,
            Endpoint::QuotaClearBySecret,
            Endpoint::OauthToken,
        ] {
            let expected = if other == endpoint { class } else { Unknown };
            assert_eq!(classify(other, code), expected, "{code} at {other}");
        }
    }
}
