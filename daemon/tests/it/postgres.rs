//! The private server: cold, warm, adopted, killed, and everything that may be in its way.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use blotter_daemon::clock::Clock;
use blotter_daemon::db::settings::{settings_get, settings_update};
use blotter_daemon::db::{Db, DbState};
use blotter_daemon::postgres::{self, Begun, Leftover, Private, PrivateError, PrivateOptions, PrivateState};
use blotter_shared::protocol::settings::SettingsUpdate;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::support::{DEADLINE, reach, user};

/// A short path that the server's user may pass through. A test that fails leaves its server
/// running, as a killed daemon would; this ends it.
struct Home(TempDir);

impl Home {
    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let data = self.path().join("pg/data");
        let pid_file = data.join("postmaster.pid");
        if !fs::symlink_metadata(&pid_file).is_ok_and(|about| about.is_file()) {
            return;
        }
        let pid_file = fs::read_to_string(pid_file).unwrap_or_default();
        let Some(pid) = pid_file.lines().next().and_then(|line| line.parse::<i32>().ok()) else { return };
        if fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == data) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGQUIT);
        }
    }
}

fn directory() -> Home {
    let directory = tempfile::Builder::new().prefix("bp-").tempdir_in("/tmp").unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    Home(directory)
}

fn options(directory: &Home) -> PrivateOptions {
    PrivateOptions::new(directory.path().join("pg"))
}

async fn begin(options: &PrivateOptions) -> (Private, i32, Begun) {
    let private = Private::start(options).await.unwrap_or_else(|error| panic!("{error}"));
    let (pid, how) = running(&private.state().borrow()).unwrap();
    (private, pid, how)
}

fn running(state: &PrivateState) -> Option<(i32, Begun)> {
    match state {
        PrivateState::Running { pid, how } => Some((*pid, *how)),
        PrivateState::Restarting { .. } | PrivateState::Stopped => None,
    }
}

async fn connect(private: &Private) -> Db {
    let mut config = private.connect_config();
    config.limits.liveness = Duration::from_millis(100);
    let db = Db::connect(config, &Clock::system());
    reach(&db, DbState::Ready).await;
    db
}

/// Changes alice's settings, so that there is something to lose.
async fn write(db: &Db, max_positions: i32) {
    let tx = db.user_tx(&user("alice")).await.unwrap();
    let version = settings_get(&tx).await.unwrap().version;
    let update = SettingsUpdate { version, max_positions: Some(max_positions), ..SettingsUpdate::default() };
    settings_update(&tx, &update, "laptop").await.unwrap();
    tx.commit().await.unwrap();
}

async fn read(db: &Db) -> i32 {
    let tx = db.user_tx(&user("alice")).await.unwrap();
    settings_get(&tx).await.unwrap().max_positions
}

async fn stop(private: Private) {
    private.stop(Duration::from_secs(20)).await.unwrap_or_else(|error| panic!("{error}"));
}

fn kill_hard(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

#[tokio::test]
async fn cold_then_warm() {
    let directory = directory();
    let options = options(&directory);
    let cold = Instant::now();
    let (private, _, how) = begin(&options).await;
    println!("cold start: {} ms", cold.elapsed().as_millis());
    assert_eq!(how, Begun::Cold);
    let db = connect(&private).await;
    write(&db, 3).await;
    db.close().await;
    stop(private).await;
    assert!(!options.data_dir.join("data/postmaster.pid").exists());

    let warm = Instant::now();
    let (private, _, how) = begin(&options).await;
    println!("warm start: {} ms", warm.elapsed().as_millis());
    assert_eq!(how, Begun::Warm);
    let db = connect(&private).await;
    println!("warm start until the database is ready: {} ms", warm.elapsed().as_millis());
    assert_eq!(read(&db).await, 3);
    db.close().await;
    stop(private).await;
}

/// Root must lend the server a user; everybody else is their own. This runs the test above as the
/// other kind.
#[test]
fn works_for_a_normal_user() {
    if !nix::unistd::geteuid().is_root() {
        // The test above was it.
        return;
    }
    use std::os::unix::process::CommandExt;
    let directory = directory();
    let program = directory.path().join("it");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    let mut command = Command::new(&program);
    command.args(["--exact", "postgres::cold_then_warm", "--nocapture"]).current_dir("/");
    let output = command.uid(nobody.uid.as_raw()).gid(nobody.gid.as_raw()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
async fn it_is_durable_and_closed_to_everybody_else() {
    let directory = directory();
    let (private, _, _) = begin(&options(&directory)).await;
    let db = connect(&private).await;
    let socket = private.socket_dir();
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o700);
    let url = |role: &str| format!("host={} user={role} dbname=blotter", socket.display());
    let admin = crate::support::Raw::connect(&url("blotter_admin")).await;
    for (setting, expected) in [
        ("fsync", "on"),
        ("data_checksums", "on"),
        ("listen_addresses", ""),
        ("server_encoding", "UTF8"),
        ("full_page_writes", "on"),
    ] {
        let sql = format!("SELECT current_setting('{setting}')");
        let value: String = admin.query_one(&sql, &[]).await.unwrap().get(0);
        assert_eq!(value, expected, "{setting}");
    }
    // The map lets nobody be a role that it does not name.
    let owner = tokio_postgres::connect(&url("blotter_owner"), tokio_postgres::NoTls).await;
    assert!(owner.err().unwrap().to_string().contains("db error"));
    db.close().await;
    stop(private).await;
}

#[tokio::test]
async fn a_server_that_outlived_its_daemon_is_adopted() {
    let directory = directory();
    let options = options(&directory);
    let (private, first, _) = begin(&options).await;
    let db = connect(&private).await;
    write(&db, 7).await;
    // As a kill -9 of the daemon: nothing is told to end.
    drop((private, db));

    let again = Instant::now();
    let (private, second, how) = begin(&options).await;
    println!("adopted in {} ms", again.elapsed().as_millis());
    assert_eq!((second, how), (first, Begun::Adopted));
    let db = connect(&private).await;
    assert_eq!(read(&db).await, 7);
    db.close().await;
    stop(private).await;
    assert!(!options.data_dir.join("data/postmaster.pid").exists(), "an adopted server ends with its daemon, too");
}

#[tokio::test]
async fn a_killed_server_is_started_again_and_nothing_is_lost() {
    let directory = directory();
    let (private, first, _) = begin(&options(&directory)).await;
    let db = connect(&private).await;
    write(&db, 9).await;
    let mut state = private.state();
    kill_hard(first);
    let again = state.wait_for(|state| running(state).is_some_and(|(pid, _)| pid != first));
    tokio::time::timeout(DEADLINE, again).await.expect("a new server").unwrap();
    let mut status = db.status();
    // The daemon may notice before or after; then it is ready again.
    tokio::time::timeout(DEADLINE, async {
        loop {
            if let Ok(tx) = db.user_tx(&user("alice")).await
                && let Ok(settings) = settings_get(&tx).await
            {
                assert_eq!(settings.max_positions, 9);
                return;
            }
            status.changed().await.unwrap();
        }
    })
    .await
    .expect("the database comes back");
    db.close().await;
    stop(private).await;
}

/// What a kill -9 of daemon and server leaves, with another process id in the pid file.
async fn start_over_a_pid_file_of(stranger: i32) {
    let directory = directory();
    let options = options(&directory);
    let (private, pid, _) = begin(&options).await;
    drop(private);
    kill_hard(pid);
    let pid_file = options.data_dir.join("data/postmaster.pid");
    let text = fs::read_to_string(&pid_file).unwrap();
    fs::write(&pid_file, text.replacen(&pid.to_string(), &stranger.to_string(), 1)).unwrap();
    let lock_file = options.data_dir.join("run/.s.PGSQL.5432.lock");
    let text = fs::read_to_string(&lock_file).unwrap();
    fs::write(&lock_file, text.replacen(&pid.to_string(), &stranger.to_string(), 1)).unwrap();

    let (private, _, how) = begin(&options).await;
    assert_eq!(how, Begun::Warm);
    stop(private).await;
}

#[tokio::test]
async fn a_pid_file_with_the_number_of_a_stranger_is_stale() {
    let mut stranger = Command::new("sleep").arg("600").spawn().unwrap();
    start_over_a_pid_file_of(i32::try_from(stranger.id()).unwrap()).await;
    assert_eq!(stranger.try_wait().unwrap(), None, "the stranger was left alone");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn a_pid_file_with_the_number_of_a_zombie_is_stale() {
    let mut zombie = Command::new("true").spawn().unwrap();
    start_over_a_pid_file_of(i32::try_from(zombie.id()).unwrap()).await;
    zombie.wait().unwrap();
}

#[tokio::test]
async fn a_pid_file_with_a_number_that_nobody_has_is_stale() {
    let mut gone = Command::new("true").spawn().unwrap();
    let pid = i32::try_from(gone.id()).unwrap();
    gone.wait().unwrap();
    start_over_a_pid_file_of(pid).await;
}

#[tokio::test]
async fn two_daemons_never_run_one_directory() {
    let directory = directory();
    let options = options(&directory);
    let (private, pid, _) = begin(&options).await;
    let second = Private::start(&options).await.err().unwrap();
    assert!(
        matches!(&second, PrivateError::InUse { holder, .. } if holder.contains(&std::process::id().to_string())),
        "{second}"
    );
    let stopped = postgres::stop(&options.data_dir, DEADLINE).await.err().unwrap();
    assert!(matches!(stopped, PrivateError::InUse { .. }), "{stopped}");
    drop(private);

    assert_eq!(postgres::stop(&options.data_dir, DEADLINE).await, Ok(Leftover::Stopped { pid }));
    assert_eq!(postgres::stop(&options.data_dir, DEADLINE).await, Ok(Leftover::NothingRan));
}

#[tokio::test]
async fn a_half_made_cluster_is_not_used() {
    let directory = directory();
    let options = options(&directory);
    let half = options.data_dir.join("data.new");
    fs::create_dir_all(&half).unwrap();
    fs::write(half.join("PG_VERSION"), "15\n").unwrap();
    let (private, _, how) = begin(&options).await;
    assert_eq!(how, Begun::Cold);
    assert!(!half.exists());
    stop(private).await;
}

#[tokio::test]
async fn what_is_in_the_way_is_a_sentence() {
    let directory = directory();
    let mut no_binaries = options(&directory);
    no_binaries.binaries = Some(directory.path().join("nowhere"));
    let error = Private::start(&no_binaries).await.err().unwrap().to_string();
    assert!(error.contains("apt-get install postgresql") && error.contains("nowhere"), "{error}");

    let long = PrivateOptions::new(directory.path().join("x".repeat(120)));
    let error = Private::start(&long).await.err().unwrap();
    assert!(matches!(error, PrivateError::PathTooLong { length, .. } if length > 107), "{error}");

    let other = options(&directory);
    let data = other.data_dir.join("data");
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("PG_VERSION"), "9\n").unwrap();
    let error = Private::start(&other).await.err().unwrap();
    assert!(matches!(error, PrivateError::OtherMajor { found: 9, .. }), "{error}");
    assert!(error.to_string().contains("pg_upgrade"), "{error}");
}

#[tokio::test]
async fn a_directory_that_the_servers_user_cannot_reach_is_named() {
    if !nix::unistd::geteuid().is_root() {
        // Only root's server runs as somebody else.
        return;
    }
    let directory = directory();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let error = Private::start(&options(&directory)).await.err().unwrap();
    let named = |path: &Path| path.display().to_string();
    assert!(
        matches!(&error, PrivateError::Unreachable { directory: at, .. } if *at == named(directory.path())),
        "{error}"
    );
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).mode() & 0o7777
}

fn owner(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).uid()
}

/// What the server's user may change is the data and the folder of the socket, and nothing else:
/// what root opens by name lies where nobody else can put anything.
#[tokio::test]
async fn the_servers_user_owns_the_data_and_the_socket_and_nothing_else() {
    let directory = directory();
    let options = options(&directory);
    let (private, pid, _) = begin(&options).await;
    let us = nix::unistd::geteuid().as_raw();
    let server = fs::metadata(format!("/proc/{pid}")).unwrap().uid();
    assert_ne!(server, 65534, "nobody is not a user of one program");
    let at = |name: &str| options.data_dir.join(name);
    assert_eq!((owner(&at("")), mode(&at(""))), (us, if is_root() { 0o711 } else { 0o700 }));
    for name in ["lock", "server.log"] {
        assert_eq!((owner(&at(name)), mode(&at(name))), (us, 0o600), "{name}");
    }
    for name in ["data", "run"] {
        assert_eq!((owner(&at(name)), mode(&at(name))), (server, 0o700), "{name}");
    }
    stop(private).await;
}

/// The server's user owns the data, and may put links where root is going to write at the next start.
#[tokio::test]
async fn links_in_the_data_lead_nowhere() {
    let directory = directory();
    let options = options(&directory);
    stop(begin(&options).await.0).await;
    let victim = directory.path().join("victim");
    fs::write(&victim, "untouched").unwrap();
    fs::set_permissions(&victim, fs::Permissions::from_mode(0o640)).unwrap();
    let before = (owner(&victim), mode(&victim));
    for name in ["blotter.conf", "pg_hba.conf", "pg_ident.conf"] {
        let planted = options.data_dir.join("data").join(name);
        fs::remove_file(&planted).unwrap();
        symlink(&victim, &planted).unwrap();
        symlink(&victim, planted.with_extension("conf.new")).unwrap();
    }

    let (private, ..) = begin(&options).await;
    assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
    assert_eq!((owner(&victim), mode(&victim)), before);
    let written = options.data_dir.join("data/pg_hba.conf");
    assert!(fs::symlink_metadata(&written).unwrap().is_file(), "a file has taken the link's place");
    stop(private).await;
}

#[tokio::test]
async fn links_in_the_place_of_what_the_daemon_opens_are_refused() {
    for name in ["lock", "server.log", "data", "run"] {
        let directory = directory();
        let options = options(&directory);
        let victim = directory.path().join("victim");
        if ["data", "run"].contains(&name) {
            fs::create_dir(&victim).unwrap();
        } else {
            fs::write(&victim, "untouched").unwrap();
        }
        fs::create_dir(&options.data_dir).unwrap();
        symlink(&victim, options.data_dir.join(name)).unwrap();
        let before = (owner(&victim), mode(&victim), fs::metadata(&victim).unwrap().len());
        let error = Private::start(&options).await.err().unwrap_or_else(|| panic!("it started over a linked {name}"));
        assert!(error.to_string().contains("symbolic link"), "{name}: {error}");
        assert_eq!((owner(&victim), mode(&victim), fs::metadata(&victim).unwrap().len()), before, "{name}");
    }
}

/// A pipe in a file's place would hold whoever reads it for ever.
#[tokio::test]
async fn pipes_in_the_place_of_files_hold_nobody() {
    let directory = directory();
    let options = options(&directory);
    stop(begin(&options).await.0).await;
    let data = options.data_dir.join("data");
    let pipe = move |name: &str| {
        let path = data.join(name);
        let _ = fs::remove_file(&path);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    };
    pipe("postmaster.pid");
    // On a thread of its own: whoever is held does not see a deadline.
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let stopped = runtime.block_on(postgres::stop(&options.data_dir, DEADLINE));
        pipe("PG_VERSION");
        let started = runtime.block_on(Private::start(&options)).err().map(|error| error.to_string());
        let _ = tell.send((stopped, started));
    });
    let (stopped, started) = told.recv_timeout(DEADLINE).expect("the daemon hangs over a pipe");
    assert_eq!(stopped, Ok(Leftover::NothingRan));
    let started = started.expect("there is no version to read");
    assert!(started.contains("PG_VERSION: is not a file"), "{started}");
}

#[tokio::test]
async fn a_data_directory_of_somebody_else_is_refused_and_stays_theirs() {
    if !is_root() {
        // Only root can give something away for the test.
        return;
    }
    let directory = directory();
    let options = options(&directory);
    let postgres = nix::unistd::User::from_name("postgres").unwrap().expect("the server's package made this user");
    fs::create_dir(&options.data_dir).unwrap();
    std::os::unix::fs::chown(&options.data_dir, Some(postgres.uid.as_raw()), None).unwrap();
    let error = Private::start(&options).await.err().unwrap();
    assert!(matches!(&error, PrivateError::NotOurs { owner, .. } if *owner == postgres.uid.as_raw()), "{error}");
    let stopped = postgres::stop(&options.data_dir, DEADLINE).await.err().unwrap();
    assert!(matches!(stopped, PrivateError::NotOurs { .. }), "{stopped}");
    assert_eq!(owner(&options.data_dir), postgres.uid.as_raw());
    assert_eq!(fs::read_dir(&options.data_dir).unwrap().count(), 0, "nothing was put into it");
}

#[tokio::test]
async fn root_uses_no_folder_that_others_can_replace() {
    if !is_root() {
        return;
    }
    let directory = directory();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let error = Private::start(&options(&directory)).await.err().unwrap().to_string();
    assert!(error.contains("can be written by others") && error.contains("/var/lib/blotter"), "{error}");
}
