//! Whatever comes in as a callback, in any mode, signed or not: it is opened or refused, and never more than that.

use hongyan_wechat::callback::envelope::{EncodingAesKey, decrypt, encrypt};
use hongyan_wechat::callback::open::open;
use hongyan_wechat::callback::signature::{sign, sign_encrypted};
use hongyan_wechat::callback::{CallbackQuery, CallbackSecrets, CallbackToken, Mode};

const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
const APPID: &str = "wx0000000000000001";
const TIMESTAMP: &str = "1795400000";
const NONCE: &str = "1320562132";

pub(crate) fn run(bytes: &[u8]) {
    let (key, token) = (
        KEY.parse::<EncodingAesKey>().expect("a key"),
        CallbackToken::new("token"),
    );
    let secrets = CallbackSecrets {
        appid: APPID.into(),
        tokens: vec![CallbackToken::new("token")],
        keys: vec![KEY.parse().expect("a key")],
    };
    let unsigned = CallbackQuery {
        encrypt_type: Some("aes".into()),
        ..CallbackQuery::default()
    };
    for mode in [Mode::Plain, Mode::Compatible, Mode::Safe] {
        assert!(
            open(mode, &secrets, &unsigned, bytes).is_err(),
            "nothing unsigned is believed"
        );
    }
    // In plain mode the signature says nothing of the body: what follows reads whatever came.
    let plain = CallbackQuery {
        signature: Some(sign(&token, TIMESTAMP, NONCE)),
        timestamp: Some(TIMESTAMP.into()),
        nonce: Some(NONCE.into()),
        ..CallbackQuery::default()
    };
    let _ = open(Mode::Plain, &secrets, &plain, bytes);
    // Signed by one who has the token but not the key, and by one who has both.
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = open(
            Mode::Safe,
            &secrets,
            &sealed_query(&token, text),
            &sealed(text),
        );
    }
    let text = encrypt(&key, APPID, bytes, [7; 16]);
    let inside = decrypt(&secrets.keys, APPID, &text).expect("its own envelope opens");
    assert_eq!(inside.message, bytes);
    let _ = open(
        Mode::Safe,
        &secrets,
        &sealed_query(&token, &text),
        &sealed(&text),
    );
}

fn sealed_query(token: &CallbackToken, encrypted: &str) -> CallbackQuery {
    CallbackQuery {
        msg_signature: Some(sign_encrypted(token, TIMESTAMP, NONCE, encrypted)),
        timestamp: Some(TIMESTAMP.into()),
        nonce: Some(NONCE.into()),
        encrypt_type: Some("aes".into()),
        ..CallbackQuery::default()
    }
}

fn sealed(encrypted: &str) -> Vec<u8> {
    format!("<xml><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>").into_bytes()
}
