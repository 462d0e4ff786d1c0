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
/// So long is the shortest of them in DER: alone, and with the name of its algorithm.
const RSA_DER_BYTES_MIN: (usize, usize) = (270, 294);

/// Whether an RSA key in PEM is too short.
fn is_short(pem: &str) -> bool {
    let lines = pem.lines().map(str::trim);
    let text: String = lines.filter(|line| !line.starts_with("-----")).collect();
    let (alone, named) = RSA_DER_BYTES_MIN;
    let least = match pem.contains("BEGIN RSA") {
        true => alone,
        false => named,
    };
    STANDARD.decode(text).is_ok_and(|der| der.len() < least)
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
    if algorithm == Algorithm::RS256 && is_short(value.expose_secret()) {
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
