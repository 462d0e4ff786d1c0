//! What is wrong with a value, and what WeChat would do to it without a word; told in English and in Chinese.
//! It must not decide what follows.

use super::rules::Rule;
use super::shape::Bound;
use super::stop::StopCause;
use crate::kind::ListOf;

/// One field that WeChat would refuse (47003, 40165, 40166), and by which rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The path of the field, such as `data.thing1.value`.
    pub field: String,
    /// The type of the key, such as `thing`; none for old keys and for what is no value.
    pub key_type: Option<&'static str>,
    /// The value's length in characters; none where there is no value.
    pub length: Option<usize>,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The template asks for a key that is not there.
    Missing {
        /// A key that was given and is nearly it (`.DATA` behind it, blanks around it).
        given: Option<String>,
    },
    /// The value is empty, or blanks alone.
    Empty,
    /// The value is not made as its type wants it.
    Form {
        /// The rule in English.
        english: &'static str,
        /// The rule in Chinese.
        chinese: &'static str,
    },
    /// There is too much of the value.
    TooLong {
        /// How much there is of what is counted.
        counted: usize,
        /// The most there may be.
        most: usize,
        /// Whether only its digits are counted.
        digits: bool,
    },
    /// The value is not among those that were approved for the key.
    NotAChoice {
        /// Those that were.
        choices: Vec<String>,
    },
    /// The mini-program's appid is not `wx` and 16 hex digits (40166).
    AppId,
    /// The mini-program's page is not a path inside it (40165).
    PagePath,
    /// The account has no such template (40037).
    UnknownTemplate,
    /// The message is of another kind than its template (40037).
    OtherKind(ListOf),
    /// A one-time message has no text: it shows one key alone.
    NoContent,
}

impl Violation {
    /// The rule that was broken, as a stable word: `missing`, `thing.length`, `amount.form`, `enum.choice` …
    #[must_use]
    pub fn rule(&self) -> String {
        let aspect = match self.fault {
            Fault::Missing { .. } | Fault::NoContent => return "missing".to_owned(),
            Fault::Empty => return "empty".to_owned(),
            Fault::AppId => return "miniprogram.appid".to_owned(),
            Fault::PagePath => return "miniprogram.pagepath".to_owned(),
            Fault::UnknownTemplate => return "template_id.unknown".to_owned(),
            Fault::OtherKind(_) => return "kind.other".to_owned(),
            Fault::Form { .. } => "form",
            Fault::TooLong { .. } => "length",
            Fault::NotAChoice { .. } => "choice",
        };
        format!("{}.{aspect}", self.key_type.unwrap_or("value"))
    }

    /// What is wrong, in English; reads on from the field's name.
    #[must_use]
    pub fn english(&self) -> String {
        let kind = self.key_type.unwrap_or("this key");
        let length = self.length.unwrap_or(0);
        match &self.fault {
            Fault::Missing { given: None } => "is missing: the template asks for it".to_owned(),
            Fault::Missing { given: Some(given) } => format!(
                "is missing: the template asks for it; {given:?} was given, write the key without .DATA and blanks"
            ),
            Fault::Empty => "is empty; WeChat refuses an empty value".to_owned(),
            Fault::Form { english, .. } => {
                format!("({length} characters) does not fit: {kind} takes {english}")
            }
            Fault::TooLong {
                counted,
                most,
                digits: true,
            } => {
                format!("has {counted} digits; {kind} takes at most {most}")
            }
            Fault::TooLong {
                counted,
                most,
                digits: false,
            } => {
                format!("has {counted} characters; {kind} takes at most {most}")
            }
            Fault::NotAChoice { choices } => format!(
                "({length} characters) is not one of the values approved for this key: {}",
                choices.join(", ")
            ),
            Fault::AppId => "is not a mini-program's AppID: wx and 16 hex digits".to_owned(),
            Fault::PagePath => {
                "is not a page inside the mini-program: no address, no blanks".to_owned()
            }
            Fault::UnknownTemplate => {
                "is not a template of this account: WeChat does not list it".to_owned()
            }
            Fault::NoContent => "is missing; a one-time message shows this key alone".to_owned(),
            Fault::OtherKind(ListOf::Templates) => {
                "is not the template's: WeChat lists it as one of template messages".to_owned()
            }
            Fault::OtherKind(ListOf::Subscriptions) => {
                "is not the template's: WeChat lists it as one of subscription messages".to_owned()
            }
        }
    }

    /// What is wrong, in Chinese; reads on from the field's name.
    #[must_use]
    pub fn chinese(&self) -> String {
        let kind = self.key_type.unwrap_or("该字段");
        let length = self.length.unwrap_or(0);
        match &self.fault {
            Fault::Missing { given: None } => "缺失：模板需要该字段".to_owned(),
            Fault::Missing { given: Some(given) } => {
                format!("缺失：模板需要该字段；收到的是 {given:?}，字段名不要带 .DATA 或空格")
            }
            Fault::Empty => "为空；微信拒绝空值".to_owned(),
            Fault::Form { chinese, .. } => {
                format!("（{length} 个字符）不符合规则：{kind} 只接受：{chinese}")
            }
            Fault::TooLong {
                counted,
                most,
                digits: true,
            } => {
                format!("有 {counted} 位数字；{kind} 最多 {most} 位")
            }
            Fault::TooLong {
                counted,
                most,
                digits: false,
            } => {
                format!("有 {counted} 个字符；{kind} 最多 {most} 个")
            }
            Fault::NotAChoice { choices } => {
                format!(
                    "（{length} 个字符）不在该字段已审核的取值之内：{}",
                    choices.join("、")
                )
            }
            Fault::AppId => "不是小程序的 AppID：应为 wx 加 16 位十六进制数".to_owned(),
            Fault::PagePath => "不是小程序内的页面：不能是网址，也不能有空格".to_owned(),
            Fault::UnknownTemplate => "不是该账号的模板：微信的模板列表中没有它".to_owned(),
            Fault::NoContent => "缺失：一次性订阅消息只显示该字段".to_owned(),
            Fault::OtherKind(ListOf::Templates) => {
                "与模板不符：微信把它列为模板消息的模板".to_owned()
            }
            Fault::OtherKind(ListOf::Subscriptions) => {
                "与模板不符：微信把它列为订阅消息的模板".to_owned()
            }
        }
    }
}

/// Something that WeChat takes without an error, though the user will not see what was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The path of the field, such as `data.remark`.
    pub field: String,
    /// What happens to it.
    pub about: About,
}

/// What happens to a field without an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// WeChat drops `first` and `remark`.
    Dropped,
    /// The template has no such key, so that WeChat drops it.
    Unasked,
    /// WeChat shows no more than a part of an old key's value.
    CutOnDisplay {
        /// How many characters are shown.
        shown: usize,
        /// How many there are.
        length: usize,
    },
    /// Cut here, because it was too long and the caller wants it so.
    Truncated {
        /// What it was.
        from: String,
        /// What is sent.
        to: String,
    },
    /// Sent against a rule, because the caller wants it so; WeChat will probably refuse it.
    SentAnyway(Box<Violation>),
    /// The template is not in the list that is known, and WeChat could not be asked again, or not so soon.
    Unverified,
    /// The template is stopped, so that the message waits.
    Stopped(StopCause),
    /// All that the user was heard to agree to of the template was sent.
    NoneAgreed,
}

impl Warning {
    /// As a sender reads it, in both languages.
    #[must_use]
    pub fn told(&self) -> String {
        let (english, chinese) = (self.english(), self.chinese());
        format!("{}: {english}（{chinese}）", self.field)
    }

    /// In English; reads on from the field's name.
    #[must_use]
    pub fn english(&self) -> String {
        match &self.about {
            About::Dropped => "WeChat no longer shows this key and drops it".to_owned(),
            About::Unasked => "the template has no such key; WeChat drops it".to_owned(),
            About::CutOnDisplay { shown, length } => {
                format!("WeChat shows {shown} of its {length} characters")
            }
            About::Truncated { from, to } => format!("was cut from {from:?} to {to:?}"),
            About::SentAnyway(violation) => {
                format!("is sent against the rule: {}", violation.english())
            }
            About::Unverified => {
                "is not in the last list of the account's templates, and WeChat cannot be asked again now".to_owned()
            }
            About::Stopped(cause) => {
                format!("is stopped ({cause}): the message waits until it is resumed")
            }
            About::NoneAgreed => {
                "has no agreement to this template left, as far as was heard; WeChat will probably refuse it (43101)".to_owned()
            }
        }
    }

    /// In Chinese; reads on from the field's name.
    #[must_use]
    pub fn chinese(&self) -> String {
        match &self.about {
            About::Dropped => "微信不再显示该字段，会将其丢弃".to_owned(),
            About::Unasked => "模板没有该字段，微信会将其丢弃".to_owned(),
            About::CutOnDisplay { shown, length } => {
                format!("共 {length} 个字符，微信只显示前 {shown} 个")
            }
            About::Truncated { from, to } => format!("已从 {from:?} 截断为 {to:?}"),
            About::SentAnyway(violation) => format!("不合规则仍会发送：{}", violation.chinese()),
            About::Unverified => "不在最近一次的模板列表中，且暂时无法向微信核实".to_owned(),
            About::Stopped(cause) => format!("模板已停用（{cause}）：恢复之前消息将一直等待"),
            About::NoneAgreed => {
                "据已收到的事件，该用户对此模板的订阅次数已用完，微信很可能拒绝（43101）".to_owned()
            }
        }
    }
}

impl Fault {
    pub(super) fn form(rule: &Rule) -> Self {
        Self::Form {
            english: rule.shape.english,
            chinese: rule.shape.chinese,
        }
    }

    pub(super) fn too_long(bound: Bound, (counted, most): (usize, usize)) -> Self {
        let digits = matches!(bound, Bound::Digits(_));
        Self::TooLong {
            counted,
            most,
            digits,
        }
    }
}
