//! Callbacks: published vectors, what each mode refuses, events in both formats, and rubbish.

mod events;
mod modes;
mod rubbish;
mod vectors;

use hongyan_wechat::callback::envelope::EncodingAesKey;
use hongyan_wechat::callback::seal::{Cover, Seal, SealedPush, Signer, seal_push};
use hongyan_wechat::callback::{CallbackSecrets, CallbackToken, Format};

pub(crate) const APPID: &str = "wxb11529c136998cb6";
pub(crate) const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
pub(crate) const OTHER_KEY: &str = "0123456789ABCDEFGabcdefghijklmnopqrstuvwxyz";
pub(crate) const TOKEN: &str = "pamtest";

pub(crate) fn key(text: &str) -> EncodingAesKey {
    text.parse().unwrap()
}

pub(crate) fn secrets() -> CallbackSecrets {
    CallbackSecrets {
        appid: APPID.into(),
        tokens: vec![CallbackToken::new(TOKEN)],
        keys: vec![key(KEY)],
    }
}

pub(crate) enum How {
    Plain,
    Compatible,
    Safe,
}

pub(crate) fn push(how: How, format: Format, with_key: &str, body: &str) -> SealedPush {
    let token = CallbackToken::new(TOKEN);
    let key = key(with_key);
    let seal = Seal {
        key: &key,
        appid: APPID,
        random: [7; 16],
    };
    let cover = match how {
        How::Plain => Cover::Plain,
        How::Compatible => Cover::Compatible(seal),
        How::Safe => Cover::Safe(seal),
    };
    let signer = Signer {
        token: &token,
        timestamp: 1395658920,
        nonce: "1372623149",
    };
    seal_push(&cover, &signer, format, "gh_7f083739789a", body)
}
