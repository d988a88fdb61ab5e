//! The account stream: order events and heartbeats, over a WebSocket or as an HTTP answer that never ends.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ws::{Message, WebSocket};
use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Deserialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, Interval};

use super::{Outlet, Step, StreamKind};
use crate::core::{AccountId, Notice};
use crate::faults::Target;
use crate::pipeline::Call;
use crate::server::App;
use crate::wire::{Answer, Format, notice_node};

/// How often a heartbeat comes, by the machine's clock.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// The first frame of a client.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subscribe {
    #[serde(default)]
    events: Vec<String>,
    #[serde(default)]
    sessionid: String,
    #[serde(default)]
    exclude_accounts: Vec<AccountId>,
    #[serde(default)]
    linebreak: bool,
}

struct Subscription {
    id: String,
    accounts: Vec<AccountId>,
    wants_orders: bool,
    linebreak: bool,
}

/// One stream's side of things.
struct Listener {
    app: Arc<App>,
    notices: Receiver<Arc<Notice>>,
    subscription: Option<Subscription>,
    outlet: Outlet,
    beat: Interval,
}

impl Listener {
    fn new(app: Arc<App>) -> Self {
        let notices = app.sim().notices.subscribe();
        let beat = tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        Self { app, notices, subscription: None, outlet: Outlet::default(), beat }
    }

    fn subscribe(&mut self, frame: Subscribe) -> Result<(), &'static str> {
        let mut sim = self.app.sim();
        let now = self.app.transport_now(&sim);
        let token = sim.sessions.connect(&frame.sessionid, StreamKind::Account, now).ok_or("Session not found")?;
        let mut accounts = sim.accounts_of(token);
        drop(sim);
        accounts.retain(|a| !frame.exclude_accounts.contains(a));
        // The documents say `order`; clients that were written against the broker also say `orders`.
        let wants_orders = frame.events.is_empty() || frame.events.iter().any(|e| e == "order" || e == "orders");
        let linebreak = frame.linebreak;
        self.subscription = Some(Subscription { id: frame.sessionid, accounts, wants_orders, linebreak });
        Ok(())
    }

    /// Waits for what there is to say next; `None` when the stream ends.
    async fn next(&mut self) -> Option<Vec<String>> {
        tokio::select! {
            () = self.app.stop.cancelled() => None,
            notice = self.notices.recv() => match (notice, &self.subscription) {
                (Ok(notice), Some(sub)) if sub.wants_orders && sub.accounts.contains(&notice.account) => {
                    match strike(&self.app, &mut self.outlet, &notice) {
                        Step::Send(texts) => Some(texts),
                        Step::End => None,
                    }
                }
                (Ok(_) | Err(RecvError::Lagged(_)), _) => Some(Vec::new()),
                (Err(RecvError::Closed), _) => None,
            },
            _ = self.beat.tick() => match &self.subscription {
                Some(sub) if !self.app.sim().sessions.is_open(&sub.id) => None,
                Some(_) => Some(vec![heartbeat(&self.app)]),
                None => Some(Vec::new()),
            },
        }
    }
}

/// Serves one WebSocket until either side ends it.
pub(crate) async fn serve(app: Arc<App>, mut socket: WebSocket) {
    let mut listener = Listener::new(app);
    loop {
        let texts = tokio::select! {
            frame = socket.recv() => match frame {
                Some(Ok(Message::Text(text))) => {
                    let frame = serde_json::from_str(&text).map_err(|_| "invalid parameters");
                    frame.and_then(|f| listener.subscribe(f)).err().map(error).into_iter().collect()
                }
                Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => Vec::new(),
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
            },
            texts = listener.next() => match texts {
                Some(texts) => texts,
                None => break,
            },
        };
        let linebreak = listener.subscription.as_ref().is_some_and(|s| s.linebreak);
        for text in texts {
            let text = if linebreak { text + "\n" } else { text };
            if socket.send(Message::Text(text.into())).await.is_err() {
                return;
            }
        }
    }
    drop(socket.send(Message::Close(None)).await);
}

/// Answers with lines of events for as long as the client listens.
pub(crate) fn serve_http(app: &Arc<App>, call: &Call) -> Response<Body> {
    let mut listener = Listener::new(Arc::clone(app));
    let frame = Subscribe {
        events: call.params.list("events"),
        sessionid: call.params.get("sessionid").unwrap_or_default().to_owned(),
        exclude_accounts: call.params.list("excludeAccounts").into_iter().map(AccountId).collect(),
        linebreak: true,
    };
    if let Err(why) = listener.subscribe(frame) {
        return Answer::text(StatusCode::UNAUTHORIZED, why).into_http(Format::Json).map(Body::from);
    }
    let lines = futures_util::stream::unfold(listener, |mut listener| async {
        let texts = listener.next().await?;
        let lines: String = texts.into_iter().map(|text| text + "\n").collect();
        Some((Ok::<_, Infallible>(Bytes::from(lines)), listener))
    });
    let mut response = Response::new(Body::from_stream(lines));
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

fn strike(app: &App, outlet: &mut Outlet, notice: &Notice) -> Step {
    let mut sim = app.sim();
    let now = sim.now();
    let target = Target { endpoint: "account_stream", group: "stream", method: "WS", world: None, now };
    let struck = sim.faults.strike_event(&target);
    outlet.pass(notice_node(notice).to_json(), struck)
}

fn heartbeat(app: &App) -> String {
    let now = app.sim().now();
    serde_json::json!({ "event": "heartbeat", "status": "active", "timestamp": now.0 }).to_string()
}

fn error(why: &str) -> String {
    serde_json::json!({ "error": why }).to_string()
}
