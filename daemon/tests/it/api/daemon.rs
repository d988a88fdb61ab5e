//! A daemon in this process, and clients that speak to it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use blotter_daemon::api::BoundSocket;
use blotter_daemon::app::{self, Database, Orders, Place};
use blotter_daemon::clock::Clock;
use blotter_daemon::config::Config;
use blotter_shared::protocol::health::{ComponentState, Health};
use blotter_shared::protocol::problem::Problem;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::support::{self, DEADLINE};

/// A running daemon. Dropping it aborts it; `stop` ends it in good order.
pub(crate) struct Daemon {
    pub(crate) socket: PathBuf,
    pub(crate) orders: Orders,
    tasks: JoinSet<anyhow::Result<()>>,
    _dir: TempDir,
}

/// A configuration that is impatient where a test would wait.
pub(crate) fn config() -> Config {
    let mut config = Config::defaults();
    config.database.check_every_s = Duration::from_millis(100);
    config.events.poll_s = Duration::from_millis(500);
    config
}

impl Daemon {
    /// A daemon on this database, once it says that it is well.
    pub(crate) async fn start(url: &str, change: impl FnOnce(&mut Config)) -> Self {
        let daemon = Self::launch(url, change);
        daemon.wait_for_health(|health| health.status == ComponentState::Ok).await;
        daemon
    }

    /// A daemon at another time than the machine's, once it says that it is well.
    pub(crate) async fn start_at(url: &str, clock: Clock, change: impl FnOnce(&mut Config)) -> Self {
        let daemon = Self::launch_at(url, clock, change);
        daemon.wait_for_health(|health| health.status == ComponentState::Ok).await;
        daemon
    }

    /// A daemon whose database may be away.
    pub(crate) fn launch(url: &str, change: impl FnOnce(&mut Config)) -> Self {
        Self::launch_at(url, Clock::system(), change)
    }

    fn launch_at(url: &str, clock: Clock, change: impl FnOnce(&mut Config)) -> Self {
        let dir = TempDir::new().unwrap();
        let socket = dir.path().join("run/blotterd.sock");
        let mut config = config();
        change(&mut config);
        let orders = Orders { shutdown: CancellationToken::new(), hurry: CancellationToken::new() };
        let bound = BoundSocket::bind(&socket, config.daemon.socket_group.as_deref()).unwrap();
        let database = Database::External(Box::new(support::config(url)));
        let mut tasks = JoinSet::new();
        let place = Place { socket: bound, host: None };
        tasks.spawn(app::run(config, database, place, clock, orders.clone()));
        Self { socket, orders, tasks, _dir: dir }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(&self.socket).await
    }

    pub(crate) async fn wait_for_health(&self, wanted: impl Fn(&Health) -> bool) -> Health {
        let mut client = self.client().await;
        let (mut last, mut looks) = (None, support::looks());
        let reached = tokio::time::timeout(DEADLINE, async {
            loop {
                looks.tick().await;
                let health: Health = client.get("/v1/health").await.json();
                if wanted(&health) {
                    return health;
                }
                last = Some(health);
            }
        });
        match reached.await {
            Ok(health) => health,
            Err(_) => panic!("the health did not become as wanted, it is {last:#?}"),
        }
    }

    /// Ends it, and gives what it says about that.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.orders.shutdown.cancel();
        let ended = tokio::time::timeout(DEADLINE, self.tasks.join_next()).await;
        ended.expect("the daemon did not stop").unwrap().unwrap()
    }
}

/// One connection.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    _driver: JoinSet<()>,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The problem document, whose header and status agree with it.
    pub(crate) fn problem(&self) -> Problem {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let problem: Problem = self.json();
        assert_eq!(problem.status, self.status.as_u16());
        problem
    }
}

impl Client {
    pub(crate) async fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).await.unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            let _ = connection.await;
        });
        Self { sender, _driver: driver }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Reply {
        self.send("GET", path, &[], "").await
    }

    /// A request that acts, under a key of its own.
    pub(crate) async fn act(&mut self, method: &str, path: &str, key: &str, body: &str) -> Reply {
        self.send(method, path, &[("idempotency-key", key)], body).await
    }

    pub(crate) async fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut request = Request::builder().method(method).uri(path).header("host", "blotter");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        let answered = async {
            self.sender.ready().await.unwrap();
            let response = self.sender.send_request(request).await.unwrap();
            let (parts, body) = response.into_parts();
            Reply { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
        };
        tokio::time::timeout(DEADLINE, answered).await.unwrap_or_else(|_| panic!("no answer to {method} {path}"))
    }
}

/// Asks for the version on a connection of its own, and gives it with the first of the answer. Works
/// for whoever is turned away before the question, too.
pub(crate) async fn knock(socket: &Path) -> (UnixStream, String) {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    // Refused ones may have been let go by now.
    let _ = stream.write_all(b"GET /v1/version HTTP/1.1\r\nhost: b\r\n\r\n").await;
    let mut first = vec![0; 4096];
    let read = tokio::time::timeout(DEADLINE, stream.read(&mut first)).await;
    let count = read.expect("somebody got no answer at all").unwrap();
    (stream, String::from_utf8_lossy(&first[..count]).into_owned())
}

/// Sends bytes as they are and reads until the daemon closes the connection.
pub(crate) async fn raw(socket: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    // A daemon that has heard enough closes while we still speak.
    let _ = stream.write_all(bytes).await;
    read_to_end(stream).await
}

pub(crate) async fn read_to_end(mut stream: UnixStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    assert!(read.is_ok(), "the connection was not closed; so far: {text}");
    text
}

/// The problem in an answer that was read as text.
pub(crate) fn problem_in(answer: &str) -> Problem {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    assert!(head.contains("content-type: application/problem+json"), "{answer}");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// A stream of events, read one by one.
pub(crate) struct Events {
    body: hyper::body::Incoming,
    text: String,
    _client: Client,
}

/// One event as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: Option<i64>,
    pub(crate) name: String,
    pub(crate) data: serde_json::Value,
}

impl Events {
    pub(crate) async fn open(socket: &Path, last: Option<i64>) -> Self {
        Self::of(socket, "/v1/events", last).await
    }

    /// Any route that streams.
    pub(crate) async fn of(socket: &Path, path: &str, last: Option<i64>) -> Self {
        let mut client = Client::connect(socket).await;
        let mut request = Request::get(path).header("host", "blotter");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let request = request.body(Full::new(Bytes::new())).unwrap();
        client.sender.ready().await.unwrap();
        let response = client.sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), text: String::new(), _client: client }
    }

    /// The next event, comments left out; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            let block = self.block().await?;
            if !block.starts_with(':') {
                return Some(parse(&block));
            }
        }
    }

    /// The next event or comment as text.
    pub(crate) async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                return Some(block);
            }
            let frame = tokio::time::timeout(DEADLINE, self.body.frame()).await;
            let frame = frame.unwrap_or_else(|_| panic!("nothing more came; so far: {:?}", self.text))?;
            let Ok(frame) = frame else { return None };
            if let Ok(data) = frame.into_data() {
                self.text.push_str(std::str::from_utf8(&data).unwrap());
            }
        }
    }

    /// Reads on until an event of this name; gives it and everything before it.
    pub(crate) async fn until(&mut self, name: &str) -> (Event, Vec<Event>) {
        let mut before = Vec::new();
        while let Some(event) = self.next().await {
            if event.name == name {
                return (event, before);
            }
            before.push(event);
        }
        panic!("the stream ended without `{name}`: {before:#?}");
    }
}

fn parse(block: &str) -> Event {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    Event {
        id: field("id").map(|id| id.parse().unwrap()),
        name: field("event").unwrap_or_default().to_owned(),
        data: serde_json::from_str(field("data").unwrap_or("null")).unwrap(),
    }
}
