//! Sealing and opening.

use std::collections::HashSet;

use blotter_daemon::vault::{Place, SEALED_MAGIC, Sealed, SealedError, VaultError, World};
use blotter_shared::domain::BrokerMode;
use proptest::prelude::*;
use secrecy::{ExposeSecret, SecretString};

use super::{key, vault};

const TOKEN: &str = "s3cr3t-token-0123456789";

fn place() -> Place {
    Place::broker_token("alice".parse().unwrap(), BrokerMode::Sandbox)
}

/// Every way in which a value can be moved: one part differs each.
fn elsewhere() -> Vec<(&'static str, Place)> {
    vec![
        ("user", Place::broker_token("bob".parse().unwrap(), BrokerMode::Sandbox)),
        ("world and column", Place::broker_token("alice".parse().unwrap(), BrokerMode::Live)),
        ("column", Place { column: "orats_token", ..place() }),
        ("table", Place { table: "accounts", ..place() }),
        ("world", Place { world: World::Broker(BrokerMode::Live), ..place() }),
        ("account", Place { account_id: "VA1".to_owned(), ..place() }),
    ]
}

#[test]
fn what_was_sealed_opens_at_its_place() {
    let vault = vault(&[&key(1)]);
    let sealed = vault.seal(&place(), 7, &SecretString::from(TOKEN)).unwrap();
    let bytes = sealed.to_bytes();
    assert_eq!(bytes[..4], SEALED_MAGIC);
    let opened = vault.open(&place(), &Sealed::from_bytes(&bytes).unwrap()).unwrap();
    assert_eq!((opened.secret.expose_secret(), opened.secret_version), (TOKEN, 7));
}

#[test]
fn a_value_that_was_moved_does_not_open() {
    let vault = vault(&[&key(1)]);
    let sealed = vault.seal(&place(), 1, &SecretString::from(TOKEN)).unwrap();
    for (what, moved) in elsewhere() {
        let error = vault.open(&moved, &sealed).unwrap_err();
        assert_eq!(error, VaultError::WrongKeyOrPlace { version: 1 }, "another {what}");
        assert!(vault.rewrap(&moved, &sealed).is_err(), "nor is it re-wrapped: another {what}");
    }
}

#[test]
fn another_key_of_the_same_version_is_told_and_no_other_is_tried() {
    let (one, two) = (key(1), key(2));
    let sealed = vault(&[&one]).seal(&place(), 1, &SecretString::from(TOKEN)).unwrap();
    let other = vault(&[&key(1), &two]);
    assert_eq!(other.open(&place(), &sealed).unwrap_err(), VaultError::WrongKeyOrPlace { version: 1 });
    // The right key is here, under another number: it is not tried.
    let renumbered = vault(&[&one.replace("v1:", "v3:")]);
    assert_eq!(renumbered.open(&place(), &sealed).unwrap_err(), VaultError::KeyMissing { version: 1 });
}

#[test]
fn a_dump_holds_neither_the_token_nor_its_base64() {
    use base64::Engine;
    let vault = vault(&[&key(1)]);
    let bytes = vault.seal(&place(), 1, &SecretString::from(TOKEN)).unwrap().to_bytes();
    let found = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    assert!(!found(TOKEN.as_bytes()));
    assert!(!found(&base64::engine::general_purpose::STANDARD.encode(TOKEN).as_bytes()[..24]));
    let sealed = Sealed::from_bytes(&bytes).unwrap();
    assert_eq!(format!("{sealed:?}"), "Sealed { key_version: 1, secret_version: 1, .. }");
    let opened = vault.open(&place(), &sealed).unwrap();
    assert!(!format!("{opened:?} {vault:?}").contains(TOKEN));
}

#[test]
fn a_hundred_thousand_seals_repeat_no_nonce_and_no_data_key() {
    let vault = vault(&[&key(1)]);
    let secret = SecretString::from(TOKEN);
    let mut nonces = HashSet::new();
    let mut keys = HashSet::new();
    for version in 0..100_000 {
        let bytes = vault.seal(&place(), version, &secret).unwrap().to_bytes();
        // Behind magic, format, two versions and the check: nonce, wrapped key, nonce.
        let (wrap_nonce, wrapped, nonce) = (&bytes[49..61], &bytes[61..109], &bytes[109..121]);
        assert!(nonces.insert(wrap_nonce.to_vec()) && nonces.insert(nonce.to_vec()));
        assert!(keys.insert(wrapped.to_vec()));
    }
    assert_eq!(nonces.len(), 200_000);
}

#[test]
fn a_secret_has_a_bound_and_bytes_have_a_shape() {
    let vault = vault(&[&key(1)]);
    let long = SecretString::from("x".repeat(4097));
    assert_eq!(vault.seal(&place(), 1, &long).unwrap_err(), VaultError::TooLong);
    let bytes = vault.seal(&place(), 1, &SecretString::from("")).unwrap().to_bytes();
    assert_eq!(vault.open(&place(), &Sealed::from_bytes(&bytes).unwrap()).unwrap().secret.expose_secret(), "");
    for cut in 0..bytes.len() {
        assert_eq!(Sealed::from_bytes(&bytes[..cut]).unwrap_err(), SealedError::Shape, "{cut} bytes");
    }
    let mut newer = bytes.clone();
    newer[4] = 2;
    assert_eq!(Sealed::from_bytes(&newer).unwrap_err(), SealedError::Format(2));
}

proptest! {
    #[test]
    fn every_flipped_bit_is_noticed(
        secret in "[ -~]{0,64}",
        version: u64,
        place_of_bit in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let vault = vault(&[&key(1)]);
        let mut bytes = vault.seal(&place(), version, &SecretString::from(secret)).unwrap().to_bytes();
        let index = place_of_bit.index(bytes.len());
        bytes[index] ^= 1 << bit;
        let opened = Sealed::from_bytes(&bytes).map_err(|error| error.to_string())
            .and_then(|sealed| vault.open(&place(), &sealed).map_err(|error| error.to_string()));
        prop_assert!(opened.is_err(), "bit {bit} of byte {index}");
    }

    #[test]
    fn parts_of_two_seals_do_not_mix(cut in any::<prop::sample::Index>()) {
        let vault = vault(&[&key(1)]);
        let one = vault.seal(&place(), 1, &SecretString::from("first-token-0")).unwrap().to_bytes();
        let two = vault.seal(&place(), 2, &SecretString::from("other-token-1")).unwrap().to_bytes();
        // The first six bytes are the same in both; every later cut mixes.
        let cut = 17 + cut.index(one.len() - 17);
        let mixed = [&one[..cut], &two[cut..]].concat();
        prop_assume!(mixed != one && mixed != two);
        let sealed = Sealed::from_bytes(&mixed).unwrap();
        prop_assert!(vault.open(&place(), &sealed).is_err(), "cut at {cut}");
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let vault = vault(&[&key(1)]);
        for bytes in [bytes.clone(), [&SEALED_MAGIC[..], &[1], &bytes].concat()] {
            if let Ok(sealed) = Sealed::from_bytes(&bytes) {
                prop_assert!(vault.open(&place(), &sealed).is_err());
            }
        }
    }
}
