//! Signatures of requests to AWS-compatible services (Signature Version 4), for the one shape of request that is made
//! here: a POST of JSON to `/`. It must not know what is asked.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// Who signs, for what.
pub struct Signer<'a> {
    pub access_key_id: &'a str,
    pub secret_access_key: &'a SecretString,
    pub session_token: Option<&'a SecretString>,
    pub region: &'a str,
    pub service: &'a str,
}

impl Signer<'_> {
    /// The headers that a request is signed with, itself among them, for a request to `/` with these further headers,
    /// which are all signed. Their names are lower-case.
    pub fn sign(
        &self,
        headers: &[(&'static str, &str)],
        body: &[u8],
        now: Timestamp,
    ) -> Vec<(&'static str, Zeroizing<String>)> {
        let at = now.to_zoned(TimeZone::UTC);
        let (date, moment) = (
            at.strftime("%Y%m%d").to_string(),
            at.strftime("%Y%m%dT%H%M%SZ"),
        );
        let mut own = vec![("x-amz-date", Zeroizing::new(moment.to_string()))];
        if let Some(token) = self.session_token {
            let token = Zeroizing::new(token.expose_secret().to_owned());
            own.push(("x-amz-security-token", token));
        }
        let mut all: Vec<(&str, &str)> = headers.to_vec();
        all.extend(own.iter().map(|(name, value)| (*name, value.as_str())));
        all.sort_unstable();
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let lines: String = all
            .iter()
            .map(|(name, value)| format!("{name}:{}\n", value.trim()))
            .collect();
        let canonical = Zeroizing::new(format!(
            "POST\n/\n\n{lines}\n{names}\n{}",
            hex::encode(Sha256::digest(body))
        ));
        let scope = format!("{date}/{}/{}/aws4_request", self.region, self.service);
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{}\n{scope}\n{}",
            own[0].1.as_str(),
            hex::encode(Sha256::digest(canonical.as_bytes()))
        );
        let signature = hex::encode(mac(&self.key(&date)[..], &to_sign));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.access_key_id
        );
        own.push(("authorization", Zeroizing::new(authorization)));
        own
    }

    fn key(&self, date: &str) -> Zeroizing<[u8; 32]> {
        let secret = Zeroizing::new(format!("AWS4{}", self.secret_access_key.expose_secret()));
        let mut key = Zeroizing::new(mac(secret.as_bytes(), date));
        for part in [self.region, self.service, "aws4_request"] {
            key = Zeroizing::new(mac(&key[..], part));
        }
        key
    }
}

fn mac(key: &[u8], text: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As in AWS's own examples.
    fn signer<'a>(secret_access_key: &'a SecretString, service: &'a str) -> Signer<'a> {
        Signer {
            access_key_id: "AKIDEXAMPLE",
            secret_access_key,
            session_token: None,
            region: "us-east-1",
            service,
        }
    }

    fn secret() -> SecretString {
        SecretString::from("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    }

    /// AWS's own example of a derived key.
    #[test]
    fn the_key_is_derived_as_aws_has_it() {
        let key = hex::encode(&signer(&secret(), "iam").key("20150830")[..]);
        let expected = "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9";
        assert_eq!(key, expected);
    }

    /// The case `post-vanilla` of AWS's test suite for signers.
    #[test]
    fn a_request_is_signed_as_aws_has_it() {
        let now: Timestamp = "2015-08-30T12:36:00Z".parse().unwrap();
        let secret = secret();
        let signer = signer(&secret, "service");
        let signed = signer.sign(&[("host", "example.amazonaws.com")], b"", now);
        let (_, authorization) = signed.last().unwrap();
        assert_eq!(
            authorization.as_str(),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
        );
    }
}
