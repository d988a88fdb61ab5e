//! Tokens at rest: a seal opens where it was made and nowhere else.

mod rotation;
mod seal;
mod stored;

use blotter_daemon::vault::{Keyring, Vault, keygen};
use secrecy::{ExposeSecret, SecretString};

/// A key line of one version.
fn key(version: u32) -> String {
    format!("v{version}:{}\n", keygen().unwrap().expose_secret())
}

fn vault(lines: &[&str]) -> Vault {
    Vault::new(Keyring::parse(&SecretString::from(lines.concat())).unwrap())
}
