//! Properties: what is sealed opens, and nothing that comes in can panic or be believed by chance.

use hongyan_wechat::callback::envelope::{EncodingAesKey, decrypt, encrypt};
use hongyan_wechat::callback::event::parse;
use hongyan_wechat::callback::open::open;
use hongyan_wechat::callback::{CallbackQuery, Format, Mode};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{APPID, How, KEY, key, push, secrets};

const RECEIPT: &str = "<xml><ToUserName>gh_1</ToUserName><FromUserName>o1</FromUserName><CreateTime>1</CreateTime>\
    <MsgType>event</MsgType><Event>TEMPLATESENDJOBFINISH</Event><MsgID>2</MsgID><Status>success</Status></xml>";
const POPUP: &str = r#"{"ToUserName":"g","FromUserName":"o","CreateTime":1,"MsgType":"event","Event":"subscribe_msg_popup_event","List":[{"TemplateId":"t"}]}"#;

proptest! {
    #[test]
    fn every_key_of_43_letters_and_digits_works(text in "[A-Za-z0-9]{43}", message in vec(any::<u8>(), 0..200), random: [u8; 16]) {
        let key: EncodingAesKey = text.parse().unwrap();
        let sealed = encrypt(&key, APPID, &message, random);
        let opened = decrypt(&[key], APPID, &sealed).unwrap();
        prop_assert_eq!(opened.message, message);
    }

    #[test]
    fn any_key_text_is_taken_or_refused(text in "\\PC{40,46}") {
        let _ = text.parse::<EncodingAesKey>();
    }

    #[test]
    fn random_bytes_open_nothing(body in vec(any::<u8>(), 0..600), query: [Option<String>; 5]) {
        let [signature, timestamp, nonce, encrypt_type, msg_signature] = query;
        let query = CallbackQuery { signature, timestamp, nonce, encrypt_type, msg_signature, ..CallbackQuery::default() };
        for mode in [Mode::Plain, Mode::Compatible, Mode::Safe] {
            prop_assert!(open(mode, &secrets(), &query, &body).is_err());
        }
        let _ = parse(&body);
    }

    #[test]
    fn random_envelopes_do_not_open(sealed in vec(any::<[u8; 16]>(), 0..20), text in "\\PC*") {
        use base64::Engine;
        let sealed = base64::engine::general_purpose::STANDARD.encode(sealed.concat());
        prop_assert!(decrypt(&[key(KEY)], APPID, &sealed).is_err());
        prop_assert!(decrypt(&[key(KEY)], APPID, &text).is_err());
    }

    #[test]
    fn mutated_bodies_never_panic(cuts in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), json: bool) {
        let mut body = if json { POPUP } else { RECEIPT }.as_bytes().to_vec();
        for (place, byte) in cuts {
            let place = place.index(body.len());
            body[place] = byte;
        }
        let _ = parse(&body);
        body.truncate(body.len() / 2);
        let _ = parse(&body);
    }

    #[test]
    fn a_mutated_safe_push_is_refused_or_unchanged(place: prop::sample::Index, byte: u8, json: bool) {
        let (format, inside) = if json { (Format::Json, POPUP) } else { (Format::Xml, RECEIPT) };
        let push = push(How::Safe, format, KEY, inside);
        let mut body = push.body.clone().into_bytes();
        let place = place.index(body.len());
        body[place] = byte;
        if let Ok(opened) = open(Mode::Safe, &secrets(), &push.query, &body) {
            prop_assert_eq!(opened.body, inside.as_bytes());
        }
    }
}

#[test]
fn deep_nesting_is_survived() {
    let (open, close) = ("<a>".repeat(100_000), "</a>".repeat(100_000));
    assert!(parse(format!("<xml><MsgType>text</MsgType>{open}{close}</xml>").as_bytes()).is_ok());
    assert!(parse(format!("<xml><MsgType>{open}").as_bytes()).is_err());
    let lists = "[".repeat(500_000);
    assert!(parse(format!(r#"{{"MsgType":"text","List":{lists}"#).as_bytes()).is_err());
}
