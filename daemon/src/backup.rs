//! Backups: every night one is made by a program beside the daemon, or the age of those that somebody else
//! makes is looked at. Either way a night without one is an alarm.
//!
//! Invariants:
//! * The program proves the archive that it makes; the daemon believes its exit code, and looks that there is
//!   an archive that was not there before.
//! * Why there is none is told to whoever runs the daemon, and to nobody else: it may name the database's host
//!   and role.
//! * It is given no secret: the environment that it inherits is without the daemon's, and its connection
//!   may hold no password (`config` sees to that).
//! * It ends with the daemon, and whatever it has started with it (`program`).

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use blotter_shared::domain::AlarmKind;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use crate::clock::Clock;
use crate::db::alarms::{Subject, alarm_clear, alarm_raise};
use crate::db::settings::settings_users;
use crate::db::{Db, DbError};
use crate::events::Hub;
use crate::program;

/// Longest that one may take.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Where the archives lie.
    pub folder: PathBuf,
    /// What makes one: called with the folder and the connection.
    pub program: Option<PathBuf>,
    /// Which database, as `psql` takes it.
    pub connection: Option<String>,
    /// The newest archive may be so old.
    pub oldest: TimeDelta,
}

/// Makes backups, or looks after them.
#[derive(Clone, Debug)]
pub struct Backup {
    pub db: Db,
    pub hub: Hub,
    pub clock: Clock,
    pub plan: Option<Plan>,
}

impl Backup {
    /// One night's turn; says what was made, or why there is none.
    ///
    /// # Errors
    /// When there is no archive as new as it has to be. The alarm is raised by then.
    pub async fn run(&self) -> Result<Option<String>, String> {
        let Some(plan) = &self.plan else {
            return Ok(Some("no backup is made or looked after: backup.folder is not set".to_owned()));
        };
        let outcome = match &plan.program {
            Some(program) => plan.make(program).await,
            None => plan.look(self.clock.now()),
        };
        if let Err(error) = self.tell(outcome.as_ref().err()).await {
            tracing::warn!("whether there is a backup could not be told: {error}");
        }
        outcome.map(Some)
    }

    /// It is about everybody's book.
    async fn tell(&self, trouble: Option<&String>) -> Result<(), DbError> {
        let tx = self.db.system_tx().await?;
        let users = settings_users(&tx).await?;
        tx.commit().await?;
        for user in &users {
            let tx = self.db.user_tx(user).await?;
            let changed = match trouble {
                Some(why) => {
                    let why = if self.hub.is_operator(user) { why } else { "the operator sees why" };
                    let message = format!("there is no new backup: {why}");
                    alarm_raise(&tx, AlarmKind::BackupFailed, &Subject::General, &message).await?
                }
                None => alarm_clear(&tx, AlarmKind::BackupFailed, &Subject::General).await?,
            };
            tx.commit().await?;
            if changed.is_some() {
                self.hub.poke(user);
            }
        }
        Ok(())
    }
}

impl Plan {
    async fn make(&self, program: &Path) -> Result<String, String> {
        if self.connection.is_none() {
            return Err("backup.connection is not set, and the database is not the private one".to_owned());
        }
        let mut command = program::command(program);
        command.arg(&self.folder).args(&self.connection);
        let before = self.archives()?;
        let ended = program::run(command, b"", PATIENCE).await;
        let output = ended.map_err(|error| format!("{}: {error}", program.display()))?;
        if !output.status.success() {
            return Err(program::reason(&output));
        }
        if self.archives()?.iter().all(|archive| before.contains(archive)) {
            return Err(format!("{} says that it made one, and there is no new one", program.display()));
        }
        Ok(program::last_line(&String::from_utf8_lossy(&output.stdout)).unwrap_or_else(|| "made".to_owned()))
    }

    fn archives(&self) -> Result<Vec<Archive>, String> {
        archives(&self.folder).map_err(|error| format!("{}: {error}", self.folder.display()))
    }

    /// What somebody else has made.
    fn look(&self, now: DateTime<Utc>) -> Result<String, String> {
        let folder = self.folder.display();
        match newest(&self.folder).map_err(|error| format!("{folder}: {error}"))? {
            None => Err(format!("there is none in {folder}")),
            Some(at) if now - at > self.oldest => {
                Err(format!("the newest in {folder} is of {}", at.format("%Y-%m-%d %H:%M UTC")))
            }
            Some(at) => Ok(format!("the newest is of {}", at.format("%Y-%m-%d %H:%M UTC"))),
        }
    }
}

/// When the newest archive of a folder was made, by its name.
///
/// # Errors
/// When the folder cannot be read. One that is not there is empty.
pub fn newest(folder: &Path) -> io::Result<Option<DateTime<Utc>>> {
    Ok(archives(folder)?.into_iter().map(|archive| archive.made_at).max())
}

/// An archive, and by what it differs from another that is put in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Archive {
    made_at: DateTime<Utc>,
    inode: u64,
    written: (i64, i64),
    bytes: u64,
}

/// Those with something in them.
fn archives(folder: &Path) -> io::Result<Vec<Archive>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Some(made_at) = entry.file_name().to_str().and_then(made_at) else { continue };
        let file = entry.metadata()?;
        let (inode, written, bytes) = (file.ino(), (file.mtime(), file.mtime_nsec()), file.len());
        if bytes > 0 {
            found.push(Archive { made_at, inode, written, bytes });
        }
    }
    Ok(found)
}

/// `blotter-20261121T093000Z.dump`.
fn made_at(name: &str) -> Option<DateTime<Utc>> {
    let stamp = name.strip_prefix("blotter-")?.strip_suffix("Z.dump")?;
    NaiveDateTime::parse_from_str(stamp, "%Y%m%dT%H%M%S").ok().map(|at| at.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_known_by_its_name_and_an_empty_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(newest(&folder.path().join("none")).unwrap(), None);
        for (name, text) in [
            ("blotter-20261120T090000Z.dump", "x"),
            ("blotter-20261121T090507Z.dump", "x"),
            ("blotter-20261122T090000Z.dump", ""),
            ("blotter-2027.dump", "x"),
            ("copy of blotter-20270101T090000Z.dump", "x"),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        assert_eq!(newest(folder.path()).unwrap(), Some("2026-11-21T09:05:07Z".parse().unwrap()));
    }
}
