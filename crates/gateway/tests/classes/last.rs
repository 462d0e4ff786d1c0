//! How the messages end that wait after their first answer: with another answer, with the same again, with no retry left.
//! What takes half a minute or more is for the long tests.

use hongyan_wechat_sim::Fault;
use hongyan_wechat_sim::fault::{Endpoint, Place, What};

use crate::rig::{Rig, Step, TEMPLATE, appid, name_of};

const SENT: Step = ("sent", None);

/// A code, how often it is given, and where the message stands after each call.
type Case = (i64, u32, &'static [Step]);

const ALWAYS: u32 = u32::MAX;

async fn check(cases: &[Case], more: &str) -> Rig {
    let faults = cases.iter().map(|(code, times, _)| {
        Fault::code(*code)
            .account(&appid(&name_of(*code)))
            .first(*times)
    });
    let rig = Rig::with(
        cases.iter().map(|case| name_of(case.0)),
        faults.collect(),
        more,
    )
    .await;
    rig.send_all().await;
    let wanted = |account: &str| {
        cases
            .iter()
            .find(|case| name_of(case.0) == account)
            .unwrap()
            .2
    };
    rig.until("at its end", |rig, account| {
        rig.life(account).len() >= wanted(account).len()
    })
    .await;
    for (code, _, life) in cases {
        let name = name_of(*code);
        assert_eq!(rig.life(&name), *life, "{code}");
        assert_eq!(rig.calls(&name).sends, life.len() as u64, "{code}: calls");
    }
    rig
}

#[tokio::test]
async fn what_passes_ends_well() {
    let rig = check(
        &[
            (-1, 1, &[("queued", None), SENT]),
            (61450, 1, &[("queued", None), SENT]),
            (200_001, 1, &[("queued", None), SENT]),
            (268_487_001, 1, &[("queued", None), SENT]),
            (268_487_002, 1, &[("queued", None), SENT]),
            (48017, 1, &[("queued", Some("upstream_unavailable")), SENT]),
            (99_998, 1, &[("queued", Some("unknown_code")), SENT]),
        ],
        "",
    )
    .await;
    rig.stop().await;
}

#[tokio::test]
async fn a_code_that_nobody_knows_is_believed_the_second_time_and_flagged() {
    let rig = check(
        &[(
            99_999,
            ALWAYS,
            &[
                ("queued", Some("unknown_code")),
                ("failed", Some("unknown_code")),
            ],
        )],
        "",
    )
    .await;
    let flag = &rig.accounts().await["code_99999"]["flags"][0];
    assert_eq!(
        (&flag["subject"], &flag["errcode"]),
        (&"account".into(), &99_999.into())
    );
    rig.stop().await;
}

#[tokio::test]
async fn a_token_that_died_is_replaced_and_no_message_suffers() {
    let codes = [40001, 40014, 42001];
    let faults = codes.into_iter().flat_map(|code| {
        let strike = |what| {
            Fault::new(what)
                .at(Place::One(Endpoint::Send))
                .account(&appid(&name_of(code)))
                .first(1)
        };
        [
            strike(What::RevokeTokens),
            strike(What::Code {
                errcode: code,
                errmsg: None,
            }),
        ]
    });
    let rig = Rig::start(codes.map(name_of), faults.collect()).await;
    rig.send_all().await;
    rig.until("sent", |rig, account| rig.calls(account).accepted == 1)
        .await;
    for code in codes {
        let calls = rig.calls(&name_of(code));
        assert_eq!(
            (calls.sends, calls.fetches(), calls.forced),
            (2, 2, 0),
            "{code}"
        );
    }
    rig.stop().await;
}

#[tokio::test]
async fn without_a_retry_left_what_would_wait_fails() {
    let once = |status| -> &'static [Step] { Box::leak(Box::new([status])) };
    let cases = [
        (43108, ALWAYS, once(("failed", Some("frequency_limited")))),
        (43117, ALWAYS, once(("failed", Some("frequency_limited")))),
        (43100, ALWAYS, once(("failed", Some("invalid_template")))),
        (40037, ALWAYS, once(("failed", Some("invalid_template")))),
        (99_999, ALWAYS, once(("failed", Some("unknown_code")))),
    ];
    let rig = check(&cases, "[delivery]\nmax_retries = 0\n").await;
    rig.stop().await;
}

#[tokio::test]
#[ignore = "long: make soak"]
async fn what_waits_for_half_a_minute_or_more_ends_as_it_should() {
    let rig = check(
        &[
            (
                40037,
                ALWAYS,
                &[
                    ("queued", Some("invalid_template")),
                    ("failed", Some("invalid_template")),
                ],
            ),
            (43100, 1, &[("queued", Some("invalid_template")), SENT]),
            (45011, 1, &[("queued", Some("rate_limited")), SENT]),
            (-1, 2, &[("queued", None), ("queued", None), SENT]),
        ],
        "",
    )
    .await;
    let flag = &rig.accounts().await["code_40037"]["flags"][0];
    assert_eq!(
        (&flag["subject"], &flag["key"]),
        (&"template".into(), &TEMPLATE.into())
    );
    assert_eq!(rig.seen(&name_of(-1)).len(), 1);
    rig.stop().await;
}
