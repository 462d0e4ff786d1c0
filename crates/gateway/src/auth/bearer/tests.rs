//! Attacks on a token, and what is answered to each; and which tokens are believed.

use jsonwebtoken::{EncodingKey, Header, encode};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::*;

const NOW: UnixMs = UnixMs(1_767_225_600_000);
const NOW_S: i64 = NOW.0 / 1000;
const SECRET: &str = "a shared secret of thirty-two bytes or more";

const RSA: &str = include_str!("../../../tests/keys/rsa.pem");
const RSA_PUBLIC: &str = include_str!("../../../tests/keys/rsa.pub.pem");
const RSA_1024_PUBLIC: &str = include_str!("../../../tests/keys/rsa-1024.pub.pem");
const EC: &str = include_str!("../../../tests/keys/ec.pem");
const EC_PUBLIC: &str = include_str!("../../../tests/keys/ec.pub.pem");
const ED: &str = include_str!("../../../tests/keys/ed.pem");
const ED_PUBLIC: &str = include_str!("../../../tests/keys/ed.pub.pem");

fn issuer(algorithm: Algorithm, key: &str) -> Issuer {
    let read = written::key(algorithm, &SecretString::from(key)).unwrap();
    Issuer {
        name: "login".to_owned(),
        issuer: None,
        algorithm,
        audience: "hongyan".to_owned(),
        leeway: Duration::from_secs(30),
        clients: Vec::new(),
        keys: Keys::Written {
            kid: None,
            keys: vec![read],
        },
    }
}

fn signing(algorithm: Algorithm) -> EncodingKey {
    match algorithm {
        Algorithm::RS256 => EncodingKey::from_rsa_pem(RSA.as_bytes()),
        Algorithm::ES256 => EncodingKey::from_ec_pem(EC.as_bytes()),
        Algorithm::EdDSA => EncodingKey::from_ed_pem(ED.as_bytes()),
        _ => Ok(EncodingKey::from_secret(SECRET.as_bytes())),
    }
    .unwrap()
}

fn claims() -> Value {
    json!({"sub": "orders", "aud": "hongyan", "exp": NOW_S + 60, "scope": "messages:send openid"})
}

fn token(algorithm: Algorithm, claims: &Value) -> String {
    encode(&Header::new(algorithm), claims, &signing(algorithm)).unwrap()
}

async fn read(issuer: Issuer, token: &str) -> Result<Claims, AuthError> {
    Issuers(vec![issuer]).read(token, NOW).await
}

const ALL: [(Algorithm, &str); 4] = [
    (Algorithm::HS256, SECRET),
    (Algorithm::RS256, RSA_PUBLIC),
    (Algorithm::ES256, EC_PUBLIC),
    (Algorithm::EdDSA, ED_PUBLIC),
];

#[tokio::test]
async fn a_token_of_each_algorithm_is_believed_by_its_own_key_alone() {
    for (signed_as, _) in ALL {
        let token = token(signed_as, &claims());
        for (algorithm, key) in ALL {
            let read = read(issuer(algorithm, key), &token).await;
            match read {
                Ok(claims) => assert_eq!((claims.sub.as_str(), signed_as), ("orders", algorithm)),
                Err(error) => {
                    assert_ne!(signed_as, algorithm);
                    assert_eq!(error, AuthError::TokenRefused);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_public_key_is_not_taken_for_a_shared_secret() {
    // Signed with HMAC, the key being what everybody may read.
    let key = EncodingKey::from_secret(RSA_PUBLIC.as_bytes());
    let forged = encode(&Header::new(Algorithm::HS256), &claims(), &key).unwrap();
    let refused = read(issuer(Algorithm::RS256, RSA_PUBLIC), &forged).await;
    assert_eq!(refused, Err(AuthError::TokenRefused));
    let wrong = |algorithm, text: &str| {
        written::key(algorithm, &SecretString::from(text))
            .err()
            .unwrap()
    };
    assert!(wrong(Algorithm::HS256, RSA_PUBLIC).contains("PEM"));
    assert!(wrong(Algorithm::HS256, "short").contains("32 bytes"));
    assert!(wrong(Algorithm::RS256, RSA).contains("private"));
    assert!(wrong(Algorithm::ES256, RSA_PUBLIC).contains("not a public key"));
    let short = wrong(Algorithm::RS256, RSA_1024_PUBLIC);
    assert!(short.contains("less than 2048 bits"), "{short}");
}

#[tokio::test]
async fn an_unsigned_or_changed_token_is_refused() {
    let good = token(Algorithm::RS256, &claims());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    let base64 =
        |text: &str| base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, text);
    let mut other = claims();
    other["sub"] = json!("other");
    let changed = base64(&other.to_string());
    let long = format!("{good}{}", "A".repeat(TOKEN_BYTES_MAX));
    for forged in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        message.to_owned(),
        format!("{message}."),
        format!("{header}.{changed}.{signature}"),
        format!("{}.{payload}.", base64(r#"{"alg":"none","typ":"JWT"}"#)),
        format!("{}.{payload}.", base64(r#"{"alg":"None"}"#)),
        format!("{}.{payload}.{signature}", base64(r#"{"alg":"HS256"}"#)),
        format!("{}.{payload}.{signature}", base64(r#"{"alg":"RS512"}"#)),
        long,
    ] {
        let refused = read(issuer(Algorithm::RS256, RSA_PUBLIC), &forged).await;
        assert_eq!(refused, Err(AuthError::TokenRefused), "{forged}");
    }
    assert!(
        read(issuer(Algorithm::RS256, RSA_PUBLIC), &good)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_token_that_asks_to_be_understood_otherwise_is_refused() {
    let key = signing(Algorithm::RS256);
    let mut header = Header::new(Algorithm::RS256);
    header.crit = Some(vec!["b64".to_owned()]);
    let odd = encode(&header, &claims(), &key).unwrap();
    let refused = read(issuer(Algorithm::RS256, RSA_PUBLIC), &odd).await;
    assert_eq!(refused, Err(AuthError::TokenRefused));
}

#[tokio::test]
async fn each_claim_is_looked_at() {
    let told = |name: &str, value: Value| {
        let mut claims = claims();
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims
                .as_object_mut()
                .unwrap()
                .insert(name.to_owned(), value),
        };
        token(Algorithm::EdDSA, &claims)
    };
    let expired = AuthError::TokenExpired {
        server_seconds: NOW_S,
    };
    let early = AuthError::TokenEarly {
        server_seconds: NOW_S,
    };
    for (name, value, expected) in [
        ("aud", json!("another"), Err(AuthError::TokenAudience)),
        ("aud", json!(["a", "hongyan"]), Ok(())),
        ("aud", json!([]), Err(AuthError::TokenAudience)),
        ("aud", Value::Null, Err(AuthError::TokenClaims)),
        ("exp", Value::Null, Err(AuthError::TokenClaims)),
        ("exp", json!("tomorrow"), Err(AuthError::TokenClaims)),
        ("exp", json!(-1), Err(AuthError::TokenClaims)),
        ("exp", json!(1e300), Err(AuthError::TokenClaims)),
        ("exp", json!(NOW_S - 29), Ok(())),
        ("exp", json!(NOW_S - 30), Err(expired)),
        ("nbf", json!(NOW_S + 30), Ok(())),
        ("nbf", json!(NOW_S + 31), Err(early)),
        ("sub", Value::Null, Err(AuthError::TokenClaims)),
        ("sub", json!(7), Err(AuthError::TokenClaims)),
    ] {
        let what = format!("{name} = {value}");
        let read = read(issuer(Algorithm::EdDSA, ED_PUBLIC), &told(name, value)).await;
        assert_eq!(read.map(|_| ()), expected, "{what}");
    }
    let login = || Issuer {
        issuer: Some("https://login.example.com".to_owned()),
        clients: vec!["orders".to_owned()],
        ..issuer(Algorithm::EdDSA, ED_PUBLIC)
    };
    let of = |iss: &str| told("iss", json!(iss));
    assert!(
        read(login(), &of("https://login.example.com"))
            .await
            .is_ok()
    );
    assert_eq!(
        read(login(), &of("https://evil.example")).await,
        Err(AuthError::TokenIssuer)
    );
    assert_eq!(
        read(login(), &told("iss", Value::Null)).await,
        Err(AuthError::TokenIssuer)
    );
    let other = Issuer {
        clients: vec!["other".to_owned()],
        ..issuer(Algorithm::EdDSA, ED_PUBLIC)
    };
    assert_eq!(
        read(other, &token(Algorithm::EdDSA, &claims())).await,
        Err(AuthError::TokenClient)
    );
}

#[tokio::test]
async fn a_key_with_a_kid_is_for_tokens_with_it() {
    let of = |kid: Option<&str>| {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = kid.map(str::to_owned);
        encode(&header, &claims(), &signing(Algorithm::HS256)).unwrap()
    };
    let named = || {
        let mut issuer = issuer(Algorithm::HS256, SECRET);
        if let Keys::Written { kid, .. } = &mut issuer.keys {
            *kid = Some("2026".to_owned());
        }
        issuer
    };
    assert!(read(named(), &of(Some("2026"))).await.is_ok());
    for kid in [None, Some("2025"), Some("../../dev/null")] {
        assert_eq!(read(named(), &of(kid)).await, Err(AuthError::TokenRefused));
    }
}

#[tokio::test]
async fn several_keys_are_live_at_once() {
    let old = "another shared secret, of last year, long enough";
    let both = || {
        let mut issuer = issuer(Algorithm::HS256, SECRET);
        if let Keys::Written { keys, .. } = &mut issuer.keys {
            keys.push(written::key(Algorithm::HS256, &SecretString::from(old)).unwrap());
        }
        issuer
    };
    let by_old = EncodingKey::from_secret(old.as_bytes());
    let by_old = encode(&Header::default(), &claims(), &by_old).unwrap();
    assert!(read(both(), &by_old).await.is_ok());
    assert!(
        read(both(), &token(Algorithm::HS256, &claims()))
            .await
            .is_ok()
    );
}

#[test]
fn a_request_is_signed_or_brings_a_token() {
    let parts = |headers: &[(&str, &str)]| {
        let mut request = http::Request::get("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    };
    let found = |headers: &[(&str, &str)]| {
        super::token(&parts(headers)).map(|token| token.map(str::to_owned))
    };
    assert_eq!(found(&[]), Ok(None));
    assert_eq!(found(&[("authorization", "Basic abc")]), Ok(None));
    assert_eq!(
        found(&[("authorization", "bearer  a.b.c ")]),
        Ok(Some("a.b.c".to_owned()))
    );
    let twice = [("authorization", "Bearer a"), ("authorization", "Bearer b")];
    assert_eq!(found(&twice), Err(AuthError::Duplicated("Authorization")));
    let both = [("authorization", "Bearer a"), ("x-client-id", "orders")];
    assert_eq!(found(&both), Err(AuthError::TwoWays));
}
