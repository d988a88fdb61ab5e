//! One connection: with our options, our TLS, and errors as sentences.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls, Notification};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::DbLimits;
use super::endpoint::{Endpoint, TlsRule};
use super::pooler;

/// Why the database cannot be used, as a sentence, and whether waiting can help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// It does not answer. It may, later.
    Away(String),
    /// It answers, and somebody must do something first.
    Unfit(String),
}

impl Obstacle {
    pub(super) fn sentence(&self) -> &str {
        match self {
            Self::Away(sentence) | Self::Unfit(sentence) => sentence,
        }
    }
}

/// Opens connections to one endpoint.
#[derive(Clone)]
pub(super) struct Connector {
    endpoint: Endpoint,
    config: tokio_postgres::Config,
    tls: Option<MakeRustlsConnect>,
    tasks: Tasks,
}

/// Who owns the tasks that move a connection's bytes, and what ends them.
#[derive(Clone, Debug)]
pub(super) struct Tasks {
    pub tracker: TaskTracker,
    pub stop: CancellationToken,
}

/// How patient the session's statements are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    /// Daily work.
    Work,
    /// Migrations may build an index over a large table.
    Setup,
}

impl Connector {
    pub(super) fn new(
        endpoint: &Endpoint,
        limits: DbLimits,
        patience: Patience,
        tasks: &Tasks,
    ) -> Result<Self, Obstacle> {
        let tls = match &endpoint.tls {
            TlsRule::Off => None,
            TlsRule::Verified(roots) => Some(super::tls::connector(roots).map_err(Obstacle::Unfit)?),
        };
        let mut config = endpoint.config.clone();
        config
            .connect_timeout(limits.connect)
            .application_name("blotterd")
            .options(options(endpoint, limits, patience));
        config
            .keepalives_idle(Duration::from_secs(30))
            .keepalives_interval(Duration::from_secs(10))
            .keepalives_retries(3);
        config.tcp_user_timeout(limits.connect);
        Ok(Self { endpoint: endpoint.clone(), config, tls, tasks: tasks.clone() })
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(super) fn config(&self) -> &tokio_postgres::Config {
        &self.config
    }

    /// A connection, and the task that moves its bytes. Notifications go to `notes`.
    pub(super) async fn open(
        &self,
        notes: Option<mpsc::Sender<Notification>>,
    ) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error> {
        if let Some(tls) = &self.tls {
            let (client, connection) = self.config.connect(tls.clone()).await?;
            Ok((client, self.spawn(drive(connection, notes))))
        } else {
            let (client, connection) = self.config.connect(NoTls).await?;
            Ok((client, self.spawn(drive(connection, notes))))
        }
    }

    fn spawn(&self, drive: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        let stop = self.tasks.stop.clone();
        self.tasks.tracker.spawn(async move {
            stop.run_until_cancelled(drive).await;
        })
    }

    /// As [`Connector::open`], with the error as a sentence.
    pub(super) async fn client(&self) -> Result<Client, Obstacle> {
        self.must_be_trusted()?;
        match self.open(None).await {
            Ok((client, _)) => Ok(client),
            Err(error) => Err(self.explain(&error)),
        }
    }

    /// Looked at before each connection: who listens may have changed with the server.
    pub(super) fn must_be_trusted(&self) -> Result<(), Obstacle> {
        self.endpoint.check_sockets().map_err(Obstacle::Unfit)
    }

    /// What a failed connection means.
    pub(super) fn explain(&self, error: &tokio_postgres::Error) -> Obstacle {
        let at = &self.endpoint;
        if let Some(report) = error.as_db_error() {
            let message = report.message();
            if message.contains("unsupported startup parameter") {
                return Obstacle::Unfit(pooler::sentence(&at.hosts()));
            }
            let unfit = [
                SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
                SqlState::INVALID_PASSWORD,
                SqlState::INVALID_CATALOG_NAME,
                SqlState::INSUFFICIENT_PRIVILEGE,
            ];
            return if unfit.contains(report.code()) {
                Obstacle::Unfit(format!("the database refuses {at}: {message}"))
            } else {
                Obstacle::Away(format!("the database at {at} does not take connections: {message}"))
            };
        }
        let cause = deepest(error);
        let broken_trust = error.to_string().contains("TLS") || error.to_string().contains("channel binding");
        if broken_trust {
            return Obstacle::Unfit(format!("no trusted connection to the database at {at}: {cause}"));
        }
        Obstacle::Away(format!("no answer from the database at {at}: {cause}"))
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Lets the pool open its connections in our way.
pub(super) struct PoolConnect(pub(super) Connector);

impl deadpool_postgres::Connect for PoolConnect {
    fn connect(
        &self,
        _config: &tokio_postgres::Config,
    ) -> Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), tokio_postgres::Error>> + Send + '_>> {
        Box::pin(self.0.open(None))
    }
}

/// Settings of the session from its first moment; `RESET ALL` comes back to them.
fn options(endpoint: &Endpoint, limits: DbLimits, patience: Patience) -> String {
    let (statement, lock) = match patience {
        Patience::Work => (limits.statement, limits.lock),
        Patience::Setup => (limits.migration, limits.migration),
    };
    let theirs = endpoint.config.get_options().unwrap_or_default();
    format!(
        "{theirs} -c search_path=blotter,pg_temp -c TimeZone=UTC -c statement_timeout={} -c lock_timeout={} \
         -c idle_in_transaction_session_timeout={}",
        statement.as_millis(),
        lock.as_millis(),
        limits.idle_in_transaction.as_millis(),
    )
}

async fn drive<S, T>(mut connection: Connection<S, T>, notes: Option<mpsc::Sender<Notification>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
        match message {
            Ok(AsyncMessage::Notification(note)) => {
                // A full queue ends the connection, and with it the listener's trust in it.
                if notes.as_ref().is_some_and(|notes| notes.try_send(note).is_err()) {
                    return;
                }
            }
            Ok(AsyncMessage::Notice(notice)) => tracing::debug!(message = notice.message(), "database notice"),
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(error = %deepest(&error), "a database connection ended");
                return;
            }
        }
    }
}

/// The innermost cause: the part that says what happened.
pub(super) fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
