//! The data directory: claimed, made when there is none, checked when there is one.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::binaries::{self, Binaries};
use super::identity::ServerUser;
use super::lock::DirectoryLock;
use super::{ADMIN, DATABASE, PORT, PrivateError, PrivateOptions, files, settings};

/// A socket's path, with its end mark, fits into 108 bytes.
const SOCKET_PATH_MAX: usize = 107;
/// The server's log is put aside at a start when it is larger.
const LOG_MAX: u64 = 4 * 1024 * 1024;

/// A claimed data directory and what runs on it.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    directory: PathBuf,
    pub binaries: Binaries,
    pub user: ServerUser,
}

impl Cluster {
    /// Makes or opens the directory and takes its lock.
    pub(super) fn claim(options: &PrivateOptions) -> Result<(Self, DirectoryLock), PrivateError> {
        make_directory(&options.data_dir)?;
        let directory = options.data_dir.canonicalize().map_err(files("cannot open", &options.data_dir))?;
        let lock = DirectoryLock::take(&directory)?;
        let data = directory.join("data");
        let user = ServerUser::of(&data)?;
        let made_by = made_by(&data)?;
        let binaries = binaries::find(options, made_by, &data)?;
        let cluster = Self { directory, binaries, user };
        refuse_long_path(&cluster.socket())?;
        cluster.user.give(&cluster.directory)?;
        cluster.user.must_reach(&cluster.directory)?;
        Ok((cluster, lock))
    }

    pub(super) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    pub(super) fn run_dir(&self) -> PathBuf {
        self.directory.join("run")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.directory.join("server.log")
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.run_dir().join(format!(".s.PGSQL.{PORT}"))
    }

    pub(super) fn exists(&self) -> bool {
        self.data().join("PG_VERSION").is_file()
    }

    /// A command of this version, as the server's user.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.binaries.folder.join(program));
        if self.user.lent {
            use std::os::unix::process::CommandExt;
            command.uid(self.user.uid).gid(self.user.gid);
        }
        // The daemon's own directory may be one that the server's user cannot enter.
        command.current_dir("/").env_clear().env("LC_ALL", "C.UTF-8").env("TZ", "UTC").stdin(Stdio::null());
        command
    }

    /// Makes the cluster under another name, and gives it its name when it is complete.
    pub(super) fn make(&self) -> Result<(), PrivateError> {
        let fresh = self.directory.join("data.new");
        if fresh.exists() {
            fs::remove_dir_all(&fresh).map_err(files("cannot remove the half-made", &fresh))?;
        }
        let mut initdb = self.command("initdb");
        initdb.arg("-D").arg(&fresh).args(["-U", ADMIN, "-A", "peer", "-E", "UTF8", "--locale=C.UTF-8"]);
        succeed(initdb.args(["--data-checksums", "--no-instructions"]).output())?;
        let config = fresh.join("postgresql.conf");
        let mut file = File::options().append(true).open(&config).map_err(files("cannot open", &config))?;
        file.write_all(b"\ninclude = 'blotter.conf'\n").map_err(files("cannot write", &config))?;
        self.write_settings(&fresh)?;
        self.make_database(&fresh)?;
        let data = self.data();
        fs::rename(&fresh, &data).map_err(files("cannot put in place", &data))?;
        let directory = File::open(&self.directory).and_then(|directory| directory.sync_all());
        directory.map_err(files("cannot sync", &self.directory))
    }

    fn make_database(&self, fresh: &Path) -> Result<(), PrivateError> {
        let mut single = self.command("postgres");
        single.arg("--single").arg("-D").arg(fresh).arg("postgres");
        let child = single.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| PrivateError::InitDb { reason: error.to_string() })?;
        if let Some(mut stdin) = child.stdin.take() {
            let sent = writeln!(stdin, "CREATE DATABASE {DATABASE};");
            sent.map_err(|error| PrivateError::InitDb { reason: error.to_string() })?;
        }
        succeed(child.wait_with_output())
    }

    /// What must be right at each start: settings, who may log in, the socket's directory, the log.
    pub(super) fn refresh(&self) -> Result<(), PrivateError> {
        self.write_settings(&self.data())?;
        let run = self.run_dir();
        make_directory(&run)?;
        self.user.give(&run)?;
        let log = self.log();
        if fs::metadata(&log).is_ok_and(|metadata| metadata.len() > LOG_MAX) {
            let old = log.with_extension("log.1");
            fs::rename(&log, &old).map_err(files("cannot put aside", &log))?;
        }
        Ok(())
    }

    fn write_settings(&self, data: &Path) -> Result<(), PrivateError> {
        self.write(&data.join("blotter.conf"), &settings::server(&self.run_dir()))?;
        self.write(&data.join("pg_hba.conf"), &settings::hba())?;
        self.write(&data.join("pg_ident.conf"), &settings::ident(&self.user))
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), PrivateError> {
        fs::write(path, text).map_err(files("cannot write", path))?;
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(files("cannot protect", path))?;
        self.user.give(path)
    }
}

fn make_directory(path: &Path) -> Result<(), PrivateError> {
    if !path.is_dir() {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(files("cannot make", parent))?;
        }
        DirBuilder::new().mode(0o700).create(path).map_err(files("cannot make", path))?;
    }
    fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(files("cannot protect", path))
}

/// The version that made the data, if there is any.
fn made_by(data: &Path) -> Result<Option<u32>, PrivateError> {
    let path = data.join("PG_VERSION");
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path).map_err(files("cannot read", &path))?;
    let not_a_version = || PrivateError::Files {
        what: "not a version in",
        path: path.display().to_string(),
        reason: text.chars().take(20).collect(),
    };
    text.trim().parse().map(Some).map_err(|_| not_a_version())
}

fn refuse_long_path(socket: &Path) -> Result<(), PrivateError> {
    let length = socket.as_os_str().len();
    if length > SOCKET_PATH_MAX {
        return Err(PrivateError::PathTooLong { path: socket.display().to_string(), length });
    }
    Ok(())
}

fn succeed(output: std::io::Result<Output>) -> Result<(), PrivateError> {
    let output = output.map_err(|error| PrivateError::InitDb { reason: error.to_string() })?;
    if output.status.success() {
        return Ok(());
    }
    Err(PrivateError::InitDb { reason: String::from_utf8_lossy(&output.stderr).trim().to_owned() })
}
