//! Replacing the key under load, stopped at every step.

use std::sync::Mutex;

use blotter_daemon::auth::Username;
use blotter_daemon::vault::{Census, Place, Sealed, SealedRow, SecretStore, StoreError, Vault, rotate};
use blotter_shared::domain::BrokerMode;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};

use super::{key, vault};

/// Rows in memory, with a crash after a number of calls and a hook before each replacement.
struct Table {
    rows: Mutex<Vec<SealedRow>>,
    calls_left: Mutex<usize>,
    /// Somebody sets another token right before the first replacement.
    meddle: Mutex<Option<SealedRow>>,
}

impl Table {
    fn new(rows: Vec<SealedRow>) -> Self {
        Self { rows: Mutex::new(rows), calls_left: Mutex::new(usize::MAX), meddle: Mutex::new(None) }
    }

    fn step(&self) -> Result<(), StoreError> {
        let mut left = self.calls_left.lock().unwrap();
        if *left == 0 {
            return Err(StoreError("the connection is gone".to_owned()));
        }
        *left -= 1;
        Ok(())
    }

    fn read(&self) -> Vec<SealedRow> {
        self.rows.lock().unwrap().clone()
    }
}

impl SecretStore for Table {
    fn users(&self) -> BoxFuture<'_, Result<Vec<Username>, StoreError>> {
        let mut users: Vec<_> = self.read().into_iter().map(|row| row.place.username).collect();
        users.sort();
        users.dedup();
        std::future::ready(self.step().map(|()| users)).boxed()
    }

    fn rows<'a>(&'a self, user: &'a Username) -> BoxFuture<'a, Result<Vec<SealedRow>, StoreError>> {
        let rows = self.read().into_iter().filter(|row| row.place.username == *user).collect();
        std::future::ready(self.step().map(|()| rows)).boxed()
    }

    fn replace<'a>(&'a self, old: &'a SealedRow, new: Vec<u8>) -> BoxFuture<'a, Result<bool, StoreError>> {
        let done = self.step().map(|()| {
            let mut rows = self.rows.lock().unwrap();
            if let Some(other) = self.meddle.lock().unwrap().take() {
                let row = rows.iter_mut().find(|row| row.place == other.place).unwrap();
                *row = other;
            }
            match rows.iter_mut().find(|row| *row == old) {
                Some(row) => {
                    row.bytes = new;
                    true
                }
                None => false,
            }
        });
        std::future::ready(done).boxed()
    }
}

fn sealed_rows(vault: &Vault) -> Vec<SealedRow> {
    let users = ["alice", "bob", "carol"];
    let places = users.iter().flat_map(|user| {
        let user: Username = user.parse().unwrap();
        [Place::broker_token(user.clone(), BrokerMode::Sandbox), Place::broker_token(user, BrokerMode::Live)]
    });
    places
        .map(|place| {
            let secret = SecretString::from(format!("token-of-{}-{}", place.username, place.column));
            SealedRow { bytes: vault.seal(&place, 3, &secret).unwrap().to_bytes(), place }
        })
        .collect()
}

fn assert_all_open(vault: &Vault, rows: &[SealedRow]) {
    for row in rows {
        let sealed = Sealed::from_bytes(&row.bytes).unwrap();
        let opened = vault.open(&row.place, &sealed).unwrap();
        let expected = format!("token-of-{}-{}", row.place.username, row.place.column);
        assert_eq!((opened.secret.expose_secret(), opened.secret_version), (expected.as_str(), 3));
    }
}

#[tokio::test]
async fn a_rotation_moves_every_row_and_then_the_old_key_may_go() {
    let (one, two) = (key(1), key(2));
    let table = Table::new(sealed_rows(&vault(&[&one])));
    let both = vault(&[&one, &two]);
    let progress = rotate(&both, &table).await.unwrap();
    assert_eq!((progress.rewrapped, progress.already_new), (6, 0));
    assert!(progress.census.may_destroy(1) && !progress.census.may_destroy(2));
    assert_all_open(&vault(&[&two]), &table.read());
    assert_eq!(rotate(&both, &table).await.unwrap().already_new, 6, "a second run finds nothing to do");
}

#[tokio::test]
async fn a_run_that_is_cut_off_anywhere_is_finished_by_the_next() {
    let (one, two) = (key(1), key(2));
    let both = vault(&[&one, &two]);
    let rows = sealed_rows(&vault(&[&one]));
    let mut cut_short = 0;
    for calls in 0..20 {
        let table = Table::new(rows.clone());
        *table.calls_left.lock().unwrap() = calls;
        cut_short += usize::from(rotate(&both, &table).await.is_err());
        assert_all_open(&both, &table.read());
        *table.calls_left.lock().unwrap() = usize::MAX;
        let progress = rotate(&both, &table).await.unwrap();
        assert!(progress.census.may_destroy(1), "after {calls} calls and a restart: {progress:?}");
        assert_all_open(&vault(&[&two]), &table.read());
    }
    assert!(cut_short > 10, "{cut_short} runs were cut off");
}

#[tokio::test]
async fn a_token_that_is_set_meanwhile_is_not_overwritten() {
    let (one, two) = (key(1), key(2));
    let both = vault(&[&one, &two]);
    let table = Table::new(sealed_rows(&vault(&[&one])));
    let place = table.read()[0].place.clone();
    let newer = both.seal(&place, 4, &SecretString::from("a newer token")).unwrap().to_bytes();
    *table.meddle.lock().unwrap() = Some(SealedRow { place: place.clone(), bytes: newer.clone() });
    let progress = rotate(&both, &table).await.unwrap();
    assert_eq!((progress.rewrapped, progress.changed_meanwhile), (5, 1));
    assert_eq!(table.read()[0].bytes, newer);
}

#[tokio::test]
async fn a_row_that_does_not_open_is_reported_and_keeps_its_key_alive() {
    let (one, two) = (key(1), key(2));
    let old = vault(&[&one]);
    let mut rows = sealed_rows(&old);
    // Bob's row was copied over Alice's.
    rows[0].bytes = rows[2].bytes.clone();
    rows[1].bytes = b"not a seal".to_vec();
    let table = Table::new(rows);
    let progress = rotate(&vault(&[&one, &two]), &table).await.unwrap();
    assert_eq!((progress.rewrapped, progress.failed.len()), (4, 2), "{progress:?}");
    assert_eq!(progress.failed[0].0.username.as_str(), "alice");
    assert!(!progress.census.may_destroy(1), "the old key is still needed, or nobody knows");
    let mut census = Census::default();
    table.read().iter().for_each(|row| census.count(&row.bytes));
    assert_eq!((census.by_version[&1], census.by_version[&2], census.unreadable), (1, 4, 1));
}
