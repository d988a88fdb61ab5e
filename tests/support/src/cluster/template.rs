//! The template: one `initdb` for each server major, kept under `target/`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nix::fcntl::{Flock, FlockArg};

use super::{Binaries, ServerUser, files};

/// Changes with what is in a template, so that an old one is not used.
const RECIPE: u32 = 3;

/// For speed, not for keeps: a test's data need not survive the machine. It survives the server,
/// though: a commit is with the kernel when it is answered.
const SETTINGS: &str = "
listen_addresses = ''
fsync = off
full_page_writes = off
min_wal_size = 2MB
max_wal_size = 64MB
shared_buffers = 16MB
max_connections = 60
autovacuum = off
jit = off
log_min_messages = warning
log_line_prefix = '%m %u@%d '
";

/// The folder of the template, made if there is none. Several processes may ask at once.
pub(super) fn ensure(binaries: &Binaries, user: &ServerUser) -> Result<PathBuf> {
    let cache = target_directory()?.join("blotter-testkit");
    fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    // Whether files were made by root matters to who may copy them later.
    let who = nix::unistd::geteuid();
    let name = format!("postgresql-{}-{who}-{RECIPE}", binaries.major);
    let template = cache.join(&name);
    if template.is_dir() {
        return Ok(template);
    }
    let lock = File::create(cache.join(format!("{name}.lock"))).context("the template's lock")?;
    let _held =
        Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| error).context("the template's lock")?;
    if !template.is_dir() {
        make(binaries, user, &template)?;
    }
    Ok(template)
}

fn make(binaries: &Binaries, user: &ServerUser, template: &Path) -> Result<()> {
    // The server's user must be able to enter it, so it is made in the temporary directory first.
    let scratch = tempfile::Builder::new().prefix("blotter-initdb-").tempdir_in("/tmp")?;
    files::give(scratch.path(), user)?;
    let data = scratch.path().join("data");
    let mut initdb = user.command(&binaries.folder.join("initdb"));
    initdb.arg("-D").arg(&data).args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]);
    run(initdb.args(["--no-sync", "--no-instructions", "--wal-segsize=1", "--data-checksums"]))?;
    let config = data.join("postgresql.conf");
    let settings = fs::read_to_string(&config)? + SETTINGS;
    fs::write(&config, settings)?;
    let mut single = user.command(&binaries.folder.join("postgres"));
    single.args(["--single", "-j", "-D"]).arg(&data).arg("postgres");
    feed(&mut single, "CREATE DATABASE blotter;\n\n")?;
    // What nobody connects to is not copied for each test.
    let mut single = user.command(&binaries.folder.join("postgres"));
    single.args(["--single", "-j", "-D"]).arg(&data).arg("blotter");
    let drop = "UPDATE pg_database SET datistemplate = false WHERE datname = 'template0';\n\n\
                DROP DATABASE template0;\n\nDROP DATABASE postgres;\n\n";
    feed(&mut single, drop)?;

    let half_made = template.with_extension("new");
    if half_made.exists() {
        fs::remove_dir_all(&half_made)?;
    }
    files::copy_tree(&data, &half_made, &ServerUser::mine())?;
    fs::rename(&half_made, template).context("cannot put the template in its place")
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    ensure!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn feed(command: &mut Command, input: &str) -> Result<()> {
    use std::io::Write;
    use std::process::Stdio;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    child.stdin.take().context("a piped stdin")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Where cargo builds: the folder of this program has it as an ancestor.
fn target_directory() -> Result<PathBuf> {
    let program = std::env::current_exe().context("the path of this program")?;
    let marked = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    Ok(marked.map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target")), Path::to_owned))
}
