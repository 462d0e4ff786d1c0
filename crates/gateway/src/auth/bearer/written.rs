//! A key as the configuration has it: a shared secret, or a public key in PEM.
//! It must not know where it comes from.

use base64::Engine;
use base64::prelude::BASE64_STANDARD as STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey};
use secrecy::{ExposeSecret, SecretString};

/// As many bytes as HMAC-SHA256 gives: of fewer, an owner of one token could try them all.
const SECRET_BYTES_MIN: usize = 32;

/// Shorter RSA keys are not verified with.
const RSA_BITS_MIN: usize = 2048;
/// A key in DER has its modulus and some 20 to 40 bytes more.
const RSA_DER_BYTES_MIN: usize = RSA_BITS_MIN / 8;

/// How long what is inside PEM is.
fn der_bytes(pem: &str) -> Option<usize> {
    let lines = pem.lines().map(str::trim);
    let text: String = lines.filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(text).ok().map(|der| der.len())
}

/// The key, or what is wrong with it.
pub fn key(algorithm: Algorithm, value: &SecretString) -> Result<DecodingKey, String> {
    let bytes = value.expose_secret().trim_ascii().as_bytes();
    let pem = value.expose_secret().contains("-----BEGIN");
    if algorithm == Algorithm::HS256 {
        if pem {
            return Err(
                "is a key in PEM, which anybody may know; HS256 wants a shared secret".to_owned(),
            );
        }
        if bytes.len() < SECRET_BYTES_MIN {
            return Err(format!(
                "is shorter than {SECRET_BYTES_MIN} bytes; `openssl rand -base64 32` makes a good one"
            ));
        }
        return Ok(DecodingKey::from_secret(bytes));
    }
    if value.expose_secret().contains("PRIVATE KEY") {
        return Err("is a private key; the gateway needs the public one alone".to_owned());
    }
    if algorithm == Algorithm::RS256
        && der_bytes(value.expose_secret()).is_some_and(|bytes| bytes < RSA_DER_BYTES_MIN)
    {
        return Err(format!(
            "is an RSA key of less than {RSA_BITS_MIN} bits, with which nothing is verified"
        ));
    }
    let read = match algorithm {
        Algorithm::RS256 => DecodingKey::from_rsa_pem(bytes),
        Algorithm::ES256 => DecodingKey::from_ec_pem(bytes),
        _ => DecodingKey::from_ed_pem(bytes),
    };
    read.map_err(|_| format!("is not a public key in PEM for {algorithm:?}"))
}
