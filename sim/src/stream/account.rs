//! The account stream: order events and heartbeats.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;

use super::{Outlet, Step, StreamKind};
use crate::core::{AccountId, Notice};
use crate::faults::Target;
use crate::server::App;
use crate::wire::notice_node;

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
}

struct Subscription {
    id: String,
    accounts: Vec<AccountId>,
    wants_orders: bool,
}

/// Serves one WebSocket until either side ends it.
pub(crate) async fn serve(app: Arc<App>, mut socket: WebSocket) {
    let mut notices = app.sim().notices.subscribe();
    let mut subscription: Option<Subscription> = None;
    let mut outlet = Outlet::default();
    let mut beat = tokio::time::interval(HEARTBEAT);
    beat.tick().await;
    loop {
        let texts = tokio::select! {
            () = app.stop.cancelled() => break,
            frame = socket.recv() => match frame {
                Some(Ok(Message::Text(text))) => match subscribe(&app, &text) {
                    Ok(made) => { subscription = Some(made); Vec::new() }
                    Err(why) => vec![error(why)],
                },
                Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => Vec::new(),
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
            },
            notice = notices.recv() => match (notice, &subscription) {
                (Ok(notice), Some(sub)) if sub.wants_orders && sub.accounts.contains(&notice.account) => match strike(&app, &mut outlet, &notice) {
                    Step::Send(texts) => texts,
                    Step::End => break,
                },
                (Ok(_) | Err(RecvError::Lagged(_)), _) => Vec::new(),
                (Err(RecvError::Closed), _) => break,
            },
            _ = beat.tick() => match &subscription {
                Some(sub) if !app.sim().sessions.is_open(&sub.id) => break,
                Some(_) => vec![heartbeat(&app)],
                None => Vec::new(),
            },
        };
        for text in texts {
            if socket.send(Message::Text(text.into())).await.is_err() {
                return;
            }
        }
    }
    drop(socket.send(Message::Close(None)).await);
}

fn subscribe(app: &App, text: &str) -> Result<Subscription, &'static str> {
    let frame: Subscribe = serde_json::from_str(text).map_err(|_| "invalid parameters")?;
    let mut sim = app.sim();
    let now = app.transport_now(&sim);
    let token = sim.sessions.connect(&frame.sessionid, StreamKind::Account, now).ok_or("Session not found")?;
    let mut accounts = sim.accounts_of(token);
    accounts.retain(|a| !frame.exclude_accounts.contains(a));
    // The documents say `order`; clients that were written against the broker also say `orders`.
    let wants_orders = frame.events.is_empty() || frame.events.iter().any(|e| e == "order" || e == "orders");
    Ok(Subscription { id: frame.sessionid, accounts, wants_orders })
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
