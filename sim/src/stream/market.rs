//! The market stream: a WebSocket that takes its subscription as a frame, or an HTTP answer that never ends.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ws::{Message, WebSocket};
use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Deserialize;

use super::quotes::{Said, Wanted};
use super::{Outlet, Step, StreamKind};
use crate::core::Symbol;
use crate::faults::Target;
use crate::pipeline::Call;
use crate::server::App;
use crate::time::{MINUTE, Ms};
use crate::wire::Answer;

/// How often the market is looked at, by the machine's clock; a step of the clock by hand makes a look of its own.
const LOOK: Duration = Duration::from_millis(250);

/// An HTTP stream without news ends after this, by the clock that sessions are measured by.
const SILENCE_MS: i64 = 15 * MINUTE;

/// A client's frame. Each one replaces the subscription before it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subscribe {
    #[serde(default)]
    symbols: Vec<String>,
    #[serde(default)]
    sessionid: String,
    #[serde(default)]
    filter: Vec<String>,
    #[serde(default)]
    linebreak: bool,
    #[serde(default)]
    advanced_details: bool,
}

/// One stream's side of things.
struct Feed {
    app: Arc<App>,
    session: String,
    wanted: Wanted,
    said: Said,
    outlet: Outlet,
    linebreak: bool,
    /// When there last was news.
    heard: Ms,
}

impl Feed {
    fn open(app: &Arc<App>, frame: Subscribe) -> Result<Self, String> {
        let mut sim = app.sim();
        let now = app.transport_now(&sim);
        if sim.sessions.connect(&frame.sessionid, StreamKind::Market, now).is_none() {
            return Err("Session not found".to_owned());
        }
        drop(sim);
        let symbols: Vec<Symbol> = frame.symbols.iter().map(|s| Symbol::new(s)).collect();
        if symbols.is_empty() {
            return Err("No symbols".to_owned());
        }
        let wanted = Wanted { symbols, filter: frame.filter, details: frame.advanced_details };
        Ok(Self {
            app: Arc::clone(app),
            session: frame.sessionid,
            wanted,
            said: Said::default(),
            outlet: Outlet::default(),
            linebreak: frame.linebreak,
            heard: now,
        })
    }

    /// Symbols that nobody knows, as an error frame says it.
    fn unknown(&self) -> Option<String> {
        let sim = self.app.sim();
        let now = sim.now();
        let mut market = sim.market.lock();
        let bad: Vec<&str> =
            self.wanted.symbols.iter().filter(|s| market.quote(s, now).is_none()).map(Symbol::as_str).collect();
        (!bad.is_empty())
            .then(|| serde_json::json!({ "error": format!("Invalid symbol: {}", bad.join(",")) }).to_string())
    }

    /// The same for a stream that ends when nothing was said for long.
    fn news_or_end(&mut self) -> Option<Vec<String>> {
        let news = self.news()?;
        let now = self.app.transport_now(&self.app.sim());
        if !news.is_empty() {
            self.heard = now;
        }
        (now.since(self.heard) < SILENCE_MS).then_some(news)
    }

    /// What there is to say now; `None` when the stream ends.
    fn news(&mut self) -> Option<Vec<String>> {
        let mut sim = self.app.sim();
        if !sim.sessions.is_open(&self.session) {
            return None;
        }
        let now = sim.now();
        let events = self.said.news(&mut sim.market.clone().lock(), &self.wanted, now);
        let mut out = Vec::with_capacity(events.len());
        for event in events {
            let struck = sim.faults.strike_event(&Target {
                endpoint: "market_stream",
                group: "stream",
                method: "WS",
                world: None,
                now,
            });
            match self.outlet.pass(event, struck) {
                Step::Send(texts) => out.extend(texts),
                Step::End => return None,
            }
        }
        if self.linebreak {
            out.iter_mut().for_each(|text| text.push('\n'));
        }
        Some(out)
    }
}

/// Serves one WebSocket until either side ends it.
pub(crate) async fn serve_socket(app: Arc<App>, mut socket: WebSocket) {
    let mut ticks = app.sim().ticks.subscribe();
    let mut feed: Option<Feed> = None;
    let mut look = tokio::time::interval(LOOK);
    loop {
        let news = tokio::select! {
            () = app.stop.cancelled() => break,
            frame = socket.recv() => match frame {
                Some(Ok(Message::Text(text))) => Some(match subscribe(&app, &text) {
                    Ok(opened) => { let told = opened.unknown(); feed = Some(opened); told.into_iter().collect() }
                    Err(why) => vec![serde_json::json!({ "error": why }).to_string()],
                }),
                Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => Some(Vec::new()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
            },
            changed = ticks.changed() => if changed.is_ok() { look_again(&mut feed) } else { None },
            _ = look.tick() => look_again(&mut feed),
        };
        let Some(news) = news else { break };
        for text in news {
            if socket.send(Message::Text(text.into())).await.is_err() {
                return;
            }
        }
    }
    drop(socket.send(Message::Close(None)).await);
}

fn look_again(feed: &mut Option<Feed>) -> Option<Vec<String>> {
    feed.as_mut().map_or(Some(Vec::new()), Feed::news)
}

fn subscribe(app: &Arc<App>, text: &str) -> Result<Feed, String> {
    let frame: Subscribe = serde_json::from_str(text).map_err(|_| "invalid parameters".to_owned())?;
    Feed::open(app, frame)
}

/// Answers with lines of events for as long as the client listens.
pub(crate) fn serve_http(app: &Arc<App>, call: &Call) -> Response<Body> {
    let frame = Subscribe {
        symbols: call.params.list("symbols"),
        sessionid: call.params.get("sessionid").unwrap_or_default().to_owned(),
        filter: call.params.list("filter"),
        linebreak: true,
        advanced_details: call.params.is_true("advancedDetails"),
    };
    let feed = match Feed::open(app, frame) {
        Ok(feed) => feed,
        Err(why) => {
            return Answer::text(StatusCode::UNAUTHORIZED, &why).into_http(crate::wire::Format::Json).map(Body::from);
        }
    };
    let ticks = app.sim().ticks.subscribe();
    let first: Vec<String> = feed.unknown().map(|t| t + "\n").into_iter().collect();
    let stream = futures_util::stream::unfold((feed, ticks, Some(first)), |(mut feed, mut ticks, first)| async move {
        if let Some(first) = first.filter(|f| !f.is_empty()) {
            return Some((Ok::<_, std::convert::Infallible>(Bytes::from(first.concat())), (feed, ticks, None)));
        }
        loop {
            let news = feed.news_or_end()?;
            if !news.is_empty() {
                return Some((Ok(Bytes::from(news.concat())), (feed, ticks, None)));
            }
            tokio::select! {
                () = feed.app.stop.cancelled() => return None,
                changed = ticks.changed() => changed.ok()?,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    });
    let mut response = Response::new(Body::from_stream(stream));
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}
