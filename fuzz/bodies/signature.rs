//! Whatever comes in as a request, written as HTTP/1.1 is (method and target, headers, an empty line, a body): as it came
//! nobody is believed; signed by a client it is that client's, once, and no longer with anything about it changed.

use std::sync::LazyLock;

use hongyan_courier::reach::Reach;
use hongyan_courier::time::UnixMs;
use hongyan_gateway::auth::authenticator::Authenticator;
use hongyan_gateway::auth::bearer::Issuers;
use hongyan_gateway::auth::client::{ClientKeys, Clients};
use hongyan_gateway::auth::error::AuthError;
use hongyan_gateway::auth::scope::{Scope, ScopeSet};
use hongyan_gateway::auth::signer::Signer;
use hongyan_gateway::auth::{canonical, signature};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use secrecy::SecretString;

const NOW: UnixMs = UnixMs(1_795_400_000_000);
const SECRET: &str = "correct-horse-battery-staple";

static AUTHENTICATOR: LazyLock<Authenticator> = LazyLock::new(|| {
    let orders = ClientKeys {
        id: "orders".into(),
        secrets: vec![SecretString::from(SECRET)],
        scopes: ScopeSet::from_iter([Scope::MessagesSend]),
        reach: Reach::default(),
    };
    Authenticator::new(
        Clients::new(&[orders]),
        Issuers::default(),
        Default::default(),
    )
});

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        one_spelling(text);
    }
    let Some((parts, body)) = read(bytes) else {
        return;
    };
    let door = &*AUTHENTICATOR;
    assert!(door.read(&parts, body, NOW).is_err() && door.write(&parts, body, NOW).is_err());

    let signer = Signer::new("orders", &SecretString::from(SECRET));
    let Ok(headers) = signer.headers(&parts.method, &parts.uri, body, NOW) else {
        return;
    };
    let mut signed = parts;
    for (name, value) in &headers {
        let name: HeaderName = name.parse().expect("a name");
        signed
            .headers
            .insert(name, HeaderValue::from_str(value).expect("text"));
    }
    let (caller, nonce) = door.write(&signed, body, NOW).expect("a signed write");
    assert_eq!((&*caller.client, &nonce.nonce), ("orders", &headers[2].1));
    door.read(&signed, body, NOW).expect("a signed read");
    assert_eq!(door.read(&signed, body, NOW), Err(AuthError::Replayed));
    changed(signed, body);
}

fn one_spelling(text: &str) {
    if let Ok(once) = canonical::query(text) {
        assert_eq!(canonical::query(&once).as_ref(), Ok(&once));
    }
    let _ = signature::parse(text);
}

/// The request as a server would have it; none if it is no request.
fn read(bytes: &[u8]) -> Option<(Parts, &[u8])> {
    let (mut head, mut rest) = line(bytes);
    let (method, target) = head.split_at(head.iter().position(|byte| *byte == b' ')?);
    let method = Method::from_bytes(method).ok()?;
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = method;
    parts.uri = Uri::try_from(target.get(1..)?).ok()?;
    loop {
        (head, rest) = line(rest);
        if head.is_empty() {
            return Some((parts, rest));
        }
        let (name, value) = head.split_at(head.iter().position(|byte| *byte == b':')?);
        let name = HeaderName::from_bytes(name).ok()?;
        let value = HeaderValue::from_bytes(value.get(1..)?.trim_ascii()).ok()?;
        parts.headers.append(name, value);
    }
}

fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (bytes[..end].trim_ascii_end(), &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}

/// With one thing changed about it the signature is another request's.
fn changed(mut signed: Parts, body: &[u8]) {
    let refused = |parts: &Parts, body: &[u8]| {
        assert_eq!(
            AUTHENTICATOR.write(parts, body, NOW).err(),
            Some(AuthError::Refused)
        );
    };
    refused(&signed, &[body, b" "].concat());
    let method = std::mem::replace(
        &mut signed.method,
        Method::from_bytes(b"CHANGED").expect("a method"),
    );
    refused(&signed, body);
    signed.method = method;
    let query = signed
        .uri
        .query()
        .map_or(String::new(), |query| format!("{query}&"));
    let path = signed.uri.path().to_owned();
    if let Ok(uri) = format!("{path}?{query}changed=1").parse() {
        signed.uri = uri;
        refused(&signed, body);
    }
    signed.headers.remove("x-nonce");
    assert_eq!(
        AUTHENTICATOR.write(&signed, body, NOW).err(),
        Some(AuthError::Missing("X-Nonce"))
    );
}
