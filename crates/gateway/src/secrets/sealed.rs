//! What `age:` and `kms:` references hold: a ciphertext, written out in base64 or kept in a file (`age:file:PATH`).
//! It must not open any.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::ExposeSecret;

use super::Fault;
use super::keyring::Keyring;
use super::reference::{Scheme, SecretRef};

/// With padding or without, as it happens to be written.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
const FILE: &str = "file:";

/// Where ciphertexts in files are read.
#[derive(Clone)]
pub struct Sealed(pub Keyring);

impl Sealed {
    /// The ciphertext at a place.
    pub async fn read(&self, place: &str) -> Result<Vec<u8>, Fault> {
        match place.strip_prefix(FILE) {
            None => decode(place),
            Some(path) => match self.0.resolve(&in_file(path)).await {
                Ok(text) => decode(text.expose_secret()),
                Err(error) => Err(Fault::Wrong(format!("cannot be read: {error}"))),
            },
        }
    }

    /// Returns once there may be another.
    pub async fn changed(&self, place: &str) {
        match place.strip_prefix(FILE) {
            None => std::future::pending().await,
            Some(path) => self.0.changed(&[in_file(path)]).await,
        }
    }
}

fn in_file(path: &str) -> SecretRef {
    SecretRef::Kept {
        scheme: Scheme::File,
        place: path.to_owned(),
    }
}

/// As it is written in a reference.
pub fn encode(ciphertext: &[u8]) -> String {
    BASE64.encode(ciphertext)
}

/// The lines that begin and end armour are dropped, and so are line ends.
fn decode(text: &str) -> Result<Vec<u8>, Fault> {
    let lines = text.lines().map(str::trim);
    let bare: String = lines.filter(|line| !line.starts_with("-----")).collect();
    BASE64
        .decode(bare)
        .map_err(|_| Fault::Wrong("is not base64; was a part of it lost?".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_however_it_is_written() {
        let armoured =
            "-----BEGIN AGE ENCRYPTED FILE-----\naGVs\nbG8=\n-----END AGE ENCRYPTED FILE-----";
        for text in ["aGVsbG8", "aGVsbG8=", "aGVs\nbG8=\n", armoured] {
            assert_eq!(decode(text).unwrap(), b"hello", "{text}");
        }
        assert!(decode("aGVsbG8*").is_err());
        assert_eq!(encode(b"hello"), "aGVsbG8");
    }
}
