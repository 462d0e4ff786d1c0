//! The examples of WeChat's documentation and of other SDKs, each recomputed independently.

use hongyan_wechat::callback::envelope::{decrypt, encrypt};
use hongyan_wechat::callback::event::{Event, Receipt, ReceiptStatus};
use hongyan_wechat::callback::open::open;
use hongyan_wechat::callback::seal::{Seal, Signer, seal_reply};
use hongyan_wechat::callback::signature::{echo, sign, sign_encrypted, verify};
use hongyan_wechat::callback::{CallbackQuery, CallbackSecrets, CallbackToken, Format, Mode};

use super::{APPID, KEY, TOKEN, key, secrets};

const AAA: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn official(appid: &str) -> CallbackSecrets {
    CallbackSecrets {
        appid: appid.into(),
        tokens: vec![CallbackToken::new("AAAAA")],
        keys: vec![key(AAA)],
    }
}

fn encrypted_query(timestamp: &str, nonce: &str, msg_signature: &str) -> CallbackQuery {
    CallbackQuery {
        timestamp: Some(timestamp.into()),
        nonce: Some(nonce.into()),
        encrypt_type: Some("aes".into()),
        msg_signature: Some(msg_signature.into()),
        ..CallbackQuery::default()
    }
}

#[test]
fn v1_the_address_check() {
    let query = CallbackQuery {
        signature: Some("f464b24fc39322e44b38aa78f5edd27bd1441696".into()),
        timestamp: Some("1714036504".into()),
        nonce: Some("1514711492".into()),
        echostr: Some("4375120948345356249".into()),
        ..CallbackQuery::default()
    };
    assert_eq!(
        echo(&[CallbackToken::new("AAAAA")], &query),
        Ok("4375120948345356249")
    );
    assert!(echo(&[CallbackToken::new("AAAAB")], &query).is_err());
}

#[test]
fn v2_a_plain_push() {
    let tokens = [CallbackToken::new("old"), CallbackToken::new("AAAAA")];
    assert!(verify(
        &tokens,
        "1714037059",
        "486452656",
        "899cf89e464efb63f54ddac96b0a0a235f53aa78"
    ));
    assert!(!verify(
        &tokens,
        "1714037059",
        "486452657",
        "899cf89e464efb63f54ddac96b0a0a235f53aa78"
    ));
    assert!(!verify(&tokens, "1714037059", "486452656", ""));
}

#[test]
fn v3_a_safe_push_in_json() {
    let encrypted = "+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus8TPxLKJGQqcvZqzDpVzazhZv6JsXUnnR8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2IuQrKEYwKSqFIZoNqJ4M8EajAsjLY2km32IIjdf8YL/P50F7mStwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04=";
    let query = encrypted_query(
        "1714112445",
        "415670741",
        "046e02f8204d34f8ba5fa3b1db94908f3df2e9b3",
    );
    let body = format!(r#"{{"ToUserName":"gh_97417a04a28d","Encrypt":"{encrypted}"}}"#);
    let opened = open(
        Mode::Safe,
        &official("wxba5fad812f8e6fb9"),
        &query,
        body.as_bytes(),
    )
    .unwrap();
    let message = r#"{"ToUserName":"gh_97417a04a28d","FromUserName":"o9AgO5Kd5ggOC-bXrbNODIiE3bGY","CreateTime":1714112445,"MsgType":"event","Event":"debug_demo","debug_str":"hello world"}"#;
    assert_eq!(opened.body, message.as_bytes());
    assert_eq!(
        opened.event,
        Event::Other {
            event: "debug_demo".into()
        }
    );
    assert_eq!(
        (opened.format, opened.key, opened.token),
        (Format::Json, Some(0), Some(0))
    );
    assert_eq!(
        encrypt(
            &key(AAA),
            "wxba5fad812f8e6fb9",
            message.as_bytes(),
            *b"a8eedb185eb2fecf"
        ),
        encrypted
    );
    assert_eq!(
        sign(&CallbackToken::new("AAAAA"), "1714112445", "415670741"),
        "6c5c811b55cc85e0e1b54100749188c20beb3f5d"
    );
}

#[test]
fn v4_a_reply() {
    let key = key(AAA);
    let seal = Seal {
        key: &key,
        appid: "wxba5fad812f8e6fb9",
        random: *b"707722b803182950",
    };
    let token = CallbackToken::new("AAAAA");
    let signer = Signer {
        token: &token,
        timestamp: 1713424427,
        nonce: "415670741",
    };
    let reply = seal_reply(&seal, &signer, Format::Json, r#"{"demo_resp":"good luck"}"#);
    let reply: serde_json::Value = serde_json::from_str(&reply).unwrap();
    assert_eq!(
        reply,
        serde_json::json!({
            "Encrypt": "ELGduP2YcVatjqIS+eZbp80MNLoAUWvzzyJxgGzxZO/5sAvd070Bs6qrLARC9nVHm48Y4hyRbtzve1L32tmxSQ==",
            "MsgSignature": "1b9339964ed2e271e7c7b6ff2b0ef902fc94dea1",
            "TimeStamp": 1713424427,
            "Nonce": "415670741",
        })
    );
    let xml = seal_reply(&seal, &signer, Format::Xml, r#"{"demo_resp":"good luck"}"#);
    assert!(xml.contains(
        "<MsgSignature><![CDATA[1b9339964ed2e271e7c7b6ff2b0ef902fc94dea1]]></MsgSignature>"
    ));
}

#[test]
fn v5_a_push_in_xml() {
    let encrypted = "D7yzvUNAL930rd28wf21s4hvXhz0L6Uit/p2Di6C5DHyYGpEgdBRnKjBec34JwoQXicwaZC7fOVihW80F4VtsdvE//1vr7oAbqjDv8KenVp+ajKYpJnyQ4zMRhIC+a31fCVOMC03FfzV/QuC94kBP55a+Za3sJgvAn+ZbsNqZI5DkyuzkhQN8OBqCzFhizGmy0xpM0MEA4agpvE+RuNO1rhHTtuJB5yltw1FiYzecSXJ+y/D2r81VkRn2eYjh2ltsoyfbDR7Is6ookXIFxTfyeNyeHxMeT4KN5WpCDmSbTcUYrbBUlkGLJ9n/rU8YOywma6G7aTb7KZKOqCxgfoUlYEZPk4FUL/TK7ShriFDMVCLyjQJ15Ob++agDWtcxhfUfe6HIoIpRW8mKNBQiY/Jd1svvuskA1wLef1RTtzKfMpagSCX/laZINmdnX4zrF6kIaR9P4xQrWXbsTFHTYe0Mg==";
    let query = encrypted_query(
        "1715943329",
        "1590219412",
        "6c12a4205838198b8fa631b3220723bb07f1015c",
    );
    let body = format!(
        "<xml>\n<ToUserName></ToUserName>\n<Encrypt><![CDATA[{encrypted}]]></Encrypt>\n</xml>"
    );
    let opened = open(
        Mode::Safe,
        &official("wx134c8103faa5a59e"),
        &query,
        body.as_bytes(),
    )
    .unwrap();
    assert_eq!(
        opened.event,
        Event::Other {
            event: "debug_demo".into()
        }
    );
    assert_eq!((opened.format, opened.body.len()), (Format::Xml, 292));
}

#[test]
fn v7_chinese_text() {
    let message = "我是中文abcd123";
    let encrypted =
        "jn1L23DB+6ELqJ+6bruv21Y6MD7KeIfP82D6gU39rmkgczbWwt5+3bnyg5K55bgVtVzd832WzZGMhkP72vVOfg==";
    assert_eq!(
        encrypt(&key(KEY), APPID, message.as_bytes(), *b"aaaabbbbccccdddd"),
        encrypted
    );
    assert_eq!(
        decrypt(&[key(KEY)], APPID, encrypted).unwrap().message,
        message.as_bytes()
    );
    let token = CallbackToken::new(TOKEN);
    assert_eq!(
        sign_encrypted(&token, "1409304348", "xxxxxx", encrypted),
        "82c962d39941aa48552f90ef55aa323dc620cc10"
    );
    assert_eq!(
        sign(&token, "1409304348", "xxxxxx"),
        "76480565cbe296026c53aaacd1ad523a1ddba24f"
    );
}

#[test]
fn v9_a_receipt_in_safe_xml() {
    let encrypted = "Q3stYC6hdFzMh9T8HCvyDHBEfCyMYHKzZviFny3pbA+LnCJjduZgFojHz6h5N6mhb0bxE3UnvZQwiAdXdRDkF6kdPG1kEEJtJrd7tXbu8RKTG9iMu+XYqo8tT9XUj5oAzISbZJJVXTObcNLiFfQKKhN4TCWazMCejD6rsnzoRGyMRG0msCjyWGz8lBIcK4RYbalmOVXfRU4CgkqkVGUDDvA/+v9dzAs/Z3VOX3VY7D4rI6/sztfzsP7zktdgcNCayEnwTLp2y2FPR6nA5w6lkCuQKpvn/5SmWGp7w4nNxyVjU2GP8sLMyU6QJgT9/8fQMLbUrO7o56tcjYYzEr1qVqpbTPXGrsx+bxv1anbl5ycWUxLWdKz//EdkhaI1OM2awyq8hYRIMs1nXTThk0THkKrktAtbucJ3PeUB6rJk1CTzJVe0yQkm17HofsnBepdVkoaFj1xYZadSG2TTVr5Osh0k5JjrPJLGQYzyJ9Hki4TQEvlSj/bygKo69LfpPQxD";
    let query = encrypted_query(
        "1395658920",
        "1372623149",
        "d94d36b4a73a024c19869f155def0d38f99b8eec",
    );
    let body = format!(
        "<xml><ToUserName><![CDATA[gh_7f083739789a]]></ToUserName><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
    );
    let opened = open(Mode::Safe, &secrets(), &query, body.as_bytes()).unwrap();
    let receipt = Receipt {
        to_user_name: "gh_7f083739789a".into(),
        openid: "oia2TjuEGTNoeX76QEjQNrcURxG8".into(),
        create_time: 1395658920,
        msgid: 3557254367693750277,
        status: ReceiptStatus::Success,
        raw_status: "success".into(),
    };
    assert_eq!(opened.event, Event::TemplateSendJobFinish(receipt));
    assert_eq!(opened.body.len(), 321);
    assert_eq!(
        encrypt(&key(KEY), APPID, &opened.body, *b"0123456789abcdef"),
        encrypted
    );
    assert_eq!(
        sign(&CallbackToken::new(TOKEN), "1395658920", "1372623149"),
        "7cb7e1561b240c541806c0f0a7cab037e72952a2"
    );
}
