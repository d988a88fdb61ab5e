//! The sealed form of a secret: a self-describing column of bytes.
//!
//! ```text
//! "BLTV" | format 1 | key version u32 | secret version u64 | key check 32
//!        | nonce 12 | wrapped data key 32 + 16
//!        | nonce 12 | sealed secret n + 16
//! ```
//!
//! The data key is bound to its place and to the version of the key that wraps it; the secret is
//! bound to its place and to its own version. So a re-wrap touches the first part only, and no
//! data key ever seals a second message.
//!
//! AES-GCM does not commit to its key: the check (an HMAC of the same context under a key of its
//! own) does, and is looked at before anything is opened.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use super::key::{KEY_BYTES, Key};
use super::{Keyring, Place};

/// How every sealed value begins.
pub const SEALED_MAGIC: [u8; 4] = *b"BLTV";
const FORMAT: u8 = 1;
const TAG: usize = 16;
const CHECK: usize = 32;
const WRAPPED: usize = KEY_BYTES + TAG;
/// Everything before the sealed secret.
const HEAD: usize = 4 + 1 + 4 + 8 + CHECK + NONCE_LEN + WRAPPED + NONCE_LEN;
/// Longest secret that is sealed.
const LONGEST: usize = 4096;

/// Why a secret is not sealed or does not open.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum VaultError {
    #[error("the operating system gives no random numbers")]
    NoRandom,
    #[error("a secret has at most {LONGEST} bytes")]
    TooLong,
    #[error("it is sealed with version {version} of the key, which is not here")]
    KeyMissing { version: u32 },
    #[error("version {version} of the key did not seal it for this place")]
    WrongKeyOrPlace { version: u32 },
    #[error("it was changed after it was sealed")]
    Tampered,
}

/// Why bytes are no sealed value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SealedError {
    #[error("these bytes are no sealed secret")]
    Shape,
    #[error("the sealed secret is of format {0}, which this build does not know")]
    Format(u8),
}

/// A sealed secret, as it lies in its column.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    key_version: u32,
    secret_version: u64,
    check: [u8; CHECK],
    wrap_nonce: [u8; NONCE_LEN],
    wrapped: [u8; WRAPPED],
    nonce: [u8; NONCE_LEN],
    body: Vec<u8>,
}

/// Versions only: the rest is noise.
impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed")
            .field("key_version", &self.key_version)
            .field("secret_version", &self.secret_version)
            .finish_non_exhaustive()
    }
}

/// A secret and which one of its place it is.
#[derive(Clone, Debug)]
pub struct Opened {
    pub secret: SecretString,
    pub secret_version: u64,
}

impl Sealed {
    #[must_use]
    pub fn key_version(&self) -> u32 {
        self.key_version
    }

    #[must_use]
    pub fn secret_version(&self) -> u64 {
        self.secret_version
    }

    /// The bytes of the column.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD + self.body.len());
        bytes.extend_from_slice(&SEALED_MAGIC);
        bytes.push(FORMAT);
        bytes.extend_from_slice(&self.key_version.to_be_bytes());
        bytes.extend_from_slice(&self.secret_version.to_be_bytes());
        bytes.extend_from_slice(&self.check);
        bytes.extend_from_slice(&self.wrap_nonce);
        bytes.extend_from_slice(&self.wrapped);
        bytes.extend_from_slice(&self.nonce);
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// # Errors
    /// When the bytes are no sealed secret of a known format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SealedError> {
        let mut rest = Cut(bytes);
        if rest.take::<4>()? != SEALED_MAGIC {
            return Err(SealedError::Shape);
        }
        let [format] = rest.take::<1>()?;
        if format != FORMAT {
            return Err(SealedError::Format(format));
        }
        let sealed = Self {
            key_version: u32::from_be_bytes(rest.take()?),
            secret_version: u64::from_be_bytes(rest.take()?),
            check: rest.take()?,
            wrap_nonce: rest.take()?,
            wrapped: rest.take()?,
            nonce: rest.take()?,
            body: rest.0.to_vec(),
        };
        if (TAG..=LONGEST + TAG).contains(&sealed.body.len()) { Ok(sealed) } else { Err(SealedError::Shape) }
    }
}

/// What is left of the bytes.
struct Cut<'a>(&'a [u8]);

impl Cut<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], SealedError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(SealedError::Shape)?;
        self.0 = rest;
        Ok(*head)
    }
}

pub(super) fn seal(
    keys: &Keyring,
    place: &Place,
    secret_version: u64,
    secret: &SecretString,
) -> Result<Sealed, VaultError> {
    let plain = secret.expose_secret();
    if plain.len() > LONGEST {
        return Err(VaultError::TooLong);
    }
    let data_key = Zeroizing::new(random::<KEY_BYTES>()?);
    let nonce = random()?;
    let mut body = plain.as_bytes().to_vec();
    encrypt(&data_key, nonce, &secret_context(place, secret_version), &mut body)?;
    let key_version = keys.newest();
    let wrap = wrap(keys, place, (key_version, secret_version), &data_key)?;
    Ok(Sealed {
        key_version,
        secret_version,
        check: wrap.check,
        wrap_nonce: wrap.nonce,
        wrapped: wrap.wrapped,
        nonce,
        body,
    })
}

pub(super) fn open(keys: &Keyring, place: &Place, sealed: &Sealed) -> Result<Opened, VaultError> {
    let data_key = unwrap_key(keys, place, sealed)?;
    let mut body = Zeroizing::new(sealed.body.clone());
    let length = decrypt(&data_key, sealed.nonce, &secret_context(place, sealed.secret_version), &mut body)?;
    body.truncate(length);
    let text = std::str::from_utf8(&body).map_err(|_| VaultError::Tampered)?;
    Ok(Opened { secret: SecretString::from(text), secret_version: sealed.secret_version })
}

pub(super) fn rewrap(keys: &Keyring, place: &Place, sealed: &Sealed) -> Result<Sealed, VaultError> {
    let data_key = unwrap_key(keys, place, sealed)?;
    let key_version = keys.newest();
    let wrap = wrap(keys, place, (key_version, sealed.secret_version), &data_key)?;
    Ok(Sealed { key_version, check: wrap.check, wrap_nonce: wrap.nonce, wrapped: wrap.wrapped, ..sealed.clone() })
}

struct Wrap {
    check: [u8; CHECK],
    nonce: [u8; NONCE_LEN],
    wrapped: [u8; WRAPPED],
}

fn wrap(
    keys: &Keyring,
    place: &Place,
    (key_version, secret_version): (u32, u64),
    data_key: &Zeroizing<[u8; KEY_BYTES]>,
) -> Result<Wrap, VaultError> {
    let key = keys.get(key_version).ok_or(VaultError::KeyMissing { version: key_version })?;
    let context = key_context(place, key_version, secret_version);
    let nonce = random()?;
    let mut bytes = data_key.to_vec();
    encrypt(&key.wrap, nonce, &context, &mut bytes)?;
    let wrapped = bytes.as_slice().try_into().map_err(|_| VaultError::Tampered)?;
    bytes.zeroize();
    Ok(Wrap { check: check(key, &context), nonce, wrapped })
}

/// The data key, after the check has proven that this is the key and the place.
fn unwrap_key(keys: &Keyring, place: &Place, sealed: &Sealed) -> Result<Zeroizing<[u8; KEY_BYTES]>, VaultError> {
    let version = sealed.key_version;
    let key = keys.get(version).ok_or(VaultError::KeyMissing { version })?;
    let context = key_context(place, version, sealed.secret_version);
    let checking = hmac::Key::new(hmac::HMAC_SHA256, key.check.as_slice());
    hmac::verify(&checking, &context, &sealed.check).map_err(|_| VaultError::WrongKeyOrPlace { version })?;
    let mut bytes = Zeroizing::new(sealed.wrapped.to_vec());
    let length = decrypt(&key.wrap, sealed.wrap_nonce, &context, &mut bytes)?;
    let data_key: [u8; KEY_BYTES] =
        bytes.get(..length).and_then(|bytes| bytes.try_into().ok()).ok_or(VaultError::Tampered)?;
    Ok(Zeroizing::new(data_key))
}

fn key_context(place: &Place, key_version: u32, secret_version: u64) -> Vec<u8> {
    place.bytes("data key", &[u64::from(key_version), secret_version])
}

fn secret_context(place: &Place, secret_version: u64) -> Vec<u8> {
    place.bytes("secret", &[secret_version])
}

fn check(key: &Key, context: &[u8]) -> [u8; CHECK] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.check.as_slice()), context);
    let mut bytes = [0; CHECK];
    bytes.copy_from_slice(tag.as_ref());
    bytes
}

fn cipher(key: &Zeroizing<[u8; KEY_BYTES]>) -> Result<LessSafeKey, VaultError> {
    UnboundKey::new(&AES_256_GCM, key.as_slice()).map(LessSafeKey::new).map_err(|_| VaultError::Tampered)
}

fn encrypt(
    key: &Zeroizing<[u8; KEY_BYTES]>,
    nonce: [u8; NONCE_LEN],
    context: &[u8],
    bytes: &mut Vec<u8>,
) -> Result<(), VaultError> {
    let nonce = Nonce::assume_unique_for_key(nonce);
    cipher(key)?.seal_in_place_append_tag(nonce, Aad::from(context), bytes).map_err(|_| VaultError::Tampered)
}

/// Decrypts in place; the length of the plain text.
fn decrypt(
    key: &Zeroizing<[u8; KEY_BYTES]>,
    nonce: [u8; NONCE_LEN],
    context: &[u8],
    bytes: &mut [u8],
) -> Result<usize, VaultError> {
    let nonce = Nonce::assume_unique_for_key(nonce);
    let plain = cipher(key)?.open_in_place(nonce, Aad::from(context), bytes).map_err(|_| VaultError::Tampered)?;
    Ok(plain.len())
}

fn random<const N: usize>() -> Result<[u8; N], VaultError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| VaultError::NoRandom)?;
    Ok(bytes)
}
