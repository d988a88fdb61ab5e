//! Account events: a hint that something changed, so that the next look comes sooner. Nothing is
//! ever concluded from an event, and nothing from the lack of one: no order state, no fill, no
//! position. With the stream gone, looking goes on at its own pace and nobody is told but the
//! health page.
//!
//! A stream needs a session, which is good for five minutes until it is used, and there is one
//! session per user: each connection therefore gets a fresh one, and after a failure the next try
//! waits longer each time.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::{SinkExt, StreamExt};
use reqwest::Url;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use tokio_util::sync::CancellationToken;

use super::answer::Asked;
use super::form::Form;
use super::http::{Ask, AskMethod, Http, SMALL};
use super::{Tradier, convert, read, wire};
use crate::broker::rate_limit::BucketKind;
use crate::broker::world::is_loopback;
use crate::broker::{AccountId, OrderId, OrderStatus, Priority, ReadError};
use crate::clock::Clock;

/// How patient the stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamPatience {
    pub connect: Duration,
    /// Silence, heartbeats and pongs included, after which the connection counts as dead.
    pub silence: Duration,
    /// Between two pings of ours.
    pub ping: Duration,
    /// Before the first new try; it doubles up to `longest_pause`.
    pub shortest_pause: Duration,
    pub longest_pause: Duration,
}

impl Default for StreamPatience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(150),
            ping: Duration::from_secs(45),
            shortest_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(300),
        }
    }
}

/// "Look now." What changed is named as far as the broker named it; look at the order itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    pub order: Option<OrderId>,
    /// The group that the order belongs to.
    pub parent: Option<OrderId>,
    pub status: Option<OrderStatus>,
}

/// How the stream is, for the health page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamState {
    Off,
    Connecting,
    Live {
        since: DateTime<Utc>,
    },
    /// Polling alone, until the next try.
    Waiting {
        why: String,
        next_try: DateTime<Utc>,
    },
}

/// The account's event stream. [`AccountStream::run`] is its only task.
#[derive(Debug)]
pub struct AccountStream {
    http: Arc<Http>,
    account: AccountId,
    tls: Arc<ClientConfig>,
    patience: StreamPatience,
    hints: mpsc::Sender<Hint>,
    state: watch::Sender<StreamState>,
}

/// Hints that may wait to be taken. One is enough to wake; the rest are dropped.
const WAITING_HINTS: usize = 32;
/// Longest frame that is read.
const LONGEST_FRAME: usize = 1 << 20;

/// Why a connection ended.
#[derive(Debug)]
enum End {
    Shutdown,
    Failed(String),
}

impl AccountStream {
    /// A stream of the account's events, its hints and its state.
    #[must_use]
    pub fn new(
        tradier: &Tradier,
        tls: ClientConfig,
        patience: StreamPatience,
    ) -> (Self, mpsc::Receiver<Hint>, watch::Receiver<StreamState>) {
        let (hints, receiver) = mpsc::channel(WAITING_HINTS);
        let (state, watcher) = watch::channel(StreamState::Off);
        let http = Arc::clone(&tradier.http);
        let stream = Self { http, account: tradier.account.clone(), tls: Arc::new(tls), patience, hints, state };
        (stream, receiver, watcher)
    }

    /// Keeps the stream up until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut pause = self.patience.shortest_pause;
        loop {
            self.state.send_replace(StreamState::Connecting);
            let end = tokio::select! {
                () = shutdown.cancelled() => End::Shutdown,
                end = self.connection() => end,
            };
            let was_live = matches!(*self.state.borrow(), StreamState::Live { .. });
            let End::Failed(why) = end else { break };
            pause = if was_live { self.patience.shortest_pause } else { pause };
            self.wait_state(why, pause);
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = sleep(pause) => {}
            }
            pause = (pause * 2).min(self.patience.longest_pause);
        }
        self.state.send_replace(StreamState::Off);
    }

    fn wait_state(&self, why: String, pause: Duration) {
        let next_try = self.clock().now() + pause;
        tracing::debug!(account = ?self.account, why, pause_ms = pause.as_millis(), "account events are off, polling goes on");
        self.state.send_replace(StreamState::Waiting { why, next_try });
    }

    fn clock(&self) -> &Clock {
        self.http.clock()
    }

    /// One connection from its session to its end.
    async fn connection(&self) -> End {
        match self.open().await {
            Ok(Opened::Plain(socket)) => self.listen(*socket).await,
            Ok(Opened::Tls(socket)) => self.listen(*socket).await,
            Err(why) => End::Failed(why),
        }
    }

    async fn open(&self) -> Result<Opened, String> {
        let session = self.session().await.map_err(|error| format!("no session: {error}"))?;
        let url = self.checked(&session.url)?;
        let subscribe = json!({
            "events": ["order"],
            "sessionid": session.sessionid,
            "excludeAccounts": [],
        });
        let deadline = Instant::now() + self.patience.connect;
        match timeout_at(deadline, self.connect(&url, subscribe.to_string())).await {
            Ok(opened) => opened,
            Err(_) => Err("no connection in time".to_owned()),
        }
    }

    async fn session(&self) -> Result<wire::WireSession, ReadError> {
        let ask = Ask {
            what: "the event session",
            bucket: BucketKind::Accounts,
            priority: Priority::Read,
            path: "accounts/events/session".to_owned(),
            query: Form::new(),
            asked: Asked::Anything,
            method: AskMethod::Post,
            longest: SMALL,
        };
        let body = self.http.read(&ask).await?;
        let envelope: wire::SessionEnvelope = read::decode(ask.what, &body)
            .map_err(|_| ReadError::Undecodable { what: ask.what, why: "it is no session".to_owned() })?;
        Ok(envelope.stream)
    }

    /// A session id opens the account's events, so it goes only where the account itself is: to
    /// the broker's own hosts over TLS, or to this machine when the broker is this machine.
    fn checked(&self, address: &str) -> Result<Url, String> {
        let url: Url = address.parse().map_err(|_| "the stream's address cannot be read".to_owned())?;
        let host = url.host_str().unwrap_or_default();
        let own = if is_loopback(self.http.base()) {
            is_loopback(&url) && matches!(url.scheme(), "ws" | "wss")
        } else {
            url.scheme() == "wss" && host.ends_with(".tradier.com")
        };
        if own { Ok(url) } else { Err("the stream's address is not the broker's".to_owned()) }
    }

    async fn connect(&self, url: &Url, subscribe: String) -> Result<Opened, String> {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = url.port().unwrap_or(if url.scheme() == "wss" { 443 } else { 80 });
        let tcp = TcpStream::connect((host.as_str(), port)).await.map_err(|_| "no connection".to_owned())?;
        tcp.set_nodelay(true).map_err(|_| "no connection".to_owned())?;
        if url.scheme() == "ws" {
            return Ok(Opened::Plain(Box::new(handshake(url, tcp, subscribe).await?)));
        }
        let name = ServerName::try_from(host).map_err(|_| "the stream's host has no valid name".to_owned())?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let tls = connector.connect(name, tcp).await.map_err(|_| "TLS failed".to_owned())?;
        Ok(Opened::Tls(Box::new(handshake(url, tls, subscribe).await?)))
    }

    /// Reads frames until the connection ends or has been silent for too long.
    async fn listen<S: AsyncRead + AsyncWrite + Unpin>(&self, mut socket: WebSocketStream<S>) -> End {
        self.state.send_replace(StreamState::Live { since: self.clock().now() });
        // Whatever happened while nobody listened is found by looking.
        self.hint(Hint { order: None, parent: None, status: None });
        let mut pings = interval(self.patience.ping);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut silent_until = Instant::now() + self.patience.silence;
        loop {
            let frame = tokio::select! {
                frame = timeout_at(silent_until, socket.next()) => frame,
                _ = pings.tick() => {
                    match timeout(self.patience.connect, socket.send(Message::Ping(Vec::new().into()))).await {
                        Ok(Ok(())) => continue,
                        Ok(Err(_)) | Err(_) => return End::Failed("the connection broke".to_owned()),
                    }
                }
            };
            let message = match frame {
                Err(_) => return End::Failed("silence for too long".to_owned()),
                Ok(None | Some(Ok(Message::Close(_)))) => return End::Failed("closed by the broker".to_owned()),
                Ok(Some(Err(_))) => return End::Failed("the connection broke".to_owned()),
                Ok(Some(Ok(message))) => message,
            };
            silent_until = Instant::now() + self.patience.silence;
            if let Err(why) = self.take(&message) {
                return End::Failed(why);
            }
        }
    }

    /// One message may carry several frames, a line each.
    fn take(&self, message: &Message) -> Result<(), String> {
        let Message::Text(text) = message else { return Ok(()) };
        for line in text.as_str().lines().filter(|line| !line.trim().is_empty()) {
            match serde_json::from_str::<wire::WireFrame>(line) {
                Ok(frame) if frame.error.0.is_some() => return Err("the broker refused the subscription".to_owned()),
                Ok(frame) if frame.event.0.as_deref() == Some("heartbeat") => {}
                Ok(frame) => self.hint(hint(&frame)),
                // A frame that cannot be read is a reason to look, too.
                Err(_) => self.hint(Hint { order: None, parent: None, status: None }),
            }
        }
        Ok(())
    }

    fn hint(&self, hint: Hint) {
        // A full channel already holds reasons enough to look.
        let _ = self.hints.try_send(hint);
    }
}

fn hint(frame: &wire::WireFrame) -> Hint {
    let id = |number: Option<rust_decimal::Decimal>| number.and_then(|number| convert::order_id(number).ok());
    Hint {
        order: id(frame.id.0),
        parent: id(frame.parent_id.0),
        status: frame.status.0.as_deref().map(OrderStatus::from_wire),
    }
}

enum Opened {
    Plain(Box<WebSocketStream<TcpStream>>),
    Tls(Box<WebSocketStream<tokio_rustls::client::TlsStream<TcpStream>>>),
}

/// The WebSocket handshake and the frame that names the session.
async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    url: &Url,
    stream: S,
    subscribe: String,
) -> Result<WebSocketStream<S>, String> {
    let mut config = WebSocketConfig::default();
    config.max_frame_size = Some(LONGEST_FRAME);
    config.max_message_size = Some(LONGEST_FRAME);
    let (mut socket, _) = client_async_with_config(url.as_str(), stream, Some(config))
        .await
        .map_err(|_| "the broker refused the stream".to_owned())?;
    socket.send(Message::text(subscribe)).await.map_err(|_| "the connection broke".to_owned())?;
    Ok(socket)
}
