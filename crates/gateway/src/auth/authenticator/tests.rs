//! A table of attacks on a signed request, and what is answered to each.

use hongyan_courier::reach::Reach;
use http::{HeaderValue, Request};
use proptest::prelude::*;
use secrecy::SecretString;

use super::*;
use crate::auth::bearer::Issuers;
use crate::auth::client::ClientKeys;
use crate::auth::scope::{Scope, ScopeSet};
use crate::auth::signature::SigningKey;

const NOW: UnixMs = UnixMs(1_767_225_600_000);
const SECRET: &str = "the newest secret";

fn authenticator() -> Authenticator {
    let client = |id: &str, secrets: &[&str]| ClientKeys {
        id: id.to_owned(),
        secrets: secrets
            .iter()
            .map(|secret| SecretString::from(*secret))
            .collect(),
        scopes: ScopeSet::from_iter([Scope::MessagesRead]),
        reach: Reach::default(),
    };
    let clients = Clients::new(&[
        client("orders", &[SECRET, "the secret before"]),
        client("other", &["another client's secret"]),
    ]);
    Authenticator::new(clients, Issuers::default(), Arc::default())
}

/// What a caller puts together; each test changes one thing about it.
#[derive(Clone)]
struct Call {
    client: &'static str,
    secret: &'static str,
    target: &'static str,
    body: &'static str,
    timestamp: i64,
    nonce: &'static str,
}

const CALL: Call = Call {
    client: "orders",
    secret: SECRET,
    target: "/v1/messages?status=failed&account=clinic",
    body: "{}",
    timestamp: NOW.0 / 1000,
    nonce: "0123456789abcdef",
};

impl Call {
    fn signed(&self) -> Parts {
        let (mut parts, ()) = Request::post(self.target).body(()).unwrap().into_parts();
        let timestamp = self.timestamp.to_string();
        let hash = BodyHash::of(self.body.as_bytes());
        let signature = SigningKey::new(&self.secret.into()).sign(&Canonical {
            method: "POST",
            path: parts.uri.path(),
            query: &canonical::query(parts.uri.query().unwrap_or_default()).unwrap_or_default(),
            timestamp: &timestamp,
            nonce: self.nonce,
            body_sha256: hash.as_str(),
        });
        for (name, value) in [
            ("x-client-id", self.client),
            ("x-timestamp", &timestamp),
            ("x-nonce", self.nonce),
            ("x-signature", &signature),
        ] {
            parts
                .headers
                .insert(name, HeaderValue::from_str(value).unwrap());
        }
        parts
    }
}

fn outcome(parts: &Parts, body: &str) -> Result<String, AuthError> {
    authenticator()
        .read(parts, body.as_bytes(), NOW)
        .map(|identity| identity.client.to_string())
}

#[test]
fn a_right_signature_says_who_is_calling() {
    assert_eq!(outcome(&CALL.signed(), "{}").as_deref(), Ok("orders"));
    let with_old_secret = Call {
        secret: "the secret before",
        ..CALL
    };
    assert_eq!(
        outcome(&with_old_secret.signed(), "{}").as_deref(),
        Ok("orders")
    );
}

#[test]
fn another_spelling_of_the_same_query_is_the_same_request() {
    let mut parts = CALL.signed();
    parts.uri = "/v1/messages?account=%63linic&&status=failed"
        .parse()
        .unwrap();
    assert_eq!(outcome(&parts, "{}").as_deref(), Ok("orders"));
}

#[test]
fn whatever_was_changed_after_signing_is_noticed() {
    let signed = CALL.signed();
    assert_eq!(outcome(&signed, "{ }"), Err(AuthError::Refused));
    for target in [
        "/v1/messages?status=failed&account=other",
        "/v1/messages?status=failed",
        "/v1/messages/?status=failed&account=clinic",
        "/v1/%6dessages?status=failed&account=clinic",
    ] {
        let mut parts = signed.clone();
        parts.uri = target.parse().unwrap();
        assert_eq!(outcome(&parts, "{}"), Err(AuthError::Refused), "{target}");
    }
    let mut parts = signed.clone();
    parts.method = http::Method::PUT;
    assert_eq!(outcome(&parts, "{}"), Err(AuthError::Refused));
    for (name, value) in [
        ("x-timestamp", "1767225601"),
        ("x-nonce", "fedcba9876543210"),
        ("x-client-id", "other"),
    ] {
        let mut parts = signed.clone();
        parts.headers.insert(name, HeaderValue::from_static(value));
        assert_eq!(outcome(&parts, "{}"), Err(AuthError::Refused), "{name}");
    }
}

#[test]
fn an_unknown_client_and_a_wrong_secret_are_answered_alike() {
    let unknown = Call {
        client: "nobody",
        secret: "nobody",
        ..CALL
    };
    let wrong = Call {
        secret: "another client's secret",
        ..CALL
    };
    assert_eq!(outcome(&unknown.signed(), "{}"), Err(AuthError::Refused));
    assert_eq!(outcome(&wrong.signed(), "{}"), Err(AuthError::Refused));
}

#[test]
fn a_timestamp_may_be_300_seconds_off_and_no_more() {
    for (offset, allowed) in [
        (-301, false),
        (-300, true),
        (0, true),
        (300, true),
        (301, false),
    ] {
        let call = Call {
            timestamp: CALL.timestamp + offset,
            ..CALL
        };
        let result = outcome(&call.signed(), "{}");
        if allowed {
            assert_eq!(result.as_deref(), Ok("orders"), "{offset}");
        } else {
            assert_eq!(
                result,
                Err(AuthError::Stale {
                    server_seconds: CALL.timestamp
                }),
                "{offset}"
            );
        }
    }
    let stale = AuthError::Stale {
        server_seconds: CALL.timestamp,
    };
    assert!(stale.to_string().contains("1767225600"));
}

#[test]
fn a_read_is_answered_once_for_each_nonce() {
    let authenticator = authenticator();
    let parts = CALL.signed();
    assert!(authenticator.read(&parts, b"{}", NOW).is_ok());
    assert_eq!(
        authenticator.read(&parts, b"{}", NOW),
        Err(AuthError::Replayed)
    );
    let same_nonce = Call {
        target: "/v1/templates",
        ..CALL
    };
    assert_eq!(
        authenticator.read(&same_nonce.signed(), b"{}", NOW),
        Err(AuthError::Replayed)
    );
    let other_client = Call {
        client: "other",
        secret: "another client's secret",
        ..CALL
    };
    assert!(
        authenticator
            .read(&other_client.signed(), b"{}", NOW)
            .is_ok()
    );
}

#[test]
fn a_forged_request_does_not_spend_the_nonce() {
    let authenticator = authenticator();
    let forged = Call {
        secret: "a guess",
        ..CALL
    };
    assert_eq!(
        authenticator.read(&forged.signed(), b"{}", NOW),
        Err(AuthError::Refused)
    );
    assert!(authenticator.read(&CALL.signed(), b"{}", NOW).is_ok());
}

#[test]
fn the_nonce_of_a_write_is_handed_on() {
    let (identity, nonce) = authenticator().write(&CALL.signed(), b"{}", NOW).unwrap();
    let expected = Nonce {
        owner: "orders".to_owned(),
        nonce: CALL.nonce.to_owned(),
        // 300 s for its age, and as much in case the wall is set back.
        expires_at: UnixMs(NOW.0 + 601_000),
        body: None,
        act: None,
    };
    assert_eq!(nonce, expected);
    assert_eq!(identity.require(Scope::MessagesRead), Ok(()));
    assert_eq!(
        identity.require(Scope::Token),
        Err(AuthError::ScopeMissing(Scope::Token))
    );
}

#[test]
fn a_query_that_is_not_text_is_refused_as_such() {
    let call = Call {
        target: "/v1/messages?status=%ff",
        ..CALL
    };
    assert_eq!(outcome(&call.signed(), "{}"), Err(AuthError::QueryNotUtf8));
}

proptest! {
    #[test]
    fn random_headers_and_queries_never_panic(
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 4),
        query in "[!-~]{0,40}",
        body in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut parts = CALL.signed();
        for (name, value) in ["x-client-id", "x-timestamp", "x-nonce", "x-signature"].into_iter().zip(values) {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                parts.headers.insert(name, value);
            }
        }
        if let Ok(uri) = format!("/v1/messages?{query}").parse() {
            parts.uri = uri;
        }
        prop_assert!(authenticator().read(&parts, &body, NOW).is_err());
    }
}
