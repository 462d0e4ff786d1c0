//! What a signed request says about itself in its headers, taken apart and checked for shape.
//! It must not know clients or keys: nothing here is true yet.

use http::HeaderMap;
use http::header::HeaderName;

use crate::auth::error::AuthError;
use crate::auth::signature;

pub const CLIENT_ID: &str = "X-Client-Id";
pub const TIMESTAMP: &str = "X-Timestamp";
pub const NONCE: &str = "X-Nonce";
pub const SIGNATURE: &str = "X-Signature";

/// The farthest a request's timestamp may be from our time.
pub const SKEW_SECONDS: i64 = 300;

// `HeaderMap` hashes a static lower-case name faster than it lower-cases a string on each request.
static CLIENT_ID_NAME: HeaderName = HeaderName::from_static("x-client-id");
static TIMESTAMP_NAME: HeaderName = HeaderName::from_static("x-timestamp");
static NONCE_NAME: HeaderName = HeaderName::from_static("x-nonce");
static SIGNATURE_NAME: HeaderName = HeaderName::from_static("x-signature");

/// Whether a request has any of the headers of a signed one.
pub fn are_there(headers: &HeaderMap) -> bool {
    [
        &CLIENT_ID_NAME,
        &TIMESTAMP_NAME,
        &NONCE_NAME,
        &SIGNATURE_NAME,
    ]
    .into_iter()
    .any(|name| headers.contains_key(name))
}

#[derive(Debug)]
pub struct Credentials<'a> {
    pub client: &'a str,
    /// As sent, since this is what was signed.
    pub timestamp: &'a str,
    pub timestamp_seconds: i64,
    pub nonce: &'a str,
    pub signature: [u8; 32],
}

impl<'a> Credentials<'a> {
    pub fn from_headers(headers: &'a HeaderMap) -> Result<Self, AuthError> {
        let client = single(headers, &CLIENT_ID_NAME, CLIENT_ID, AuthError::Refused)?;
        let timestamp = single(
            headers,
            &TIMESTAMP_NAME,
            TIMESTAMP,
            AuthError::MalformedTimestamp,
        )?;
        let nonce = single(headers, &NONCE_NAME, NONCE, AuthError::MalformedNonce)?;
        let signature = single(
            headers,
            &SIGNATURE_NAME,
            SIGNATURE,
            AuthError::MalformedSignature,
        )?;
        if !is_nonce(nonce) {
            return Err(AuthError::MalformedNonce);
        }
        Ok(Self {
            client,
            timestamp,
            timestamp_seconds: seconds(timestamp).ok_or(AuthError::MalformedTimestamp)?,
            nonce,
            signature: signature::parse(signature).ok_or(AuthError::MalformedSignature)?,
        })
    }
}

/// With two of a header, a proxy and we might believe different ones.
fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    shown: &'static str,
    not_text: AuthError,
) -> Result<&'a str, AuthError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(AuthError::Missing(shown))?;
    if values.next().is_some() {
        return Err(AuthError::Duplicated(shown));
    }
    value.to_str().map_err(|_| not_text)
}

fn is_nonce(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    (16..=64).contains(&text.len()) && text.bytes().all(allowed)
}

/// Digits alone: `parse` by itself would take a sign.
fn seconds(text: &str) -> Option<i64> {
    let digits = (1..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers() -> HeaderMap {
        HeaderMap::from_iter([
            (CLIENT_ID_NAME.clone(), HeaderValue::from_static("orders")),
            (
                TIMESTAMP_NAME.clone(),
                HeaderValue::from_static("1767225600"),
            ),
            (
                NONCE_NAME.clone(),
                HeaderValue::from_static("0123456789abcdef"),
            ),
            (
                SIGNATURE_NAME.clone(),
                HeaderValue::from_str(&"0a".repeat(32)).unwrap(),
            ),
        ])
    }

    #[test]
    fn each_header_is_there_exactly_once() {
        assert!(Credentials::from_headers(&headers()).is_ok());
        for (name, shown) in [
            (&CLIENT_ID_NAME, CLIENT_ID),
            (&TIMESTAMP_NAME, TIMESTAMP),
            (&NONCE_NAME, NONCE),
            (&SIGNATURE_NAME, SIGNATURE),
        ] {
            let mut missing = headers();
            missing.remove(name);
            assert_eq!(
                Credentials::from_headers(&missing).unwrap_err(),
                AuthError::Missing(shown)
            );
            let mut twice = headers();
            twice.append(name, twice[name].clone());
            assert_eq!(
                Credentials::from_headers(&twice).unwrap_err(),
                AuthError::Duplicated(shown)
            );
        }
    }

    #[test]
    fn misshapen_headers_are_refused() {
        let long = "n".repeat(65);
        for (name, values, error) in [
            (
                &NONCE_NAME,
                [
                    "short",
                    "0123456789abcde!",
                    "0123456789 abcdef",
                    long.as_str(),
                ],
                AuthError::MalformedNonce,
            ),
            (
                &TIMESTAMP_NAME,
                ["", "+1767225600", "1767225600.5", "soon"],
                AuthError::MalformedTimestamp,
            ),
            (
                &SIGNATURE_NAME,
                ["", "0a", "zz", "0A"],
                AuthError::MalformedSignature,
            ),
        ] {
            for value in values {
                let mut headers = headers();
                headers.insert(name, HeaderValue::from_str(value).unwrap());
                assert_eq!(
                    Credentials::from_headers(&headers).unwrap_err(),
                    error,
                    "{name}: {value}"
                );
            }
            let mut headers = headers();
            headers.insert(name, HeaderValue::from_bytes(b"\xff").unwrap());
            assert_eq!(Credentials::from_headers(&headers).unwrap_err(), error);
        }
    }
}
