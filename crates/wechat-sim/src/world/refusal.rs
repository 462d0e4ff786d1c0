//! What WeChat says when it refuses: codes, their texts as seen in production, and the request id appended to them.
//! It knows nothing of when a code is due.

use std::borrow::Cow;

use rand::distr::Alphanumeric;
use rand::rngs::SmallRng;
use rand::{Rng, RngExt};

/// A refusal as it goes on the wire, with its rid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("errcode {errcode}: {errmsg}")]
pub struct Refusal {
    pub errcode: i64,
    pub errmsg: String,
}

/// A refusal before it has a rid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denied {
    pub(crate) errcode: i64,
    pub(crate) text: Cow<'static, str>,
}

impl Denied {
    pub(crate) fn code(errcode: i64) -> Self {
        Self {
            errcode,
            text: Cow::Borrowed(text_of(errcode)),
        }
    }

    pub(crate) fn with(errcode: i64, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            errcode,
            text: text.into(),
        }
    }

    pub(crate) fn at(self, now_ms: i64, random: &mut SmallRng) -> Refusal {
        Refusal {
            errcode: self.errcode,
            errmsg: format!("{} {}", self.text, rid(now_ms, random)),
        }
    }

    /// In the old style, misspelling included: `argument invalid! hint: [IWJsFA00994126] data.thing1.value is emtpy`.
    pub(crate) fn hinted(self, now_ms: i64, random: &mut SmallRng) -> Refusal {
        let letters: String = (0..6)
            .map(|_| char::from(random.sample(Alphanumeric)))
            .collect();
        let hint = format!(
            "hint: [{letters}{:08}]",
            now_ms.div_euclid(1000).rem_euclid(100_000_000)
        );
        let errmsg = match self.text.strip_prefix(HINTED_BEFORE) {
            Some(rest) if !rest.is_empty() => {
                let rest = rest.replace("is empty", "is emtpy");
                format!("{HINTED_BEFORE} {hint}{rest}")
            }
            _ => format!("{} {hint}", self.text),
        };
        Refusal {
            errcode: self.errcode,
            errmsg,
        }
    }
}

/// What a hint stood before, where it did not stand at the end.
const HINTED_BEFORE: &str = "argument invalid!";

/// `rid: ` and three groups of eight hex digits; the first is the second of the answer.
pub(crate) fn rid(now_ms: i64, random: &mut SmallRng) -> String {
    let second = now_ms.div_euclid(1000);
    format!(
        "rid: {second:08x}-{:08x}-{:08x}",
        random.next_u32(),
        random.next_u32()
    )
}

/// The text production shows for a code; what is not listed is told in WeChat's vaguest words.
pub fn text_of(errcode: i64) -> &'static str {
    match errcode {
        -1 => "system error",
        0 => "ok",
        40001 => {
            "invalid credential, access_token is invalid or not latest, could get access_token by getStableAccessToken, more details at https://mmbizurl.cn/s/JtxxFh33r"
        }
        40002 => "invalid grant_type",
        40003 => "invalid openid",
        40008 => "invalid message type",
        40013 => "invalid appid",
        40014 => "invalid access_token",
        40029 => "invalid code",
        40033 => "invalid charset",
        40036 => "invalid template_id size",
        40037 => "invalid template_id",
        40039 => "invalid url size",
        40062 => "invalid title size",
        40066 => "invalid url",
        40097 => "invalid args",
        40102 => "invalid industry id",
        40125 => "invalid appsecret, view more at http://t.cn/RAEkdVq",
        40163 => "code been used",
        40165 => "invalid weapp pagepath",
        40166 => "invalid weapp appid",
        40241 => "The message is duplicate in 60 seconds",
        40243 => "AppSecret is frozen, please unfreeze it first",
        40246 => "invalid keyword_name_list",
        40247 => "template must come from the category library",
        40249 => "this template msg has been blocked for illegal content",
        41001 => "access_token missing",
        41030 => "invalid page",
        41002 => "appid missing",
        41004 => "appsecret missing",
        41008 => "missing code",
        42001 => "access_token expired",
        43002 => "require POST method",
        43004 => "require subscribe",
        43019 => "require remove blacklist",
        43100 => "change template too frequently",
        43101 => "user refuse to accept the msg",
        43107 => "no permission to send this template",
        43108 => "concurrent sends to the same fan",
        43116 => "this template has been restricted",
        43117 => "Sending messages to this openid too frequently,please try later",
        44007 => "repeated msg id",
        45009 => "reach max api daily quota limit",
        45011 => "api minute-quota reach limit  must slower  retry next minute",
        45026 => "template num exceeds limit",
        45027 => "template conflict with industry",
        45168 => "message contains sensitive words",
        47001 => "data format error",
        47003 => "argument invalid!",
        48001 => "api unauthorized",
        48004 => "api forbidden for irregularities",
        48006 => "forbid to clear quota because of reaching the limit",
        50002 => "user limited",
        50004 => "user not allow to use accesstoken, maybe for punishment",
        50005 => "user is unsubscribed",
        76003 => "invalid cgi_path",
        76021 => "cgi_path not found",
        200_011 => "account is banned",
        200_012 => "private template count reaches the limit",
        200_013 => "template is banned",
        200_014 => "tid does not exist",
        200_020 => "invalid kidList",
        200_021 => "invalid sceneDesc",
        200_100 => "account type is illegal",
        89503 => "this ip needs the confirmation of the administrator",
        _ => "request refused",
    }
}
