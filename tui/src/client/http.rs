//! HTTP/1.1 over the Unix socket: connections that are kept and used again, a time limit on every
//! answer, and problem details turned into errors. Nothing is ever sent twice from here.

use std::time::Duration;

use blotter_shared::protocol::problem::{Problem, ProblemCode};
use blotter_shared::protocol::trades::ExportQuery;
use blotter_shared::protocol::{PROTOCOL_VERSION, headers};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::calls::{Answer, Call, CallError};
use super::connect::{Place, connect};

/// Longer than the daemon takes for any request: one that took too long there is told so, and is no silence.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(12);
/// Largest answer that is read.
const ANSWER_MAX_BYTES: usize = 64 << 20;

type Connection = SendRequest<Full<Bytes>>;

/// The daemon, as callers see it.
#[derive(Debug)]
pub struct Daemon {
    place: Place,
    device: String,
    idle: Mutex<Idle>,
}

#[derive(Debug, Default)]
struct Idle {
    connection: Option<Connection>,
    /// Drives the connections; they end with this.
    drivers: JoinSet<()>,
}

impl Daemon {
    #[must_use]
    pub fn new(place: Place, device: String) -> Self {
        Self { place, device, idle: Mutex::default() }
    }

    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// When the daemon cannot be reached, does not answer in time, refuses, or speaks in riddles.
    pub async fn call(&self, call: &Call) -> Result<Answer, CallError> {
        let body = self.answer_of(call).await?;
        call.read(&body).map_err(|error| CallError::Garbled(error.to_string()))
    }

    /// Asks one thing whose answer's type the caller knows.
    ///
    /// # Errors
    /// As for [`Daemon::call`].
    pub async fn ask<T: DeserializeOwned>(&self, call: &Call) -> Result<T, CallError> {
        let body = self.answer_of(call).await?;
        serde_json::from_slice(&body).map_err(|error| CallError::Garbled(error.to_string()))
    }

    async fn answer_of(&self, call: &Call) -> Result<Bytes, CallError> {
        let request = self.request(call)?;
        let limit = ANSWER_TIMEOUT;
        let answer = tokio::time::timeout(limit, self.exchange(request)).await;
        answer.unwrap_or(Err(CallError::TimedOut { seconds: limit.as_secs() }))
    }

    /// Opens the event stream. Reading it has no time limit: its heartbeat is watched instead.
    ///
    /// # Errors
    /// As for [`Daemon::call`].
    pub async fn open_stream(&self, last_event_id: Option<i64>) -> Result<Incoming, CallError> {
        self.open_events("/v1/events", last_event_id).await
    }

    /// Opens the stream of prices.
    ///
    /// # Errors
    /// As for [`Daemon::call`].
    pub async fn open_prices(&self) -> Result<Incoming, CallError> {
        self.open_events("/v1/quotes/stream", None).await
    }

    async fn open_events(&self, path: &str, last_event_id: Option<i64>) -> Result<Incoming, CallError> {
        let mut builder = self.builder("GET", path).header("accept", "text/event-stream");
        if let Some(id) = last_event_id {
            builder = builder.header(headers::LAST_EVENT_ID, id.to_string());
        }
        let request = builder.body(Full::default()).map_err(|error| CallError::Garbled(error.to_string()))?;
        let opening = async {
            let mut connection = self.connection().await?;
            let response = connection.send_request(request).await.map_err(|_| CallError::Broken)?;
            if response.status().is_success() {
                return Ok(response.into_body());
            }
            Err(refusal(response).await)
        };
        let limit = ANSWER_TIMEOUT;
        tokio::time::timeout(limit, opening).await.unwrap_or(Err(CallError::TimedOut { seconds: limit.as_secs() }))
    }

    /// Opens an export. It lasts as long as the list is long.
    ///
    /// # Errors
    /// As for [`Daemon::call`].
    pub async fn open_export(&self, query: &ExportQuery) -> Result<Incoming, CallError> {
        let request = self.builder("GET", &super::export::target(query)).body(Full::default());
        let request = request.map_err(|error| CallError::Garbled(error.to_string()))?;
        let opening = async {
            let mut connection = self.connection().await?;
            let response = connection.send_request(request).await.map_err(|_| CallError::Broken)?;
            if response.status().is_success() {
                return Ok(response.into_body());
            }
            Err(refusal(response).await)
        };
        let limit = ANSWER_TIMEOUT;
        tokio::time::timeout(limit, opening).await.unwrap_or(Err(CallError::TimedOut { seconds: limit.as_secs() }))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Bytes, CallError> {
        let mut connection = self.take_connection().await?;
        let response = connection.send_request(request).await.map_err(|_| CallError::Broken)?;
        if !response.status().is_success() {
            return Err(refusal(response).await);
        }
        check_protocol(&response)?;
        let body = read_body(response).await?;
        self.keep(connection).await;
        Ok(body)
    }

    fn request(&self, call: &Call) -> Result<Request<Full<Bytes>>, CallError> {
        let garbled = |error: &dyn std::fmt::Display| CallError::Garbled(error.to_string());
        let builder = self.builder(call.method().as_str(), &call.target());
        let request = match call.body().map_err(|error| garbled(&error))? {
            Some((body, key)) => builder
                .header("content-type", "application/json")
                .header(headers::IDEMPOTENCY_KEY, key.to_string())
                .body(Full::new(Bytes::from(body))),
            None => builder.body(Full::default()),
        };
        request.map_err(|error| garbled(&error))
    }

    fn builder(&self, method: &str, target: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(target)
            .header("host", "localhost")
            .header(headers::PROTOCOL, PROTOCOL_VERSION)
            .header(headers::DEVICE, &self.device)
    }

    /// The kept connection when it is still good, else a new one.
    async fn take_connection(&self) -> Result<Connection, CallError> {
        let kept = self.idle.lock().await.connection.take();
        if let Some(mut connection) = kept
            && connection.ready().await.is_ok()
        {
            return Ok(connection);
        }
        self.connection().await
    }

    async fn connection(&self) -> Result<Connection, CallError> {
        let stream = connect(&self.place).await.map_err(|error| CallError::Unreachable(error.to_string()))?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|_| CallError::Broken)?;
        let mut idle = self.idle.lock().await;
        while idle.drivers.try_join_next().is_some() {}
        idle.drivers.spawn(async {
            // Its error is the sender's error too, which is where it is told.
            let _ = connection.await;
        });
        Ok(sender)
    }

    async fn keep(&self, connection: Connection) {
        self.idle.lock().await.connection = Some(connection);
    }
}

async fn read_body(response: Response<Incoming>) -> Result<Bytes, CallError> {
    let body = Limited::new(response.into_body(), ANSWER_MAX_BYTES);
    let whole = body.collect().await.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            CallError::Garbled(format!("more than {ANSWER_MAX_BYTES} bytes"))
        } else {
            CallError::Broken
        }
    })?;
    Ok(whole.to_bytes())
}

/// An error answer: problem details, or else its status.
async fn refusal(response: Response<Incoming>) -> CallError {
    let status = response.status();
    match read_body(response).await.map(|body| serde_json::from_slice::<Problem>(&body)) {
        Ok(Ok(problem)) => CallError::Refused(Box::new(problem)),
        Ok(Err(_)) => CallError::Garbled(format!("status {status} without a reason")),
        Err(error) => error,
    }
}

/// A daemon that names its protocol must speak ours.
fn check_protocol(response: &Response<Incoming>) -> Result<(), CallError> {
    let theirs = response.headers().get(headers::PROTOCOL).and_then(|value| value.to_str().ok()?.parse().ok());
    theirs.map_or(Ok(()), protocol_matches)
}

/// Whether a daemon of this protocol can be talked to.
///
/// # Errors
/// A problem with the sentence that says which side to upgrade.
pub fn protocol_matches(theirs: u32) -> Result<(), CallError> {
    let sentence = match theirs.cmp(&PROTOCOL_VERSION) {
        std::cmp::Ordering::Equal => return Ok(()),
        std::cmp::Ordering::Less => format!(
            "this client speaks protocol {PROTOCOL_VERSION}, the daemon speaks {theirs}: upgrade the daemon (blotterd)"
        ),
        std::cmp::Ordering::Greater => format!(
            "this client speaks protocol {PROTOCOL_VERSION}, the daemon speaks {theirs}: upgrade the client (blotter)"
        ),
    };
    Err(CallError::Refused(Box::new(Problem::new(ProblemCode::ProtocolMismatch, sentence))))
}
