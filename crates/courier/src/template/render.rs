//! A template with values in it, as its user would see it.
//! For people to read; nothing is decided by it.

use super::measure::Counting;
use super::parse::Piece;
use super::rules::{rule_of, shown};
use super::values::Values;
use super::{Template, is_dropped};

/// Shown where nothing is known of a key.
const SAMPLE: &str = "示例";

/// The text with values in it. Keys without a value are left blank, lines of `first` and `remark` left out, and values
/// of old templates cut, as WeChat does it. Text beyond [`TEXT_BYTES_MAX`](super::parse::TEXT_BYTES_MAX) is not shown.
#[must_use]
pub fn render(template: &Template, values: &Values<'_>, counting: Counting) -> String {
    let old = template.is_old();
    let mut page = Page::default();
    for piece in &template.parsed.pieces {
        match piece {
            Piece::Text(at) => page.text(&template.text[at.clone()]),
            Piece::Value { key, .. } => {
                let key = template.parsed.keys[*key].as_str();
                if is_dropped(key) {
                    page.dropped = true;
                } else {
                    let value = values.get(key).unwrap_or_default();
                    page.out
                        .push_str(if old { shown(value, counting) } else { value });
                }
            }
        }
    }
    page.end()
}

/// A value for every key that a message must give, each fitting its rule.
#[must_use]
pub fn sample(template: &Template) -> Values<'_> {
    let value = |key| {
        let choice = template
            .choices
            .get(key)
            .and_then(|choices| choices.first());
        let typed = || rule_of(key).map_or(SAMPLE, |rule| rule.sample);
        (key, choice.map_or_else(typed, String::as_str))
    };
    template.demanded().map(value).collect()
}

#[derive(Default)]
struct Page {
    out: String,
    /// Where the line begins that is being written.
    line: usize,
    /// Whether something was left out of it.
    dropped: bool,
}

impl Page {
    fn text(&mut self, text: &str) {
        let mut lines = text.split('\n');
        self.out.push_str(lines.next().unwrap_or_default());
        for line in lines {
            self.end_line();
            self.out.push_str(line);
        }
    }

    /// A line of which nothing is left is no line.
    fn end_line(&mut self) {
        if self.dropped && self.out[self.line..].trim().is_empty() {
            self.out.truncate(self.line);
        } else {
            self.out.push('\n');
        }
        self.line = self.out.len();
        self.dropped = false;
    }

    fn end(mut self) -> String {
        self.end_line();
        self.out.pop();
        self.out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::Kind;
    use crate::template::check::{Terms, check};
    use crate::template::rules::RULES;

    fn shows(text: &str, data: &str) -> String {
        let template = Template::new("t", "", text);
        render(&template, &Values::read(data).unwrap(), Counting::Scalars)
    }

    #[test]
    fn a_user_sees_the_values_in_the_text() {
        let data = r#"{"thing1":{"value":"咖啡"},"amount2":{"value":"¥3"},"more":{"value":"x"}}"#;
        assert_eq!(
            shows(
                "商品：{{thing1.DATA}}\n金额：{ {amount2.DATA} }\n门店：{{thing3.DATA}}",
                data
            ),
            "商品：咖啡\n金额：¥3\n门店："
        );
    }

    #[test]
    fn a_user_does_not_see_first_and_remark_nor_their_lines() {
        let data = r#"{"first":{"value":"a"},"keyword1":{"value":"b"},"remark":{"value":"c"}}"#;
        let text =
            "{{first.DATA}}\n单号：{{keyword1.DATA}}\n\n注：{{remark.DATA}}\n{{remark.DATA}}";
        assert_eq!(shows(text, data), "单号：b\n\n注：");
        assert_eq!(shows("{{first.DATA}}", data), "");
    }

    #[test]
    fn old_templates_show_the_beginning_of_a_value_and_new_ones_all_of_it() {
        let long = "长".repeat(21);
        let data = format!(
            r#"{{"keyword1":{{"value":"{long}"}},"keyword2":{{"value":"x\ny"}},"thing1":{{"value":"x\ny"}}}}"#
        );
        assert_eq!(
            shows("{{keyword1.DATA}}/{{keyword2.DATA}}", &data),
            format!("{}/x", &long[3..])
        );
        assert_eq!(shows("{{thing1.DATA}}", &data), "x\ny");
    }

    #[test]
    fn every_sample_fits_its_rule() {
        let text: String = RULES
            .iter()
            .map(|rule| format!("{{{{{}7.DATA}}}}", rule.key_type))
            .collect();
        for text in [&text, "{{first.DATA}}{{keyword1.DATA}}{{remark.DATA}}"] {
            let mut template = Template::new("t", "", text);
            template
                .choices
                .insert("enum7".into(), vec!["已审核".into()]);
            for kind in Kind::ALL {
                let checked = check(&template, sample(&template), Terms::of(*kind));
                assert_eq!((checked.violations, checked.warnings), (vec![], vec![]));
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_shown(text in r"([ a.\n{}]|\{\{|\}\}|\.DATA|first|\PC){0,60}", value in r"\PC{0,30}") {
            let template = Template::new("t", "", text);
            let values = template.keys().iter().map(|key| (key.as_str(), value.as_str())).collect();
            let _ = render(&template, &values, Counting::Scalars);
            let _ = render(&template, &sample(&template), Counting::Graphemes);
        }

        #[test]
        fn a_text_without_places_is_shown_as_it_is(text in r"[^{}]{0,60}") {
            prop_assert_eq!(shows(&text, "{}"), text);
        }
    }
}
