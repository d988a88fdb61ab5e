//! A real PostgreSQL server for one test, in well under half a second: an `initdb`'ed template is
//! made once for each server major and kept under `target/`; a test copies it, starts a server on
//! a socket in a short temporary directory, and removes all of it when the `Cluster` is dropped.
//!
//! Works as root (the server runs as `postgres` or `nobody`) and as anybody else.

mod files;
mod leftovers;
mod server;
mod template;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use server::Server;
pub use server::{Binaries, ServerUser};

/// Longest that a server may take to start or to stop.
const DEADLINE: Duration = Duration::from_secs(60);
/// The port in the socket's file name, unless TCP asks for another.
const PORT: u16 = 5432;

/// A running server that nobody else uses. Dropping it stops the server and removes its files.
#[derive(Debug)]
pub struct Cluster {
    dir: PathBuf,
    settings: Vec<(String, String)>,
    tcp_port: Option<u16>,
    user: ServerUser,
    binaries: Binaries,
    server: Option<Server>,
}

/// What a server should have that the template has not.
#[derive(Debug, Default)]
pub struct ClusterBuilder {
    settings: Vec<(String, String)>,
    files: Vec<(String, Vec<u8>)>,
    tcp: bool,
}

impl ClusterBuilder {
    /// A line of `postgresql.conf`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A file in the data directory, readable by the server alone.
    #[must_use]
    pub fn file(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.to_owned(), content.into()));
        self
    }

    /// Listens on a free port of 127.0.0.1, too.
    #[must_use]
    pub fn tcp(mut self) -> Self {
        self.tcp = true;
        self
    }

    /// # Errors
    /// When there are no server binaries or the server does not come up; the server's log is in
    /// the error.
    pub fn start(self) -> Result<Cluster> {
        let binaries = Binaries::newest()?;
        let user = ServerUser::of_this_process()?;
        leftovers::sweep(DEADLINE);
        let template = template::ensure(&binaries, &user)?;
        let dir = leftovers::claim_directory()?;
        let mut cluster = Cluster { dir, settings: self.settings, tcp_port: None, user, binaries, server: None };
        files::copy_tree(&template, &cluster.data_dir(), &cluster.user)?;
        for (name, content) in &self.files {
            files::write_private(&cluster.data_dir().join(name), content, &cluster.user)?;
        }
        files::give(&cluster.dir, &cluster.user)?;
        if self.tcp {
            cluster.tcp_port = Some(free_port()?);
        }
        cluster.start_server()?;
        Ok(cluster)
    }
}

impl Cluster {
    /// A server with one database, `blotter`, and one role, the superuser `postgres`.
    ///
    /// # Errors
    /// When there are no server binaries or the server does not come up; the server's log is in
    /// the error.
    pub fn start() -> Result<Self> {
        Self::builder().start()
    }

    #[must_use]
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::default()
    }

    /// A `DATABASE_URL` for the superuser.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_as("postgres")
    }

    /// A `DATABASE_URL` for `role`; the socket trusts whoever reaches it.
    #[must_use]
    pub fn url_as(&self, role: &str) -> String {
        format!("postgres://{role}@/blotter?host={}&port={}", self.dir.display(), self.port())
    }

    /// The port in the socket's file name.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.tcp_port.unwrap_or(PORT)
    }

    /// The directory of the socket.
    #[must_use]
    pub fn socket_dir(&self) -> &Path {
        &self.dir
    }

    /// The port on 127.0.0.1, when [`ClusterBuilder::tcp`] was asked for.
    #[must_use]
    pub fn tcp_port(&self) -> Option<u16> {
        self.tcp_port
    }

    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// The process id of the server, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Server::pid)
    }

    /// Stops the server at once, as a crash of the machine would: the files stay.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn stop_server(&mut self) -> Result<()> {
        self.server.take().map_or(Ok(()), |server| server.stop(DEADLINE))
    }

    /// Starts it again after [`Cluster::stop_server`].
    ///
    /// # Errors
    /// When it does not come up; the server's log is in the error.
    pub fn start_server(&mut self) -> Result<()> {
        let mut settings = vec![("unix_socket_directories".to_owned(), self.dir.display().to_string())];
        if let Some(port) = self.tcp_port {
            settings.push(("listen_addresses".to_owned(), "127.0.0.1".to_owned()));
            settings.push(("port".to_owned(), port.to_string()));
        }
        settings.extend(self.settings.iter().cloned());
        let server = Server::start(&self.binaries, &self.user, &self.data_dir(), &settings, DEADLINE)
            .with_context(|| format!("PostgreSQL in {}", self.dir.display()))?;
        self.server = Some(server);
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.stop_server() {
            eprintln!("{error:#}");
        }
        if let Err(error) = std::fs::remove_dir_all(&self.dir) {
            eprintln!("cannot remove {}: {error}", self.dir.display());
        }
    }
}

fn free_port() -> Result<u16> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("a free port")?;
    Ok(listener.local_addr()?.port())
}
