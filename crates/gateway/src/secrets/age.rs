//! `age:…`: a secret that is encrypted in the configuration itself, to a key that lies elsewhere. Made by
//! `hongyan config encrypt`, or by `age` itself. It takes X25519 keys alone: no passphrases, no keys of SSH.

use std::io::Read;
use std::str::FromStr;

use age::x25519::{Identity, Recipient};
use age::{DecryptError, Decryptor};
use async_trait::async_trait;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use super::keyring::Credential;
use super::sealed::{Sealed, encode};
use super::{Fault, SECRET_BYTES_MAX, SecretSource, text};

pub struct Age {
    sealed: Sealed,
    identity: Option<Credential>,
}

impl Age {
    /// `identity` is what `age-keygen` writes: lines of `AGE-SECRET-KEY-1…`, any of which may open a secret, and comments.
    #[must_use]
    pub fn new(sealed: Sealed, identity: Option<Credential>) -> Self {
        Self { sealed, identity }
    }
}

#[async_trait]
impl SecretSource for Age {
    async fn read(&self, place: &str) -> Result<SecretString, Fault> {
        let ciphertext = self.sealed.read(place).await?;
        let Some(identity) = &self.identity else {
            return Err(Fault::Wrong(
                "needs the key that it was encrypted to; set age.identity".to_owned(),
            ));
        };
        let identities = identities(&identity.get().await?).map_err(Fault::Wrong)?;
        text(&open(&identities, &ciphertext)?)
    }

    async fn changed(&self, place: &str) {
        self.sealed.changed(place).await;
    }
}

fn open(identities: &[Identity], ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
    // What is in it is not repeated: a broken ciphertext is more likely a secret in the clear than anything else.
    let broken = || Fault::Wrong("is not what age made; was it cut or changed?".to_owned());
    let decryptor = Decryptor::new_buffered(ciphertext).map_err(|_| broken())?;
    let each = identities.iter().map(|one| one as &dyn age::Identity);
    let plain = match decryptor.decrypt(each) {
        Ok(plain) => plain,
        Err(DecryptError::NoMatchingKeys) => {
            return Err(Fault::Wrong(
                "was encrypted to another key than age.identity".to_owned(),
            ));
        }
        Err(_) => return Err(broken()),
    };
    let mut bytes = Zeroizing::new(Vec::new());
    let mut plain = plain.take(SECRET_BYTES_MAX + 1);
    plain.read_to_end(&mut bytes).map_err(|_| broken())?;
    Ok(bytes)
}

fn identities(text: &SecretString) -> Result<Vec<Identity>, String> {
    let lines = text.expose_secret().lines().map(str::trim);
    let keys = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys = keys.map(Identity::from_str).collect::<Result<Vec<_>, _>>();
    match keys {
        Ok(keys) if !keys.is_empty() => Ok(keys),
        _ => Err(
            "cannot be opened: age.identity has to hold AGE-SECRET-KEY-1… and nothing else"
                .to_owned(),
        ),
    }
}

/// A new key: what to keep secret, and the recipient to encrypt to.
#[must_use]
pub fn generate() -> (SecretString, String) {
    let identity = Identity::generate();
    (identity.to_string(), identity.to_public().to_string())
}

/// The recipient of a key; of the first where there are several.
pub fn recipient_of(identity: &SecretString) -> Result<String, String> {
    Ok(identities(identity)?[0].to_public().to_string())
}

/// The reference for a secret that only the recipient's key opens.
pub fn seal(recipient: &str, secret: &SecretString) -> Result<String, String> {
    let recipient: Recipient = recipient
        .parse()
        .map_err(|_| "this is no recipient of age; one begins with age1".to_owned())?;
    let ciphertext = age::encrypt(&recipient, secret.expose_secret().as_bytes())
        .map_err(|error| error.to_string())?;
    Ok(format!("age:{}", encode(&ciphertext)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::secrets::keyring::Keyring;
    use crate::secrets::reference::{Scheme, SecretRef};

    /// What a reference opens to with this text as the identity.
    async fn read(reference: &str, identity: String) -> Result<String, String> {
        let environment = BTreeMap::from([("KEY".to_owned(), identity)]);
        let near = Keyring::local(&environment, false);
        let credential = near.credential(SecretRef::parse("env:KEY").unwrap());
        let mut keyring = near.clone();
        let source = Age::new(Sealed(near), Some(credential));
        keyring.add(Scheme::Age, Arc::new(source));
        let found = keyring.resolve(&SecretRef::parse(reference).unwrap()).await;
        found
            .map(|secret| secret.expose_secret().to_owned())
            .map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn what_is_encrypted_to_a_key_is_opened_with_it_alone() {
        let (key, recipient) = generate();
        let (key, other) = (key.expose_secret(), generate().0);
        assert_eq!(recipient_of(&SecretString::from(key)).unwrap(), recipient);
        let sealed = seal(&recipient, &SecretString::from("hunter2")).unwrap();

        let file = format!("# public key: {recipient}\n{key}\n");
        assert_eq!(read(&sealed, file).await.as_deref(), Ok("hunter2"));
        let rotated = format!("{}\n\n{key}", other.expose_secret());
        assert_eq!(read(&sealed, rotated).await.as_deref(), Ok("hunter2"));
        let strange = read(&sealed, other.expose_secret().to_owned()).await;
        let strange = strange.unwrap_err();
        assert!(strange.ends_with("was encrypted to another key than age.identity"));
    }

    #[tokio::test]
    async fn what_is_no_key_or_no_ciphertext_is_refused_and_not_repeated() {
        let (key, recipient) = generate();
        let key = key.expose_secret();
        let sealed = seal(&recipient, &SecretString::from("hunter2")).unwrap();
        for identity in ["hunter2", "# nothing", &recipient] {
            let error = read(&sealed, identity.to_owned()).await.unwrap_err();
            assert!(error.contains("has to hold AGE-SECRET-KEY-1…"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        // Still base64.
        let cut = &sealed[..sealed.len() / 4 * 4 - 8];
        for broken in [cut, "age:aHVudGVyMg"] {
            let error = read(broken, key.to_owned()).await.unwrap_err();
            assert!(
                error.ends_with("is not what age made; was it cut or changed?"),
                "{error}"
            );
        }
        assert!(seal("nobody", &SecretString::from("hunter2")).is_err());
    }
}
