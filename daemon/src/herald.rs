//! The alarm command: what the operator wants to be run for each alarm, to send a mail or to ring a phone.
//!
//! Invariants:
//! * Told at least once, if the command works: a claim that grows old is taken up by whoever comes, and a
//!   failure is tried again: five times in all, and at growing distances for as long as it stands where money may be
//!   unprotected.
//! * Told by one daemon at a time, however many look at the database.
//! * Nothing waits for it: it has a task of its own, and a bound on its time.
//! * It is given words and no secret: one JSON object on its standard input.

use std::path::PathBuf;
use std::time::Duration;

use blotter_shared::protocol::alarms::Alarm;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::auth::Username;
use crate::db::alarms::{alarm_claim, alarm_told};
use crate::db::settings::settings_users;
use crate::db::{Db, DbError};
use crate::program;

/// Between two looks at what is new.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// Longest that the command may take for one alarm; a claim lasts twice as long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Tells alarms.
#[derive(Clone, Debug)]
pub struct Herald {
    pub db: Db,
    pub command: PathBuf,
}

impl Herald {
    /// Tells every alarm that nobody told yet, until it is told to stop.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                looked = self.look() => {
                    if let Err(error) = looked {
                        tracing::warn!("the alarms are not known: {error}");
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn look(&self) -> Result<(), DbError> {
        let tx = self.db.system_tx().await?;
        let users = settings_users(&tx).await?;
        tx.commit().await?;
        for user in users {
            while let Some(alarm) = self.claim(&user).await? {
                self.tell(&user, &alarm).await?;
            }
        }
        Ok(())
    }

    async fn claim(&self, user: &Username) -> Result<Option<Alarm>, DbError> {
        let tx = self.db.user_tx(user).await?;
        let alarm = alarm_claim(&tx).await?;
        tx.commit().await?;
        Ok(alarm)
    }

    async fn tell(&self, user: &Username, alarm: &Alarm) -> Result<(), DbError> {
        let input = format!("{}\n", words(user, alarm));
        let told = match program::run(program::command(&self.command), input.as_bytes(), PATIENCE).await {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(program::reason(&output)),
            Err(error) => Err(error.to_string()),
        };
        match told {
            Ok(()) => {
                let tx = self.db.user_tx(user).await?;
                alarm_told(&tx, alarm.id).await?;
                tx.commit().await
            }
            Err(why) => {
                tracing::warn!(user = %user, kind = %alarm.kind, "the alarm command failed: {why}");
                Ok(())
            }
        }
    }
}

/// The alarm as the command reads it.
fn words(user: &Username, alarm: &Alarm) -> String {
    let Alarm { id, kind, severity, trade_number, message, raised_at, .. } = alarm;
    json!({
        "user": user.to_string(), "id": id, "kind": kind, "severity": severity, "trade": trade_number,
        "message": message, "raised_at": raised_at,
    })
    .to_string()
}
