//! The private PostgreSQL server: without `DATABASE_URL` the daemon keeps one of its own, from the
//! installed server binaries, in its data directory, on a Unix socket that nobody else reaches.
//!
//! ```text
//! <data_dir>/             the daemon's own; 0711 when the server runs as another user, else 0700
//! <data_dir>/lock         held by the daemon: two never run one directory
//! <data_dir>/data/        the cluster, the server's; `data.new` until initdb is through
//! <data_dir>/run/         the socket, the server's, 0700
//! <data_dir>/server.log   what the server says; the daemon's own
//! ```
//!
//! Invariants:
//! * A half-made cluster is never used: it gets its name when it is complete.
//! * A process is signalled only when its working directory is this cluster's.
//! * The server outlives a killed daemon and is adopted by the next one; it ends with a daemon that
//!   ends in good order.
//! * Durable: fsync and data checksums are on.
//! * The server's user, when it is not the daemon's, owns `data` and `run` and nothing else, and what
//!   the daemon writes there it writes through descriptors that no link can lead astray.
//!
//! Deliberately absent: upgrades between major versions (refused, with what to do), and anything
//! that speaks SQL (`db` does).

mod binaries;
mod cluster;
mod identity;
mod keeper;
mod lock;
mod process;
mod settings;

use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::db::{DatabaseConfig, DbLimits, Endpoint, Setup};
use cluster::Cluster;
use keeper::Keeper;
use lock::DirectoryLock;

/// The only database of the cluster that we use.
const DATABASE: &str = "blotter";
/// The superuser; the daemon is it only while it prepares the database.
const ADMIN: &str = "blotter_admin";
/// In the socket's file name; there is no TCP.
const PORT: u16 = 5432;
/// What remains of a stop's deadline for the harder signal.
const LAST_RESORT: Duration = Duration::from_secs(2);

/// Where the server lives and what it runs on.
#[derive(Clone, Debug)]
pub struct PrivateOptions {
    /// Made if there is none.
    pub data_dir: PathBuf,
    /// The folder of `postgres` and `initdb`; else the newest that is found.
    pub binaries: Option<PathBuf>,
    /// Folders of `PATH`, searched after the usual places.
    pub path: Vec<PathBuf>,
    /// Longest that the server may take to be ready, recovery included.
    pub ready_within: Duration,
}

impl PrivateOptions {
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir: data_dir.into(), binaries: None, path: Vec::new(), ready_within: Duration::from_secs(60) }
    }
}

/// Why there is no private server, as a sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PrivateError {
    #[error(
        "no PostgreSQL server was found (looked in {looked}): install it (Debian: apt-get install postgresql), name its \
         folder in database.binaries, or set DATABASE_URL"
    )]
    NoBinaries { looked: String },
    #[error(
        "the data in {data} was made by PostgreSQL {found}, installed is {installed}: install version {found} (Debian: \
         postgresql-{found}), or move the data with pg_upgrade or a dump and a restore"
    )]
    OtherMajor { data: String, found: u32, installed: u32 },
    #[error(
        "another blotterd ({holder}) uses {directory}: stop it first, or give this one a data directory of its own"
    )]
    InUse { directory: String, holder: String },
    #[error(
        "the socket's path {path} is {length} bytes long, and a socket's path may have 107: choose a shorter data directory"
    )]
    PathTooLong { path: String, length: usize },
    #[error(
        "PostgreSQL does not run as root and would run as {user}, who may not enter {directory}: choose a data directory \
         like /var/lib/blotter"
    )]
    Unreachable { user: String, directory: String },
    #[error(
        "{directory} {why}, so that somebody else could put another folder in the place of root's data directory: choose \
         one like /var/lib/blotter"
    )]
    Replaceable { directory: String, why: String },
    #[error(
        "PostgreSQL does not run as root, and there is neither a user postgres nor blotter to run it as: install the \
         server's package, or make one (useradd --system blotter); nobody will not do, because other programs run as nobody"
    )]
    NoServerUser,
    #[error(
        "{data} belongs to nobody, as whom other programs run too: give it to a user of its own (chown -R postgres: {data})"
    )]
    NobodysData { data: String },
    #[error(
        "{directory} belongs to user {owner}, not to this one: start blotterd as its owner, or give this user the folder \
         itself without what is in it (chown)"
    )]
    NotOurs { directory: String, owner: u32 },
    #[error("{what} {path}: {reason}")]
    Files { what: &'static str, path: String, reason: String },
    #[error("initdb failed: {reason}")]
    InitDb { reason: String },
    #[error("PostgreSQL did not start: {reason}")]
    Start { reason: String },
    #[error("PostgreSQL (process {pid}) did not stop in time")]
    Stop { pid: i32 },
}

/// How the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrivateState {
    Running {
        pid: i32,
        how: Begun,
    },
    /// It died under us; it is being started again.
    Restarting {
        reason: String,
    },
    Stopped,
}

/// How it came to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// A new cluster.
    Cold,
    /// A cluster that was there.
    Warm,
    /// It was still running when the daemon started.
    Adopted,
}

/// The running server. Dropping it leaves the server running, as a killed daemon would; call
/// [`Private::stop`].
#[derive(Debug)]
pub struct Private {
    cluster: Cluster,
    state: watch::Receiver<PrivateState>,
    keeper: JoinHandle<Keeper>,
    stop: DropGuard,
    _lock: DirectoryLock,
}

impl Private {
    /// Starts or adopts the server and waits until it takes connections; from then on it is started
    /// again whenever it dies. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// A sentence that says what is in the way and what to do.
    pub async fn start(options: &PrivateOptions) -> Result<Self, PrivateError> {
        let (cluster, lock) = Cluster::claim(options)?;
        let keeper = Keeper::begin(&cluster, options.ready_within).await?;
        let state = keeper.state();
        let stop = CancellationToken::new();
        #[expect(
            clippy::disallowed_methods,
            reason = "owned by this value: stop() waits for it, and it holds no more than the child"
        )]
        let keeper = tokio::spawn(keeper.keep(stop.clone()));
        Ok(Self { cluster, state, keeper, stop: stop.drop_guard(), _lock: lock })
    }

    /// How the database module reaches it.
    #[must_use]
    pub fn connect_config(&self) -> DatabaseConfig {
        served_in(&self.cluster.run_dir())
    }

    /// How it is, and a way to hear when that changes.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<PrivateState> {
        self.state.clone()
    }

    /// The directory of the socket, for `psql -h`.
    #[must_use]
    pub fn socket_dir(&self) -> PathBuf {
        self.cluster.run_dir()
    }

    /// Stops the server: in good order, and near the deadline without a checkpoint (which the next
    /// start makes good from the log).
    ///
    /// # Errors
    /// When it is still there after the deadline.
    pub async fn stop(self, deadline: Duration) -> Result<(), PrivateError> {
        drop(self.stop);
        match self.keeper.await {
            Ok(keeper) => keeper.stop(deadline).await,
            Err(error) => Err(PrivateError::Start { reason: format!("its keeper ended: {error}") }),
        }
    }
}

/// How to reach a private server that a running daemon keeps in this data directory.
#[must_use]
pub fn beside(data_dir: &Path) -> DatabaseConfig {
    served_in(&data_dir.join("run"))
}

fn served_in(run_dir: &Path) -> DatabaseConfig {
    let endpoint = |role| Endpoint::local(run_dir, PORT, role, DATABASE);
    DatabaseConfig {
        work: endpoint("blotter_app"),
        setup: Setup::Apart(Box::new(endpoint(ADMIN))),
        limits: DbLimits::default(),
    }
}

/// What [`stop`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leftover {
    Stopped { pid: i32 },
    NothingRan,
}

/// Stops a server that a killed daemon left behind.
///
/// # Errors
/// When a daemon is using the directory, or the server does not end in time.
pub async fn stop(data_dir: &Path, deadline: Duration) -> Result<Leftover, PrivateError> {
    if !data_dir.exists() {
        return Ok(Leftover::NothingRan);
    }
    let (folder, directory) = cluster::own_folder(data_dir)?;
    let _lock = DirectoryLock::take(&folder, &directory)?;
    let data = directory.join("data");
    let Some(pid) = process::running_in(&data) else { return Ok(Leftover::NothingRan) };
    process::end(pid, &data, deadline).await?;
    Ok(Leftover::Stopped { pid })
}

fn files(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> PrivateError {
    let path = path.display().to_string();
    move |error| PrivateError::Files { what, path, reason: error.to_string() }
}
