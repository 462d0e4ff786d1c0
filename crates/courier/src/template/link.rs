//! The mini-program that a tap opens: whether its shape is one that WeChat takes.
//! It must not know whether the program is linked to the account or its page published; WeChat alone knows that.

use super::violation::{Fault, Violation};

const HEX_DIGITS: usize = 16;

/// What is wrong with a target (40166 and 40165), none, one or both. Both parts empty is no target, and nothing is wrong.
#[must_use]
pub fn check(appid: &str, pagepath: &str) -> Vec<Violation> {
    if appid.is_empty() && pagepath.is_empty() {
        return Vec::new();
    }
    let faults = [
        ("miniprogram.appid", appid, !is_appid(appid), Fault::AppId),
        (
            "miniprogram.pagepath",
            pagepath,
            !is_page(pagepath),
            Fault::PagePath,
        ),
    ];
    let broken = faults.into_iter().filter(|(_, _, broken, _)| *broken);
    broken
        .map(|(field, given, _, fault)| Violation {
            field: field.to_owned(),
            key_type: None,
            length: Some(given.chars().count()),
            fault,
        })
        .collect()
}

fn is_appid(text: &str) -> bool {
    let hex = text.strip_prefix("wx").unwrap_or_default();
    hex.len() == HEX_DIGITS && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// An empty path opens the program's first page.
fn is_page(text: &str) -> bool {
    !text.contains("://") && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_an_appid_and_a_page_inside_the_program() {
        const APPID: &str = "wx5eed0000c0ffee01";
        for (appid, pagepath, broken) in [
            ("", "", &[][..]),
            (APPID, "", &[]),
            (APPID, "pages/index?id=1&name=%E4%BD%A0", &[]),
            (APPID, "/pages/订单", &[]),
            ("", "pages/index", &["miniprogram.appid"]),
            ("wx5eed0000c0ffee0", "pages/index", &["miniprogram.appid"]),
            ("wx5eed0000c0ffee011", "pages/index", &["miniprogram.appid"]),
            ("wx5eed0000c0ffee0g", "pages/index", &["miniprogram.appid"]),
            ("5eed0000c0ffee0123", "pages/index", &["miniprogram.appid"]),
            (APPID, "https://example.com/", &["miniprogram.pagepath"]),
            (APPID, "pages/index ?id=1", &["miniprogram.pagepath"]),
            (APPID, "pages\n", &["miniprogram.pagepath"]),
            (
                "gh_1",
                "a b",
                &["miniprogram.appid", "miniprogram.pagepath"],
            ),
        ] {
            let found = check(appid, pagepath);
            let fields: Vec<_> = found
                .iter()
                .map(|violation| violation.field.as_str())
                .collect();
            assert_eq!(fields, broken, "{appid} {pagepath}");
            let rules: Vec<_> = found.iter().map(Violation::rule).collect();
            assert_eq!(rules, broken, "{appid} {pagepath}");
        }
    }
}
