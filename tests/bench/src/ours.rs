//! The daemon's own push path in this process: hub, HTTP and socket as in production, with a real
//! database behind it, and a knob that makes something happen.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use blotter_daemon::api::{Accept, Api, BoundSocket, LiveTrading, Looks, Policy, SocketFile, serve};
use blotter_daemon::app;
use blotter_daemon::auth::{Admission, SystemDirectory};
use blotter_daemon::calendar::{Calendar, Force, MarketClock};
use blotter_daemon::clock::Clock;
use blotter_daemon::config::Config;
use blotter_daemon::context::Collector;
use blotter_daemon::db::{DatabaseConfig, Db, DbState};
use blotter_daemon::events::{Hub, HubParts};
use blotter_daemon::health::HealthBoard;
use blotter_daemon::prices::sources::OratsDesk;
use blotter_daemon::prices::{Board, Chains, Recorder};
use blotter_daemon::schedule::TaskBoard;
use blotter_daemon::telemetry::Metrics;
use blotter_daemon::trades::runtime::bells::Bells;
use blotter_daemon::trades::runtime::desk::Counter;
use blotter_shared::protocol::health::ComponentState;
use blotter_testkit::Cluster;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Ours {
    health: HealthBoard,
    _file: Option<SocketFile>,
    _stop: DropGuard,
    _cluster: Cluster,
}

impl Ours {
    pub(crate) async fn start(socket: &Path) -> Result<Self> {
        let (clock, stop, kill, tasks) =
            (Clock::system(), CancellationToken::new(), CancellationToken::new(), TaskTracker::new());
        let mut config = Config::defaults();
        (config.limits.connections_per_user, config.limits.connections) = (5_000, 5_000);
        config.daemon.data_dir = None;
        let cluster = Cluster::start()?;
        let db = Db::connect(DatabaseConfig::external(&cluster.url())?, &clock);
        db.status().wait_for(|status| status.state == DbState::Ready).await.context("the database never came up")?;
        let health = HealthBoard::new(clock.clone(), db.status());
        let calendar = Arc::new(Calendar::new());
        let market = MarketClock::new(Arc::clone(&calendar), clock.clone(), Force::No);
        let metrics = Metrics::new()?;
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
        let accounts = app::accounts(&config, &db, &clock)?;
        let counter = Counter {
            db: db.clone(),
            accounts: accounts.clone(),
            clock: clock.clone(),
            calendar: Arc::new(Calendar::new()),
            force: Force::No,
            kill_file: None,
            bells: Bells::default(),
        };
        let recorder = Recorder {
            db: db.clone(),
            accounts: accounts.clone(),
            orats: OratsDesk::new(accounts.clone(), None, clock.clone()),
            clock: clock.clone(),
            calendar: Arc::new(Calendar::new()),
            force: Force::No,
            board: Board::default(),
        };
        let api = Arc::new(Api {
            accounts,
            counter,
            orats: recorder.orats.clone(),
            board: recorder.board.clone(),
            chains: Chains::new(recorder.clone()),
            looks: Looks::default(),
            collector: Collector::new(recorder),
            db,
            hub,
            health: health.clone(),
            market,
            metrics,
            tasks: TaskBoard::new(app::timetable(&config.market, Arc::new(Calendar::new()))),
            clock: clock.clone(),
            limits: config.limits.clone(),
            policy: Policy { live: LiveTrading::Locked },
            stop: stop.clone(),
        });
        let (listener, file) = BoundSocket::bind(socket, None)?.into_parts();
        let own_uid = nix::unistd::getuid().as_raw();
        let admission = Admission::new(own_uid, config.auth.clone(), SystemDirectory, clock);
        tasks.spawn(serve(
            listener,
            Accept { api, admission, tasks: tasks.clone(), kill, recheck: std::time::Duration::from_secs(15) },
        ));
        Ok(Self { health, _file: file, _stop: stop.drop_guard(), _cluster: cluster })
    }

    /// Makes the health say something new, about a kilobyte of it.
    pub(crate) fn publish(&self, number: usize) {
        let detail = format!("{number:06} {}", "x".repeat(400));
        self.health.report_scheduler(ComponentState::Ok, Some(detail), None);
    }
}
