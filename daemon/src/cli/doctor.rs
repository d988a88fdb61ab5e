//! `blotterd doctor`: each thing that the daemon needs, with a verdict and what to do.

use std::os::unix::net::UnixStream;

use anyhow::Context;

use super::{connected, database, places, prepare, print, process};
use crate::app::{Database, keep};
use crate::config::{Config, Environment, Faults, Places};
use crate::db::Db;
use crate::db::prices::price_storage;
use crate::postgres::{Private, PrivateOptions};
use crate::prices::forecast::Forecast;
use crate::vault::{KeyError, KeySource};

/// A forecast is for at least so many positions.
const USUAL: u64 = 50;

/// What was found.
struct Verdict {
    what: &'static str,
    found: Result<String, String>,
}

pub(super) fn run(config: Result<Config, Faults>, environment: &Environment) -> anyhow::Result<()> {
    let config = match config {
        Ok(config) => config,
        Err(faults) => {
            show(&[Verdict { what: "config", found: Err(faults.to_string().replace('\n', "\n           ")) }])?;
            return Err(faults.into());
        }
    };
    let places = places(&config, environment);
    let verdicts = [
        Verdict { what: "config", found: Ok("every key is sound".to_owned()) },
        Verdict { what: "socket", found: socket(&places) },
        Verdict { what: "vault", found: vault(&config) },
        Verdict { what: "database", found: look_at_database(&config, &places, environment) },
        Verdict { what: "prices", found: prices(&config, environment) },
        Verdict { what: "backup", found: backup(&config) },
        Verdict { what: "calendar", found: calendar() },
    ];
    show(&verdicts)?;
    let bad = verdicts.iter().filter(|verdict| verdict.found.is_err()).count();
    anyhow::ensure!(bad == 0, "{bad} of {} checks failed", verdicts.len());
    Ok(())
}

fn show(verdicts: &[Verdict]) -> anyhow::Result<()> {
    for Verdict { what, found } in verdicts {
        let (mark, text) = match found {
            Ok(text) => ("ok", text),
            Err(text) => ("BAD", text),
        };
        print(&format!("{what:<10} {mark:<4} {text}\n"))?;
    }
    Ok(())
}

fn socket(places: &Places) -> Result<String, String> {
    let path = places.socket.display();
    match UnixStream::connect(&places.socket) {
        Ok(_) => Ok(format!("a daemon answers on {path}")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(format!("{path} is free: no daemon runs")),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            Ok(format!("{path} was left by a daemon that is gone; the next one replaces it"))
        }
        Err(error) => Err(format!("{path}: {error}")),
    }
}

fn vault(config: &Config) -> Result<String, String> {
    match KeySource::of(&config.vault).load() {
        Ok(keys) => Ok(format!("tokens can be stored, under version {} of the key", keys.newest())),
        Err(KeyError::Missing) => Ok("there is no key: tokens cannot be stored (set ENCRYPTION_KEY)".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn look_at_database(config: &Config, places: &Places, environment: &Environment) -> Result<String, String> {
    let looked = || -> anyhow::Result<String> {
        match database(config, places, environment)? {
            Database::External(database) => {
                process::runtime()?.block_on(prepare(*database, config.database.migration_timeout_s))?;
                Ok("the server answers, is migrated, and keeps users apart".to_owned())
            }
            Database::Private(options) => look_at_private(&options, config),
        }
    };
    looked().map_err(|error| format!("{error:#}"))
}

/// A running daemon has the private server in use, which is as good a sign as any.
fn look_at_private(options: &PrivateOptions, config: &Config) -> anyhow::Result<String> {
    process::runtime()?.block_on(async {
        let private = match Private::start(options).await {
            Ok(private) => private,
            Err(crate::postgres::PrivateError::InUse { holder, .. }) => {
                return Ok(format!("a daemon ({holder}) runs the private server"));
            }
            Err(error) => return Err(error.into()),
        };
        let prepared = prepare(private.connect_config(), config.database.migration_timeout_s).await;
        private.stop(config.daemon.stop_timeout_s).await.context("PostgreSQL does not stop")?;
        prepared?;
        Ok("the private server starts, is migrated, and keeps users apart".to_owned())
    })
}

/// What recorded prices take up, and will.
fn prices(config: &Config, environment: &Environment) -> Result<String, String> {
    let mut found = String::new();
    let looked = connected(config, environment, async |db: &Db| {
        let tx = db.system_tx().await?;
        let storage = price_storage(&tx).await?;
        tx.commit().await?;
        let (positions, every_s) = (storage.positions.max(USUAL), config.market.snapshot_every_s.as_secs());
        let forecast = Forecast::of(positions, every_s, keep(&config.market));
        found = format!("{} MB now; {forecast}", storage.bytes.div_ceil(1_000_000));
        Ok(())
    });
    looked.map(|()| found).map_err(|error| format!("{error:#}"))
}

/// How old the newest archive is.
fn backup(config: &Config) -> Result<String, String> {
    let Some(folder) = &config.backup.folder else {
        return Ok("nothing makes or looks after backups: set backup.folder".to_owned());
    };
    let place = folder.display();
    let newest = crate::backup::newest(folder).map_err(|error| format!("{place}: {error}"))?;
    let Some(at) = newest else { return Err(format!("there is none in {place} yet")) };
    let old = crate::clock::Clock::system().now() - at;
    let found = format!("the newest in {place} is {} h old", old.num_hours());
    if old > chrono::TimeDelta::hours(config.backup.oldest_h.into()) { Err(found) } else { Ok(found) }
}

fn calendar() -> Result<String, String> {
    let now = crate::clock::Clock::system().now();
    let phase = crate::calendar::Calendar::new().phase_at(now).map_err(|error| error.to_string())?;
    let next = phase.next_change.format("%Y-%m-%d %H:%M UTC");
    Ok(format!("the market is {} until {next}", phase.phase))
}
