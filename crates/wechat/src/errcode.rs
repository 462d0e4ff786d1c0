//! What kind of answer a WeChat errcode is. The same number can mean different things at different endpoints,
//! so the class is a function of both. What follows from a class is decided elsewhere.

use std::fmt;

/// The calls this crate can make; an errcode is read in the light of its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `GET /cgi-bin/token`
    Token,
    /// `POST /cgi-bin/stable_token`
    StableToken,
    /// `POST /cgi-bin/message/template/send`
    TemplateSend,
    /// `POST /cgi-bin/message/subscribe/bizsend`
    SubscriptionSend,
    /// `POST /cgi-bin/message/template/subscribe`
    OneTimeSend,
    /// `POST /cgi-bin/message/subscribe/send`
    MiniProgramSend,
    /// `GET /cgi-bin/template/get_all_private_template`
    TemplateList,
    /// `GET /wxaapi/newtmpl/gettemplate`
    SubscriptionTemplateList,
    /// `POST /wxaapi/newtmpl/addtemplate`
    SubscriptionTemplateAdd,
    /// `POST /wxaapi/newtmpl/deltemplate`
    SubscriptionTemplateDelete,
    /// `POST /cgi-bin/template/api_add_template`
    TemplateAdd,
    /// `POST /cgi-bin/template/del_private_template`
    TemplateDelete,
    /// `GET /cgi-bin/template/get_industry`
    IndustryGet,
    /// `POST /cgi-bin/template/api_set_industry`
    IndustrySet,
    /// `GET /cgi-bin/user/info`
    UserInfo,
    /// `GET /cgi-bin/user/get`
    UserList,
    /// `POST /cgi-bin/openapi/quota/get`
    QuotaGet,
    /// `POST /cgi-bin/clear_quota`
    QuotaClear,
    /// `POST /cgi-bin/clear_quota/v2`
    QuotaClearBySecret,
    /// `GET /sns/oauth2/access_token`: the openid behind a code of the authorise page.
    OauthToken,
    /// A call that this crate has no method for, by its path.
    Other(&'static str),
}

impl Endpoint {
    /// The path on WeChat's hosts, as in `/cgi-bin/message/template/send`.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Token => "/cgi-bin/token",
            Self::StableToken => "/cgi-bin/stable_token",
            Self::TemplateSend => "/cgi-bin/message/template/send",
            Self::SubscriptionSend => "/cgi-bin/message/subscribe/bizsend",
            Self::OneTimeSend => "/cgi-bin/message/template/subscribe",
            Self::MiniProgramSend => "/cgi-bin/message/subscribe/send",
            Self::TemplateList => "/cgi-bin/template/get_all_private_template",
            Self::SubscriptionTemplateList => "/wxaapi/newtmpl/gettemplate",
            Self::SubscriptionTemplateAdd => "/wxaapi/newtmpl/addtemplate",
            Self::SubscriptionTemplateDelete => "/wxaapi/newtmpl/deltemplate",
            Self::TemplateAdd => "/cgi-bin/template/api_add_template",
            Self::TemplateDelete => "/cgi-bin/template/del_private_template",
            Self::IndustryGet => "/cgi-bin/template/get_industry",
            Self::IndustrySet => "/cgi-bin/template/api_set_industry",
            Self::UserInfo => "/cgi-bin/user/info",
            Self::UserList => "/cgi-bin/user/get",
            Self::QuotaGet => "/cgi-bin/openapi/quota/get",
            Self::QuotaClear => "/cgi-bin/clear_quota",
            Self::QuotaClearBySecret => "/cgi-bin/clear_quota/v2",
            Self::OauthToken => "/sns/oauth2/access_token",
            Self::Other(path) => path,
        }
    }

    const fn mints_tokens(self) -> bool {
        matches!(self, Self::Token | Self::StableToken | Self::OauthToken)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.path())
    }
}

/// What kind of answer an errcode is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Accepted (0, or absent).
    Ok,
    /// The access_token was rejected (40001 on a business call, 40014, 42001): refresh it, then repeat.
    Token,
    /// WeChat was too busy to say what became of the call (-1 and kin): the outcome is in doubt.
    Busy,
    /// Too fast: definite, nothing was accepted.
    Rate(RateScope),
    /// The day's (or month's) quota is spent.
    Quota,
    /// The request itself is wrong; the same request will never be accepted.
    Parameter(Fault),
    /// The template cannot be used.
    Template(TemplateFault),
    /// WeChat blocked the content.
    Content,
    /// This recipient cannot or does not want to receive.
    Recipient(RecipientFault),
    /// WeChat says it has this message already (40241, 44007).
    Duplicate,
    /// The account is punished, blocked, or lacks the capability.
    Account(AccountFault),
    /// The account's credentials or network settings are wrong.
    Configuration(ConfigurationFault),
    /// The call reached a retired address of WeChat (48017): definite, resolve the name anew and repeat.
    RetiredAddress,
    /// A code that no table lists.
    Unknown,
}

/// Who is too fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RateScope {
    /// The account, until the next minute (45011).
    Account,
    /// One recipient, for minutes (43117, 43108).
    Recipient,
    /// Template changes (43100).
    Template,
}

/// Which part of a request is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The openid (40003, 49003).
    OpenId,
    /// The template's data (47003 and size limits).
    Data,
    /// The link or the mini-program target.
    Link,
    /// The request as a whole: a bug on this side.
    Request,
}

/// Why a template cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TemplateFault {
    /// 40037: now and then said of a valid id, so one delayed repeat is due before it is believed.
    Unknown,
    /// Wrong size, wrong kind, disabled: believed at once.
    Unusable,
    /// Its delivery is restricted, or its capability banned (43116, 43107).
    Restricted,
}

/// Why a recipient cannot receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecipientFault {
    /// Not a follower (43004, 50005).
    NotSubscribed,
    /// The user switched this notification off (43101, 48002).
    Refused,
    /// The account has black-listed the user (43019).
    Blacklisted,
    /// The user's own account is frozen or gone (50002).
    Limited,
}

/// Why an account cannot be used for this call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccountFault {
    /// Punished, frozen or blocked by WeChat.
    Blocked,
    /// The capability was never granted.
    Capability,
}

/// What is wrong with an account's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConfigurationFault {
    /// The secret is wrong or frozen (40001 at a token endpoint, 40125, 40243).
    Secret,
    /// The appid is wrong (40013).
    AppId,
    /// The egress IP is not on the whitelist, or waits for the administrator (40164, 61004, 89501 …).
    Address,
    /// The administrator refused the IP for an hour (89507).
    RefusedForAnHour,
    /// The administrator refused the IP for a day (89506).
    RefusedForADay,
    /// The token request itself is malformed: a bug on this side (40002, 41002, 41004).
    Request,
}

/// The class of `code` as an answer of `endpoint`.
///
/// The codes are those of WeChat's global return code page and of the endpoints' own pages, with some that only
/// production has shown (43117, 40241, ...). A code that nobody has described is [`Class::Unknown`].
///
/// ```
/// use hongyan_wechat::errcode::{Class, ConfigurationFault, Endpoint, classify};
///
/// // 40001 is a stale token on a business call, and a wrong secret where tokens are made.
/// assert_eq!(classify(Endpoint::TemplateSend, 40001), Class::Token);
/// assert_eq!(classify(Endpoint::StableToken, 40001), Class::Configuration(ConfigurationFault::Secret));
/// ```
#[must_use]
pub fn classify(endpoint: Endpoint, code: i64) -> Class {
    use Class::{Account, Configuration, Parameter, Recipient, Template};
    match code {
        0 => Class::Ok,
        -1 | 61450 | 200_001 | 268_487_001 | 268_487_002 => Class::Busy,

        40001 if endpoint.mints_tokens() => Configuration(ConfigurationFault::Secret),
        40001 | 40014 | 42001 => Class::Token,
        40125 | 40243 => Configuration(ConfigurationFault::Secret),
        40013 => Configuration(ConfigurationFault::AppId),
        40002 | 41002 | 41004 => Configuration(ConfigurationFault::Request),
        // A wrong verb at a token endpoint is this side's bug in the token request, not in a message.
        43002 if endpoint.mints_tokens() => Configuration(ConfigurationFault::Request),
        40164 | 45035 | 61004 | 89501..=89505 => Configuration(ConfigurationFault::Address),
        89506 => Configuration(ConfigurationFault::RefusedForADay),
        89507 => Configuration(ConfigurationFault::RefusedForAnHour),

        45102 | 45501 | 48004 | 50004 | 50007 => Account(AccountFault::Blocked),
        43104 | 45103 | 48001 | 48008 | 48009 => Account(AccountFault::Capability),

        45011 => Class::Rate(RateScope::Account),
        43108 | 43117 => Class::Rate(RateScope::Recipient),
        43100 => Class::Rate(RateScope::Template),
        45009 | 45040 | 45104 | 48006 => Class::Quota,

        40003 | 49003 => Parameter(Fault::OpenId),
        40062 | 45002 | 45005 | 45012..=45014 | 47003 => Parameter(Fault::Data),
        40039 | 40165 | 40166 | 40168 | 41030 | 45051 | 45082 => Parameter(Fault::Link),
        40004
        | 40008
        | 40033
        | 40035
        | 40097
        | 41001
        | 41009
        | 41011
        | 43001..=43003
        | 44002
        | 45015
        | 45021
        | 45047
        | 47001
        | 47002
        | 9_001_001 => Parameter(Fault::Request),

        40037 => Template(TemplateFault::Unknown),
        40036 | 40081 | 40176 | 48011 => Template(TemplateFault::Unusable),
        43107 | 43116 => Template(TemplateFault::Restricted),
        40249 | 45168 => Class::Content,

        43004 | 50005 => Recipient(RecipientFault::NotSubscribed),
        43101 | 48002 => Recipient(RecipientFault::Refused),
        43019 => Recipient(RecipientFault::Blacklisted),
        50002 => Recipient(RecipientFault::Limited),

        40241 | 44007 => Class::Duplicate,
        48017 => Class::RetiredAddress,
        _ => of_one_call(endpoint, code),
    }
}

/// The codes that one helper call alone has.
fn of_one_call(endpoint: Endpoint, code: i64) -> Class {
    use Class::{Account, Parameter, Template};
    match (endpoint, code) {
        (Endpoint::UserInfo, 40032) | (Endpoint::QuotaGet, 76003 | 76021 | 76022) => {
            Parameter(Fault::Request)
        }
        // The account is of a sort that has no subscription messages.
        (Endpoint::SubscriptionTemplateList, 200_100) => Account(AccountFault::Capability),
        // Too many in use (45026, 200012) is mended by deleting one, not by waiting.
        (Endpoint::TemplateAdd, 40246 | 45026)
        | (Endpoint::SubscriptionTemplateAdd, 200_012 | 200_014 | 200_020..=200_022) => {
            Parameter(Fault::Request)
        }
        (Endpoint::TemplateAdd, 40247 | 45027) | (Endpoint::SubscriptionTemplateAdd, 200_013) => {
            Template(TemplateFault::Unusable)
        }
        (Endpoint::TemplateAdd, 43106) | (Endpoint::SubscriptionTemplateAdd, 200_011) => {
            Account(AccountFault::Blocked)
        }
        // A code that is wrong, too old, used or absent.
        (Endpoint::OauthToken, 40029 | 40163 | 41008 | 42003)
        | (Endpoint::IndustrySet, 40102 | 40103) => Parameter(Fault::Request),
        _ => Class::Unknown,
    }
}

/// Every code that [`classify`] knows wherever it comes from, in ascending order: for tests that walk through all of
/// them. Codes that one helper call alone has (40032, 76003 …) are not here.
pub const KNOWN: &[i64] = &[
    -1,
    0,
    40001,
    40002,
    40003,
    40004,
    40008,
    40013,
    40014,
    40033,
    40035,
    40036,
    40037,
    40039,
    40062,
    40081,
    40097,
    40125,
    40164,
    40165,
    40166,
    40168,
    40176,
    40241,
    40243,
    40249,
    41001,
    41002,
    41004,
    41009,
    41011,
    41030,
    42001,
    43001,
    43002,
    43003,
    43004,
    43019,
    43100,
    43101,
    43104,
    43107,
    43108,
    43116,
    43117,
    44002,
    44007,
    45002,
    45005,
    45009,
    45011,
    45012,
    45013,
    45014,
    45015,
    45021,
    45035,
    45040,
    45047,
    45051,
    45082,
    45102,
    45103,
    45104,
    45168,
    45501,
    47001,
    47002,
    47003,
    48001,
    48002,
    48004,
    48006,
    48008,
    48009,
    48011,
    48017,
    49003,
    50002,
    50004,
    50005,
    50007,
    61004,
    61450,
    89501,
    89502,
    89503,
    89504,
    89505,
    89506,
    89507,
    200_001,
    9_001_001,
    268_487_001,
    268_487_002,
];
