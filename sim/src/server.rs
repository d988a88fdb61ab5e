//! The network: one port, HTTP/1, the table of endpoints behind axum, and a way to cut a line in the middle.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, RawPathParams, State, WebSocketUpgrade};
use axum::routing::any;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::app::Sim;
use crate::clock::{Pace, machine_time};
use crate::config::Config;
use crate::pipeline::{Call, Outcome, Sent};
use crate::routes::{ROUTES, control};
use crate::stream;
use crate::time::Ms;
use crate::wire::{Answer, Format, Params};

/// The largest body that is read.
const BODY_MAX: usize = 1_048_576;

/// How often time is looked at when nobody asks.
const TICK: Duration = Duration::from_millis(50);

/// How long open connections may take to end.
const FAREWELL: Duration = Duration::from_secs(1);

/// What all connections share.
pub(crate) struct App {
    sim: Mutex<Sim>,
    pub(crate) stop: CancellationToken,
}

/// A server that listens already and serves until it is stopped.
pub struct Server {
    app: Arc<App>,
    listener: TcpListener,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("listener", &self.listener).finish_non_exhaustive()
    }
}

/// Marks a response that is never sent: the line is cut in its place.
#[derive(Clone)]
struct CutLine;

impl App {
    /// The simulation. A handler that panicked does not poison it for the others.
    pub(crate) fn sim(&self) -> MutexGuard<'_, Sim> {
        self.sim.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What rate windows and stream sessions are measured by: the machine's time, or trading time when it is driven by hand.
    #[expect(clippy::unused_self, reason = "asked of the app, so that callers need not know what it depends on")]
    pub(crate) fn transport_now(&self, sim: &Sim) -> Ms {
        match sim.clock.pace() {
            Pace::Manual => sim.now(),
            Pace::Times(_) => machine_time(),
        }
    }
}

impl Server {
    /// Listens on `address` (port 0 takes a free one) with a fresh or resumed simulation.
    ///
    /// # Errors
    /// When the address cannot be had, or tape or state cannot be read.
    pub async fn bind(config: Config, address: &str) -> Result<Self> {
        let sim = Sim::begin(config, machine_time())?;
        let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
        let app = Arc::new(App { sim: Mutex::new(sim), stop: CancellationToken::new() });
        Ok(Self { app, listener })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Serves until `stop` completes, then ends connections and writes the state.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send) {
        let router = router(Arc::clone(&self.app));
        let tracker = TaskTracker::new();
        let mut tick = tokio::time::interval(TICK);
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                _ = tick.tick() => self.tick(),
                accepted = self.listener.accept() => match accepted {
                    Ok((socket, _)) => { tracker.spawn(connection(socket, router.clone(), self.app.stop.clone())); }
                    Err(error) => tracing::warn!(%error, "a connection could not be accepted"),
                },
            }
        }
        self.app.stop.cancel();
        tracker.close();
        if tokio::time::timeout(FAREWELL, tracker.wait()).await.is_err() {
            tracing::debug!(open = tracker.len(), "connections were left open");
        }
        self.app.sim().save_now();
    }

    fn tick(&self) {
        let mut sim = self.app.sim();
        if sim.clock.pace() != Pace::Manual {
            sim.catch_up(machine_time());
            sim.save();
        }
    }
}

async fn connection(socket: TcpStream, router: Router, stop: CancellationToken) {
    drop(socket.set_nodelay(true));
    let service = hyper::service::service_fn(move |request| {
        let router = router.clone();
        async move {
            let Ok(response) = router.oneshot(request).await;
            // An error from here makes hyper close the connection without a word.
            if response.extensions().get::<CutLine>().is_some() {
                Err(std::io::Error::other("the line is cut"))
            } else {
                Ok(response)
            }
        }
    });
    let serving = hyper::server::conn::http1::Builder::new()
        .title_case_headers(true)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    tokio::pin!(serving);
    tokio::select! {
        _ = serving.as_mut() => {}
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            drop(serving.await);
        }
    }
}

fn router(app: Arc<App>) -> Router {
    let mut router = Router::new();
    let mut seen = Vec::new();
    for route in ROUTES {
        if !seen.contains(&route.path) {
            seen.push(route.path);
            router = router.route(route.path, any(broker(route.path)));
        }
    }
    router
        .route("/v1/accounts/events", any(account_stream))
        .route("/v1/markets/events", any(market_stream))
        .route("/datav2/{*rest}", any(orats))
        .route("/__sim/{*rest}", any(controls))
        .fallback(nowhere)
        .with_state(app)
}

type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// The handler of one path; the method picks the endpoint.
fn broker(
    path: &'static str,
) -> impl Fn(State<Arc<App>>, RawPathParams, Request<Body>) -> Answering + Clone + Send + Sync + 'static {
    move |State(app), args, request| {
        Box::pin(async move {
            let format = Format::of(request.headers());
            let (mut call, _) = match read(&app, &args, request).await {
                Ok(read) => read,
                Err(answer) => return finished(answer),
            };
            let Some(route) = ROUTES.iter().find(|r| r.path == path && r.methods.contains(&call.method.as_str()))
            else {
                return finished(Answer::text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"));
            };
            let outcome = app.sim().serve(route, &mut call);
            deliver(&app, outcome, format).await
        })
    }
}

async fn orats(State(app): State<Arc<App>>, args: RawPathParams, request: Request<Body>) -> Response<Body> {
    match read(&app, &args, request).await {
        Ok((mut call, _)) => {
            let outcome = app.sim().serve_orats(&mut call);
            deliver(&app, outcome, Format::Json).await
        }
        Err(answer) => finished(answer),
    }
}

async fn controls(State(app): State<Arc<App>>, args: RawPathParams, request: Request<Body>) -> Response<Body> {
    match read(&app, &args, request).await {
        Ok((call, body)) => finished(control(&mut app.sim(), &call, &body)),
        Err(answer) => finished(answer),
    }
}

async fn nowhere(request: Request<Body>) -> Response<Body> {
    tracing::info!(method = %request.method(), path = request.uri().path(), "no such endpoint");
    finished(Answer::text(StatusCode::NOT_FOUND, "Not Found"))
}

async fn account_stream(State(app): State<Arc<App>>, args: RawPathParams, request: Request<Body>) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    if parts.headers.contains_key(http::header::UPGRADE) {
        return match WebSocketUpgrade::from_request_parts(&mut parts, &app).await {
            Ok(upgrade) => upgrade.on_upgrade(move |socket| stream::serve_account(app, socket)),
            Err(_) => finished(Answer::bad("Invalid request, events: the WebSocket could not be opened.")),
        };
    }
    match read(&app, &args, Request::from_parts(parts, body)).await {
        Ok((call, _)) => stream::serve_account_http(&app, &call),
        Err(answer) => finished(answer),
    }
}

async fn market_stream(State(app): State<Arc<App>>, args: RawPathParams, request: Request<Body>) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    if parts.headers.contains_key(http::header::UPGRADE) {
        return match WebSocketUpgrade::from_request_parts(&mut parts, &app).await {
            Ok(upgrade) => upgrade.on_upgrade(move |socket| stream::serve_socket(app, socket)),
            Err(_) => finished(Answer::bad("Invalid request, events: the WebSocket could not be opened.")),
        };
    }
    match read(&app, &args, Request::from_parts(parts, body)).await {
        Ok((call, _)) => stream::serve_http(&app, &call),
        Err(answer) => finished(answer),
    }
}

fn finished(answer: Answer) -> Response<Body> {
    answer.into_http(Format::Json).map(Body::from)
}

/// Reads a request whole and brings time up to now.
async fn read(app: &App, args: &RawPathParams, request: Request<Body>) -> Result<(Call, Bytes), Answer> {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, BODY_MAX).collect().await {
        Ok(whole) => whole.to_bytes(),
        Err(_) => return Err(Answer::text(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large")),
    };
    let control = parts.uri.path().starts_with("/__sim");
    let form: &[u8] = if control { b"" } else { &body };
    let host = parts.headers.get(http::header::HOST).and_then(|h| h.to_str().ok()).unwrap_or("127.0.0.1");
    let mut sim = app.sim();
    if sim.clock.pace() != Pace::Manual {
        sim.catch_up(machine_time());
    }
    let call = Call {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        args: args.iter().map(|(_, value)| value.to_owned()).collect(),
        params: Params::read(parts.uri.query().unwrap_or_default(), form),
        host: host.to_owned(),
        arrived: app.transport_now(&sim),
        headers: parts.headers,
        without_tags: false,
    };
    drop(sim);
    Ok((call, body))
}

/// Waits as a fault says, then answers, or does not.
async fn deliver(app: &App, outcome: Outcome, format: Format) -> Response<Body> {
    pause(app, outcome.delay_ms).await;
    if let Sent::Hang(ms) = outcome.sent {
        pause(app, ms).await;
    }
    match outcome.sent.into_http(format) {
        Some(response) => response.map(Body::from),
        None => {
            let mut cut = Response::new(Body::empty());
            cut.extensions_mut().insert(CutLine);
            cut
        }
    }
}

/// Waits by the machine's clock: latency is the network's, not the market's.
async fn pause(app: &App, ms: i64) {
    let wait = Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    if !wait.is_zero() {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = app.stop.cancelled() => {}
        }
    }
}
