//! Pushes that are no pushes: all refused alike, so that a stranger learns nothing of which check failed.

use super::*;

const ANOTHER_KEY: &str = "ZYXWVUTSRQPONMLKJIHGFEDCBA9876543210zyxwvut";

#[track_caller]
fn assert_refused(reply: &Reply, what: &str) {
    assert_eq!(
        reply.problem(403, "forbidden"),
        "this call is not WeChat's",
        "{what}"
    );
}

#[tokio::test]
async fn a_query_that_lacks_a_part_or_cannot_be_read() {
    let gateway = TestGateway::with(Settings::receipts(Mode::Plain)).await;
    let (id, msgid) = sent(&gateway).await;
    let body = event(&openid(1), &msgid, "success");
    let whole = plain_query(&seconds(0), "n1");
    for lacking in ["signature", "timestamp", "nonce"] {
        let kept = whole.split('&').filter(|pair| !pair.starts_with(lacking));
        let query = kept.collect::<Vec<_>>().join("&");
        assert_refused(&push(&gateway, &query, &body).await, &query);
    }
    for (from, to) in [
        ("nonce=n1", "nonce=%FF"),
        ("nonce=n1", "nonce=n2"),
        ("nonce=n1", "nonce="),
        ("timestamp=", "timestamp=+"),
        ("timestamp=", "timestamp=99999999"),
        ("signature=", "Signature="),
    ] {
        let query = whole.replace(from, to);
        assert_refused(&push(&gateway, &query, &body).await, &query);
    }
    assert_nothing_came_of_it(gateway, &id).await;
}

#[tokio::test]
async fn a_body_that_is_no_event() {
    let gateway = TestGateway::with(Settings::receipts(Mode::Plain)).await;
    let (id, msgid) = sent(&gateway).await;
    let whole = event(&openid(1), &msgid, "success");
    let without = |field: &str| {
        let (from, to) = (whole.find(&format!("<{field}>")), format!("</{field}>"));
        let end = whole.find(&to).unwrap() + to.len();
        whole.replace(&whole[from.unwrap()..end], "")
    };
    let bodies = [
        without("MsgType"),
        without("Event"),
        without("MsgID"),
        without("Status"),
        without("FromUserName"),
        without("CreateTime"),
        whole.replace(&format!("<MsgID>{msgid}<"), "<MsgID>many<"),
        whole.replace(&format!("<MsgID>{msgid}<"), "<MsgID>99999999999999999999<"),
        whole.replace("<CreateTime>1395658920<", "<CreateTime>soon<"),
        whole.replace("</xml>", ""),
        whole.replace("]]></Status>", "</Status>"),
        "{\"MsgType\":".to_owned(),
        "[]".to_owned(),
        "7".to_owned(),
    ];
    for (number, body) in bodies.iter().enumerate() {
        let query = plain_query(&seconds(0), &format!("n{number}"));
        assert_refused(&push(&gateway, &query, body).await, body);
    }
    let path = format!(
        "/wechat/callback/{ACCOUNT}?{}",
        plain_query(&seconds(0), "x")
    );
    let not_utf8 = Call::new(Method::POST, &path, &b"<xml>\xff</xml>"[..]).unsigned();
    assert_refused(&gateway.call(not_utf8).await, "not UTF-8");
    assert_nothing_came_of_it(gateway, &id).await;
}

#[tokio::test]
async fn an_envelope_that_cannot_be_opened() {
    let gateway = TestGateway::with(Settings::receipts(Mode::Safe)).await;
    let (id, msgid) = sent(&gateway).await;
    let (query, body) = sealed(&openid(1), &msgid);
    for (query, body) in [
        (query.replace("&encrypt_type=aes", ""), body.clone()),
        (
            query.replace("encrypt_type=aes", "encrypt_type=rot13"),
            body.clone(),
        ),
        (
            query.replace("msg_signature=", "msg_signature=0"),
            body.clone(),
        ),
        (
            query.split("&msg_signature").next().unwrap().to_owned(),
            body.clone(),
        ),
        (query.clone(), body.replace("Encrypt", "Encrypted")),
        (
            query.clone(),
            body.replace("<Encrypt><![CDATA[", "<Encrypt><![CDATA[AAAA"),
        ),
        (query.clone(), "<xml><Encrypt></Encrypt></xml>".to_owned()),
        (query.clone(), String::new()),
    ] {
        assert_refused(&push(&gateway, &query, &body).await, &query);
    }
    // Signed as it should be, and yet of nobody who has the key, or meant for another account, or no cipher at all.
    let receipt = event(&openid(1), &msgid, "success");
    let sealed_for = |key: &str, appid: &str, text: &str| {
        let key: EncodingAesKey = key.parse().unwrap();
        envelope::encrypt(&key, appid, text.as_bytes(), envelope::random())
    };
    for encrypt in [
        sealed_for(ANOTHER_KEY, APPID, &receipt),
        sealed_for(KEY, "wx00000000000000bb", &receipt),
        sealed_for(KEY, APPID, "no event"),
        "bm8gY2lwaGVy".to_owned(),
        "!!!".to_owned(),
    ] {
        let (query, body) = signed_around(&encrypt);
        assert_refused(&push(&gateway, &query, &body).await, &encrypt);
    }
    assert_nothing_came_of_it(gateway, &id).await;
}
