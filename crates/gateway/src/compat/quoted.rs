//! What WeChat's answers quote of calls: whoever asks for a request id's call is shown its address and both bodies, and calls
//! for tokens have secrets in them. It must not know which call is answered.

use bytes::Bytes;

const MASK: &str = "[redacted]";
/// What secrets are called, or how what they are called ends.
const NAMES: [&str; 3] = ["access_token", "refresh_token", "secret"];
/// What can stand between a name and its value: in a query, in JSON, and in JSON within JSON.
const BETWEEN: [char; 5] = ['=', ':', '"', '\\', ' '];

/// Hides the token, and whatever stands where tokens and secrets do.
pub(super) fn without_secrets(body: Bytes, token: &str) -> Bytes {
    let Ok(text) = std::str::from_utf8(&body) else {
        return body;
    };
    if !text.contains(token) && !NAMES.iter().any(|name| text.contains(name)) {
        return body;
    }
    let text = text.replace(token, MASK);
    NAMES
        .iter()
        .fold(text, |text, name| hidden(&text, name))
        .into()
}

/// The text without what has this name.
fn hidden(text: &str, name: &str) -> String {
    let mut parts = text.split(name);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let value = part.trim_start_matches(BETWEEN);
        let between = &part[..part.len() - value.len()];
        let rest = value.strip_prefix(MASK).unwrap_or(value);
        let rest = rest.trim_start_matches(of_secret);
        out.push_str(name);
        out.push_str(between);
        if between.contains(['=', ':']) && rest.len() < value.len() {
            out.push_str(MASK);
        } else {
            out.push_str(&value[..value.len() - rest.len()]);
        }
        out.push_str(rest);
    }
    out
}

fn of_secret(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '%' | '|' | '~' | '+' | '/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &'static str, shown: &str) {
        let body = Bytes::from(body);
        assert_eq!(without_secrets(body, "74_secret"), shown);
    }

    #[test]
    fn no_token_is_in_what_is_shown() {
        check(r#"{"total":2}"#, r#"{"total":2}"#);
        check(r#"{"a":"x74_secretx"}"#, r#"{"a":"x[redacted]x"}"#);
        check(
            r#"{"u":"access_token=74_secret&a=1","v":"access_token=an-older_one"}"#,
            r#"{"u":"access_token=[redacted]&a=1","v":"access_token=[redacted]"}"#,
        );
    }

    #[test]
    fn no_secret_of_a_call_for_tokens_is_in_what_is_shown() {
        check(
            r#"{"request":{"request_url":"grant_type=client_credential&appid=wx1&secret=abc123&debug=1","request_body":""}}"#,
            r#"{"request":{"request_url":"grant_type=client_credential&appid=wx1&secret=[redacted]&debug=1","request_body":""}}"#,
        );
        check(
            r#"{"request":{"request_body":"{\"appid\":\"wx1\",\"appsecret\": \"abc123\"}","response_body":"{\"access_token\":\"73_older\",\"expires_in\":7200}"}}"#,
            r#"{"request":{"request_body":"{\"appid\":\"wx1\",\"appsecret\": \"[redacted]\"}","response_body":"{\"access_token\":\"[redacted]\",\"expires_in\":7200}"}}"#,
        );
    }

    #[test]
    fn words_are_left_alone() {
        for text in [
            r#"{"title":"a secret garden"}"#,
            r#"{"secret":"","secrets":[]}"#,
            r#"{"secret":{"a":1}}"#,
        ] {
            check(text, text);
        }
    }
}
