//! Virtual tokens: made and read. A token proves itself by its client's secret and the store's key, so nothing is stored
//! for it, every node knows it, and it dies with its client or secret. It must not know who may do what.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use hongyan_courier::message::AccountName;
use hongyan_courier::time::UnixMs;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::auth::client::Clients;
use crate::auth::signature::SigningKey;

/// How long a token lives, in seconds: as long as WeChat's own.
pub const LIFE_SECONDS: i64 = 7200;

/// Says what it is, to people and to scanners that look for leaked secrets.
const PREFIX: &str = "hy1_";
const PURPOSE: &str = "HONGYAN-VIRTUAL-TOKEN-V1";
const NONCE_BYTES: usize = 16;
const TAG_BYTES: usize = 32;
/// Nothing longer is looked at. WeChat asks callers to keep room for 512.
const TEXT_BYTES_MAX: usize = 512;

/// What a token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The client's id.
    pub client: String,
    pub account: AccountName,
    /// By the wall.
    pub issued_at: UnixMs,
}

impl Claim {
    /// Whether its time is over.
    pub fn expired(&self, wall: UnixMs) -> bool {
        wall.0 >= self.issued_at.0 + LIFE_SECONDS * 1000
    }
}

/// Makes tokens and reads them.
pub struct Mint(Zeroizing<[u8; 32]>);

impl Mint {
    /// With the store's key.
    pub fn new(key: [u8; 32]) -> Self {
        Self(Zeroizing::new(key))
    }

    /// A token that the client's `secret` vouches for. `nonce` is random.
    pub fn issue(&self, claim: &Claim, secret: &SigningKey, nonce: [u8; NONCE_BYTES]) -> String {
        let mut body = claim.issued_at.0.to_be_bytes().to_vec();
        body.extend_from_slice(claim.client.as_bytes());
        body.push(0);
        body.extend_from_slice(claim.account.as_str().as_bytes());
        let tag = secret.tag(PURPOSE, &[&self.0[..], &nonce, &body]);
        // Its bearer has no business with the names in it.
        self.mask(&nonce, &mut body);
        let whole = [&nonce[..], &body, &tag].concat();
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(whole))
    }

    /// Reads a token that one of these clients' secrets vouches for; none if nobody's does.
    pub fn read(&self, text: &str, clients: &Clients) -> Option<Claim> {
        let text = Some(text).filter(|text| text.len() <= TEXT_BYTES_MAX)?;
        let whole = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let (nonce, rest) = whole.split_first_chunk::<NONCE_BYTES>()?;
        let (body, tag) = rest.split_last_chunk::<TAG_BYTES>()?;
        let mut body = body.to_vec();
        self.mask(nonce, &mut body);
        let (issued_at, names) = body.split_first_chunk::<8>()?;
        let (client, account) = std::str::from_utf8(names).ok()?.split_once('\0')?;
        let (found, keys) = clients.find(client);
        let parts: [&[u8]; 3] = [&self.0[..], nonce, &body];
        let genuine = keys.iter().fold(false, |genuine, key| {
            key.verify_tag(PURPOSE, &parts, tag) | genuine
        });
        // A client without a secret of its own is checked with one that everybody knows.
        let vouched = found.is_some_and(|client| !client.keys.is_empty());
        (vouched && genuine).then(|| Claim {
            client: client.to_owned(),
            account: account.into(),
            issued_at: UnixMs(i64::from_be_bytes(*issued_at)),
        })
    }

    /// Hides a body, or shows it again.
    fn mask(&self, nonce: &[u8], body: &mut [u8]) {
        for (block, bytes) in body.chunks_mut(TAG_BYTES).enumerate() {
            let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0[..])
                .expect("HMAC takes a key of any length");
            mac.update(nonce);
            mac.update(&(block as u64).to_be_bytes());
            let stream = mac.finalize().into_bytes();
            for (byte, of_stream) in bytes.iter_mut().zip(stream) {
                *byte ^= of_stream;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hongyan_courier::reach::Reach;
    use secrecy::SecretString;

    use super::*;
    use crate::auth::client::ClientKeys;
    use crate::auth::scope::ScopeSet;

    const NOW: UnixMs = UnixMs(1_795_400_000_000);

    fn clients(all: &[(&str, &[&str])]) -> Clients {
        let keys = |(id, secrets): &(&str, &[&str])| ClientKeys {
            id: (*id).to_owned(),
            secrets: secrets.iter().map(|one| SecretString::from(*one)).collect(),
            scopes: ScopeSet::default(),
            reach: Reach::default(),
        };
        Clients::new(&all.iter().map(keys).collect::<Vec<_>>())
    }

    fn claim(client: &str) -> Claim {
        Claim {
            client: client.to_owned(),
            account: "clinic".into(),
            issued_at: NOW,
        }
    }

    fn issue(mint: &Mint, claim: &Claim, secret: &str) -> String {
        let key = SigningKey::new(&SecretString::from(secret));
        mint.issue(claim, &key, rand::random())
    }

    #[test]
    fn a_token_is_read_as_it_was_made_and_shows_no_name() {
        let mint = Mint::new([7; 32]);
        for name in ["orders", &*"long".repeat(16)] {
            let known = clients(&[(name, &["new", "old"])]);
            for secret in ["new", "old"] {
                let token = issue(&mint, &claim(name), secret);
                assert_eq!(mint.read(&token, &known), Some(claim(name)));
                assert!(token.len() < 300 && token.starts_with("hy1_"), "{token}");
                let bytes = URL_SAFE_NO_PAD.decode(&token[4..]).unwrap();
                let shown = String::from_utf8_lossy(&bytes);
                assert!(!shown.contains("clinic") && !shown.contains(name));
            }
        }
        let known = clients(&[("orders", &["new"])]);
        let two = [0; 2].map(|_| issue(&mint, &claim("orders"), "new"));
        assert_ne!(two[0], two[1]);
        assert!(two.iter().all(|token| mint.read(token, &known).is_some()));
    }

    #[test]
    fn a_token_dies_with_its_client_its_secret_and_its_store() {
        let mint = Mint::new([7; 32]);
        let token = issue(&mint, &claim("orders"), "old");
        let refused = |mint: &Mint, all: &[(&str, &[&str])]| {
            assert_eq!(mint.read(&token, &clients(all)), None, "{all:?}");
        };
        refused(&mint, &[]);
        refused(&mint, &[("other", &["old"])]);
        refused(&mint, &[("orders", &["new"])]);
        refused(&mint, &[("orders", &[])]);
        refused(&Mint::new([8; 32]), &[("orders", &["old"])]);
        assert!(
            mint.read(&token, &clients(&[("orders", &["old"])]))
                .is_some()
        );
    }

    #[test]
    fn no_token_can_be_made_up_or_changed() {
        let mint = Mint::new([7; 32]);
        let known = clients(&[("orders", &["secret"])]);
        let token = issue(&mint, &claim("orders"), "secret");
        let bytes = URL_SAFE_NO_PAD.decode(&token[4..]).unwrap();
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            let changed = format!("hy1_{}", URL_SAFE_NO_PAD.encode(changed));
            assert_eq!(mint.read(&changed, &known), None, "byte {place}");
        }
        for length in 0..token.len() {
            assert_eq!(mint.read(&token[..length], &known), None, "{length}");
        }
        // Nobody vouches for a client that there is not, and a well-known key stands in for its secret.
        let of_nobody = issue(&mint, &claim("nobody"), "nobody");
        assert_eq!(mint.read(&of_nobody, &known), None);
    }

    #[test]
    fn a_token_lives_for_two_hours() {
        let token = claim("orders");
        assert!(!token.expired(UnixMs(NOW.0 + 7_199_999)));
        assert!(token.expired(UnixMs(NOW.0 + 7_200_000)));
    }
}
