//! What is found in errmsg texts, as production wrote them.

use hongyan_wechat::answer::{data_key, offending_ip, rid};
use proptest::prelude::*;

#[test]
fn rids_are_found_at_the_end_only_in_their_own_format() {
    let found = [
        (
            "invalid openid rid: 64e5d2d0-7ae1e3a1-0c2f5bd6",
            Some("64e5d2d0-7ae1e3a1-0c2f5bd6"),
        ),
        (
            "rid:64e5d2d0-7ae1e3a1-0c2f5bd6",
            Some("64e5d2d0-7ae1e3a1-0c2f5bd6"),
        ),
        (
            "change template too frequently hint: [IWJsFA00994126]",
            None,
        ),
        ("invalid credential, hints: [ req_id: abcdef ]", None),
        ("system error rid: 64e5d2d0-7ae1e3a1", None),
        ("system error rid: 64e5d2d0-7ae1e3a1-0c2f5bdz", None),
        ("system error rid:", None),
        ("", None),
    ];
    for (errmsg, expected) in found {
        assert_eq!(rid(errmsg), expected, "{errmsg}");
    }
}

#[test]
fn offending_addresses_are_found_in_old_and_new_texts() {
    let v4 = "invalid ip 47.94.148.108, not in whitelist hint: [abc]";
    let both = "invalid ip 47.94.148.108 ipv6 ::ffff:47.94.148.108, not in whitelist rid: 64e5d2d0-7ae1e3a1-0c2f5bd6";
    let v6 = "invalid ip 2408:4003::1 ipv6 2408:4003::1, not in whitelist";
    assert_eq!(offending_ip(v4), "47.94.148.108".parse().ok());
    assert_eq!(offending_ip(both), "47.94.148.108".parse().ok());
    assert_eq!(offending_ip(v6), "2408:4003::1".parse().ok());
    assert_eq!(offending_ip("access clientip is not registered"), None);
    assert_eq!(
        offending_ip("system error rid: 64e5d2d0-7ae1e3a1-0c2f5bd6"),
        None
    );
}

#[test]
fn the_key_of_wrong_data_is_found() {
    let found = [
        (
            "argument invalid! data.thing1.value invalid rid: 64e5d2d0-7ae1e3a1-0c2f5bd6",
            Some("thing1"),
        ),
        (
            "argument invalid! data.thing36.value is empty",
            Some("thing36"),
        ),
        (
            "argument invalid! hint: [IWJsFA00994126] data.character_string2.value is emtpy",
            Some("character_string2"),
        ),
        ("argument invalid! data..value is empty", None),
        ("argument invalid!", None),
    ];
    for (errmsg, expected) in found {
        assert_eq!(data_key(errmsg), expected, "{errmsg}");
    }
}

proptest! {
    #[test]
    fn no_text_is_too_odd(errmsg in "\\PC*|(rid:|data\\.|\\.value|[0-9a-f.:-]){0,12}") {
        let _ = (rid(&errmsg), offending_ip(&errmsg), data_key(&errmsg));
    }
}
