//! The account's event stream in a whole daemon: an event makes the engine look at once, and without the
//! stream it goes on at its own pace, with a line on the health page and no other word.

use blotter_shared::protocol::health::{CallPriority, ComponentState, Health, RateBucket};
use futures_util::{SinkExt, StreamExt};
use http::StatusCode;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

use super::loopback::{Reply, Request, Server};
use super::support::fixture;
use crate::api::daemon::Daemon;
use crate::support::{DEADLINE, TestDb, looks};

const EVENT: &str = r#"{"id":11,"event":"order","parent_id":0,"status":"open"}"#;

/// What the other end of the streams does.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Say(&'static str),
    HangUp,
}

struct Rig {
    _db: TestDb,
    broker: Server,
    daemon: Daemon,
    deeds: broadcast::Sender<Deed>,
    /// Streams that were opened so far.
    opened: watch::Receiver<usize>,
    _streams: JoinSet<()>,
}

async fn rig() -> Rig {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let broker = Server::start(move |index, request: &Request| answer(index, request, &address.to_string())).await;
    let (deeds, _) = broadcast::channel(16);
    let (count, opened) = watch::channel(0);
    let mut streams = JoinSet::new();
    streams.spawn(serve(listener, deeds.clone(), count));
    let (db, url) = (TestDb::start().await, broker.url());
    let daemon = Daemon::start(&db.cluster.url(), |config| {
        config.broker.sim_url = Some(url);
        config.vault.encryption_key = Some(blotter_daemon::vault::keygen().unwrap());
    })
    .await;
    Rig { _db: db, broker, daemon, deeds, opened, _streams: streams }
}

fn answer(index: usize, request: &Request, stream: &str) -> Reply {
    let path = request.path.trim_start_matches("/v1/");
    match path.rsplit('/').next().unwrap_or_default() {
        "profile" => Reply::ok(fixture!("profile_one_account.json")),
        "session" => {
            let url = format!("ws://{stream}/v1/accounts/events");
            Reply::ok(format!(r#"{{"stream":{{"url":"{url}","sessionid":"session-{index}"}}}}"#))
        }
        "orders" => Reply::ok(r#"{"orders":"null"}"#),
        "positions" => Reply::ok(r#"{"positions":"null"}"#),
        _ => Reply::new(503, ""),
    }
}

async fn serve(listener: TcpListener, deeds: broadcast::Sender<Deed>, count: watch::Sender<usize>) {
    let mut open = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        open.spawn(stream(socket, deeds.subscribe(), count.clone()));
    }
}

async fn stream(socket: TcpStream, mut deeds: broadcast::Receiver<Deed>, count: watch::Sender<usize>) {
    let mut socket = accept_async(socket).await.unwrap();
    socket.next().await.unwrap().unwrap();
    count.send_modify(|count| *count += 1);
    loop {
        tokio::select! {
            frame = socket.next() => if !matches!(frame, Some(Ok(_))) { return },
            deed = deeds.recv() => match deed.unwrap() {
                Deed::Say(line) => socket.send(Message::text(line)).await.unwrap(),
                Deed::HangUp => return,
            },
        }
    }
}

impl Rig {
    async fn sign_in(&self) {
        let mut client = self.daemon.client().await;
        let body = r#"{"mode":"SIM","token":"s3cr3t-token-0123456789"}"#;
        assert_eq!(client.act("PUT", "/v1/tokens", "k1", body).await.status, StatusCode::OK);
    }

    /// How often the list of orders was read.
    fn lists(&self) -> usize {
        self.broker.requests().iter().filter(|request| request.path.ends_with("/orders")).count()
    }

    async fn lists_reach(&self, wanted: usize) {
        let mut looks = looks();
        let reached = tokio::time::timeout(DEADLINE, async {
            while self.lists() < wanted {
                looks.tick().await;
            }
        });
        assert!(reached.await.is_ok(), "waited for {wanted} lists, there were {}", self.lists());
    }

    async fn events(&self, state: ComponentState) -> Health {
        let is = |health: &Health| health.account_events.as_ref().is_some_and(|events| events.state == state);
        self.daemon.wait_for_health(is).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_makes_the_engine_look_at_once_and_without_a_stream_it_polls() {
    let mut rig = rig().await;
    assert_eq!(rig.events(ComponentState::NotConfigured).await.rates, Vec::new());
    rig.sign_in().await;
    rig.events(ComponentState::Ok).await;
    // The connection itself is the first reason to look; then a flat account rests for a minute.
    rig.lists_reach(1).await;
    for _ in 0..3 {
        let before = rig.lists();
        rig.deeds.send(Deed::Say(EVENT)).unwrap();
        rig.lists_reach(before + 1).await;
    }
    rig.deeds.send(Deed::HangUp).unwrap();
    let opened = rig.opened.wait_for(|opened| *opened >= 2);
    tokio::time::timeout(DEADLINE, opened).await.expect("a second stream in time").unwrap();
    let health = rig.events(ComponentState::Ok).await;
    assert_eq!(health.broker.state, ComponentState::Ok, "a stream that ends is no trouble of the account");
    let sessions: Vec<_> =
        rig.broker.requests().into_iter().filter(|request| request.path.ends_with("/events/session")).collect();
    assert!(sessions.len() >= 2, "each connection has a session of its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_health_page_and_the_metrics_tell_how_full_the_limits_are() {
    let rig = rig().await;
    rig.sign_in().await;
    rig.lists_reach(1).await;
    let health = rig.daemon.wait_for_health(|health| health.rates.len() == 3).await;
    let accounts = health.rates.iter().find(|rate| rate.bucket == RateBucket::Accounts).unwrap();
    assert_eq!((accounts.tokens, accounts.limit, accounts.waiting), (1, 50, 0));
    assert!(accounts.used >= 3 && accounts.used < 50, "profile, session, list and positions: {accounts:?}");
    let trading = health.rates.iter().find(|rate| rate.bucket == RateBucket::Trading).unwrap();
    let room: Vec<_> = trading.room.iter().map(|room| (room.priority, room.calls)).collect();
    let all = [
        (CallPriority::Emergency, 50),
        (CallPriority::Cancel, 44),
        (CallPriority::Close, 40),
        (CallPriority::Bracket, 36),
        (CallPriority::Entry, 20),
        (CallPriority::Read, 16),
    ];
    assert_eq!(room, all, "nothing was traded: every share is whole");
    let mut client = rig.daemon.client().await;
    let text = String::from_utf8(client.get("/v1/metrics").await.body.to_vec()).unwrap();
    for line in [
        "blotter_broker_calls_limit{bucket=\"accounts\"} 50",
        "blotter_broker_calls_waiting{bucket=\"trading\"} 0",
        "blotter_broker_calls_room{bucket=\"trading\",priority=\"entry\"} 20",
        "blotter_broker_calls_total{bucket=\"trading\",outcome=\"granted\"} 0",
    ] {
        assert!(text.contains(line), "missing: {line}\n{text}");
    }
    assert!(!text.contains("s3cr3t") && !serde_json::to_string(&health).unwrap().contains("VA0000"), "{text}");
}
