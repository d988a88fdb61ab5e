//! People who are not let in.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::time::Duration;

use blotter_daemon::api::{Accept, Api, BoundSocket, LiveTrading, Looks, Policy, SocketFile, serve};
use blotter_daemon::app;
use blotter_daemon::auth::{Account, Admission, Directory, SystemDirectory};
use blotter_daemon::calendar::{Calendar, Force, MarketClock};
use blotter_daemon::clock::Clock;
use blotter_daemon::config::Config;
use blotter_daemon::context::Collector;
use blotter_daemon::db::{Db, DbState};
use blotter_daemon::events::{Hub, HubParts};
use blotter_daemon::health::HealthBoard;
use blotter_daemon::prices::sources::OratsDesk;
use blotter_daemon::prices::{Board, Chains, Recorder};
use blotter_daemon::schedule::timetable::Turn;
use blotter_daemon::schedule::{self, Jobs, Scheduler, TaskBoard};
use blotter_daemon::telemetry::Metrics;
use blotter_daemon::trades::runtime::bells::Bells;
use blotter_daemon::trades::runtime::desk::Counter;
use blotter_shared::protocol::health::{ComponentState, Health, Version};
use blotter_shared::protocol::problem::{Problem, ProblemCode};
use blotter_shared::protocol::tasks::{TaskList, TaskName};
use chrono::TimeDelta;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use nix::unistd::Uid;
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::daemon::{Client, Daemon, Events, problem_in, raw};
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
        config: config.events.clone(),
        tasks: tasks.clone(),
        stop: stop.clone(),
    });
    let policy = Policy { live: LiveTrading::Locked };
    let counter = Counter {
        db: db.clone(),
        accounts: accounts.clone(),
        clock: clock.clone(),
        calendar: Arc::new(Calendar::new()),
        force: Force::No,
        kill_file: None,
        bells: Bells::default(),
    };
    let board = TaskBoard::new(app::timetable(&config.market, Arc::new(Calendar::new())));
    let recorder = Recorder {
        db: db.clone(),
        accounts: accounts.clone(),
        orats: OratsDesk::new(accounts.clone(), None, clock.clone()),
        clock: clock.clone(),
        calendar: Arc::new(Calendar::new()),
        force: Force::No,
        board: Board::default(),
    };
    let api = Api {
        db,
        accounts,
        counter,
        orats: recorder.orats.clone(),
        board: recorder.board.clone(),
        chains: Chains::new(recorder.clone()),
        looks: Looks::default(),
        collector: Collector::new(recorder),
        hub,
        health,
        market,
        metrics,
        tasks: board,
        clock: clock.clone(),
        limits: config.limits.clone(),
        policy,
        stop,
    };
    let admission = Admission::new(own_uid, config.auth, SystemDirectory, clock);
    let recheck = Duration::from_millis(20);
    let accept = Accept { api: Arc::new(api), admission, tasks, kill: CancellationToken::new(), recheck };
    Bare { socket, listener, accept, _file: file, _dir: dir }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_else_is_told_so_and_learns_nothing() {
    let db = TestDb::start().await;
    let problem = stranger(&db.cluster.url()).await;
    assert_eq!(problem.code, ProblemCode::NotAdmitted);
    assert!(problem.detail.contains("is not admitted: see auth.allow_users"), "{}", problem.detail);
}

/// A directory whose word about us changes.
struct Wavering(Arc<AtomicU8>);

const MEMBER: u8 = 0;
const AWAY: u8 = 1;
const STRANGER: u8 = 2;

impl Directory for Wavering {
    fn account(&self, _uid: u32) -> anyhow::Result<Option<Account>> {
        let groups = match self.0.load(Ordering::SeqCst) {
            MEMBER => vec!["desk".to_owned()],
            AWAY => anyhow::bail!("the directory is away"),
            _ => Vec::new(),
        };
        Ok(Some(Account { name: "ann".to_owned(), groups }))
    }
}

/// A daemon that lets us in by a group, for as long as the directory says that we are in it.
struct Desk {
    socket: PathBuf,
    api: Arc<Api>,
    word: Arc<AtomicU8>,
    minutes: Arc<AtomicI64>,
    _server: JoinSet<()>,
    _keep: (Option<SocketFile>, TempDir),
}

impl Desk {
    fn open(url: &str, recheck: Duration) -> Self {
        let us = Uid::effective().as_raw();
        let (word, minutes) = (Arc::new(AtomicU8::new(MEMBER)), Arc::new(AtomicI64::new(0)));
        let (late, start) = (Arc::clone(&minutes), Clock::system().now());
        let clock = Clock::from_fn(move || start + TimeDelta::minutes(late.load(Ordering::SeqCst)));
        let mut config = Config::defaults().auth;
        config.allow_groups = vec!["desk".to_owned()];
        let Bare { socket, listener, mut accept, _file, _dir } = bare(url, us + 1);
        accept.admission = Admission::new(us + 1, config, Wavering(Arc::clone(&word)), clock);
        accept.recheck = recheck;
        let api = Arc::clone(&accept.api);
        let mut server = JoinSet::new();
        server.spawn(serve(listener, accept));
        Self { socket, api, word, minutes, _server: server, _keep: (_file, _dir) }
    }

    /// From now on the directory says this; what was known before is forgotten.
    fn says(&self, word: u8) {
        self.word.store(word, Ordering::SeqCst);
        self.minutes.fetch_add(2, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_is_looked_up_for_each_request() {
    let db = TestDb::start().await;
    let desk = Desk::open(&db.cluster.url(), Duration::from_secs(3600));
    let mut client = Client::connect(&desk.socket).await;
    assert_eq!(client.get("/v1/version").await.json::<Version>().username, "ann");
    desk.says(AWAY);
    assert_eq!(client.get("/v1/version").await.status, 200, "nobody can tell, so nothing changes");
    desk.says(STRANGER);
    let refused = client.get("/v1/version").await;
    assert_eq!(refused.problem().code, ProblemCode::NotAdmitted);
    assert_eq!(refused.headers["connection"], "close");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_with_the_right_to_it() {
    let db = TestDb::start().await;
    let desk = Desk::open(&db.cluster.url(), Duration::from_millis(20));
    let mut stream = Events::open(&desk.socket, None).await;
    stream.until("hello").await;
    desk.says(STRANGER);
    // It panics when the stream goes on.
    while stream.next().await.is_some() {}
}

/// What the operator reads in an outage names the database's role and host; others read that it is away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_are_not_told_where_the_database_is() {
    let nowhere = tempfile::tempdir().unwrap();
    let url = format!("host={} user=treasurer dbname=blotter", nowhere.path().display());
    let desk = Desk::open(&url, Duration::from_secs(3600));
    let mut client = Client::connect(&desk.socket).await;
    let mut looks = support::looks();
    let health = tokio::time::timeout(support::DEADLINE, async {
        loop {
            looks.tick().await;
            let health: Health = client.get("/v1/health").await.json();
            if health.database.state == ComponentState::Unavailable {
                return health;
            }
        }
    });
    let health = health.await.expect("the database to be away");
    assert_eq!(health.database.detail.as_deref(), Some("the daemon's log has the reason"));
    let told = Events::open(&desk.socket, None).await.until("health").await.0.data.to_string();
    let refused = client.get("/v1/settings").await.problem();
    assert_eq!(refused.code, ProblemCode::DatabaseUnavailable);
    let figures = String::from_utf8(client.get("/v1/metrics").await.body.to_vec()).unwrap();
    assert!(figures.contains("blotter_connections{user=\"ann\"}"), "{figures}");
    for text in [told, refused.detail] {
        assert!(!text.contains("treasurer") && !text.contains(nowhere.path().to_str().unwrap()), "{text}");
    }
}

/// Tasks that fail as a database's own programs do.
#[derive(Debug)]
struct Talkative;

const SAID: &str = "pg_dump: error: connection to server at \"10.0.0.5\" failed for user \"treasurer\"";

impl Jobs for Talkative {
    fn run(&self, _task: TaskName, _turn: Turn) -> BoxFuture<'_, Result<Option<String>, String>> {
        std::future::ready(Err(SAID.to_owned())).boxed()
    }
}

/// Tasks are about everybody and about the database: why one failed is for whoever runs the daemon.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_are_told_that_a_task_fails_and_not_why() {
    let db = TestDb::start().await;
    let desk = Desk::open(&db.cluster.url(), Duration::from_secs(3600));
    let api = &desk.api;
    support::reach(&api.db, DbState::Ready).await;
    let parts = schedule::Parts {
        db: api.db.clone(),
        clock: api.clock.clone(),
        health: api.health.clone(),
        metrics: api.metrics.clone(),
        timetable: app::timetable(&Config::defaults().market, Arc::new(Calendar::new())),
        jobs: Arc::new(Talkative),
        holder: uuid::Uuid::from_u128(1),
    };
    Scheduler::new(parts, api.tasks.clone()).step().await.unwrap();
    let all = api.tasks.list(api.clock.now()).tasks;
    assert!(all.iter().any(|task| task.detail.as_deref() == Some(SAID)), "{all:?}");
    let operator = nix::unistd::User::from_uid(Uid::effective()).unwrap().unwrap().name.parse().unwrap();
    let health = api.hub.health_for(&operator);
    assert!(health.scheduler.detail.is_some_and(|detail| detail.contains("partitions")), "the operator is told more");

    let mut client = Client::connect(&desk.socket).await;
    let told: TaskList = client.get("/v1/tasks").await.json();
    assert!(told.tasks.iter().any(|task| task.failures == 1), "{told:?}");
    assert!(told.tasks.iter().all(|task| task.detail.is_none()), "{told:?}");
    let health: Health = client.get("/v1/health").await.json();
    assert_eq!(health.scheduler.state, ComponentState::Degraded);
    assert_eq!(health.scheduler.detail.as_deref(), Some("the daemon's log has the reason"));
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
