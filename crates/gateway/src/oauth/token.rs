//! The openid as it is handed to a program: a JSON Web Token, signed with the secret that the program has anyway.
//! It must not know how the openid was learned.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use hongyan_courier::time::UnixMs;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use sha2::Sha256;

/// How long a program may take to look at it, in seconds.
pub const LIFE_SECONDS: i64 = 120;

const HEADER: &str = r#"{"alg":"HS256","typ":"hongyan-openid+jwt"}"#;

/// What a program learns.
#[derive(Debug, Serialize)]
pub struct Claims<'a> {
    /// The user's openid.
    pub sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unionid: Option<&'a str>,
    /// The account's name and AppID, under which the openid holds.
    pub account: &'a str,
    pub appid: &'a str,
    /// The client whose secret signs.
    pub aud: &'a str,
    /// The address that the program asked for.
    pub redirect: &'a str,
    /// The program's own word, as it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<&'a str>,
    /// Never the same twice.
    pub jti: &'a str,
}

#[derive(Serialize)]
struct Dated<'a> {
    iss: &'static str,
    iat: i64,
    exp: i64,
    #[serde(flatten)]
    claims: &'a Claims<'a>,
}

/// Signs; the text is safe in a query as it stands.
pub fn sign(claims: &Claims<'_>, secret: &SecretString, wall: UnixMs) -> String {
    let iat = wall.0.div_euclid(1_000);
    let dated = Dated {
        iss: "hongyan",
        iat,
        exp: iat + LIFE_SECONDS,
        claims,
    };
    let body = serde_json::to_vec(&dated).expect("strings and numbers are JSON");
    let text = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(HEADER),
        URL_SAFE_NO_PAD.encode(body)
    );
    let tag = tag(secret, text.as_bytes()).finalize().into_bytes();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag))
}

pub(super) fn tag(secret: &SecretString, text: &[u8]) -> Hmac<Sha256> {
    let key = secret.expose_secret().as_bytes();
    let mut mac = Hmac::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text);
    mac
}
