//! How long a text is, and how to cut it so that no character is cut in two.
//! WeChat does not say how it counts, so the way is chosen by whoever asks.

use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;

use crate::message::words;

words! {
    /// What counts as one character. WeChat's documents say "characters" and no more.
    Counting {
        /// Unicode scalar values: 字 is 1, 👍🏽 is 2.
        Scalars = "scalars",
        /// UTF-16 units, as JavaScript and Java count: 字 is 1, 👍🏽 is 4.
        Utf16 = "utf16",
        /// What a reader takes for one: 字 is 1, 👍🏽 is 1.
        Graphemes = "graphemes",
    }
}

impl Counting {
    /// How many characters a text has.
    #[must_use]
    pub fn length(self, text: &str) -> usize {
        match self {
            Self::Scalars => text.chars().count(),
            Self::Utf16 => text.encode_utf16().count(),
            Self::Graphemes => text.graphemes(true).count(),
        }
    }

    /// The longest beginning of at most `most` characters that ends between two characters as readers see them.
    #[must_use]
    pub fn beginning(self, text: &str, most: usize) -> &str {
        let (mut end, mut length) = (0, 0);
        for (at, seen) in text.grapheme_indices(true) {
            length += self.length(seen);
            if length > most {
                break;
            }
            end = at + seen.len();
        }
        &text[..end]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_way_counts_in_its_own_unit() {
        for (text, scalars, utf16, graphemes) in [
            ("", 0, 0, 0),
            ("abc", 3, 3, 3),
            ("咖啡", 2, 2, 2),
            ("１２", 2, 2, 2),
            ("👍🏽", 2, 4, 1),
            ("👨‍👩‍👧", 5, 8, 1),
            ("e\u{301}", 2, 2, 1),
            ("𠮷", 1, 2, 1),
        ] {
            let lengths = Counting::ALL.iter().map(|counting| counting.length(text));
            assert_eq!(
                lengths.collect::<Vec<_>>(),
                [scalars, utf16, graphemes],
                "{text}"
            );
        }
    }

    #[test]
    fn a_cut_goes_around_what_readers_see_as_one() {
        assert_eq!(Counting::Scalars.beginning("好👍🏽了", 2), "好");
        assert_eq!(Counting::Scalars.beginning("好👍🏽了", 3), "好👍🏽");
        assert_eq!(Counting::Utf16.beginning("好👍🏽了", 4), "好");
        assert_eq!(Counting::Graphemes.beginning("好👍🏽了", 2), "好👍🏽");
        assert_eq!(Counting::Scalars.beginning("👨‍👩‍👧", 4), "");
    }

    proptest! {
        #[test]
        fn a_beginning_is_short_enough_and_could_not_be_longer(text in r"([a好]|👍🏽|👨‍👩‍👧|e\u{301}|\PC){0,12}", most in 0_usize..20) {
            for counting in Counting::ALL {
                let cut = counting.beginning(&text, most);
                prop_assert!(counting.length(cut) <= most);
                prop_assert!(text.starts_with(cut));
                if let Some(next) = text[cut.len()..].graphemes(true).next() {
                    prop_assert!(counting.length(cut) + counting.length(next) > most);
                }
            }
        }
    }
}
