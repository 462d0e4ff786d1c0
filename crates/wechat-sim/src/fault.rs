//! Scripted trouble: rules that say where, when and how a call goes wrong, and the book that picks among them.
//! It only decides; carrying a decision out is the HTTP face's work.

mod book;
mod parse;

use std::time::Duration;

pub use parse::FaultError;

pub(crate) use book::{FaultBook, Trouble};

/// The calls WeChat offers here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    Token,
    StableToken,
    /// `stable_token` with `force_refresh`.
    ForcedToken,
    Send,
    /// `message/subscribe/bizsend`
    BizSend,
    /// `message/subscribe/send`
    SubscribeSend,
    /// `message/template/subscribe`
    OneTimeSend,
    Templates,
    /// `newtmpl/gettemplate`
    SubscriptionTemplates,
    /// `newtmpl/addtemplate`
    SubscriptionTemplateAdd,
    /// `newtmpl/deltemplate`
    SubscriptionTemplateDelete,
    TemplateAdd,
    TemplateDelete,
    IndustryGet,
    IndustrySet,
    UserInfo,
    UserList,
    Quota,
    ClearQuota,
    ApiDomainIp,
    /// `/sns/oauth2/access_token`.
    Oauth,
    Unknown,
}

/// Which calls a fault may strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Any,
    /// All that fetch a token.
    Tokens,
    /// All that present one.
    Business,
    One(Endpoint),
}

impl Place {
    fn covers(self, endpoint: Endpoint) -> bool {
        use Endpoint::{ForcedToken, StableToken, Token};
        let fetches = matches!(endpoint, Token | StableToken | ForcedToken);
        match self {
            Self::Any => true,
            Self::Tokens => fetches,
            Self::Business => !fetches,
            // A forced call is a stable one as well.
            Self::One(StableToken) => matches!(endpoint, StableToken | ForcedToken),
            Self::One(one) => one == endpoint,
        }
    }
}

/// Which of the covered calls a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    Always,
    First(u32),
    /// Between 0 and 1, by the seeded generator.
    Chance(f64),
    /// So many calls in trouble, then so many without, and again.
    Burst {
        trouble: u32,
        calm: u32,
    },
}

/// How a call goes wrong. `accepted` tells whether the call nevertheless took effect.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Answered with a code, without effect.
    Code {
        errcode: i64,
        errmsg: Option<String>,
    },
    /// Errcode -1.
    Busy { accepted: bool },
    /// The call takes effect and the connection is closed without an answer.
    CutAfterAccept,
    /// The connection is closed and nothing happened.
    CutBefore,
    /// An HTTP status instead of 200.
    Status { status: u16, accepted: bool },
    /// A web page with status 200.
    Html { accepted: bool },
    /// Half of the answer, then the connection is closed.
    HalfBody { accepted: bool },
    /// The answer comes so much later; the effect does not.
    Slow(Duration),
    /// No answer ever; the connection stays open.
    Hang { accepted: bool },
    /// Every business call is answered 40001, whatever token it brings.
    TokenRejected,
    /// The account's tokens of both slots die just before the call is looked at.
    RevokeTokens,
    /// Somebody else fetches a token just before the call is looked at.
    AnotherHolder { force: bool },
}

/// One rule of trouble; made by `new` or parsed from text such as `cut:5%` or `code=45009:first=3`.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub what: What,
    pub place: Place,
    pub account: Option<String>,
    pub openid: Option<String>,
    pub when: When,
}

impl Fault {
    /// Strikes every send (a rejected token: every business call) until narrowed.
    pub fn new(what: What) -> Self {
        let (place, when) = match what {
            What::TokenRejected => (Place::Business, When::Always),
            What::RevokeTokens => (Place::One(Endpoint::Send), When::First(1)),
            _ => (Place::One(Endpoint::Send), When::Always),
        };
        Self {
            what,
            place,
            account: None,
            openid: None,
            when,
        }
    }

    /// A refusal with this code and its usual text.
    pub fn code(errcode: i64) -> Self {
        Self::new(What::Code {
            errcode,
            errmsg: None,
        })
    }

    pub fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    pub fn first(mut self, calls: u32) -> Self {
        self.when = When::First(calls);
        self
    }

    pub fn chance(mut self, chance: f64) -> Self {
        self.when = When::Chance(chance);
        self
    }

    pub fn account(mut self, appid: &str) -> Self {
        self.account = Some(appid.to_owned());
        self
    }

    pub fn openid(mut self, openid: &str) -> Self {
        self.openid = Some(openid.to_owned());
        self
    }
}
