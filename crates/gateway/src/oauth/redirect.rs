//! Where a user may be sent back to: addresses of exactly this origin whose path begins so. Anything that two readers could
//! read differently is refused, since a browser may be the other one.

use http::Uri;

/// A longer address would not fit into a cookie.
pub const LENGTH_MAX: usize = 1_024;

/// An allowed origin with the beginning of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    origin: String,
    path: String,
}

impl Rule {
    /// Reads a rule such as `https://orders.example.com/wechat/`. One without a path allows the whole origin.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            "is not an address such as https://orders.example.com/wechat/, without a query"
                .to_owned()
        };
        let address = Address::parse(text).ok_or_else(wrong)?;
        if address.query || text.ends_with('?') {
            return Err(wrong());
        }
        Ok(Self {
            origin: address.origin,
            path: address.path,
        })
    }

    /// Whether the rule's own addresses are encrypted.
    pub fn is_https(&self) -> bool {
        self.origin.starts_with("https://")
    }

    fn allows(&self, address: &Address) -> bool {
        let beneath = match address.path.strip_prefix(&self.path) {
            Some(rest) => self.path.ends_with('/') || rest.is_empty() || rest.starts_with('/'),
            None => false,
        };
        address.origin == self.origin && beneath
    }
}

/// The rule that allows an address: of several the longest, so that a part of a site may be another client's.
pub fn allowed<'a, T>(rules: impl Iterator<Item = (&'a Rule, T)>, redirect: &str) -> Option<T> {
    let address = Address::parse(redirect)?;
    let fitting = rules.filter(|(rule, _)| rule.allows(&address));
    let longest = fitting.max_by_key(|(rule, _)| rule.path.len());
    longest.map(|(_, of)| of)
}

struct Address {
    /// Scheme, host and port in one spelling.
    origin: String,
    path: String,
    query: bool,
}

impl Address {
    fn parse(text: &str) -> Option<Self> {
        // A browser reads a backslash as a slash, drops line ends, and keeps a fragment that no server sees.
        let odd = |byte: u8| {
            !(0x21..=0x7e).contains(&byte) || matches!(byte, b'\\' | b'#' | b'"' | b'<' | b'>')
        };
        if text.len() > LENGTH_MAX || text.bytes().any(odd) {
            return None;
        }
        let uri: Uri = text.parse().ok()?;
        let scheme = uri.scheme_str()?;
        let usual_port = match scheme {
            "https" => 443,
            "http" => 80,
            _ => return None,
        };
        let authority = uri.authority()?;
        if authority.as_str().contains('@') || uri.host()?.is_empty() {
            return None;
        }
        // A colon without a port behind it is one more spelling that is not needed.
        let port = match authority.port_u16() {
            Some(port) => port,
            None if authority.as_str().len() == authority.host().len() => usual_port,
            None => return None,
        };
        let path = uri.path();
        let plain = path.to_ascii_lowercase().replace("%2e", ".");
        // Some servers drop what follows a semicolon, and fold the dots then.
        let plain = plain.replace("%3b", ";");
        let mut parts = plain.split('/').filter_map(|part| part.split(';').next());
        let folded = parts.any(|part| part == "." || part == "..");
        let hidden = plain.contains("%2f") || plain.contains("%5c") || plain.contains("//");
        if folded || hidden {
            return None;
        }
        Some(Self {
            origin: format!(
                "{scheme}://{}:{port}",
                authority.host().to_ascii_lowercase()
            ),
            path: path.to_owned(),
            query: uri.query().is_some(),
        })
    }
}

/// An address with one more parameter in its query.
pub fn with_parameter(address: &str, name: &str, value: &str) -> String {
    let joint = match address.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    format!("{address}{joint}{name}={value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(rules: &[&str], redirect: &str) -> bool {
        let rules: Vec<Rule> = rules
            .iter()
            .map(|text| Rule::parse(text).unwrap())
            .collect();
        allowed(rules.iter().map(|rule| (rule, ())), redirect).is_some()
    }

    #[test]
    fn an_address_beneath_a_rule_is_allowed() {
        let rule = &["https://a.example/wechat/"];
        for redirect in [
            "https://a.example/wechat/",
            "https://a.example/wechat/in?order=1&x=https://b.example/",
            "https://A.EXAMPLE:443/wechat/in",
        ] {
            assert!(allows(rule, redirect), "{redirect}");
        }
        assert!(allows(&["https://a.example"], "https://a.example"));
        assert!(allows(&["https://a.example"], "https://a.example/anything"));
        assert!(allows(&["https://a.example/in"], "https://a.example/in?x"));
        assert!(allows(&["https://a.example/in"], "https://a.example/in/x"));
        assert!(allows(&["http://[::1]:8080/"], "http://[::1]:8080/x"));
    }

    #[test]
    fn nothing_else_is() {
        let rule = &["https://a.example/wechat/"];
        for redirect in [
            "",
            "/wechat/",
            "//a.example/wechat/",
            "javascript:alert(1)",
            "http://a.example/wechat/",
            "https://a.example/",
            "https://a.example/wechat",
            "https://a.example/wechatty/",
            "https://a.example/WECHAT/",
            "https://a.example:8443/wechat/",
            "https://a.example:/wechat/",
            "https://a.example.b.example/wechat/",
            "https://b.example/wechat/",
            "https://a.example@b.example/wechat/",
            "https://b.example\\@a.example/wechat/",
            "https://a.example\\.b.example/wechat/",
            "https://b.example#https://a.example/wechat/",
            "https://a.example/wechat/../admin",
            "https://a.example/wechat/%2e%2E/admin",
            "https://a.example/wechat/.%2e/admin",
            "https://a.example/wechat/x%2f..%2fadmin",
            "https://a.example/wechat/..;/admin",
            "https://a.example/wechat/%2e.%3Bx=1/admin",
            "https://a.example/wechat//b.example",
            "https://a.example/wechat/in#fragment",
            "https://a.example/wechat/ in",
            "https://a.example/wechat/\r\nset-cookie:x",
            "https://a.example/wechat/\u{4f60}",
        ] {
            assert!(!allows(rule, redirect), "{redirect}");
        }
        assert!(!allows(
            &["https://a.example/in"],
            "https://a.example/inside"
        ));
        assert!(!allows(
            rule,
            &format!("https://a.example/wechat/{}", "x".repeat(LENGTH_MAX))
        ));
    }

    #[test]
    fn the_longest_rule_says_whose_a_place_is() {
        let rules = ["https://a.example/", "https://a.example/shop/"]
            .map(|text| Rule::parse(text).unwrap());
        let whose = |redirect| allowed(rules.iter().zip(["site", "shop"]), redirect);
        assert_eq!(whose("https://a.example/x"), Some("site"));
        assert_eq!(whose("https://a.example/shop/x"), Some("shop"));
    }

    #[test]
    fn a_rule_is_an_address_without_a_query() {
        for text in [
            "a.example",
            "https://",
            "https://a.example/?",
            "https://a.example/?x",
            "ftp://a.example/",
        ] {
            assert!(Rule::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_parameter_is_added_to_whatever_query_there_is() {
        for (address, whole) in [
            ("https://a.example/x", "https://a.example/x?t=1"),
            ("https://a.example/x?", "https://a.example/x?t=1"),
            ("https://a.example/x?y=2", "https://a.example/x?y=2&t=1"),
        ] {
            assert_eq!(with_parameter(address, "t", "1"), whole);
        }
    }
}
