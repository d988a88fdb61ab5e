//! What happens between "it answers" and "it may be used": is it the server itself, and a version
//! we can work with; roles, migrations, and the check that nobody can see anybody else's rows.

use std::time::Duration;

use tokio_postgres::Client;

use super::connect::{Connector, Obstacle, deepest};
use super::{migrate, pooler};

/// Oldest server with views that keep to the caller's policies (`security_invoker`).
const OLDEST_SERVER: i32 = 15;
/// Any number that nobody else uses for an advisory lock in this database.
const LOCK: i64 = 0x0062_6c6f_7474_6572;
/// Between two looks whether another daemon has finished.
const LOCK_RETRY: Duration = Duration::from_millis(50);

const BOOTSTRAP: &str = include_str!("sql/bootstrap.sql");
const CHECK: &str = include_str!("sql/check.sql");

/// Prepares the database: idempotent, and safe when several daemons do it at once.
pub(super) async fn prepare(setup: &Connector, work: &Connector, deadline: Duration) -> Result<(), Obstacle> {
    refuse_pooler(setup).await?;
    let mut client = setup.client().await?;
    refuse_old_server(&client).await?;
    let prepared = tokio::time::timeout(deadline, lock_and_prepare(&mut client, work)).await;
    // The lock ends with the session.
    prepared.map_err(|_| Obstacle::Away(busy(deadline)))??;
    // The working role may be new, and may have been sent another way.
    refuse_pooler(work).await
}

fn busy(deadline: Duration) -> String {
    format!("another blotterd has been preparing this database for {} s; waiting for it", deadline.as_secs())
}

async fn lock_and_prepare(client: &mut Client, work: &Connector) -> Result<(), Obstacle> {
    loop {
        let row = client.query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK]).await.map_err(|error| unfit(&error))?;
        if row.try_get(0).map_err(|error| unfit(&error))? {
            break;
        }
        tokio::time::sleep(LOCK_RETRY).await;
    }
    bootstrap(client, work.endpoint().role()).await?;
    migrate::migrate(client).await?;
    check(client).await
}

async fn refuse_pooler(connector: &Connector) -> Result<(), Obstacle> {
    let (first, second) = (connector.client().await?, connector.client().await?);
    let sightings = pooler::look(&first, &second).await.map_err(|error| connector.explain(&error))?;
    if sightings.are_shared() {
        return Err(Obstacle::Unfit(pooler::sentence(&connector.endpoint().hosts())));
    }
    Ok(())
}

async fn refuse_old_server(client: &Client) -> Result<(), Obstacle> {
    let sql = "SELECT current_setting('server_version_num')::int / 10000, current_setting('server_version')";
    let row = client.query_one(sql, &[]).await.map_err(|error| unfit(&error))?;
    let major: i32 = row.try_get(0).map_err(|error| unfit(&error))?;
    let version: String = row.try_get(1).map_err(|error| unfit(&error))?;
    if major < OLDEST_SERVER {
        return Err(Obstacle::Unfit(format!(
            "the database server is PostgreSQL {version}; version {OLDEST_SERVER} or newer is needed"
        )));
    }
    Ok(())
}

async fn bootstrap(client: &mut Client, work_role: &str) -> Result<(), Obstacle> {
    let run = async {
        let tx = client.transaction().await?;
        tx.execute("SELECT set_config('blotter.work_role', $1, true)", &[&work_role]).await?;
        tx.batch_execute(BOOTSTRAP).await?;
        tx.commit().await
    };
    let error = match run.await {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    let denied = error.code() == Some(&tokio_postgres::error::SqlState::INSUFFICIENT_PRIVILEGE);
    if denied {
        return Err(Obstacle::Unfit(format!(
            "the database role may not prepare the database ({}): let an administrator start blotterd once with \
             database.migrate_url, or make the roles as docs/DATABASE.md says",
            deepest(&error)
        )));
    }
    Err(unfit(&error))
}

/// Refuses to serve when a policy could be walked around.
async fn check(client: &Client) -> Result<(), Obstacle> {
    let rows = client.query(CHECK, &[]).await.map_err(|error| unfit(&error))?;
    let findings = rows.iter().map(|row| row.try_get("finding")).collect::<Result<Vec<String>, _>>();
    let findings = findings.map_err(|error| unfit(&error))?;
    if findings.is_empty() {
        return Ok(());
    }
    Err(Obstacle::Unfit(format!("this database does not keep its users apart: {}", findings.join("; "))))
}

/// A step of the preparation failed: away when the connection broke, else somebody must look.
pub(super) fn unfit(error: &tokio_postgres::Error) -> Obstacle {
    let cause = deepest(error);
    if error.as_db_error().is_none() || super::error::ends_session(error) {
        return Obstacle::Away(format!("the database went away while it was being prepared: {cause}"));
    }
    Obstacle::Unfit(format!("the database could not be prepared: {cause}"))
}
