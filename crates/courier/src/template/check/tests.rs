//! What is refused, what is warned of and what is cut, told as a sender meets it.

use proptest::prelude::*;

use super::*;
use crate::template::rules::RULES;
use crate::template::shape::Bound;

/// The rule that a value breaks; none if it fits.
fn broken(kind: Kind, key: &str, value: &str) -> Option<String> {
    let template = Template::new("t", "", format!("{{{{{key}.DATA}}}}"));
    let mut checked = check(
        &template,
        [(key, value)].into_iter().collect(),
        Terms::of(kind),
    );
    assert!(checked.violations.len() < 2, "one for each field");
    checked.violations.pop().map(|violation| violation.rule())
}

fn checked<'a>(text: &str, data: &'a str, on_violation: OnViolation) -> Checked<'a> {
    let terms = Terms {
        on_violation,
        ..Terms::of(Kind::Template)
    };
    check(
        &Template::new("t", "", text),
        Values::read(data).unwrap(),
        terms,
    )
}

fn told(checked: &Checked<'_>) -> (Vec<String>, Vec<String>) {
    let violations = checked.violations.iter();
    let warnings = checked.warnings.iter();
    (
        violations
            .map(|found| format!("{}: {}", found.field, found.english()))
            .collect(),
        warnings
            .map(|found| format!("{}: {}", found.field, found.english()))
            .collect(),
    )
}

/// Key, a unit to repeat, and how many of it a template message and a subscription message take at most.
/// None: nothing is documented, and anything goes.
const LENGTHS: &[(&str, &str, Option<usize>, Option<usize>)] = &[
    ("thing1", "字", Some(20), Some(20)),
    ("thing1", "a", Some(20), Some(20)),
    ("thing1", "👍", Some(20), Some(20)),
    ("thing1", "👍🏽", Some(10), Some(10)),
    ("thing1", "１", Some(20), Some(20)),
    ("character_string2", "A", Some(32), Some(32)),
    ("character_string2", "#7", Some(16), Some(16)),
    ("amount3", "9", Some(12), Some(10)),
    ("phone_number4", "8", Some(17), Some(17)),
    ("phone_number4", "-", Some(17), Some(17)),
    ("car_number5", "A", Some(8), Some(8)),
    ("const6", "字", Some(20), None),
    ("number7", "1", None, Some(32)),
    ("letter8", "z", None, Some(32)),
    ("symbol9", "*", None, Some(5)),
    ("symbol9", "，", None, Some(5)),
    ("name10", "张", None, Some(10)),
    ("name10", "z", None, Some(20)),
    ("name10", "👍", None, Some(20)),
    ("phrase11", "好", Some(5), Some(5)),
    ("time12", "", None, None),
    ("date13", "", None, None),
    ("enum14", "字", None, None),
    ("enum_string15", "字", None, None),
    ("short_thing16", "字", None, None),
];

#[test]
fn every_type_is_taken_up_to_its_bound_and_not_beyond() {
    for (key, unit, template, subscription) in
        LENGTHS.iter().filter(|(_, unit, ..)| !unit.is_empty())
    {
        for (kind, most) in [
            (Kind::Template, template),
            (Kind::Subscription, subscription),
        ] {
            let Some(most) = *most else {
                assert_eq!(broken(kind, key, &unit.repeat(200)), None, "{kind} {key}");
                continue;
            };
            let key_type = key.trim_end_matches(|c: char| c.is_ascii_digit());
            let length = Some(format!("{key_type}.length"));
            for (times, rule) in [
                (1, None),
                (most - 1, None),
                (most, None),
                (most + 1, length),
            ] {
                assert_eq!(
                    broken(kind, key, &unit.repeat(times)),
                    rule,
                    "{kind} {key} {unit}×{times}"
                );
            }
        }
    }
}

#[test]
fn every_type_has_a_line_in_the_table_of_lengths() {
    for rule in RULES {
        let tried = |key: &str| rule_of(key).map(|rule| rule.key_type) == Some(rule.key_type);
        assert!(
            LENGTHS.iter().any(|(key, ..)| tried(key)),
            "{}",
            rule.key_type
        );
    }
}

#[test]
fn a_value_must_be_made_as_its_type_wants_it_where_that_is_documented() {
    for (key, value, template, subscription) in [
        ("thing1", "咖啡 1\n👍", true, true),
        ("character_string1", "号", false, false),
        ("character_string1", "１２", false, false),
        ("time1", "15:01", true, true),
        ("time1", "2023-09-12 19:43:07", true, true),
        ("time1", "明天", false, false),
        ("date1", "2019年10月1日", true, true),
        ("date1", "明天", true, false),
        ("amount1", "¥100.00元", true, true),
        ("amount1", "三元", false, false),
        ("amount1", "１００", false, false),
        ("phone_number1", "+86-10-12345678", true, true),
        ("phone_number1", "电话", false, false),
        ("car_number1", "粤A8Z888挂", true, true),
        ("car_number1", "A粤8Z888", false, false),
        ("number1", "12.5", true, true),
        ("number1", "１２", true, false),
        ("letter1", "a1", true, false),
        ("symbol1", "a", true, false),
        ("phrase1", "配送中", true, true),
        ("phrase1", "OK", false, false),
        // Keys of the old library have names and no types.
        ("thing", "長".repeat(30).as_str(), true, true),
        ("keyword1", "長".repeat(30).as_str(), true, true),
    ] {
        for (kind, fits) in [
            (Kind::Template, template),
            (Kind::Subscription, subscription),
        ] {
            let key_type = key.trim_end_matches(|c: char| c.is_ascii_digit());
            let rule = (!fits).then(|| format!("{key_type}.form"));
            assert_eq!(broken(kind, key, value), rule, "{kind} {key} {value}");
        }
    }
}

#[test]
fn the_digits_of_an_amount_count_and_its_signs_do_not() {
    assert_eq!(broken(Kind::Template, "amount1", "¥1234567890.12元"), None);
    assert_eq!(
        broken(Kind::Template, "amount1", "¥12345678901.12"),
        Some("amount.length".into())
    );
    assert_eq!(broken(Kind::Subscription, "amount1", "¥12345678.90"), None);
    assert_eq!(
        broken(Kind::Subscription, "amount1", "¥123456789.01"),
        Some("amount.length".into())
    );
}

#[test]
fn an_empty_value_is_refused_except_where_wechat_allows_it() {
    for value in ["", " ", "\n\u{3000}"] {
        assert_eq!(
            broken(Kind::Template, "thing1", value),
            Some("empty".into())
        );
        assert_eq!(
            broken(Kind::Template, "keyword1", value),
            Some("empty".into())
        );
        assert_eq!(
            broken(Kind::Subscription, "enum1", value),
            Some("empty".into())
        );
        assert_eq!(broken(Kind::Template, "const1", value), None);
    }
}

#[test]
fn a_value_must_be_one_of_those_approved_if_they_are_known() {
    let mut template = Template::new("t", "", "{{enum1.DATA}}");
    template
        .choices
        .insert("enum1".into(), vec!["已发货".into(), "已签收".into()]);
    let broken = |value| {
        let values = [("enum1", value)].into_iter().collect();
        check(&template, values, Terms::of(Kind::Subscription)).violations
    };
    assert_eq!(broken("已签收"), []);
    let found = &broken("已取消")[0];
    assert_eq!(found.rule(), "enum.choice");
    assert_eq!(
        found.english(),
        "(3 characters) is not one of the values approved for this key: 已发货, 已签收"
    );
}

#[test]
fn each_field_is_told_with_its_rule_and_its_length_in_two_languages() {
    let text = "{{first.DATA}}\n{{thing1.DATA}}{{amount2.DATA}}{{phrase3.DATA}}{{time4.DATA}}{{amount5.DATA}}";
    let data = format!(
        r#"{{"thing1":{{"value":"{}"}},"amount2":{{"value":"三元"}},"phrase3":{{"value":" "}},"amount5":{{"value":"1234567890123"}}}}"#,
        "长".repeat(23)
    );
    let found = checked(text, &data, OnViolation::Reject);
    let lengths: Vec<_> = found.violations.iter().map(|found| found.length).collect();
    assert_eq!(lengths, [Some(23), Some(2), Some(1), Some(13), None]);
    assert_eq!(
        told(&found).0,
        [
            "data.thing1.value: has 23 characters; thing takes at most 20",
            "data.amount2.value: (2 characters) does not fit: amount takes one currency sign at most, then digits (decimals allowed, no thousands separators), 元 at the end if wanted",
            "data.phrase3.value: is empty; WeChat refuses an empty value",
            "data.amount5.value: has 13 digits; amount takes at most 12",
            "data.time4: is missing: the template asks for it",
        ]
    );
    let chinese: Vec<_> = found.violations.iter().map(Violation::chinese).collect();
    assert_eq!(
        chinese,
        [
            "有 23 个字符；thing 最多 20 个",
            "（2 个字符）不符合规则：amount 只接受：最多一个币种符号加数字，可带小数，不带千分位，结尾可带“元”",
            "为空；微信拒绝空值",
            "有 13 位数字；amount 最多 12 位",
            "缺失：模板需要该字段",
        ]
    );
}

#[test]
fn a_key_written_with_its_suffix_or_a_blank_is_named_where_it_is_missed() {
    let data = r#"{"thing1.DATA":{"value":"x"}," date2":{"value":"2019年10月1日"}}"#;
    let found = checked("{{thing1.DATA}}{{date2.DATA}}", data, OnViolation::Reject);
    let (violations, warnings) = told(&found);
    assert_eq!(
        violations[0],
        r#"data.thing1: is missing: the template asks for it; "thing1.DATA" was given, write the key without .DATA and blanks"#
    );
    assert!(violations[1].contains(r#"" date2" was given"#));
    assert_eq!(warnings.len(), 2);
}

#[test]
fn what_wechat_drops_without_a_word_is_a_warning() {
    let data = r#"{"first":{"value":""},"thing1":{"value":"x"},"thing9":{"value":"yyyyyyyyyyyyyyyyyyyyyyyyy"},"remark":{"value":"z"}}"#;
    let found = checked(
        "{{first.DATA}}\n{{thing1.DATA}}\n{{remark.DATA}}",
        data,
        OnViolation::Reject,
    );
    assert_eq!(
        told(&found),
        (
            vec![],
            vec![
                "data.first: WeChat no longer shows this key and drops it".into(),
                "data.thing9: the template has no such key; WeChat drops it".into(),
                "data.remark: WeChat no longer shows this key and drops it".into(),
            ]
        )
    );
}

#[test]
fn first_and_remark_are_never_demanded() {
    let found = checked(
        "{{first.DATA}}{{x.DATA}}{{remark.DATA}}",
        r#"{"x":{"value":"1"}}"#,
        OnViolation::Reject,
    );
    assert_eq!(told(&found), (vec![], vec![]));
}

#[test]
fn what_wechat_cuts_on_display_is_a_warning_for_old_templates_alone() {
    let old = "{{keyword1.DATA}}";
    for (value, warning) in [
        ("长".repeat(20), None),
        (
            "长".repeat(21),
            Some("data.keyword1.value: WeChat shows 20 of its 21 characters"),
        ),
        (
            "一\\n二".into(),
            Some("data.keyword1.value: WeChat shows 1 of its 3 characters"),
        ),
        ("一\\n".into(), None),
    ] {
        let data = format!(r#"{{"keyword1":{{"value":"{value}"}}}}"#);
        let (violations, warnings) = told(&checked(old, &data, OnViolation::Reject));
        assert!(violations.is_empty());
        assert_eq!(warnings.first().map(String::as_str), warning, "{value}");
    }
    let data = r#"{"thing1":{"value":"a\nb"}}"#;
    assert_eq!(
        told(&checked("{{thing1.DATA}}", data, OnViolation::Reject)).1,
        [""; 0]
    );
}

#[test]
fn a_text_that_is_too_long_is_cut_if_the_sender_wants_it_and_told() {
    for (key, value, cut) in [
        ("thing1", "长".repeat(21), format!("{}…", "长".repeat(19))),
        (
            "character_string1",
            "A".repeat(33),
            format!("{}...", "A".repeat(29)),
        ),
        (
            "phrase1",
            "正在配送中".to_owned() + "了",
            "正在配送中".to_owned(),
        ),
        // 👍🏽 is two characters to WeChat's rule and one to a reader: it goes whole.
        ("thing1", "长".repeat(18) + "👍🏽👍🏽", "长".repeat(18) + "…"),
    ] {
        let text = format!("{{{{{key}.DATA}}}}");
        let data = format!(r#"{{"{key}":{{"value":"{value}"}}}}"#);
        let found = checked(&text, &data, OnViolation::Truncate);
        assert!(found.truncated());
        assert_eq!(found.values.get(key), Some(cut.as_str()));
        let warning = format!("data.{key}.value: was cut from {value:?} to {cut:?}");
        assert_eq!(told(&found), (vec![], vec![warning]));

        let refused = checked(&text, &data, OnViolation::Reject);
        assert_eq!((refused.violations.len(), refused.truncated()), (1, false));
        assert_eq!(refused.values.get(key), Some(value.as_str()));
    }
}

#[test]
fn a_number_is_never_cut_for_its_part_would_be_another() {
    for (key, value) in [
        ("amount1", "1234567890123"),
        ("phone_number1", "138001380001380013"),
        ("car_number1", "A12345678"),
        ("time1", "tomorrow"),
        ("thing1", " "),
        ("phrase1", "six letters"),
    ] {
        let data = format!(r#"{{"{key}":{{"value":"{value}"}}}}"#);
        let found = checked(&format!("{{{{{key}.DATA}}}}"), &data, OnViolation::Truncate);
        assert_eq!(
            (found.violations.len(), found.truncated()),
            (1, false),
            "{key}"
        );
    }
}

#[test]
fn a_sender_who_knows_better_is_warned_and_heeded() {
    let data = r#"{"amount2":{"value":"三元"}}"#;
    let found = checked("{{thing1.DATA}}{{amount2.DATA}}", data, OnViolation::Send);
    assert_eq!(found.values.to_json(), data);
    let (violations, warnings) = told(&found);
    assert_eq!((violations.len(), warnings.len()), (0, 2));
    assert!(warnings[1].starts_with("data.thing1: is sent against the rule: is missing"));
}

#[test]
fn characters_are_counted_as_asked() {
    let template = Template::new("t", "", "{{thing1.DATA}}");
    let fits = |value: &str, counting| {
        let values = [("thing1", value.to_owned())].into_iter().collect();
        let terms = Terms {
            counting,
            ..Terms::of(Kind::Template)
        };
        check(&template, values, terms).violations.is_empty()
    };
    let thumbs = "👍🏽".repeat(8);
    assert!(fits(&thumbs, Counting::Scalars) && fits(&thumbs, Counting::Graphemes));
    assert!(!fits(&thumbs, Counting::Utf16));
    let thumbs = "👍🏽".repeat(12);
    assert!(!fits(&thumbs, Counting::Scalars) && fits(&thumbs, Counting::Graphemes));
}

#[test]
fn a_rule_that_is_cut_is_one_of_texts() {
    for rule in RULES.iter().filter(|rule| rule.cut != Cut::Never) {
        for bound in [rule.template, rule.subscription].into_iter().flatten() {
            assert!(
                matches!(bound, Bound::Characters(_) | Bound::Name { .. }),
                "{}",
                rule.key_type
            );
        }
    }
}

prop_compose! {
    fn any_value()(text in r"([a-z0-9]|[好字]|[~:年月日. ]|👍🏽|👨‍👩‍👧|e\u{301}|[！-～]|\PC){0,45}") -> String { text }
}

proptest! {
    #[test]
    fn what_was_cut_passes_and_is_left_alone_the_next_time(
        text in any_value(),
        rule in 0..RULES.len(),
        kind in 0..Kind::ALL.len(),
        counting in 0..Counting::ALL.len(),
    ) {
        let key = format!("{}1", RULES[rule].key_type);
        let template = Template::new("t", "", format!("{{{{{key}.DATA}}}}"));
        let terms = Terms {
            kind: Kind::ALL[kind],
            on_violation: OnViolation::Truncate,
            counting: Counting::ALL[counting],
        };
        let values: Values<'_> = [(key.as_str(), text.as_str())].into_iter().collect();
        let first = check(&template, values.clone(), terms);
        let again = check(&template, first.values.clone(), Terms { on_violation: OnViolation::Reject, ..terms });
        if first.violations.is_empty() {
            prop_assert_eq!(&again.violations, &[]);
            prop_assert_eq!(&again.values, &first.values);
        } else {
            prop_assert_eq!(&first.values, &values);
            let length = matches!(first.violations[0].fault, Fault::TooLong { .. });
            prop_assert!(!length || RULES[rule].cut == Cut::Never, "cutting mends length: {:?}", first.violations);
        }
    }

    #[test]
    fn any_data_can_be_checked_against_any_text(
        text in r"([a-z1. ]|\{\{|\}\}|\.DATA|thing1|first|\PC){0,40}",
        pairs in proptest::collection::vec((r"thing1|first|keyword1|\PC{0,6}", any_value()), 0..6),
        way in 0..OnViolation::ALL.len(),
    ) {
        let template = Template::new("t", "", text);
        let terms = Terms { on_violation: OnViolation::ALL[way], ..Terms::of(Kind::Template) };
        let found = check(&template, pairs.into_iter().collect(), terms);
        for violation in &found.violations {
            prop_assert!(!violation.english().is_empty() && !violation.chinese().is_empty());
        }
    }
}
