//! The rules for values, as WeChat gives them by type of key and by endpoint: one table.
//! It must not know messages. Sources: the value rules on the pages of template messages (column `template`) and of
//! subscription messages (column `subscription`), <https://developers.weixin.qq.com/doc/service/api/notify/notify/api_sendnewsubscribemsg.html>.

use super::measure::Counting;
use super::shape::{
    AMOUNT, ANY, ASCII, Bound, DATE, HAN, LETTERS, NUMBER, PHONE, PLATE, SYMBOLS, Shape, TIME,
};
use crate::kind::{Kind, ValueRules};

/// How many characters WeChat shows of a key of the old template library; the rest is cut, without an error.
pub const SHOWN_CHARS: usize = 20;

/// The rule for keys of one type.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The type: a key's name without its number, as in `thing1`.
    pub key_type: &'static str,
    /// What the value is made of.
    pub shape: Shape,
    /// Its length in a template message; none where WeChat documents no rule: then neither shape nor length is looked at.
    pub template: Option<Bound>,
    /// Its length in a subscription message; none likewise.
    pub subscription: Option<Bound>,
    /// Whether it may be left empty.
    pub empty: bool,
    /// How a value that is too long may be cut.
    pub cut: Cut,
    /// A value that fits, for showing a template.
    pub sample: &'static str,
}

/// How a value that is too long may be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It may not: a part of a number, or of a value from a list, says something else.
    Never,
    /// Cut, and ended with this mark.
    Mark(&'static str),
}

const fn rule(
    key_type: &'static str,
    shape: Shape,
    bounds: [Option<Bound>; 2],
    cut: Cut,
    sample: &'static str,
) -> Rule {
    let [template, subscription] = bounds;
    Rule {
        key_type,
        shape,
        template,
        subscription,
        empty: false,
        cut,
        sample,
    }
}

const fn both(most: usize) -> [Option<Bound>; 2] {
    [Some(Bound::Characters(most)), Some(Bound::Characters(most))]
}

const fn subscription_only(bound: Bound) -> [Option<Bound>; 2] {
    [None, Some(bound)]
}

const DOTS: Cut = Cut::Mark("…");
const ASCII_DOTS: Cut = Cut::Mark("...");
const NO_MARK: Cut = Cut::Mark("");
const FREE: Option<Bound> = Some(Bound::Free);

/// Every type that WeChat documents, and those that are seen without being documented.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    rule("thing",            ANY,     both(20), DOTS, "示例内容"),
    rule("character_string", ASCII,   both(32), ASCII_DOTS, "A20260101-01"),
    rule("time",             TIME,    [FREE, FREE], Cut::Never, "2026年1月1日 15:01"),
    rule("date",             DATE,    subscription_only(Bound::Free), Cut::Never, "2026年1月1日"),
    rule("amount",           AMOUNT,  [Some(Bound::Digits(12)), Some(Bound::Digits(10))], Cut::Never, "¥100.00"),
    rule("phone_number",     PHONE,   both(17), Cut::Never, "+86-10-12345678"),
    rule("car_number",       PLATE,   both(8), Cut::Never, "粤A8Z888"),
    Rule { empty: true, ..rule("const", ANY, [Some(Bound::Characters(20)), None], Cut::Never, "示例") },
    rule("number",           NUMBER,  subscription_only(Bound::Characters(32)), Cut::Never, "123"),
    rule("letter",           LETTERS, subscription_only(Bound::Characters(32)), NO_MARK, "ABC"),
    rule("symbol",           SYMBOLS, subscription_only(Bound::Characters(5)), Cut::Never, "*"),
    rule("name",             ANY,     subscription_only(Bound::Name { chinese: 10, other: 20 }), DOTS, "张三"),
    rule("phrase",           HAN,     both(5), NO_MARK, "已完成"),
    rule("enum",             ANY,     [None, None], Cut::Never, "示例"),
    rule("enum_string",      ANY,     [None, None], Cut::Never, "示例"),
    rule("short_thing",      ANY,     [None, None], Cut::Never, "示例"),
];

/// The rule for a key such as `thing1`; none for one of the old template library, such as `keyword1`.
#[must_use]
pub fn rule_of(key: &str) -> Option<&'static Rule> {
    let key_type = key.trim_end_matches(|end: char| end.is_ascii_digit());
    if key_type.len() == key.len() {
        return None;
    }
    RULES.iter().find(|rule| rule.key_type == key_type)
}

/// What WeChat shows of the value of an old key: the first line, and not all of that.
#[must_use]
pub fn shown(value: &str, counting: Counting) -> &str {
    counting.beginning(value.lines().next().unwrap_or(""), SHOWN_CHARS)
}

impl Rule {
    /// What a value may be where a message of this kind is sent, in English and in Chinese.
    #[must_use]
    pub fn told(&self, kind: Kind) -> (String, String) {
        let Some(bound) = self.bound(kind) else {
            return (
                "any text; WeChat documents no rule".into(),
                "任意文字；微信未公布规则".into(),
            );
        };
        let (english, chinese) = bound.told();
        (
            format!("{}{english}", self.shape.english),
            format!("{}{chinese}", self.shape.chinese),
        )
    }

    /// The bound where a message of this kind is sent; none where WeChat documents no rule for the type.
    #[must_use]
    pub fn bound(&self, kind: Kind) -> Option<Bound> {
        match kind.traits().values {
            ValueRules::Template => self.template,
            ValueRules::Subscription => self.subscription,
            ValueRules::Content => None,
        }
    }
}
