//! Each shape with texts that have it and texts that have not.

use super::*;

fn check(shape: Shape, fits: &[&str], not: &[&str]) {
    for text in fits {
        assert!((shape.fits)(text), "{text:?} should fit: {}", shape.english);
    }
    for text in not {
        assert!(
            !(shape.fits)(text),
            "{text:?} should not fit: {}",
            shape.english
        );
    }
}

#[test]
fn anything_is_any_text() {
    check(ANY, &["咖啡", "a1 👍\n", "１２"], &[]);
}

#[test]
fn a_character_string_has_no_chinese() {
    check(
        ASCII,
        &["No.A-01 #7~", "!"],
        &["号1", "１２", "a，b", "👍", "a\nb", "é"],
    );
}

#[test]
fn a_number_is_digits_with_or_without_decimals() {
    check(
        NUMBER,
        &["0", "12.50"],
        &["12.", ".5", "1.2.3", "-1", "1e3", "１２", "12元", "1,000"],
    );
}

#[test]
fn letters_symbols_and_chinese_characters_stand_alone() {
    check(LETTERS, &["abC"], &["a1", "é", "a b", "字", "ａ"]);
    check(
        SYMBOLS,
        &["+-*", "，。", "★", "👍"],
        &["a+", "1", "字", "+ +", "１", "\n"],
    );
    check(
        HAN,
        &["配送中", "人々", "〇", "𠮷"],
        &["配送A", "完成。", "1", "👍", "配 送", "か"],
    );
}

#[test]
fn a_phone_number_is_digits_and_symbols() {
    check(
        PHONE,
        &["13800138000", "+86-0766-66888866", "(010) 1234"],
        &["１３８", "138转1", "138x"],
    );
}

#[test]
fn a_plate_has_chinese_at_its_ends_alone() {
    check(
        PLATE,
        &["粤A8Z888挂", "粤A8Z888", "A1", "粤", "粤挂"],
        &["A粤8Z888", "粤A·888", "粤A 888", "粤Ａ888", "粤粤A1"],
    );
}

#[test]
fn an_amount_is_a_sign_digits_and_yuan_at_most() {
    check(
        AMOUNT,
        &[
            "100",
            "¥100.00",
            "￥100元",
            "$0.5",
            "＄1",
            "€3",
            "₹7",
            "12元",
        ],
        &[
            "",
            "¥",
            "元",
            "¥¥1",
            "1¥",
            "1,000",
            "1元2",
            "三元",
            "-5",
            "１００",
            "1.元",
            "¥ 1",
            "1美元",
        ],
    );
}

#[test]
fn a_time_has_a_clock() {
    check(
        TIME,
        &[
            "15:01",
            "0:00",
            "09:30:59",
            "24:00",
            "2019年10月1日 15:01",
            "2019年10月1日15:01",
            "2023-09-12 19:43:07",
            "2023/9/12 19:43",
            "15:01~16:00",
            "2019年10月1日 15:01 ~ 2019年10月2日 15:01",
            "2019年10月1日 15:01~16:00",
        ],
        &[
            "2019年10月1日",
            "25:00",
            "24:01",
            "15:60",
            "15:1",
            "15：01",
            "下午3点",
            "15:01:00:00",
            "１５:０１",
            "15:01~",
            "~15:01",
            "15:01~16:00~17:00",
            "15:01-16:00",
            "2019年13月1日 15:01",
            "2023-09-12T19:43:07",
        ],
    );
}

#[test]
fn a_date_has_a_year_a_month_and_a_day() {
    check(
        DATE,
        &[
            "2019年10月1日",
            "2019年01月01日 15:01",
            "2019-10-01",
            "2019/10/1",
            "2019.10.01",
            "2019年10月1日~2019年10月3日",
        ],
        &[
            "15:01",
            "10月1日",
            "2019年10月",
            "19年10月1日",
            "2019年10月32日",
            "2019年0月1日",
            "2019-10/01",
            "2019年10月1",
            "20191001",
            "二〇一九年十月一日",
            "明天",
            "日",
        ],
    );
}

#[test]
fn a_name_counts_as_chinese_if_a_part_of_it_is() {
    let name = Bound::Name {
        chinese: 10,
        other: 20,
    };
    assert_eq!(
        name.measure("Zoë O'Hara", Counting::Scalars),
        Some((10, 20))
    );
    assert_eq!(name.measure("Zoë 张", Counting::Scalars), Some((5, 10)));
    assert_eq!(
        Bound::Digits(12).measure("¥12.50元", Counting::Scalars),
        Some((4, 12))
    );
    assert_eq!(Bound::Free.measure("x", Counting::Scalars), None);
}
