//! The installation's keys: 32 random bytes each, in base64, with a version.
//!
//! A source holds either one bare key, which is version 1, or one line a version:
//!
//! ```text
//! v2:nn3v…=
//! v1:Q0x7…=
//! ```
//!
//! The highest version seals; the others open what is still sealed with them.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::config::VaultConfig;

/// Length of every key.
pub(super) const KEY_BYTES: usize = 32;

/// Why there is no keyring. The text of a key is in none of them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    #[error(
        "there is no key: run `blotterd vault keygen` and set ENCRYPTION_KEY, vault.key_file or the credential `encryption_key`"
    )]
    Missing,
    #[error("line {line} is not a key: 32 bytes in base64, or v<number>: and that")]
    Malformed { line: usize },
    #[error("version {version} is there twice")]
    Twice { version: u32 },
    #[error("the key file {path} cannot be read: {why}")]
    Unreadable { path: PathBuf, why: String },
    #[error("the key file {path} can be read by others (mode {mode:o}); make it 0600")]
    Open { path: PathBuf, mode: u32 },
    #[error("the operating system gives no random numbers")]
    NoRandom,
}

/// Where the keys come from, in the order in which they are looked for.
#[derive(Clone, Debug, Default)]
pub struct KeySource {
    /// `vault.encryption_key`: from the environment, a credential or the configuration.
    pub given: Option<SecretString>,
    /// `vault.key_file`.
    pub file: Option<PathBuf>,
}

impl KeySource {
    #[must_use]
    pub fn of(config: &VaultConfig) -> Self {
        Self { given: config.encryption_key.clone(), file: config.key_file.clone() }
    }

    /// Reads the first source that is set. A source that is set and bad is an error: falling back
    /// to another key would make every token unreadable.
    ///
    /// # Errors
    /// When no source is set or the one that is cannot be read.
    pub fn load(&self) -> Result<Keyring, KeyError> {
        if let Some(text) = &self.given {
            return Keyring::parse(text);
        }
        match &self.file {
            Some(path) => Keyring::from_file(path),
            None => Err(KeyError::Missing),
        }
    }
}

/// The keys of this installation by version.
pub struct Keyring {
    keys: BTreeMap<u32, Key>,
    newest: u32,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("versions", &self.versions()).finish()
    }
}

impl Keyring {
    /// Reads keys from text.
    ///
    /// # Errors
    /// When a line is no key, or a version is there twice, or there is none.
    pub fn parse(text: &SecretString) -> Result<Self, KeyError> {
        let mut keys = BTreeMap::new();
        for (index, line) in text.expose_secret().lines().enumerate() {
            let line_number = index + 1;
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (version, key) = parse_line(line).ok_or(KeyError::Malformed { line: line_number })?;
            if keys.insert(version, key).is_some() {
                return Err(KeyError::Twice { version });
            }
        }
        let newest = keys.keys().next_back().copied().ok_or(KeyError::Missing)?;
        Ok(Self { keys, newest })
    }

    fn from_file(path: &Path) -> Result<Self, KeyError> {
        let unreadable = |error: std::io::Error| KeyError::Unreadable { path: path.to_owned(), why: error.to_string() };
        let mode = std::fs::metadata(path).map_err(unreadable)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Open { path: path.to_owned(), mode });
        }
        Self::parse(&SecretString::from(std::fs::read_to_string(path).map_err(unreadable)?))
    }

    /// The version that seals.
    #[must_use]
    pub fn newest(&self) -> u32 {
        self.newest
    }

    /// Every version that opens, ascending.
    #[must_use]
    pub fn versions(&self) -> Vec<u32> {
        self.keys.keys().copied().collect()
    }

    pub(super) fn get(&self, version: u32) -> Option<&Key> {
        self.keys.get(&version)
    }
}

fn parse_line(line: &str) -> Option<(u32, Key)> {
    let (version, text) = match line.split_once(':') {
        Some((version, text)) => (version.trim().strip_prefix('v')?.parse().ok().filter(|number| *number > 0)?, text),
        None => (1, line),
    };
    let bytes = Zeroizing::new(STANDARD.decode(text.trim()).ok()?);
    let material: [u8; KEY_BYTES] = bytes.as_slice().try_into().ok()?;
    Some((version, Key::new(&Zeroizing::new(material))?))
}

/// One key of the installation, split for its two uses: what wraps is never what checks.
pub(super) struct Key {
    pub(super) wrap: Zeroizing<[u8; KEY_BYTES]>,
    pub(super) check: Zeroizing<[u8; KEY_BYTES]>,
}

impl Key {
    fn new(material: &Zeroizing<[u8; KEY_BYTES]>) -> Option<Self> {
        Some(Self { wrap: derive(material, "wrap")?, check: derive(material, "check")? })
    }
}

struct KeyLength;

impl KeyType for KeyLength {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

fn derive(material: &Zeroizing<[u8; KEY_BYTES]>, purpose: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let source = Salt::new(HKDF_SHA256, b"blotterd/v1").extract(material.as_slice());
    let mut key = Zeroizing::new([0_u8; KEY_BYTES]);
    let info = [purpose.as_bytes()];
    source.expand(&info, KeyLength).and_then(|output| output.fill(key.as_mut_slice())).ok()?;
    Some(key)
}

/// A new key, as `ENCRYPTION_KEY` wants it.
///
/// # Errors
/// When the operating system gives no random numbers.
pub fn keygen() -> Result<SecretString, KeyError> {
    let mut bytes = Zeroizing::new([0_u8; KEY_BYTES]);
    SystemRandom::new().fill(bytes.as_mut_slice()).map_err(|_| KeyError::NoRandom)?;
    Ok(SecretString::from(STANDARD.encode(bytes.as_slice())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Keyring, KeyError> {
        Keyring::parse(&SecretString::from(text))
    }

    fn key() -> String {
        keygen().unwrap().expose_secret().to_owned()
    }

    #[test]
    fn a_bare_key_is_version_one_and_the_highest_seals() {
        assert_eq!(parse(&key()).unwrap().versions(), [1]);
        let ring = parse(&format!("# keys of the desk\nv3:{}\n\n v1: {}\n", key(), key())).unwrap();
        assert_eq!((ring.versions(), ring.newest()), (vec![1, 3], 3));
        assert_eq!(format!("{ring:?}"), "Keyring { versions: [1, 3] }");
    }

    #[test]
    fn a_bad_key_is_named_by_its_line_and_never_shown() {
        assert_eq!(parse("").unwrap_err(), KeyError::Missing);
        let short = STANDARD.encode([7_u8; 31]);
        for bad in [short.as_str(), "v0:AAAA", "x2:AAAA", "hunter2", "v1:hunter2"] {
            let error = parse(&format!("{}\n{bad}", key())).unwrap_err();
            assert_eq!(error, KeyError::Malformed { line: 2 }, "{bad}");
            assert!(!error.to_string().contains("hunter2"));
        }
        assert_eq!(parse(&format!("v2:{}\nv2:{}", key(), key())).unwrap_err(), KeyError::Twice { version: 2 });
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, key()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let source = KeySource { file: Some(path.clone()), given: None };
        assert_eq!(source.load().unwrap_err(), KeyError::Open { path: path.clone(), mode: 0o640 });
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
        assert_eq!(source.load().unwrap().versions(), [1]);
    }

    #[test]
    fn sources_are_asked_in_order_and_a_bad_one_is_not_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none");
        let source = KeySource { given: Some(SecretString::from("not a key")), file: Some(missing.clone()) };
        assert_eq!(source.load().unwrap_err(), KeyError::Malformed { line: 1 });
        let source = KeySource { given: None, ..source };
        assert!(matches!(source.load().unwrap_err(), KeyError::Unreadable { path, .. } if path == missing));
        assert_eq!(KeySource::default().load().unwrap_err(), KeyError::Missing);
    }
}
