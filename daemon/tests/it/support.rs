//! A database for one test, and raw connections to look behind the daemon's back.

use std::io::Write as _;
use std::ops::Deref;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use blotter_daemon::auth::Username;
use blotter_daemon::clock::Clock;
use blotter_daemon::db::{DatabaseConfig, Db, DbState, DbStatus};
use blotter_testkit::{Cluster, programs};
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_postgres::{Client, NoTls};

/// Longest that anything may take before a test says what it waited for: on a machine that is ten times as slow as one
/// thinks.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);

/// Between two looks at what nobody announces. Looking without a pause would take the processor
/// from those whose work is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Ticks between two looks.
pub(crate) fn looks() -> Interval {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}

/// Looks until it is done; `evidence` tells what is there instead when that takes too long.
#[track_caller]
pub(crate) fn wait_for(what: &str, evidence: impl Fn() -> String, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < DEADLINE, "waited for {what}; {}", evidence());
        std::thread::park_timeout(LOOK_EVERY);
    }
}

/// A server with a migrated database, and the daemon's handle on it.
pub(crate) struct TestDb {
    pub db: Db,
    pub cluster: Cluster,
}

impl TestDb {
    pub(crate) async fn start() -> Self {
        let cluster = Cluster::start().unwrap();
        let db = Db::connect(config(&cluster.url()), &Clock::system());
        reach(&db, DbState::Ready).await;
        Self { db, cluster }
    }

    /// A raw connection as the superuser.
    pub(crate) async fn admin(&self) -> Raw {
        Raw::connect(&self.cluster.url()).await
    }

    /// A raw connection that logs in as `role`.
    pub(crate) async fn login(&self, role: &str) -> Raw {
        Raw::connect(&self.cluster.url_as(role)).await
    }
}

/// Impatient, so that tests of absence are quick.
pub(crate) fn config(url: &str) -> DatabaseConfig {
    let mut config = DatabaseConfig::external(url).unwrap();
    config.limits.liveness = Duration::from_millis(100);
    config
}

pub(crate) fn user(name: &str) -> Username {
    name.parse().unwrap()
}

/// Waits until the database is in `state`.
pub(crate) async fn reach(db: &Db, state: DbState) -> DbStatus {
    let mut status = db.status();
    let reached = tokio::time::timeout(DEADLINE, status.wait_for(|status| status.state == state)).await;
    if let Ok(status) = reached {
        return status.unwrap().clone();
    }
    panic!("waited for {state:?}, the database is {:?}", db.status().borrow());
}

/// A connection without the daemon's rules. It ends with the value.
pub(crate) struct Raw {
    client: Client,
    _driver: JoinSet<()>,
}

impl Raw {
    pub(crate) async fn connect(url: &str) -> Self {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            let _ = connection.await;
        });
        client.batch_execute("SET search_path = blotter, pg_temp").await.unwrap();
        Self { client, _driver: driver }
    }

    /// Begins a transaction as the daemon does it.
    pub(crate) async fn begin(&self, role: &str, username: &str) {
        let sql = format!("BEGIN; SET LOCAL ROLE {role}; SELECT set_config('app.username', '{username}', true)");
        self.client.batch_execute(&sql).await.unwrap();
    }

    pub(crate) async fn rollback(&self) {
        self.client.batch_execute("ROLLBACK").await.unwrap();
    }

    /// The number that a query answers.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        self.client.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0)
    }

    /// What the server says against a statement: the rule (or the SQLSTATE) and the message. The
    /// statement runs in a savepoint, so that a transaction goes on.
    pub(crate) async fn refusal(&self, sql: &str) -> Option<(String, String)> {
        self.client.batch_execute("SAVEPOINT attempt").await.unwrap();
        let outcome = self.client.batch_execute(sql).await;
        match outcome {
            Ok(()) => {
                self.client.batch_execute("RELEASE SAVEPOINT attempt").await.unwrap();
                None
            }
            Err(error) => {
                self.client.batch_execute("ROLLBACK TO SAVEPOINT attempt").await.unwrap();
                let report = error.as_db_error().unwrap_or_else(|| panic!("{sql}: {error:?}"));
                Some((report.constraint().unwrap_or(report.code().code()).to_owned(), report.message().to_owned()))
            }
        }
    }

    /// As [`Raw::refusal`], for a statement that must be refused.
    pub(crate) async fn refused(&self, sql: &str) -> (String, String) {
        self.refusal(sql).await.unwrap_or_else(|| panic!("this was not refused: {sql}"))
    }
}

impl Deref for Raw {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// The SQL of a trade of `username`, with a symbol of its own; `more` are further columns.
pub(crate) fn insert_trade(username: &str, id: &str, more: &[(&str, &str)]) -> String {
    static NUMBERS: AtomicI32 = AtomicI32::new(1);
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
    let mut columns = vec![
        ("username", format!("'{username}'")),
        ("id", format!("'{id}'")),
        ("number", number.to_string()),
        ("broker_mode", "'SIM'".to_owned()),
        ("account_id", "'VA1'".to_owned()),
        ("ticker", "'NVDA'".to_owned()),
        ("option_symbol", format!("'NVDA261218C{number:08}'")),
        ("option_type", "'CALL'".to_owned()),
        ("strike", "150".to_owned()),
        ("expiry", "'2026-12-18'".to_owned()),
        ("qty", "5".to_owned()),
        ("desired_qty", "5".to_owned()),
        ("entry_date", "'2026-11-20 15:00+00'".to_owned()),
        ("created_at", "'2026-11-20 15:00+00'".to_owned()),
        ("updated_at", "'2026-11-20 15:00+00'".to_owned()),
    ];
    for (column, value) in more {
        columns.retain(|(name, _)| name != column);
        columns.push((column, (*value).to_owned()));
    }
    let (names, values): (Vec<&str>, Vec<String>) = columns.into_iter().unzip();
    format!("INSERT INTO paper_trades ({}) VALUES ({})", names.join(", "), values.join(", "))
}

/// The figures by the program that shares nothing with the daemon.
pub(crate) fn recount(input: &str) -> String {
    let mut command = Command::new(programs::path("blotter-recount").unwrap());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}\n{input}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
