//! How pushes to one consumer are signed and encrypted, and its replies opened: with its own token and key.
//! It must not send anything.

use hongyan_wechat::callback::envelope::{self, EncodingAesKey};
use hongyan_wechat::callback::event::{Header, header_of_push};
use hongyan_wechat::callback::open::open_reply;
use hongyan_wechat::callback::seal::{Cover, Seal, Signer, seal_push};
use hongyan_wechat::callback::{CallbackSecrets, Format, Mode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// A consumer's token and key, and how they are used.
#[derive(Debug)]
pub struct Seals {
    pub mode: Mode,
    /// One token, and one key where the mode is not plain.
    pub secrets: CallbackSecrets,
}

/// A push as it is posted.
pub(super) struct Sealed {
    pub(super) query: String,
    pub(super) body: String,
    pub(super) content_type: &'static str,
}

impl Seals {
    /// Signs a push as WeChat would, as of this moment.
    pub(super) fn seal(&self, body: &str, seconds: i64) -> Option<Sealed> {
        let token = self.secrets.tokens.first()?;
        let nonce = rand::random_range(100_000_000..2_000_000_000_u32).to_string();
        let signer = Signer {
            token,
            timestamp: seconds,
            nonce: &nonce,
        };
        let cover = match (self.mode, self.secrets.keys.first()) {
            (Mode::Plain, _) => Cover::Plain,
            (Mode::Compatible, Some(key)) => Cover::Compatible(self.with(key)),
            (Mode::Safe, Some(key)) => Cover::Safe(self.with(key)),
            (_, None) => return None,
        };
        let header = header_of_push(body.as_bytes()).unwrap_or(Header {
            to_user_name: String::new(),
            openid: String::new(),
            create_time: 0,
        });
        let format = format_of(body);
        let sealed = seal_push(&cover, &signer, format, &header.to_user_name, body);
        let query = &sealed.query;
        let pairs = [
            ("signature", query.signature.as_deref()),
            ("timestamp", query.timestamp.as_deref()),
            ("nonce", query.nonce.as_deref()),
            ("openid", Some(&*header.openid)),
            ("encrypt_type", query.encrypt_type.as_deref()),
            ("msg_signature", query.msg_signature.as_deref()),
        ];
        let pairs = pairs.into_iter().filter_map(|(name, value)| {
            Some(format!(
                "{name}={}",
                utf8_percent_encode(value?, NON_ALPHANUMERIC)
            ))
        });
        Some(Sealed {
            query: pairs.collect::<Vec<_>>().join("&"),
            body: sealed.body,
            content_type: match format {
                Format::Xml => "text/xml; charset=utf-8",
                Format::Json => "application/json; charset=utf-8",
            },
        })
    }

    /// A consumer's answer, plain; none where it says nothing to WeChat, or what it says cannot be believed.
    pub(super) fn open(&self, body: &[u8]) -> Option<super::Reply> {
        let text = std::str::from_utf8(body).ok()?.trim();
        if text.is_empty() || text == "success" {
            return None;
        }
        // In compatible mode a consumer may answer in either way.
        let opened = match self.mode {
            Mode::Plain => None,
            Mode::Compatible | Mode::Safe => open_reply(&self.secrets, text.as_bytes()).ok(),
        };
        let body = match opened {
            Some(plain) => String::from_utf8(plain).ok()?,
            None if self.mode == Mode::Safe => return None,
            None => text.to_owned(),
        };
        Some(super::Reply {
            format: format_of(&body),
            body,
        })
    }

    fn with<'a>(&'a self, key: &'a EncodingAesKey) -> Seal<'a> {
        Seal {
            key,
            appid: &self.secrets.appid,
            random: envelope::random(),
        }
    }
}

fn format_of(body: &str) -> Format {
    if body.trim_start().starts_with('{') {
        Format::Json
    } else {
        Format::Xml
    }
}
