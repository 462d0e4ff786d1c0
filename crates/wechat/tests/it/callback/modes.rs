//! What each mode believes and refuses: a push can never choose a weaker check than its account's.

use hongyan_wechat::callback::envelope::EnvelopeError;
use hongyan_wechat::callback::event::{Event, ReceiptStatus};
use hongyan_wechat::callback::open::open;
use hongyan_wechat::callback::{
    CallbackError, CallbackQuery, CallbackToken, Format, MAX_BODY, Mode,
};

use super::{How, KEY, OTHER_KEY, key, push, secrets};

const XML: &str = "<xml><ToUserName><![CDATA[gh_7f083739789a]]></ToUserName><FromUserName><![CDATA[o1]]></FromUserName>\
    <CreateTime>1395658920</CreateTime><MsgType><![CDATA[event]]></MsgType>\
    <Event><![CDATA[TEMPLATESENDJOBFINISH]]></Event><MsgID>200163836</MsgID><Status><![CDATA[success]]></Status></xml>";
const JSON: &str = r#"{"ToUserName":"gh_7f083739789a","FromUserName":"o1","CreateTime":1395658920,"MsgType":"event","Event":"TEMPLATESENDJOBFINISH","MsgID":200163836,"Status":"success"}"#;

const NESTED: &str = r#"{"MsgType":"event","Event":"x","A":{"B":{"C":1}}}"#;

fn status(event: &Event) -> ReceiptStatus {
    let Event::TemplateSendJobFinish(receipt) = event else {
        panic!("{event:?}")
    };
    receipt.status.clone()
}

#[test]
fn what_is_sealed_opens_in_every_mode_and_format() {
    for (format, body) in [(Format::Xml, XML), (Format::Json, JSON)] {
        for (how, mode) in [
            (How::Plain, Mode::Plain),
            (How::Compatible, Mode::Compatible),
            (How::Safe, Mode::Safe),
        ] {
            let push = push(how, format, KEY, body);
            let opened = open(mode, &secrets(), &push.query, push.body.as_bytes()).unwrap();
            assert_eq!(status(&opened.event), ReceiptStatus::Success);
            assert_eq!(
                (opened.format, opened.body.as_slice()),
                (format, body.as_bytes())
            );
        }
    }
}

#[test]
fn a_compatible_push_is_believed_in_its_encrypted_part_only() {
    for (format, body) in [(Format::Xml, XML), (Format::Json, JSON)] {
        let push = push(How::Compatible, format, KEY, body);
        assert!(push.body.contains("success"));
        let forged = push.body.replace("success", "failed:user block");
        let opened = open(Mode::Compatible, &secrets(), &push.query, forged.as_bytes()).unwrap();
        assert_eq!(status(&opened.event), ReceiptStatus::Success);
    }
}

#[test]
fn a_compatible_push_of_nested_fields_is_well_formed() {
    let push = push(How::Compatible, Format::Json, KEY, NESTED);
    let opened = open(
        Mode::Compatible,
        &secrets(),
        &push.query,
        push.body.as_bytes(),
    )
    .unwrap();
    assert_eq!(opened.body, NESTED.as_bytes());
}

#[test]
fn an_encrypted_mode_refuses_plain_pushes() {
    let plain = push(How::Plain, Format::Xml, KEY, XML);
    let safe = push(How::Safe, Format::Xml, KEY, XML);
    for mode in [Mode::Compatible, Mode::Safe] {
        let refused = |query: &CallbackQuery, body: &str| {
            open(mode, &secrets(), query, body.as_bytes()).unwrap_err()
        };
        assert_eq!(
            refused(&plain.query, &plain.body),
            CallbackError::NotEncrypted
        );
        assert_eq!(
            refused(&plain.query, &safe.body),
            CallbackError::NotEncrypted
        );
        assert_eq!(
            refused(&safe.query, &plain.body),
            CallbackError::NotEncrypted
        );
        let raw = CallbackQuery {
            encrypt_type: Some("raw".into()),
            ..safe.query.clone()
        };
        assert_eq!(refused(&raw, &safe.body), CallbackError::NotEncrypted);
        let unsigned = CallbackQuery {
            msg_signature: None,
            ..safe.query.clone()
        };
        assert_eq!(
            refused(&unsigned, &safe.body),
            CallbackError::Query("msg_signature")
        );
        // A right `signature` does not help a wrong `msg_signature`.
        let other = CallbackQuery {
            msg_signature: safe.query.signature.clone(),
            ..safe.query.clone()
        };
        assert_eq!(
            refused(&other, &safe.body),
            CallbackError::Signature("msg_signature")
        );
    }
}

#[test]
fn plain_mode_checks_the_signature() {
    let good = push(How::Plain, Format::Json, KEY, JSON);
    let wrong = CallbackQuery {
        nonce: Some("2".into()),
        ..good.query.clone()
    };
    let refused = open(Mode::Plain, &secrets(), &wrong, good.body.as_bytes()).unwrap_err();
    assert_eq!(refused, CallbackError::Signature("signature"));
    let safe = push(How::Safe, Format::Json, KEY, JSON);
    let refused = open(Mode::Plain, &secrets(), &safe.query, safe.body.as_bytes()).unwrap_err();
    assert_eq!(refused, CallbackError::Encrypted);
    let refused = open(
        Mode::Plain,
        &secrets(),
        &CallbackQuery::default(),
        good.body.as_bytes(),
    )
    .unwrap_err();
    assert_eq!(refused, CallbackError::Query("signature"));
}

#[test]
fn another_accounts_push_is_refused() {
    let push = push(How::Safe, Format::Xml, KEY, XML);
    let mut other = secrets();
    other.appid = "wxb11529c136998cb7".into();
    let refused = open(Mode::Safe, &other, &push.query, push.body.as_bytes()).unwrap_err();
    assert_eq!(refused, CallbackError::Envelope(EnvelopeError::Key));
    // An appid that the inside merely ends with is not the account's.
    other.appid = "98cb6".into();
    assert!(open(Mode::Safe, &other, &push.query, push.body.as_bytes()).is_err());
}

#[test]
fn rotation_takes_old_and_new_secrets_and_says_which() {
    let mut both = secrets();
    both.keys.insert(0, key(OTHER_KEY));
    both.tokens.insert(0, CallbackToken::new("new"));
    for (with, place) in [(OTHER_KEY, 0), (KEY, 1)] {
        let push = push(How::Safe, Format::Json, with, JSON);
        let opened = open(Mode::Safe, &both, &push.query, push.body.as_bytes()).unwrap();
        assert_eq!((opened.key, opened.token), (Some(place), Some(1)));
    }
}

#[test]
fn no_keys_and_no_tokens_open_nothing() {
    let push = push(How::Safe, Format::Xml, KEY, XML);
    let mut none = secrets();
    none.keys.clear();
    assert!(open(Mode::Safe, &none, &push.query, push.body.as_bytes()).is_err());
    none.tokens.clear();
    assert!(open(Mode::Safe, &none, &push.query, push.body.as_bytes()).is_err());
    assert!(open(Mode::Plain, &none, &push.query, XML.as_bytes()).is_err());
}

#[test]
fn bodies_are_bounded_and_declare_nothing() {
    let plain = push(How::Plain, Format::Xml, KEY, XML);
    let refused = |body: &[u8]| open(Mode::Plain, &secrets(), &plain.query, body).unwrap_err();
    assert_eq!(refused(&vec![b' '; MAX_BODY + 1]), CallbackError::TooLarge);
    let doctype = format!("<!DOCTYPE xml [<!ENTITY a \"b\">]>{XML}");
    assert_eq!(refused(doctype.as_bytes()), CallbackError::Doctype);
    assert!(matches!(refused(b"hello"), CallbackError::Malformed(_)));
    assert!(matches!(refused(b""), CallbackError::Malformed(_)));
    assert!(matches!(refused(b"\xff\xfe"), CallbackError::Malformed(_)));
    assert!(matches!(
        refused(b"<xml><MsgType>event</MsgType></xml>"),
        CallbackError::Malformed(_)
    ));
}

#[test]
fn an_encrypted_body_declares_nothing_either() {
    let doctype = format!("<!DOCTYPE xml [<!ENTITY a \"b\">]>{XML}");
    let push = push(How::Safe, Format::Xml, KEY, &doctype);
    let refused = open(Mode::Safe, &secrets(), &push.query, push.body.as_bytes()).unwrap_err();
    assert_eq!(refused, CallbackError::Doctype);
}
