//! How a connection comes to be: accepted, counted, asked who it is, served, ended.

use std::convert::Infallible;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use blotter_shared::protocol::headers::VERSION;
use blotter_shared::protocol::problem::{Problem, ProblemCode};
use futures_util::FutureExt;
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::extract::Peer;
use super::gate::{Full, Gate, Place};
use super::problem::{raw_response, write_document};
use super::wire::{Turn, TurnBody, Wire};
use super::{Api, routes};
use crate::auth::{Admission, Decision, Principal};

/// How long somebody who is turned away has to ask for something: to an HTTP library an answer that
/// comes before the question is a broken connection, and the reason would be lost.
const HEARING: Duration = Duration::from_secs(1);
/// How long somebody who is turned away has altogether, with the time to take the reason.
const FAREWELL: Duration = Duration::from_millis(1500);
/// How much more is read from a client whose answer ended the connection.
const LEFT_OVER: u64 = 16 << 20;
/// How many of them at a time; past it they are told at once, and cut off.
const FAREWELLS: usize = 256;
/// Pause after a failed accept: there are no descriptors left, and some must be given back first.
const BREATH: Duration = Duration::from_millis(20);

/// What the accept loop needs.
#[derive(Debug)]
pub struct Accept {
    pub api: Arc<Api>,
    pub admission: Admission,
    /// Owns every connection.
    pub tasks: TaskTracker,
    /// Cuts every connection, at the end of the deadline.
    pub kill: CancellationToken,
    /// Between two looks whether whoever holds a connection is still admitted.
    pub recheck: Duration,
}

struct Server {
    accept: Accept,
    router: Router,
    gate: Gate,
    farewells: Arc<Semaphore>,
}

/// Accepts until `api.stop`; then turns away whoever still stands in the queue.
pub async fn serve(listener: UnixListener, accept: Accept) {
    let limits = &accept.api.limits;
    let gate = Gate::new(limits.connections_per_user, limits.connections);
    let router = routes::router(&accept.api);
    let server = Arc::new(Server { router, gate, farewells: Arc::new(Semaphore::new(FAREWELLS)), accept });
    loop {
        tokio::select! {
            biased;
            () = server.accept.api.stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => server.receive(stream),
                Err(error) => {
                    tracing::warn!("a connection cannot be accepted: {error}");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }
    while let Some(Ok((stream, _))) = listener.accept().now_or_never() {
        let problem = Problem::new(ProblemCode::ShuttingDown, "the daemon is stopping; connect again in a moment");
        server.turn_away(stream, &problem, "shutting_down");
    }
}

impl Server {
    fn receive(self: &Arc<Self>, stream: UnixStream) {
        let Ok(credentials) = stream.peer_cred() else {
            let problem = Problem::new(ProblemCode::NotAdmitted, "the kernel does not say who this is");
            return self.turn_away(stream, &problem, "not_admitted");
        };
        let uid = credentials.uid();
        match self.gate.enter(uid) {
            Ok(place) => {
                let server = Arc::clone(self);
                self.accept.tasks.spawn(async move { server.welcome(stream, uid, place).await });
            }
            Err(full) => {
                let (what, limit) = match full {
                    Full::Uid => ("you have too many connections open", "limits.connections_per_user"),
                    Full::All => ("the daemon has too many connections open", "limits.connections"),
                };
                let problem = Problem {
                    limit: Some(limit.to_owned()),
                    retry_after_s: Some(1),
                    ..Problem::new(ProblemCode::TooMany, format!("{what} ({limit})"))
                };
                self.turn_away(stream, &problem, "too_many");
            }
        }
    }

    async fn welcome(self: Arc<Self>, stream: UnixStream, uid: u32, place: Place) {
        match self.accept.admission.decide(uid).await {
            Decision::Admitted(principal) => {
                let user = principal.username.to_string();
                self.accept.api.metrics.connections(&user, self.gate.of_uid(uid));
                self.serve(stream, principal).await;
                drop(place);
                self.accept.api.metrics.connections(&user, self.gate.of_uid(uid));
            }
            Decision::Refused(reason) | Decision::Unknown(reason) => {
                self.accept.admission.log_refusal(uid, &reason);
                self.turn_away(stream, &Problem::new(ProblemCode::NotAdmitted, reason), "not_admitted");
            }
        }
    }

    async fn serve(&self, stream: UnixStream, principal: Arc<Principal>) {
        let (turn, kill) = (Turn::default(), self.accept.kill.child_token());
        let peer = Peer { principal: Arc::clone(&principal), kill: kill.clone() };
        let limits = &self.accept.api.limits;
        let wire = Wire::new(stream, turn.clone(), limits.header_timeout_s, limits.header_bytes);
        let answer = service_fn(|request: Request<Incoming>| self.answer(request, peer.clone(), turn.clone()));
        let buffer = usize::try_from(limits.header_bytes).unwrap_or(usize::MAX);
        let mut http = http1::Builder::new();
        http.max_buf_size(buffer).half_close(false);
        let mut connection = http.serve_connection(TokioIo::new(wire), answer);
        let stop = self.accept.api.stop.cancelled();
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = kill.cancelled() => return,
            () = self.no_longer_admitted(&principal) => return,
            () = stop => {
                Pin::new(&mut connection).graceful_shutdown();
                tokio::select! {
                    ended = &mut connection => ended,
                    () = kill.cancelled() => return,
                }
            }
        };
        match ended {
            Ok(()) if !self.accept.api.stop.is_cancelled() => {
                let wire = connection.into_parts().io.into_inner();
                let _ = timeout(FAREWELL, discard(wire.take(LEFT_OVER))).await;
            }
            Ok(()) => {}
            Err(error) => tracing::debug!("a connection ended: {error}"),
        }
    }

    /// Until the holder of a connection is no longer let in, or is somebody else by now. What a stream
    /// tells is theirs to hear only as long as they are.
    async fn no_longer_admitted(&self, principal: &Arc<Principal>) {
        let mut looks = tokio::time::interval(self.accept.recheck);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            if let Err(reason) = readmitted(&self.accept.admission, principal).await {
                self.accept.admission.log_refusal(principal.uid, &reason);
                self.accept.api.metrics.refused("no_longer_admitted");
                return;
            }
        }
    }

    /// Rights are looked up for each request: they may have been taken away since the connection was made.
    fn answer(
        &self,
        request: Request<Incoming>,
        peer: Peer,
        turn: Turn,
    ) -> impl Future<Output = Result<Response<TurnBody>, Infallible>> + use<> {
        turn.request_came();
        let mut request = request.map(Body::new);
        // A router is always ready; the clone shares everything.
        let (mut router, admission) = (self.router.clone(), self.accept.admission.clone());
        async move {
            let response = match readmitted(&admission, &peer.principal).await {
                Ok(principal) => {
                    request.extensions_mut().insert(Peer { principal, ..peer });
                    router.call(request).await?
                }
                Err(reason) => turned_away(reason),
            };
            Ok(response.map(|body| TurnBody::new(body, turn)))
        }
    }

    /// Hears the question, says why not, lets go. Reading what the client still sends keeps the reason from being lost.
    fn turn_away(&self, stream: UnixStream, problem: &Problem, reason: &'static str) {
        self.accept.api.metrics.refused(reason);
        let words = raw_response(problem);
        let Ok(permit) = Arc::clone(&self.farewells).try_acquire_owned() else { return tell_and_cut(stream, &words) };
        self.accept.tasks.spawn(async move {
            let _ = timeout(FAREWELL, part(stream, &words)).await;
            drop(permit);
        });
    }
}

/// Who this is now, with the rights of now.
async fn readmitted(admission: &Admission, before: &Arc<Principal>) -> Result<Arc<Principal>, String> {
    match admission.decide(before.uid).await {
        Decision::Admitted(now) if now.username == before.username => Ok(now),
        // While the user directory is away, whoever was let in stays.
        Decision::Unknown(_) => Ok(Arc::clone(before)),
        Decision::Admitted(_) => Err(format!("uid {} has another name than when it connected", before.uid)),
        Decision::Refused(reason) => Err(reason),
    }
}

/// A refusal that ends the connection.
fn turned_away(reason: String) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FORBIDDEN;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(VERSION, HeaderValue::from_static(env!("CARGO_PKG_VERSION")));
    write_document(&mut response, &Problem::new(ProblemCode::NotAdmitted, reason));
    response
}

/// The buffer of a fresh socket is empty: this is taken whole, without waiting.
fn tell_and_cut(stream: UnixStream, words: &[u8]) {
    let told = stream.into_std().and_then(|mut stream| stream.write_all(words));
    if let Err(error) = told {
        tracing::debug!("somebody was cut off without a reason: {error}");
    }
}

async fn part(mut stream: UnixStream, words: &[u8]) -> std::io::Result<()> {
    let _ = timeout(HEARING, stream.readable()).await;
    stream.write_all(words).await?;
    stream.shutdown().await?;
    discard(stream).await
}

/// Reads what nobody wants to the end. A client that still speaks when the line is cut hears of
/// that, and not the answer that waits for it: one whose body is too large, above all.
async fn discard(mut from: impl AsyncRead + Unpin) -> std::io::Result<()> {
    let mut discarded = [0; 4096];
    while from.read(&mut discarded).await? > 0 {}
    Ok(())
}
