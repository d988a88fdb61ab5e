//! Migrations: refinery with a lock around it (it has none), as the owner, each file in a
//! transaction of its own.

use refinery::Runner;
use tokio_postgres::Client;

use super::bring_up::unfit;
use super::connect::{Obstacle, deepest};

mod embedded {
    refinery::embed_migrations!("../migrations");
}

/// The newest migration that this build knows.
#[must_use]
pub fn schema_version() -> i32 {
    runner().get_migrations().iter().map(refinery::Migration::version).max().unwrap_or_default()
}

pub(super) fn runner() -> Runner {
    embedded::migrations::runner()
}

/// Brings the schema up to this build. The caller holds the lock.
pub(super) async fn migrate(client: &mut Client) -> Result<(), Obstacle> {
    refuse_newer(client).await?;
    client.batch_execute("SET ROLE blotter_owner").await.map_err(|error| unfit(&error))?;
    let report = runner().run_async(client).await.map_err(|error| explain(&error))?;
    for migration in report.applied_migrations() {
        tracing::info!(migration = %migration, "database migrated");
    }
    client.batch_execute("RESET ROLE").await.map_err(|error| unfit(&error))
}

/// An older program could misread what a newer one wrote.
async fn refuse_newer(client: &Client) -> Result<(), Obstacle> {
    let known = schema_version();
    let exists = client.query_one("SELECT to_regclass('blotter.refinery_schema_history') IS NOT NULL", &[]).await;
    let exists: bool = exists.and_then(|row| row.try_get(0)).map_err(|error| unfit(&error))?;
    if !exists {
        return Ok(());
    }
    let newest = client.query_one("SELECT coalesce(max(version), 0) FROM blotter.refinery_schema_history", &[]).await;
    let newest: i32 = newest.and_then(|row| row.try_get(0)).map_err(|error| unfit(&error))?;
    if newest > known {
        return Err(Obstacle::Unfit(format!(
            "the database has schema version {newest}, this blotterd knows up to {known}: install a newer blotterd"
        )));
    }
    Ok(())
}

fn explain(error: &refinery::Error) -> Obstacle {
    let cause = std::error::Error::source(error);
    if let Some(error) = cause.and_then(|cause| cause.downcast_ref::<tokio_postgres::Error>()) {
        if error.as_db_error().is_none() || super::error::ends_session(error) {
            return unfit(error);
        }
        return Obstacle::Unfit(format!("a database migration failed: {}", deepest(error)));
    }
    Obstacle::Unfit(format!("the database's migrations are not those of this blotterd: {error}"))
}
