//! What each call puts on the wire, and what it makes of good answers and refusals.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use hongyan_wechat::client::{ApiRequest, Client, Transport};
use hongyan_wechat::errcode::{Class, ConfigurationFault, Endpoint};
use hongyan_wechat::error::{CallError, DoubtCause};
use hongyan_wechat::subscription::Lasts;
use hongyan_wechat::template::{MiniProgram, TemplateMessage};
use hongyan_wechat::token::Credential;
use hongyan_wechat::{AccessToken, AppSecret};
use tower::Service;
use tower::layer::layer_fn;

use crate::server::{Act, CANARY, Server, data, message, token};

const SENT: &str = r#"{"errcode":0,"errmsg":"ok","msgid":3717005636572528642}"#;

fn credential() -> Credential {
    Credential {
        appid: "wxb11529c136998cb6".into(),
        secret: AppSecret::new("0f/&=é"),
    }
}

#[tokio::test]
async fn a_send_carries_everything_and_reads_a_long_msgid() {
    let server = Server::always(Act::answer(SENT)).await;
    let data = data(r#"{"thing1":{"value":"咖啡"}}"#);
    let full = TemplateMessage {
        url: Some("https://example.com/?a=b&c=d"),
        miniprogram: Some(MiniProgram {
            appid: "wx1",
            pagepath: Some("index?foo=bar"),
        }),
        client_msg_id: Some("MSG_1"),
        ..message(&data)
    };
    let accepted = server
        .client()
        .send_template(&token(), &full)
        .await
        .unwrap();
    assert_eq!(accepted.msgid, Some(3717005636572528642));
    let seen = server.requests().remove(0);
    assert_eq!(
        seen.line,
        format!("POST /cgi-bin/message/template/send?access_token={CANARY} HTTP/1.1")
    );
    assert!(seen.head.contains(&format!("host: {}", server.address)));
    assert!(
        seen.head
            .contains(concat!("user-agent: hongyan/", env!("CARGO_PKG_VERSION")))
    );
    assert!(seen.head.contains("content-type: application/json"));
    let expected = r#"{"touser":"oia2TjuEGTNoeX76QEjQNrcURxG8","template_id":"ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY","url":"https://example.com/?a=b&c=d","miniprogram":{"appid":"wx1","pagepath":"index?foo=bar"},"data":{"thing1":{"value":"咖啡"}},"client_msg_id":"MSG_1"}"#;
    assert_eq!(seen.body, expected);
}

#[tokio::test]
async fn escaped_text_is_sent_as_text() {
    let server = Server::always(Act::answer(SENT)).await;
    let cases = [
        (
            r#"{"a":{"value":"\u5496\u5561 \ud83d\ude00"}}"#,
            r#"{"a":{"value":"咖啡 😀"}}"#,
        ),
        (
            r#"{"a":{"value":"\\u5496"}}"#,
            r#"{"a":{"value":"\\u5496"}}"#,
        ),
        (r#"{"a":{"value":"\ud83d"}}"#, r#"{"a":{"value":"\ud83d"}}"#),
    ];
    for (given, sent) in cases {
        server
            .client()
            .send_template(&token(), &message(&data(given)))
            .await
            .unwrap();
        let body = server.requests().pop().unwrap().body;
        assert!(body.ends_with(&format!(r#""data":{sent}}}"#)), "{body}");
    }
}

#[tokio::test]
async fn answers_may_write_numbers_as_text() {
    let cases = [
        (
            r#"{"errcode":"0","errmsg":"ok","msgid":"200228332"}"#,
            Some(200228332),
        ),
        (r#" {"errcode":0}"#, None),
        (r#"{"msgid":5}"#, Some(5)),
        (r#"{"errcode":0,"msgid":null,"errmsg":null}"#, None),
    ];
    for (answer, msgid) in cases {
        let server = Server::always(Act::answer(answer)).await;
        let accepted = server
            .client()
            .send_template(&token(), &message(&data("{}")))
            .await
            .unwrap();
        assert_eq!(accepted.msgid, msgid, "{answer}");
    }
    let server = Server::always(Act::answer(r#"{"errcode":"43004","errmsg":7}"#)).await;
    let refused = server
        .client()
        .send_template(&token(), &message(&data("{}")))
        .await
        .unwrap_err();
    let CallError::Refused(refusal) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((refusal.code, refusal.errmsg.as_str()), (43004, ""));
}

#[tokio::test]
async fn a_refusal_keeps_its_text_and_rid() {
    let errmsg = "invalid openid rid: 64e5d2d0-7ae1e3a1-0c2f5bd6";
    let server = Server::always(Act::answer(format!(
        r#"{{"errcode":40003,"errmsg":"{errmsg}"}}"#
    )))
    .await;
    let refused = server
        .client()
        .send_template(&token(), &message(&data("{}")))
        .await
        .unwrap_err();
    assert_eq!(refused.endpoint(), Endpoint::TemplateSend);
    let CallError::Refused(refusal) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(refusal.errmsg, errmsg);
    assert_eq!(refusal.rid.as_deref(), Some("64e5d2d0-7ae1e3a1-0c2f5bd6"));
    assert_eq!(
        refusal.to_string(),
        format!("/cgi-bin/message/template/send answered 40003: {errmsg}")
    );
}

#[tokio::test]
async fn a_token_is_fetched_either_way() {
    let server = Server::always(Act::answer(r#"{"access_token":"74_abc","expires_in":345}"#)).await;
    let client = server.client();
    let plain = client.token(&credential()).await.unwrap();
    let stable = client.stable_token(&credential(), false).await.unwrap();
    client.stable_token(&credential(), true).await.unwrap();
    assert_eq!(
        (&plain.token, plain.expires_in),
        (&AccessToken::new("74_abc"), Duration::from_secs(345))
    );
    assert_eq!(plain, stable);
    let seen = server.requests();
    assert_eq!(
        seen[0].line,
        "GET /cgi-bin/token?grant_type=client_credential&appid=wxb11529c136998cb6&secret=0f%2F%26%3D%C3%A9 HTTP/1.1"
    );
    assert_eq!(seen[1].line, "POST /cgi-bin/stable_token HTTP/1.1");
    let body = |force: bool| {
        format!(
            r#"{{"grant_type":"client_credential","appid":"wxb11529c136998cb6","secret":"0f/&=é","force_refresh":{force}}}"#
        )
    };
    assert_eq!((&seen[1].body, &seen[2].body), (&body(false), &body(true)));
}

#[tokio::test]
async fn a_wrong_secret_is_no_stale_token() {
    let server = Server::always(Act::answer(
        r#"{"errcode":40001,"errmsg":"invalid appsecret"}"#,
    ))
    .await;
    let CallError::Refused(refusal) = server.client().token(&credential()).await.unwrap_err()
    else {
        panic!()
    };
    assert_eq!(
        refusal.class(),
        Class::Configuration(ConfigurationFault::Secret)
    );
    let sent = server
        .client()
        .send_template(&token(), &message(&data("{}")))
        .await;
    let Err(CallError::Refused(refusal)) = sent else {
        panic!()
    };
    assert_eq!(refusal.class(), Class::Token);
}

#[tokio::test]
async fn a_token_answer_without_a_token_is_none() {
    let cases = [
        ("{}", "access_token"),
        (r#"{"access_token":"","expires_in":7200}"#, "access_token"),
        (r#"{"access_token":7,"expires_in":7200}"#, "access_token"),
        (r#"{"access_token":"a"}"#, "expires_in"),
        (r#"{"access_token":"a","expires_in":-1}"#, "expires_in"),
    ];
    for (answer, lacks) in cases {
        let server = Server::always(Act::answer(answer)).await;
        let Err(CallError::InDoubt(doubt)) = server.client().token(&credential()).await else {
            panic!()
        };
        assert_eq!(doubt.cause, DoubtCause::Incomplete(lacks), "{answer}");
    }
}

#[tokio::test]
async fn templates_users_and_quotas() {
    let server = Server::start(|number| {
        Act::answer(match number {
            0 => r#"{"template_list":[{"template_id":"t1","title":"领取奖金提醒","primary_industry":"IT科技","deputy_industry":"互联网","content":"{ {result.DATA} }","example":"x"},{"template_id":"t2"}]}"#,
            1 => r#"{"subscribe":1,"openid":"o1","language":"zh_CN","subscribe_time":1382694957,"remark":"","tagid_list":[1]}"#,
            2 => r#"{"subscribe":0,"openid":"o2"}"#,
            _ => r#"{"errcode":0,"errmsg":"ok","quota":{"daily_limit":100000,"used":1,"remain":99999},"rate_limit":{"call_count":900,"refresh_second":60}}"#,
        })
    })
    .await;
    let client = server.client();
    let templates = client.templates(&token()).await.unwrap();
    assert_eq!(
        (templates.len(), templates[0].deputy_industry.as_str()),
        (2, "互联网")
    );
    let user = client.user_info(&token(), "o1").await.unwrap();
    assert!(user.follows());
    assert_eq!(user.subscribe_time, Some(1382694957));
    assert!(!client.user_info(&token(), "o2").await.unwrap().follows());
    let quota = client
        .quota(&token(), Endpoint::TemplateSend)
        .await
        .unwrap();
    assert_eq!(
        (
            quota.quota.remain,
            quota.rate_limit.map(|limit| limit.call_count)
        ),
        (99999, Some(900))
    );
    let lines: Vec<_> = server
        .requests()
        .into_iter()
        .map(|seen| (seen.line, seen.body))
        .collect();
    assert_eq!(
        lines[0].0,
        format!("GET /cgi-bin/template/get_all_private_template?access_token={CANARY} HTTP/1.1")
    );
    assert_eq!(
        lines[1].0,
        format!("GET /cgi-bin/user/info?access_token={CANARY}&openid=o1&lang=zh_CN HTTP/1.1")
    );
    assert_eq!(
        lines[3].1,
        r#"{"cgi_path":"/cgi-bin/message/template/send"}"#
    );
}

#[tokio::test]
async fn subscription_templates_have_a_list_of_their_own() {
    let list = r#"{"errcode":0,"errmsg":"ok","data":[{"priTmplId":"s1","title":"设备提醒","content":"位置:{{enum_string2.DATA}}","example":"位置:客厅","type":2,"keywordEnumValueList":[{"keywordCode":"enum_string2.DATA","enumValueList":["客厅","厨房"]}]},{"priTmplId":"s2","keywordEnumValueList":null},{"priTmplId":"s3","type":"3"},{"priTmplId":"s4","type":{}}]}"#;
    let server = Server::always(Act::answer(list)).await;
    let list = server
        .client()
        .subscription_templates(&token())
        .await
        .unwrap();
    assert_eq!((list.len(), &*list[0].title), (4, "设备提醒"));
    let lasts: Vec<_> = list.iter().map(|template| template.lasts).collect();
    let (once, ever) = (Some(Lasts::OneTime), Some(Lasts::LongTerm));
    assert_eq!(lasts, [once, None, ever, None]);
    assert_eq!(list[0].choices[0].key(), "enum_string2");
    assert_eq!(list[0].choices[0].values, ["客厅", "厨房"]);
    let line = format!("GET /wxaapi/newtmpl/gettemplate?access_token={CANARY} HTTP/1.1");
    assert_eq!(server.requests()[0].line, line);
}

#[tokio::test]
async fn clones_share_one_pool() {
    let server = Server::always(Act::answer(SENT)).await;
    let client = server.client();
    for _ in 0..5 {
        client
            .clone()
            .at(server.hosts())
            .send_template(&token(), &message(&data("{}")))
            .await
            .unwrap();
    }
    assert_eq!((server.connections(), server.requests().len()), (1, 5));
}

/// Notes what passes, as a gateway's metrics would.
#[derive(Clone)]
struct Tap {
    inner: Transport,
    name: &'static str,
    log: Arc<Mutex<Vec<String>>>,
}

impl Service<ApiRequest> for Tap {
    type Response = <Transport as Service<ApiRequest>>::Response;
    type Error = CallError;
    type Future = <Transport as Service<ApiRequest>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: ApiRequest) -> Self::Future {
        let (log, name, endpoint) = (Arc::clone(&self.log), self.name, request.endpoint());
        let call = self.inner.call(request);
        Box::pin(async move {
            let outcome = call.await;
            let said = match &outcome {
                Ok(_) => "ok".to_owned(),
                Err(CallError::Refused(refusal)) => refusal.code.to_string(),
                Err(other) => other.to_string(),
            };
            log.lock()
                .unwrap()
                .push(format!("{name} {endpoint} {said}"));
            outcome
        })
    }
}

#[tokio::test]
async fn a_users_own_layer_sees_every_call_and_refusal() {
    let server = Server::start(|number| {
        Act::answer(if number == 0 {
            SENT
        } else {
            r#"{"errcode":45009,"errmsg":"reach max api daily quota limit"}"#
        })
    })
    .await;
    let log = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&log);
    let client = Client::builder()
        .hosts(server.hosts())
        .layer(layer_fn(move |inner| Tap {
            inner,
            name: "tap",
            log: Arc::clone(&kept),
        }))
        .build()
        .unwrap();
    client
        .send_template(&token(), &message(&data("{}")))
        .await
        .unwrap();
    client
        .send_template_fresh(&token(), &message(&data("{}")), &|| true)
        .await
        .unwrap_err();
    client
        .send_template_fresh(&token(), &message(&data("{}")), &|| false)
        .await
        .unwrap_err();
    let path = Endpoint::TemplateSend.path();
    let expected = [
        format!("tap {path} ok"),
        format!("tap {path} 45009"),
        format!("tap {path} {path} was not called: it was no longer allowed"),
    ];
    assert_eq!(*log.lock().unwrap(), expected);
}
