//! A daemon of a few lines: the answers of a [`World`] over HTTP on a Unix socket.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use blotter_shared::protocol::PROTOCOL_VERSION;
use blotter_shared::protocol::performance::PerformanceQuery;
use blotter_shared::protocol::problem::Problem;
use blotter_shared::protocol::trades::TotalsQuery;
use blotter_tui::client::calls::{Answer, Call, HistoryQuery};
use blotter_tui::client::looks::LookAnswer;
use blotter_tui::client::orders::OrderAnswer;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixListener;
use tokio::task::JoinSet;

use crate::fixture::World;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Value,
}

/// How the server is to misbehave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mood {
    pub(crate) refuse: Option<Problem>,
    pub(crate) garble: bool,
    pub(crate) protocol: Option<u32>,
}

pub(crate) struct Server {
    folder: tempfile::TempDir,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
    _task: JoinSet<()>,
}

impl Server {
    pub(crate) fn start(world: World, mood: Mood) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("d.sock")).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut task = JoinSet::new();
        task.spawn(serve(listener, Arc::new((world, mood)), Arc::clone(&seen)));
        Self { folder, seen, _task: task }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("d.sock")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

async fn serve(listener: UnixListener, nature: Arc<(World, Mood)>, seen: Arc<Mutex<Vec<Seen>>>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (nature, seen) = (Arc::clone(&nature), Arc::clone(&seen));
        connections.spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&nature), Arc::clone(&seen)));
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    nature: Arc<(World, Mood)>,
    seen: Arc<Mutex<Vec<Seen>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let target = parts.uri.to_string();
    seen.lock().unwrap().push(Seen {
        method: parts.method.to_string(),
        target: target.clone(),
        headers: parts.headers,
        body: body.clone(),
    });
    let (world, mood) = &*nature;
    let (status, text) = match &mood.refuse {
        Some(problem) => (problem.status, serde_json::to_string(problem).unwrap()),
        None if mood.garble => (200, "<html>".to_owned()),
        None => (200, json(&world.answer(&call(parts.method.as_str(), &target, &body)))),
    };
    let response = Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .header("blotter-protocol", mood.protocol.unwrap_or(PROTOCOL_VERSION))
        .body(Full::new(Bytes::from(text)));
    Ok(response.unwrap())
}

fn call(method: &str, target: &str, body: &Value) -> Call {
    let path = target.split('?').next().unwrap_or(target);
    let key = uuid::Uuid::nil();
    match (method, path) {
        ("GET", "/v1/version") => Call::Version,
        ("GET", "/v1/health") => Call::Health,
        ("GET", "/v1/market") => Call::Market,
        ("GET", "/v1/settings") => Call::Settings,
        ("GET", "/v1/trades") if target.contains("status=open") => Call::OpenTrades,
        ("GET", "/v1/trades") => Call::History(HistoryQuery::default()),
        ("GET", "/v1/alarms") => Call::Alarms,
        ("GET", "/v1/sync-status") => Call::SyncStatus { version: 0 },
        ("POST", "/v1/sync") => Call::Sync { request: serde_json::from_value(body.clone()).unwrap(), key },
        ("GET", "/v1/trades/totals") => Call::Totals(TotalsQuery::default()),
        ("GET", "/v1/performance") => Call::Performance(PerformanceQuery::default()),
        ("GET", "/v1/accounts") => Call::Accounts,
        ("PUT", "/v1/tokens") => Call::PutToken { update: serde_json::from_value(body.clone()).unwrap(), key },
        ("PUT", "/v1/settings") => Call::PutSettings { update: serde_json::from_value(body.clone()).unwrap(), key },
        ("GET", path) => Call::Trade(path.rsplit('/').next().unwrap().parse().unwrap()),
        other => panic!("no route for {other:?}"),
    }
}

fn json(answer: &Answer) -> String {
    let text = match answer {
        Answer::Version(value) => serde_json::to_string(value),
        Answer::Health(value) => serde_json::to_string(value),
        Answer::Market(value) => serde_json::to_string(value),
        Answer::Settings(value) | Answer::SettingsSaved(value) => serde_json::to_string(value),
        Answer::OpenTrades(value) | Answer::History(value) => serde_json::to_string(value),
        Answer::Totals(value) => serde_json::to_string(value),
        Answer::Performance(value) => serde_json::to_string(value),
        Answer::Trade(value) => serde_json::to_string(value),
        Answer::Alarms(value) => serde_json::to_string(value),
        Answer::Look(value) => match &**value {
            LookAnswer::Series(value) => serde_json::to_string(value),
            LookAnswer::Context(value) => serde_json::to_string(value),
            LookAnswer::Spread(value) => serde_json::to_string(value),
            LookAnswer::Expirations(value) => serde_json::to_string(value),
            LookAnswer::Chain(value) => serde_json::to_string(value),
        },
        Answer::Accounts(value) => serde_json::to_string(value),
        Answer::Tasks(value) => serde_json::to_string(value),
        Answer::SyncStatus(value) | Answer::Synced(value) => serde_json::to_string(value),
        Answer::Order(value) => match &**value {
            OrderAnswer::Timeline(value) => serde_json::to_string(value),
            OrderAnswer::Trade(value) => serde_json::to_string(value),
            OrderAnswer::Flattened(value) => serde_json::to_string(value),
            OrderAnswer::Settings(value) => serde_json::to_string(value),
            OrderAnswer::Alarm(value) => serde_json::to_string(value),
        },
    };
    text.unwrap()
}
