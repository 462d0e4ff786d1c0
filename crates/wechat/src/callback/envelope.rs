//! The AES envelope of callback bodies: AES-256-CBC with WeChat's own padding and trailing appid.
//! Knows nothing of what is inside, and of signatures: check those first.

use std::fmt;
use std::str::FromStr;

use aes::Aes256;
use aes::cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD};
use secrecy::zeroize::Zeroizing;
use subtle::ConstantTimeEq;

/// WeChat pads to 32 bytes, twice the block size of AES, so a PKCS#7 of the cipher's block size rejects about half
/// of what it sends: padding is removed by hand.
const PADDING: usize = 32;
const RANDOM: usize = 16;
const LENGTH: usize = 4;

/// 43 random characters leave two bits over that are not zero, which a strict decoder refuses.
const KEY_BASE64: GeneralPurpose =
    GeneralPurpose::new(&ALPHABET, NO_PAD.with_decode_allow_trailing_bits(true));

/// The EncodingAESKey of the callback settings, ready for use; shown nowhere.
///
/// ```
/// use hongyan_wechat::callback::envelope::EncodingAesKey;
///
/// let key: EncodingAesKey = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG".parse()?;
/// assert_eq!(format!("{key:?}"), "EncodingAesKey([redacted])");
/// assert!("too short".parse::<EncodingAesKey>().is_err());
/// # Ok::<(), hongyan_wechat::callback::envelope::KeyError>(())
/// ```
#[derive(Clone)]
pub struct EncodingAesKey {
    key: Zeroizing<[u8; 32]>,
    /// WeChat takes the first half of the key as the initialisation vector.
    iv: Zeroizing<[u8; 16]>,
}

/// The text is not an EncodingAESKey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an EncodingAESKey is 43 letters and digits, as WeChat's console shows it")]
pub struct KeyError;

impl FromStr for EncodingAesKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text.len() != 43 {
            return Err(KeyError);
        }
        let bytes = Zeroizing::new(KEY_BASE64.decode(text).map_err(|_| KeyError)?);
        let key = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| KeyError)?;
        let iv = *key.first_chunk().ok_or(KeyError)?;
        Ok(Self {
            key: Zeroizing::new(key),
            iv: Zeroizing::new(iv),
        })
    }
}

impl fmt::Debug for EncodingAesKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("EncodingAesKey([redacted])")
    }
}

/// Why an envelope does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not Base64, empty, or not a whole number of cipher blocks.
    #[error("it is not Base64 of whole cipher blocks")]
    Encoding,
    /// No key gives a well-formed inside that ends with the account's appid.
    #[error("no key of the account fits")]
    Key,
}

/// What was inside an envelope.
#[derive(Clone, PartialEq, Eq)]
pub struct Decrypted {
    /// The message, as WeChat wrote it.
    pub message: Vec<u8>,
    /// The place in the list of the key that fitted: a reply takes the same.
    pub key: usize,
}

crate::debug_without!(
    Decrypted: key; message
);

/// Sixteen random bytes for [`encrypt`].
#[must_use]
pub fn random() -> [u8; RANDOM] {
    rand::random()
}

/// Encrypts `message` for `appid`, and gives Base64. The same `random` gives the same text, so it must be fresh.
#[must_use]
pub fn encrypt(key: &EncodingAesKey, appid: &str, message: &[u8], random: [u8; RANDOM]) -> String {
    let inside = RANDOM + LENGTH + message.len() + appid.len();
    let pad = PADDING - inside % PADDING;
    let mut plain = Vec::with_capacity(inside + pad);
    plain.extend_from_slice(&random);
    // No push is near 4 GiB; one that were would be cut by the length field and refused by its reader.
    plain.extend_from_slice(&(message.len() as u32).to_be_bytes());
    plain.extend_from_slice(message);
    plain.extend_from_slice(appid.as_bytes());
    plain.resize(inside + pad, pad as u8);
    let (blocks, _) = Array::slice_as_chunks_mut(&mut plain);
    cbc::Encryptor::<Aes256>::new((&*key.key).into(), (&*key.iv).into()).encrypt_blocks(blocks);
    STANDARD.encode(plain)
}

/// Opens `encrypt` with the first of `keys` that fits, and checks that it was meant for `appid`.
///
/// # Errors
/// See [`EnvelopeError`].
pub fn decrypt(
    keys: &[EncodingAesKey],
    appid: &str,
    encrypt: &str,
) -> Result<Decrypted, EnvelopeError> {
    let sealed = STANDARD
        .decode(encrypt.trim())
        .map_err(|_| EnvelopeError::Encoding)?;
    if sealed.is_empty() || sealed.len() % 16 != 0 {
        return Err(EnvelopeError::Encoding);
    }
    keys.iter()
        .enumerate()
        .find_map(|(key, with)| {
            open(with, appid, &sealed).map(|message| Decrypted { message, key })
        })
        .ok_or(EnvelopeError::Key)
}

fn open(key: &EncodingAesKey, appid: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let mut plain = sealed.to_vec();
    let (blocks, _) = Array::slice_as_chunks_mut(&mut plain);
    cbc::Decryptor::<Aes256>::new((&*key.key).into(), (&*key.iv).into()).decrypt_blocks(blocks);
    let pad = usize::from(*plain.last()?);
    if !(1..=PADDING).contains(&pad) {
        return None;
    }
    let inside = &plain[..plain.len().checked_sub(pad)?];
    let (length, rest) = inside.get(RANDOM..)?.split_first_chunk::<LENGTH>()?;
    let (message, owner) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    bool::from(owner.ct_eq(appid.as_bytes())).then(|| message.to_vec())
}
