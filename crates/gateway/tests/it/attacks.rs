//! A table of attacks on the gateway's doors: what each is answered, and that no answer helps the next one.

use hongyan_gateway::clock::SystemClock;
use hongyan_wechat::callback::Mode;
use http::Method;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::callback::{event, plain_query, push, sealed, seconds};
use crate::harness::{
    ACCOUNT, AES_KEY, CALLBACK_TOKEN, CLIENT, CLIENT_SECRET, Call, Reply, SECRET, Settings,
    TEMPLATE, TestGateway, get, openid, post,
};

const SHARED: &str = "the secret that the login service signs with";
const RSA: &str = include_str!("../keys/rsa.pem");
const RSA_PUBLIC: &str = include_str!("../keys/rsa.pub.pem");
const OTHER: (&str, &str) = ("other", "the other client's secret");

fn settings(folder: &std::path::Path) -> Settings {
    let public = folder.join("rsa.pem");
    std::fs::write(&public, RSA_PUBLIC).unwrap();
    Settings {
        callback: Some(Mode::Safe),
        others: vec![("school", "wx00000000000000bb")],
        // What is refused here is not to be refused for coming often.
        sections: "[limits]\nfailures = { burst = 100000, per_second = 100000 }".to_owned(),
        more: format!(
            "[[clients]]\nid = \"{}\"\nsecrets = [\"{}\"]\nscopes = [\"messages:read\"]\naccounts = [\"school\"]\n\
             [[jwt]]\nname = \"login\"\nalgorithm = \"HS256\"\nkid = \"h1\"\nkeys = [\"{SHARED}\"]\n\
             [[jwt]]\nname = \"sso\"\nalgorithm = \"RS256\"\nkid = \"r1\"\nkeys = [\"file:{}\"]\n",
            OTHER.0,
            OTHER.1,
            public.display()
        ),
        ..Settings::default()
    }
}

/// What an answer must never have: our secrets, or where in the code it was made.
fn assert_says_nothing(reply: &Reply, what: &str) {
    let text = format!(
        "{:?}\n{}",
        reply.headers,
        String::from_utf8_lossy(&reply.body)
    );
    for secret in [
        CLIENT_SECRET,
        SECRET,
        CALLBACK_TOKEN,
        AES_KEY,
        SHARED,
        OTHER.1,
    ] {
        assert!(!text.contains(secret), "{what}: {text}");
    }
    for trace in ["panicked", "backtrace", ".rs:", "RUST_", "/src/"] {
        assert!(!text.contains(trace), "{what}: {text}");
    }
}

async fn refused(gateway: &TestGateway, what: &str, call: Call, status: u16, code: &str) -> String {
    let reply = gateway.call(call).await;
    assert_says_nothing(&reply, what);
    reply.problem(status, code)
}

fn send() -> Call {
    post(
        "/v1/messages",
        &json!({
            "account": ACCOUNT, "touser": openid(1), "template_id": TEMPLATE,
            "data": {"thing1": {"value": "你好"}},
        }),
    )
}

fn look() -> Call {
    get("/v1/messages?account=clinic&status=failed")
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a row for each attack")]
async fn a_signed_request_that_was_tampered_with() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = TestGateway::with(settings(folder.path())).await;
    let without = |name: &str| send().sealed().without(name).unsigned();
    let with = |name: &str, value: &str| without(name).header(name, value);
    let long = "n".repeat(65);
    let mut table = vec![
        ("nothing", send().unsigned()),
        ("stale", send().later(-301)),
        ("future", send().later(302)),
        ("another client's key", send().secret(OTHER.1)),
        ("an unknown client", send().by("nobody", "nobody's secret")),
        ("another client's name", with("x-client-id", OTHER.0)),
        ("a short nonce", with("x-nonce", "short")),
        ("a long nonce", with("x-nonce", &long)),
        ("a nonce with a space", with("x-nonce", "0123456789 abcdef")),
        ("another nonce", with("x-nonce", "0123456789abcdef")),
        ("another timestamp", with("x-timestamp", &seconds(-1))),
        (
            "a timestamp with a sign",
            with("x-timestamp", "+1767225600"),
        ),
        ("an empty signature", with("x-signature", "")),
        (
            "a signature in upper case",
            with("x-signature", &"AB".repeat(32)),
        ),
        ("a made-up signature", with("x-signature", &"ab".repeat(32))),
        ("another body", send().sealed().body("{}").unsigned()),
        (
            "another path",
            send().sealed().at("/v1/messages/batch").unsigned(),
        ),
        (
            "a path spelt otherwise",
            send().sealed().at("/v1/%6dessages").unsigned(),
        ),
        (
            "another query",
            look().sealed().at("/v1/messages?account=clinic").unsigned(),
        ),
        (
            "another method",
            send().sealed().method(Method::GET).unsigned(),
        ),
    ];
    for name in ["x-client-id", "x-timestamp", "x-nonce", "x-signature"] {
        table.push(("a header is missing", without(name)));
        table.push((
            "a header comes twice",
            send().sealed().header(name, "x").unsigned(),
        ));
    }
    for (what, call) in table {
        // A path that is none is not found before anybody is asked who they are.
        let code = match what {
            "a path spelt otherwise" => (404, "not_found"),
            _ => (401, "unauthenticated"),
        };
        let detail = refused(&gateway, what, call, code.0, code.1).await;
        if matches!(what, "stale" | "future") {
            assert!(detail.contains("the server's time, which is "), "{detail}");
        }
    }
    // Another order and another encoding are the same request, so it is let in once, however it is spelt.
    let signed = look().sealed().unsigned();
    let respelt = signed
        .clone()
        .at("/v1/messages?&status=%66ailed&account=clinic");
    assert_eq!(gateway.call(respelt.clone()).await.status, 200);
    refused(&gateway, "spelt anew", signed, 401, "unauthenticated").await;
    refused(&gateway, "replayed read", respelt, 401, "unauthenticated").await;
    // A change is let in once for all time.
    let write = send().sealed().unsigned();
    assert_eq!(gateway.call(write.clone()).await.status, 202);
    refused(&gateway, "replayed", write.clone(), 401, "unauthenticated").await;
    gateway.restart().await;
    refused(
        &gateway,
        "replayed after a restart",
        write,
        401,
        "unauthenticated",
    )
    .await;
    gateway.finish().await;
}

fn claims() -> Value {
    json!({"sub": CLIENT, "aud": "hongyan", "exp": now() + 60, "scope": "messages:send"})
}

fn now() -> i64 {
    SystemClock::new().wall().0 / 1000
}

fn token(algorithm: Algorithm, kid: &str, key: &EncodingKey, claims: &Value) -> String {
    let header = Header {
        kid: Some(kid.to_owned()),
        ..Header::new(algorithm)
    };
    encode(&header, claims, key).unwrap()
}

fn bearing(token: &str) -> Call {
    send()
        .unsigned()
        .header("authorization", &format!("Bearer {token}"))
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a row for each attack")]
async fn a_token_that_was_tampered_with() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = TestGateway::with(settings(folder.path())).await;
    let shared = EncodingKey::from_secret(SHARED.as_bytes());
    let private = EncodingKey::from_rsa_pem(RSA.as_bytes()).unwrap();
    let public = EncodingKey::from_secret(RSA_PUBLIC.as_bytes());
    let told = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        token(Algorithm::HS256, "h1", &shared, &claims)
    };
    let good = token(Algorithm::HS256, "h1", &shared, &claims());
    let (head, signature) = good.rsplit_once('.').unwrap();
    let payload = head.split_once('.').unwrap().1;
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    for (what, token) in [
        ("no algorithm", format!("{none}.{payload}.")),
        (
            "no algorithm, signed",
            format!("{none}.{payload}.{signature}"),
        ),
        ("no signature", format!("{head}.")),
        ("another audience", told("aud", json!("another"))),
        ("expired", told("exp", json!(now() - 31))),
        ("without an end", told("exp", Value::Null)),
        ("not yet", told("nbf", json!(now() + 40))),
        ("an unknown client", told("sub", json!("nobody"))),
        (
            "an unknown kid",
            token(Algorithm::HS256, "h2", &shared, &claims()),
        ),
        (
            "the public key as a secret",
            token(Algorithm::HS256, "r1", &public, &claims()),
        ),
        (
            "the public key as the other secret",
            token(Algorithm::HS256, "h1", &public, &claims()),
        ),
        (
            "the other issuer's kid",
            token(Algorithm::RS256, "h1", &private, &claims()),
        ),
        ("no token", "x".to_owned()),
    ] {
        refused(&gateway, what, bearing(&token), 401, "unauthenticated").await;
    }
    let both = send().header("authorization", &format!("Bearer {good}"));
    refused(
        &gateway,
        "signed and with a token",
        both,
        401,
        "unauthenticated",
    )
    .await;
    let twice = bearing(&good).header("authorization", &format!("Bearer {good}"));
    refused(&gateway, "two tokens", twice, 401, "unauthenticated").await;
    let scope = bearing(&told("scope", json!("messages:read openid")));
    let detail = refused(&gateway, "without the scope", scope, 403, "forbidden").await;
    assert!(detail.contains("messages:send"), "{detail}");
    // What the configuration does not allow, no token does.
    let mut greedy = claims();
    greedy["sub"] = json!(OTHER.0);
    let greedy = token(Algorithm::RS256, "r1", &private, &greedy);
    refused(
        &gateway,
        "a scope beyond the client's",
        bearing(&greedy),
        403,
        "forbidden",
    )
    .await;
    for good in [good, token(Algorithm::RS256, "r1", &private, &claims())] {
        let reply = gateway.call(bearing(&good)).await;
        assert_eq!(reply.status, 202, "{reply:?}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn a_client_that_reaches_beyond_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = TestGateway::with(settings(folder.path())).await;
    let other = |call: Call| call.by(OTHER.0, OTHER.1);
    let foreign = other(look());
    refused(
        &gateway,
        "an account that is not allowed",
        foreign,
        403,
        "forbidden",
    )
    .await;
    let scope = other(send());
    refused(&gateway, "a scope that is missing", scope, 403, "forbidden").await;
    gateway.finish().await;
}

#[tokio::test]
async fn a_callback_that_is_not_wechats() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = TestGateway::with(settings(folder.path())).await;
    let plain = event(&openid(1), "7", "success");
    let (query, body) = sealed(&openid(1), "7");
    let forged = query.replace("msg_signature=", "msg_signature=0");
    let (_, other_body) = sealed(&openid(2), "8");
    let stale = plain_query(&seconds(-400), "n1");
    for (what, query, body) in [
        ("unsigned", String::new(), plain.clone()),
        ("forged", forged, body.clone()),
        ("with another body", query.clone(), other_body),
        (
            "stale",
            format!("{stale}&encrypt_type=aes&msg_signature=00"),
            body.clone(),
        ),
        (
            "downgraded to plain",
            plain_query(&seconds(0), "n2"),
            plain.clone(),
        ),
        ("downgraded within", query.clone(), plain),
    ] {
        let reply = push(&gateway, &query, &body).await;
        println!(
            "{what}: {} {}",
            reply.status,
            String::from_utf8_lossy(&reply.body)
        );
        assert_says_nothing(&reply, what);
        let code = reply.json()["code"].as_str().unwrap().to_owned();
        match code.as_str() {
            "forbidden" => assert_eq!(reply.status, 403, "{what}"),
            _ => assert_eq!(
                (reply.status.as_u16(), &*code),
                (400, "malformed"),
                "{what}"
            ),
        }
    }
    assert_eq!(
        push(&gateway, &query, &body).await.status,
        200,
        "WeChat's own"
    );
    gateway.finish().await;
}
