//! `blotterd vault keygen` and `blotterd vault rotate`.

use anyhow::Context;
use clap::Subcommand;
use secrecy::ExposeSecret;

use super::{connected, print};
use crate::config::{Config, Environment};
use crate::db::Db;
use crate::vault::{DatabaseSecrets, KeyError, KeySource, Keyring, Progress, Vault, keygen, rotate};

#[derive(Debug, Subcommand)]
pub(super) enum VaultCommand {
    /// Prints a new key as the next version: put its line above the ones that are there.
    Keygen,
    /// Wraps every stored token under the newest key; may be stopped and run again.
    Rotate,
}

pub(super) fn run(command: &VaultCommand, config: &Config, environment: &Environment) -> anyhow::Result<()> {
    match command {
        VaultCommand::Keygen => new_key(config),
        VaultCommand::Rotate => {
            let vault = Vault::new(keyring(config)?);
            connected(config, environment, async |db: &Db| rotate_all(&vault, db).await)
        }
    }
}

fn keyring(config: &Config) -> Result<Keyring, KeyError> {
    KeySource::of(&config.vault).load()
}

fn new_key(config: &Config) -> anyhow::Result<()> {
    let next = match keyring(config) {
        Ok(keys) => keys.newest().checked_add(1).context("there is no higher version")?,
        Err(KeyError::Missing) => 1,
        Err(error) => return Err(error.into()),
    };
    print(&format!("v{next}:{}\n", keygen()?.expose_secret()))
}

async fn rotate_all(vault: &Vault, db: &Db) -> anyhow::Result<()> {
    let progress = rotate(vault, &DatabaseSecrets::new(db.clone())).await?;
    print(&report(vault.keys(), &progress))?;
    let failed = progress.failed.len();
    anyhow::ensure!(failed == 0, "{failed} tokens could not be wrapped anew; they are as they were");
    Ok(())
}

fn report(keys: &Keyring, progress: &Progress) -> String {
    let mut text = format!(
        "wrapped under version {}: {}\nwere so already: {}\n",
        keys.newest(),
        progress.rewrapped,
        progress.already_new
    );
    if progress.changed_meanwhile > 0 {
        text.push_str(&format!("changed meanwhile: {} (run it again)\n", progress.changed_meanwhile));
    }
    for (place, why) in &progress.failed {
        text.push_str(&format!("FAILED {} of {}: {why}\n", place.column, place.username));
    }
    for version in keys.versions().into_iter().filter(|version| *version != keys.newest()) {
        let verdict =
            if progress.census.may_destroy(version) { "seals nothing: it may be destroyed" } else { "is still needed" };
        text.push_str(&format!("version {version} {verdict}\n"));
    }
    text
}
