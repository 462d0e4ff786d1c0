//! Reads the text of a template: where values go, and what looks like a place for one but is none.
//! Every text can be read; it must not know what a key's name means.

use std::ops::Range;

/// WeChat's own texts have some hundred bytes; what stands beyond this is not looked at.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;
/// WeChat's own templates have ten keys at most.
pub const KEYS_MAX: usize = 64;
/// Longer names are no names.
pub const KEY_CHARS_MAX: usize = 64;
const ODDITIES_MAX: usize = 16;

const SUFFIX: &str = ".DATA";

/// A text in pieces. Together they are the text, as far as it was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The pieces in order, as byte ranges of the text.
    pub pieces: Vec<Piece>,
    /// The keys in order, each once.
    pub keys: Vec<String>,
    /// What was not understood, in order; the first few.
    pub oddities: Vec<Oddity>,
}

/// A piece of a template's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Shown as it stands.
    Text(Range<usize>),
    /// Where a value goes.
    Value {
        /// The place of `{{key.DATA}}` in the text.
        at: Range<usize>,
        /// Which of the keys.
        key: usize,
    },
}

/// Something in a text that looks like a place for a value and is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Oddity {
    /// Two braces that are never closed, or closed by one.
    #[error("byte {at}: {{{{ without }}}}")]
    Unclosed {
        /// Where, in bytes from the start.
        at: usize,
    },
    /// `{{…}}` that does not end in `.DATA`: WeChat reserves those words.
    #[error("byte {at}: {word:?} does not end in .DATA")]
    Reserved {
        /// Where, in bytes from the start.
        at: usize,
        /// What stands between the braces.
        word: String,
    },
    /// `{{….DATA}}` whose key is empty, too long or has blanks in it.
    #[error("byte {at}: not a key")]
    NotAKey {
        /// Where, in bytes from the start.
        at: usize,
    },
    /// There are more keys than [`KEYS_MAX`]; the rest are shown as text.
    #[error("byte {at}: more than {KEYS_MAX} keys")]
    TooManyKeys {
        /// Where the first that is too many stands.
        at: usize,
    },
    /// The text has more than [`TEXT_BYTES_MAX`] bytes; the rest was not looked at.
    #[error("longer than {TEXT_BYTES_MAX} bytes")]
    TooLong,
}

/// Reads a text. Blanks are tolerated around the key and within the pairs of braces: documentation prints
/// `{ {key.DATA} }`.
#[must_use]
pub fn parse(text: &str) -> Parsed {
    let seen = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
    let mut reader = Reader::default();
    let mut at = 0;
    while let Some(found) = seen[at..].find('{') {
        at = reader.brace(seen, at + found);
    }
    reader.text_until(seen.len());
    if seen.len() < text.len() {
        reader.odd(Oddity::TooLong);
    }
    reader.parsed
}

#[derive(Default)]
struct Reader {
    parsed: Parsed,
    /// Up to where there are pieces.
    done: usize,
}

impl Reader {
    /// Looks at the brace at `at`. Answers where to go on.
    fn brace(&mut self, text: &str, at: usize) -> usize {
        let Some(inner) = second(text, at + 1, '{') else {
            return at + 1;
        };
        let closed = text[inner..].find(['{', '}']).map(|found| inner + found);
        let end = closed
            .filter(|close| text[*close..].starts_with('}'))
            .and_then(|close| Some((close, second(text, close + 1, '}')?)));
        let Some((close, end)) = end else {
            // Of three braces the inner two may open a place: that is no fault of the first.
            if closed != Some(inner) {
                self.odd(Oddity::Unclosed { at });
            }
            return at + 1;
        };
        let word = text[inner..close].trim();
        let Some(key) = word.strip_suffix(SUFFIX).map(str::trim_end) else {
            let word = word.chars().take(KEY_CHARS_MAX).collect();
            self.odd(Oddity::Reserved { at, word });
            return end;
        };
        if !is_key(key) {
            self.odd(Oddity::NotAKey { at });
            return end;
        }
        self.value(key, at..end);
        end
    }

    fn value(&mut self, key: &str, at: Range<usize>) {
        let keys = &mut self.parsed.keys;
        let key = if let Some(known) = keys.iter().position(|known| known == key) {
            known
        } else if keys.len() < KEYS_MAX {
            keys.push(key.to_owned());
            keys.len() - 1
        } else {
            let told = |oddity: &Oddity| matches!(oddity, Oddity::TooManyKeys { .. });
            if !self.parsed.oddities.iter().any(told) {
                self.odd(Oddity::TooManyKeys { at: at.start });
            }
            return;
        };
        self.text_until(at.start);
        self.done = at.end;
        self.parsed.pieces.push(Piece::Value { at, key });
    }

    fn text_until(&mut self, end: usize) {
        if self.done < end {
            self.parsed.pieces.push(Piece::Text(self.done..end));
            self.done = end;
        }
    }

    fn odd(&mut self, oddity: Oddity) {
        if self.parsed.oddities.len() < ODDITIES_MAX {
            self.parsed.oddities.push(oddity);
        }
    }
}

/// Where it goes on after the second brace of a pair, blanks before it skipped.
fn second(text: &str, at: usize, brace: char) -> Option<usize> {
    let rest = text[at..].trim_start_matches([' ', '\t']);
    let rest = rest.strip_prefix(brace)?;
    Some(text.len() - rest.len())
}

fn is_key(key: &str) -> bool {
    !key.is_empty()
        && key.chars().count() <= KEY_CHARS_MAX
        && !key.chars().any(|c| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(text: &str) -> Vec<String> {
        parse(text).keys
    }

    fn whole(text: &str, parsed: &Parsed) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(at) | Piece::Value { at, .. } => text[at.clone()].to_owned(),
        };
        parsed.pieces.iter().map(piece).collect()
    }

    #[test]
    fn keys_are_found_in_the_order_of_the_text_each_once() {
        for (text, found) in [
            (
                "商品:{{thing1.DATA}}\n金额:{{amount2.DATA}}",
                &["thing1", "amount2"][..],
            ),
            (
                "{{first.DATA}}\n{{ x.DATA }}\n{{remark.DATA}}",
                &["first", "x", "remark"],
            ),
            ("{ {x.DATA} }{{\ty .DATA}\t}", &["x", "y"]),
            ("{{a.DATA}} {{b.DATA}} {{a.DATA}}", &["a", "b"]),
            ("{{{a.DATA}}}", &["a"]),
            ("{{open {{a.DATA}}", &["a"]),
            ("{{订单.DATA}}{{a.b.DATA}}", &["订单", "a.b"]),
            ("no place at all {x.DATA} }} {", &[]),
            ("", &[]),
        ] {
            assert_eq!(keys(text), found, "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_told_and_stays_text() {
        let long = "k".repeat(KEY_CHARS_MAX + 1);
        for (text, odd) in [
            ("{{thing1.DATA}", vec![Oddity::Unclosed { at: 0 }]),
            ("x {{thing1", vec![Oddity::Unclosed { at: 2 }]),
            (
                "{{a.FOO}}",
                vec![Oddity::Reserved {
                    at: 0,
                    word: "a.FOO".into(),
                }],
            ),
            (
                "{{}}",
                vec![Oddity::Reserved {
                    at: 0,
                    word: String::new(),
                }],
            ),
            (
                "{{.DATA}}{{a b.DATA}}",
                vec![Oddity::NotAKey { at: 0 }, Oddity::NotAKey { at: 9 }],
            ),
            (
                &format!("{{{{{long}.DATA}}}}"),
                vec![Oddity::NotAKey { at: 0 }],
            ),
            ("{{{a.DATA}}}", vec![]),
        ] {
            let parsed = parse(text);
            assert_eq!(parsed.oddities, odd, "{text}");
            assert_eq!(whole(text, &parsed), text);
        }
        assert!(keys(&format!("{{{{{}.DATA}}}}", &long[1..])).len() == 1);
    }

    #[test]
    fn a_text_without_end_is_read_up_to_a_bound() {
        let text = "é".repeat(TEXT_BYTES_MAX) + "{{a.DATA}}";
        let parsed = parse(&text);
        assert_eq!(
            (parsed.keys.len(), parsed.oddities),
            (0, vec![Oddity::TooLong])
        );
        let many: String = (0..=KEYS_MAX + 5)
            .map(|n| format!("{{{{k{n}.DATA}}}}"))
            .collect();
        let parsed = parse(&many);
        assert_eq!(parsed.keys.len(), KEYS_MAX);
        assert!(matches!(parsed.oddities[..], [Oddity::TooManyKeys { .. }]));
        assert_eq!(parse(&"{{x}}".repeat(100)).oddities.len(), ODDITIES_MAX);
    }

    proptest! {
        #[test]
        fn any_text_is_read_whole(text in r"([ a.{}\n]|\{\{|\}\}|\.DATA|金|\PC){0,60}") {
            let parsed = parse(&text);
            prop_assert_eq!(whole(&text, &parsed), text);
        }

        #[test]
        fn a_text_written_from_its_pieces_reads_the_same(text in r"([ a-c]|\{ ?\{|\} ?\}|\.DATA|金){0,40}") {
            let parsed = parse(&text);
            let written: String = parsed.pieces.iter().map(|piece| match piece {
                Piece::Text(at) => text[at.clone()].to_owned(),
                Piece::Value { key, .. } => format!("{{{{{}.DATA}}}}", parsed.keys[*key]),
            }).collect();
            prop_assert_eq!(parse(&written).keys, parsed.keys);
        }
    }
}
