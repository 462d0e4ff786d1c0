//! What a value may be made of, type by type: letters, digits, amounts, plates, times.
//! Each is a word, two texts and a test; which type of key asks for which, and how long it may be, is in `rules`.

use super::measure::Counting;

/// What a value of a type looks like.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Whether a text that is not empty has it.
    pub fits: fn(&str) -> bool,
    /// The rule, as in "takes …".
    pub english: &'static str,
    /// The rule in Chinese.
    pub chinese: &'static str,
}

/// Anything.
pub const ANY: Shape = Shape {
    fits: |_| true,
    english: "any text",
    chinese: "任意文字",
};

/// No Chinese, and nothing else beyond ASCII: documented are digits, letters and symbols.
pub const ASCII: Shape = Shape {
    fits: |text| text.bytes().all(|byte| matches!(byte, b' '..=b'~')),
    english: "digits, Latin letters and symbols, no Chinese",
    chinese: "数字、字母或符号，不能有汉字",
};

/// A number, with decimals or without.
pub const NUMBER: Shape = Shape {
    fits: is_decimal,
    english: "digits, decimals allowed",
    chinese: "数字，可带小数",
};

/// Latin letters.
pub const LETTERS: Shape = Shape {
    fits: |text| text.bytes().all(|byte| byte.is_ascii_alphabetic()),
    english: "Latin letters",
    chinese: "字母",
};

/// Neither letters of any script nor digits nor blanks.
pub const SYMBOLS: Shape = Shape {
    fits: |text| {
        let other = |c: char| c.is_alphanumeric() || c.is_whitespace() || c.is_control();
        !text.contains(other)
    },
    english: "symbols",
    chinese: "符号",
};

/// Chinese characters.
pub const HAN: Shape = Shape {
    fits: |text| text.chars().all(is_han),
    english: "Chinese characters",
    chinese: "汉字",
};

/// A telephone number.
pub const PHONE: Shape = Shape {
    fits: |text| {
        let allowed =
            |byte: u8| byte.is_ascii_digit() || byte.is_ascii_punctuation() || byte == b' ';
        text.bytes().all(allowed)
    },
    english: "digits and symbols",
    chinese: "数字和符号",
};

/// A number plate.
pub const PLATE: Shape = Shape {
    fits: is_plate,
    english: "letters and digits; the first and the last may be Chinese",
    chinese: "字母和数字，第一位与最后一位可为汉字",
};

/// A sum of money.
pub const AMOUNT: Shape = Shape {
    fits: is_amount,
    english: "one currency sign at most, then digits (decimals allowed, no thousands separators), 元 at the end if wanted",
    chinese: "最多一个币种符号加数字，可带小数，不带千分位，结尾可带“元”",
};

/// A time of day, with a date or without, or a range of them.
pub const TIME: Shape = Shape {
    fits: |text| is_range(text, |point| point.clock),
    english: "a 24-hour time such as 15:01 or 2019年10月1日 15:01, or two joined by ~",
    chinese: "24小时制时间，如 15:01 或 2019年10月1日 15:01，时间段用“~”连接",
};

/// A date, with a time of day or without, or a range of them.
pub const DATE: Shape = Shape {
    fits: |text| is_range(text, |point| point.date),
    english: "a date such as 2019年10月1日 or 2019年10月1日 15:01, or two joined by ~",
    chinese: "年月日，如 2019年10月1日 或 2019年10月1日 15:01，时间段用“~”连接",
};

/// How much of a value a bound counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Nothing is bounded.
    Free,
    /// This many characters.
    Characters(usize),
    /// This many digits, those behind the point among them.
    Digits(usize),
    /// As a name: fewer if there is a Chinese character in it.
    Name {
        /// The most with a Chinese character among them.
        chinese: usize,
        /// The most without.
        other: usize,
    },
}

impl Bound {
    /// The bound as a person reads it behind what a value is made of, in English and in Chinese; nothing for none.
    #[must_use]
    pub fn told(self) -> (String, String) {
        match self {
            Self::Free => Default::default(),
            Self::Characters(most) => (
                format!(", at most {most} characters"),
                format!("，最多 {most} 个字符"),
            ),
            Self::Digits(most) => (
                format!(", at most {most} digits"),
                format!("，最多 {most} 位数字"),
            ),
            Self::Name { chinese, other } => (
                format!(", at most {chinese} characters with Chinese among them, else {other}"),
                format!("，含汉字最多 {chinese} 个字符，否则最多 {other} 个"),
            ),
        }
    }

    /// What counts of a value, and the most there may be of it; none if nothing is bounded.
    #[must_use]
    pub fn measure(self, text: &str, counting: Counting) -> Option<(usize, usize)> {
        match self {
            Self::Free => None,
            Self::Characters(most) => Some((counting.length(text), most)),
            Self::Digits(most) => Some((text.bytes().filter(u8::is_ascii_digit).count(), most)),
            Self::Name { chinese, .. } if text.contains(is_han) => {
                Some((counting.length(text), chinese))
            }
            Self::Name { other, .. } => Some((counting.length(text), other)),
        }
    }
}

/// The blocks of Chinese characters, with 々 and 〇.
fn is_han(c: char) -> bool {
    matches!(c, '\u{3005}' | '\u{3007}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_decimal(text: &str) -> bool {
    match text.split_once('.') {
        Some((whole, decimals)) => is_digits(whole) && is_digits(decimals),
        None => is_digits(text),
    }
}

/// The signs of Unicode's currency block, and those that stand elsewhere.
fn is_currency(c: char) -> bool {
    matches!(c, '$' | '¢'..='¥' | '฿' | '\u{20a0}'..='\u{20cf}' | '﷼' | '＄' | '￠' | '￡' | '￥' | '￦')
}

fn is_amount(text: &str) -> bool {
    let text = text.strip_prefix(is_currency).unwrap_or(text);
    is_decimal(text.strip_suffix('元').unwrap_or(text))
}

fn is_plate(text: &str) -> bool {
    let last = text.chars().count().saturating_sub(1);
    let fits = |(at, c): (usize, char)| {
        c.is_ascii_alphanumeric() || (is_han(c) && (at == 0 || at == last))
    };
    text.chars().enumerate().all(fits)
}

/// What a point in time was written with.
struct Point {
    date: bool,
    clock: bool,
}

fn is_range(text: &str, wanted: fn(&Point) -> bool) -> bool {
    let point = |text: &str| read_point(text.trim_matches(' ')).is_some_and(|point| wanted(&point));
    match text.split_once('~') {
        // The end of a range may leave out what its beginning said: 2019年10月1日 15:01~16:00.
        Some((from, to)) => point(from) && read_point(to.trim_matches(' ')).is_some(),
        None => point(text),
    }
}

/// `date`, `clock` or `date clock`; the blank between them may be missing behind 日.
fn read_point(text: &str) -> Option<Point> {
    let (date, clock) = match (text.rfind('日'), text.rfind(' ')) {
        (Some(day), _) => text.split_at(day + '日'.len_utf8()),
        (None, Some(blank)) => text.split_at(blank),
        (None, None) if text.contains(':') => ("", text),
        (None, None) => (text, ""),
    };
    let clock = clock.trim_start_matches(' ');
    let fits = (date.is_empty() || is_date(date)) && (clock.is_empty() || is_clock(clock));
    let point = Point {
        date: !date.is_empty(),
        clock: !clock.is_empty(),
    };
    (fits && (point.date || point.clock)).then_some(point)
}

fn is_date(text: &str) -> bool {
    let chinese = || {
        let (year, rest) = text.split_once('年')?;
        let (month, rest) = rest.split_once('月')?;
        Some((year, month, rest.strip_suffix('日')?))
    };
    // Documented is 年月日 alone; 2023-09-12 is taken in practice, and its like are not known to be refused.
    let joined = |by: char| {
        let (year, rest) = text.split_once(by)?;
        let (month, day) = rest.split_once(by)?;
        Some((year, month, day))
    };
    let parts = chinese().or_else(|| ['-', '/', '.'].into_iter().find_map(joined));
    parts.is_some_and(|(year, month, day)| {
        year.len() == 4 && is_digits(year) && in_range(month, 1, 12) && in_range(day, 1, 31)
    })
}

fn is_clock(text: &str) -> bool {
    let mut parts = text.split(':');
    let (hour, minute, second, more) = (parts.next(), parts.next(), parts.next(), parts.next());
    let two = |part: Option<&str>, most| {
        part.is_some_and(|part| part.len() == 2 && in_range(part, 0, most))
    };
    let of_minute = two(minute, 59) && (second.is_none() || two(second, 59)) && more.is_none();
    // 24:00 is how the end of a day is written.
    let ends_day =
        hour == Some("24") && minute == Some("00") && matches!(second, None | Some("00"));
    of_minute && (ends_day || hour.is_some_and(|hour| in_range(hour, 0, 23)))
}

/// One or two digits that stand for a number within these bounds.
fn in_range(text: &str, least: u8, most: u8) -> bool {
    let number = (text.len() <= 2 && is_digits(text))
        .then(|| text.parse().ok())
        .flatten();
    number.is_some_and(|number: u8| (least..=most).contains(&number))
}

#[cfg(test)]
mod tests;
