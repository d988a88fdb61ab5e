//! People who are not let in.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use blotter_daemon::api::{Accept, Api, BoundSocket, LiveTrading, Policy, SocketFile, serve};
use blotter_daemon::app;
use blotter_daemon::auth::{Admission, SystemDirectory};
use blotter_daemon::calendar::{Calendar, Force, MarketClock};
use blotter_daemon::clock::Clock;
use blotter_daemon::config::Config;
use blotter_daemon::db::Db;
use blotter_daemon::events::{Hub, HubParts};
use blotter_daemon::health::HealthBoard;
use blotter_daemon::telemetry::Metrics;
use blotter_daemon::trades::runtime::bells::Bells;
use blotter_daemon::trades::runtime::desk::Counter;
use blotter_shared::protocol::problem::{Problem, ProblemCode};
use nix::unistd::Uid;
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::daemon::{Daemon, problem_in, raw};
use crate::support;
use crate::support::TestDb;

/// What a daemon that is not ours says to us. It answers before it reads anything.
pub(super) async fn stranger(url: &str) -> Problem {
    let somebody_else = Uid::effective().as_raw() + 1;
    let bare = bare(url, somebody_else);
    let mut server = JoinSet::new();
    server.spawn(serve(bare.listener, bare.accept));
    problem_in(&raw(&bare.socket, b"GET /v1/trades HTTP/1.1\r\nhost: b\r\n\r\n").await)
}

/// A socket, and the accept loop that is to serve it.
pub(super) struct Bare {
    pub(super) socket: PathBuf,
    pub(super) listener: UnixListener,
    pub(super) accept: Accept,
    _file: Option<SocketFile>,
    _dir: TempDir,
}

pub(super) fn bare(url: &str, own_uid: u32) -> Bare {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("b.sock");
    let (listener, file) = BoundSocket::bind(&socket, None).unwrap().into_parts();
    let (clock, config, stop) = (Clock::system(), Config::defaults(), CancellationToken::new());
    let (db, metrics, tasks) = (Db::connect(support::config(url), &clock), Metrics::new().unwrap(), TaskTracker::new());
    let health = HealthBoard::new(clock.clone(), db.status());
    let calendar = Arc::new(Calendar::new());
    let market = MarketClock::new(Arc::clone(&calendar), clock.clone(), Force::No);
    let accounts = app::accounts(&config, &db, &clock).unwrap();
    let hub = Hub::start(HubParts {
        db: db.clone(),
        clock: clock.clone(),
        health: health.clone(),
        market: market.clone(),
        metrics: metrics.clone(),
        config: config.events,
        tasks: tasks.clone(),
        stop: stop.clone(),
    });
    let policy = Policy { live: LiveTrading::Locked };
    let counter = Counter {
        db: db.clone(),
        accounts: accounts.clone(),
        clock: clock.clone(),
        calendar,
        force: Force::No,
        bells: Bells::default(),
    };
    let limits = config.limits;
    let api = Api { db, accounts, counter, hub, health, market, metrics, clock: clock.clone(), limits, policy, stop };
    let admission = Admission::new(own_uid, config.auth, SystemDirectory, clock);
    let accept = Accept { api: Arc::new(api), admission, tasks, kill: CancellationToken::new() };
    Bare { socket, listener, accept, _file: file, _dir: dir }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_else_is_told_so_and_learns_nothing() {
    let db = TestDb::start().await;
    let problem = stranger(&db.cluster.url()).await;
    assert_eq!(problem.code, ProblemCode::NotAdmitted);
    assert!(problem.detail.contains("is not admitted: see auth.allow_users"), "{}", problem.detail);
}

/// A client that says one request and prints the answer; perl is part of every Debian.
const CLIENT: &str = r#"
    use IO::Socket::UNIX;
    my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "cannot connect: $!";
    print $s "GET /v1/version HTTP/1.1\r\nhost: b\r\nconnection: close\r\n\r\n";
    while (<$s>) { print }
"#;

/// The kernel's word about real users; only root can be somebody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kernel_says_who_it_is() {
    if !Uid::effective().is_root() {
        eprintln!("not root: the test above stands for this one");
        return;
    }
    let db = TestDb::start().await;
    let group = nix::unistd::Group::from_gid(1.into()).unwrap().unwrap().name;
    let member = nix::unistd::User::from_uid(Uid::from_raw(1)).unwrap().unwrap();
    let as_user = |daemon: &Daemon, uid: u32| {
        let mut command = Command::new("perl");
        std::os::unix::process::CommandExt::uid(&mut command, uid);
        std::os::unix::process::CommandExt::gid(&mut command, 1);
        let output = command.args(["-e", CLIENT]).arg(&daemon.socket).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let open_to_group = |daemon: &Daemon| {
        use std::os::unix::fs::PermissionsExt;
        let outer = daemon.socket.parent().unwrap().parent().unwrap();
        std::fs::set_permissions(outer, std::fs::Permissions::from_mode(0o755)).unwrap();
    };

    let closed = Daemon::start(&db.cluster.url(), |config| config.daemon.socket_group = Some(group.clone())).await;
    open_to_group(&closed);
    for uid in [1, 65_534] {
        let problem = problem_in(&as_user(&closed, uid));
        assert_eq!(problem.code, ProblemCode::NotAdmitted, "uid {uid}");
    }
    closed.stop().await.unwrap();

    let open = Daemon::start(&db.cluster.url(), |config| {
        config.daemon.socket_group = Some(group.clone());
        config.auth.allow_users = vec![member.name.clone(), "nobody".to_owned()];
        config.auth.read_only_users = vec![member.name.clone()];
    })
    .await;
    open_to_group(&open);
    let answer = as_user(&open, 1);
    assert!(answer.contains(&format!("\"username\":\"{}\"", member.name)), "{answer}");
    let problem = problem_in(&as_user(&open, 65_534));
    assert_eq!(problem.code, ProblemCode::NotAdmitted, "the overflow uid may be many people");
    open.stop().await.unwrap();
}
