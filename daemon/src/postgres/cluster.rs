//! The data directory: claimed, made when there is none, checked when there is one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nix::unistd::geteuid;

use super::binaries::{self, Binaries};
use super::identity::ServerUser;
use super::lock::DirectoryLock;
use super::{ADMIN, DATABASE, PORT, PrivateError, PrivateOptions, files, settings};
use crate::ours::Folder;

/// A socket's path, with its end mark, fits into 108 bytes.
const SOCKET_PATH_MAX: usize = 107;
/// The server's log is put aside at a start when it is larger.
const LOG_MAX: u64 = 4 * 1024 * 1024;
const LOG: &str = "server.log";
/// Longest `postgresql.conf` that `initdb` could have made.
const CONFIG_MAX: u64 = 1024 * 1024;
const VERSION_MAX: u64 = 64;

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
        let (folder, directory) = own_folder(&options.data_dir)?;
        let lock = DirectoryLock::take(&folder, &directory)?;
        let data = directory.join("data");
        let user = ServerUser::of(&data)?;
        let made_by = made_by(&data)?;
        let binaries = binaries::find(options, made_by, &data)?;
        let cluster = Self { directory, binaries, user };
        refuse_long_path(&cluster.socket())?;
        cluster.user.must_reach(&cluster.directory)?;
        // The server's user passes through to what is its own; it may neither look nor change anything.
        let mode = if cluster.user.lent { 0o711 } else { 0o700 };
        folder.protect(mode).map_err(files("cannot protect", &cluster.directory))?;
        Ok((cluster, lock))
    }

    pub(super) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    pub(super) fn run_dir(&self) -> PathBuf {
        self.directory.join("run")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.directory.join(LOG)
    }

    pub(super) fn open_log(&self) -> Result<File, PrivateError> {
        let folder = Folder::open(&self.directory);
        folder.and_then(|folder| folder.append(LOG)).map_err(files("cannot open", &self.log()))
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
        // Made here: its user may not make anything beside it.
        self.user.give(&Folder::make(&fresh).map_err(files("cannot make", &fresh))?, &fresh)?;
        let mut initdb = self.command("initdb");
        initdb.arg("-D").arg(&fresh).args(["-U", ADMIN, "-A", "peer", "-E", "UTF8", "--locale=C.UTF-8"]);
        succeed(initdb.args(["--data-checksums", "--no-instructions"]).output())?;
        self.include_settings(&fresh)?;
        self.write_settings(&fresh)?;
        self.make_database(&fresh)?;
        let data = self.data();
        fs::rename(&fresh, &data).map_err(files("cannot put in place", &data))?;
        let directory = Folder::open(&self.directory).and_then(|directory| directory.sync());
        directory.map_err(files("cannot sync", &self.directory))
    }

    fn include_settings(&self, fresh: &Path) -> Result<(), PrivateError> {
        let config = "postgresql.conf";
        let written = Folder::open(fresh).and_then(|folder| {
            let text = folder.read(config, CONFIG_MAX)?.ok_or(io::ErrorKind::NotFound)?;
            folder.replace(config, &format!("{text}\ninclude = 'blotter.conf'\n"), self.user.new_owner())
        });
        written.map_err(files("cannot write", &fresh.join(config)))
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
        let folder = Folder::make(&run).map_err(files("cannot make", &run))?;
        self.user.give(&folder, &run)?;
        folder.protect(0o700).map_err(files("cannot protect", &run))?;
        let log = self.log();
        if fs::symlink_metadata(&log).is_ok_and(|metadata| metadata.len() > LOG_MAX) {
            let old = log.with_extension("log.1");
            fs::rename(&log, &old).map_err(files("cannot put aside", &log))?;
        }
        Ok(())
    }

    fn write_settings(&self, data: &Path) -> Result<(), PrivateError> {
        let folder = Folder::open(data).map_err(files("cannot open", data))?;
        let texts = [
            ("blotter.conf", settings::server(&self.run_dir())),
            ("pg_hba.conf", settings::hba()),
            ("pg_ident.conf", settings::ident(&self.user)),
        ];
        for (name, text) in texts {
            let written = folder.replace(name, &text, self.user.new_owner());
            written.map_err(files("cannot write", &data.join(name)))?;
        }
        Ok(())
    }
}

fn make_directory(path: &Path) -> Result<(), PrivateError> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(files("cannot make", parent))?;
    }
    Folder::make(path).map(drop).map_err(files("cannot make", path))
}

/// The data directory, which must be ours: whoever owns it decides what we find in it. With its real
/// path.
pub(super) fn own_folder(data_dir: &Path) -> Result<(Folder, PathBuf), PrivateError> {
    let directory = data_dir.canonicalize().map_err(files("cannot open", data_dir))?;
    let folder = Folder::open(&directory).map_err(files("cannot open", &directory))?;
    let owner = folder.owner().map_err(files("cannot look at", &directory))?;
    if owner == geteuid().as_raw() {
        return Ok((folder, directory));
    }
    Err(PrivateError::NotOurs { directory: directory.display().to_string(), owner })
}

/// The version that made the data, if there is any.
fn made_by(data: &Path) -> Result<Option<u32>, PrivateError> {
    let path = data.join("PG_VERSION");
    let folder = match Folder::open(data) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        folder => folder.map_err(files("cannot open", data))?,
    };
    let text = folder.read("PG_VERSION", VERSION_MAX).map_err(files("cannot read", &path))?;
    // What it says instead is not repeated: whoever owns the data could have put anything there.
    let not_a_version = |_| files("no version is in", &path)(io::ErrorKind::InvalidData.into());
    text.map(|text| text.trim().parse().map_err(not_a_version)).transpose()
}

fn refuse_long_path(socket: &Path) -> Result<(), PrivateError> {
    let length = socket.as_os_str().len();
    if length > SOCKET_PATH_MAX {
        return Err(PrivateError::PathTooLong { path: socket.display().to_string(), length });
    }
    Ok(())
}

fn succeed(output: io::Result<Output>) -> Result<(), PrivateError> {
    let output = output.map_err(|error| PrivateError::InitDb { reason: error.to_string() })?;
    if output.status.success() {
        return Ok(());
    }
    Err(PrivateError::InitDb { reason: String::from_utf8_lossy(&output.stderr).trim().to_owned() })
}
