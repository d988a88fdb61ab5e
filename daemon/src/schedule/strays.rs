//! Prices that lie outside every month: the clock of a machine was wrong when they were taken. They are
//! never packed and never dropped, so their owner is told.

use std::collections::HashMap;

use blotter_shared::domain::AlarmKind;

use crate::auth::Username;
use crate::db::alarms::{Subject, alarm_clear, alarm_raise};
use crate::db::settings::settings_users;
use crate::db::snapshots::{StrayRows, strays};
use crate::db::{Db, DbError};
use crate::events::Hub;

/// Looks where no price should be.
#[derive(Clone, Debug)]
pub struct Strays {
    pub db: Db,
    pub hub: Hub,
}

impl Strays {
    /// Raises an alarm for whoever has some, clears it for whoever has none; tells how many there are.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn look(&self) -> Result<u64, DbError> {
        let tx = self.db.system_tx().await?;
        let found: HashMap<Username, StrayRows> =
            strays(&tx).await?.into_iter().map(|rows| (rows.user.clone(), rows)).collect();
        let users = settings_users(&tx).await?;
        tx.commit().await?;
        for user in &users {
            self.tell(user, found.get(user)).await?;
        }
        Ok(found.values().map(|rows| rows.count).sum())
    }

    async fn tell(&self, user: &Username, rows: Option<&StrayRows>) -> Result<(), DbError> {
        let tx = self.db.user_tx(user).await?;
        let changed = match rows {
            Some(rows) => alarm_raise(&tx, AlarmKind::PricesAstray, &Subject::General, &sentence(rows)).await?,
            None => alarm_clear(&tx, AlarmKind::PricesAstray, &Subject::General).await?,
        };
        tx.commit().await?;
        if changed.is_some() {
            self.hub.poke(user);
        }
        Ok(())
    }
}

fn sentence(rows: &StrayRows) -> String {
    let (first, last) = (rows.first.date_naive(), rows.last.date_naive());
    format!(
        "{} recorded prices are dated {first} to {last}, where no month is kept: a clock was wrong. They are never packed or removed",
        rows.count
    )
}
