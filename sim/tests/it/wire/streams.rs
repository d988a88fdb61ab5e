//! Section 1: sessions, the account's WebSocket, the market's WebSocket and HTTP stream.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::client::{Client, LIVE_ORDERS, with_sim};

const CALL: &str = "SPY260918C00600000";
/// How long a stream may be silent before a test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn session(sim: &Client, of: &str) -> (String, String) {
    let stream = sim.post(&format!("/v1/{of}/events/session"), "").await.json()["stream"].clone();
    let word = |k: &str| stream[k].as_str().unwrap_or_else(|| panic!("{k}: {stream}")).to_owned();
    (word("url"), word("sessionid"))
}

async fn connect(url: &str, first: Value) -> Socket {
    let (mut socket, _) = connect_async(url).await.expect("a WebSocket");
    socket.send(Message::text(first.to_string())).await.expect("a frame sent");
    socket
}

/// The next frames until one fits.
async fn until(socket: &mut Socket, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let mut seen = Vec::new();
    let found = tokio::time::timeout(PATIENCE, async {
        while let Some(Ok(frame)) = socket.next().await {
            let Ok(text) = frame.into_text() else { continue };
            let Ok(value) = serde_json::from_str::<Value>(&text) else { continue };
            if fits(&value) {
                return Some(value);
            }
            seen.push(value);
        }
        None
    });
    let found = found.await.ok().flatten();
    found.unwrap_or_else(|| panic!("waited for {what}, saw {seen:?}"))
}

fn buy() -> String {
    format!("class=option&symbol=SPY&option_symbol={CALL}&side=buy_to_open&quantity=1&type=market&duration=day&tag=e1")
}

#[tokio::test]
async fn s1_the_account_stream_tells_of_orders_without_their_terms() {
    with_sim(async |sim| {
        sim.pin(CALL, "0.98", "1.00").await;
        let (url, id) = session(&sim, "accounts").await;
        assert_eq!(url, format!("ws://{}/v1/accounts/events", sim.address), "the server's own address");
        let mut socket = connect(&url, json!({ "events": ["order"], "sessionid": id, "excludeAccounts": [] })).await;
        ready(&mut socket).await;
        let order = sim.place(LIVE_ORDERS, &buy()).await;
        sim.step(3_000).await;
        let event = until(&mut socket, "a fill", |e| e["event"] == "order" && e["status"] == "filled").await;
        assert_eq!((event["id"].as_i64(), event["account"].as_str()), (Some(order), Some("6YA00001")), "{event}");
        assert_eq!((event["parent_id"].as_i64(), event["executed_quantity"].as_f64()), (Some(0), Some(1.0)), "{event}");
        for absent in ["symbol", "side", "quantity", "class", "option_symbol", "exec_quantity"] {
            assert!(event.get(absent).is_none(), "{absent}: {event}");
        }
    })
    .await;
}

/// Waits until the server has read the subscription: it answers a ping after the frames before it.
async fn ready(socket: &mut Socket) {
    socket.send(Message::Ping(b"there".to_vec().into())).await.expect("a ping");
    let pong = tokio::time::timeout(PATIENCE, async {
        while let Some(Ok(frame)) = socket.next().await {
            if matches!(frame, Message::Pong(_)) {
                return true;
            }
        }
        false
    });
    assert_eq!(pong.await, Ok(true), "no pong");
}

#[tokio::test]
async fn s1_frames_end_with_a_line_when_the_client_asks_for_it() {
    with_sim(async |sim| {
        let (url, id) = session(&sim, "accounts").await;
        let mut socket = connect(&url, json!({ "events": ["order"], "sessionid": id, "linebreak": true })).await;
        sim.pin(CALL, "0.98", "1.00").await;
        sim.place(LIVE_ORDERS, &buy()).await;
        let frame = tokio::time::timeout(PATIENCE, socket.next()).await.expect("in time").expect("a frame");
        let text = frame.expect("a frame").into_text().expect("text");
        assert!(text.ends_with("}\n"), "{text:?}");
    })
    .await;
}

#[tokio::test]
async fn s1_legs_point_to_their_parent() {
    with_sim(async |sim| {
        sim.pin(CALL, "0.98", "1.00").await;
        sim.place(LIVE_ORDERS, &buy()).await;
        sim.step(3_000).await;
        let (url, id) = session(&sim, "accounts").await;
        let mut socket = connect(&url, json!({ "events": ["orders"], "sessionid": id })).await;
        ready(&mut socket).await;
        let oco = format!(
            "class=oco&duration=gtc&option_symbol[0]={CALL}&side[0]=sell_to_close&quantity[0]=1&type[0]=limit&price[0]=1.50\
             &option_symbol[1]={CALL}&side[1]=sell_to_close&quantity[1]=1&type[1]=stop&stop[1]=0.50"
        );
        let parent = sim.place(LIVE_ORDERS, &oco).await;
        sim.step(1_000).await;
        let leg = until(&mut socket, "a leg", |e| e["id"].as_i64() == Some(parent + 1)).await;
        assert_eq!(leg["parent_id"].as_i64(), Some(parent), "{leg}");
    })
    .await;
}

#[tokio::test]
async fn s1_a_session_that_nobody_made_is_an_error_frame() {
    with_sim(async |sim| {
        let url = format!("ws://{}/v1/accounts/events", sim.address);
        let mut socket = connect(&url, json!({ "events": ["order"], "sessionid": "none" })).await;
        until(&mut socket, "an error", |e| e["error"].is_string()).await;
        socket.send(Message::text("no json")).await.expect("a frame sent");
        until(&mut socket, "another error", |e| e["error"].is_string()).await;
    })
    .await;
}

#[tokio::test]
async fn s1_another_session_ends_the_one_before() {
    with_sim(async |sim| {
        let (url, first) = session(&sim, "markets").await;
        let url = url.replace("http://", "ws://");
        let mut socket = connect(&url, json!({ "symbols": ["SPY"], "sessionid": first })).await;
        until(&mut socket, "a quote", |e| e["type"] == "quote").await;
        session(&sim, "markets").await;
        let ended = tokio::time::timeout(PATIENCE, async { while let Some(Ok(_)) = socket.next().await {} });
        assert!(ended.await.is_ok(), "the old stream goes on");
    })
    .await;
}

#[tokio::test]
async fn s1_the_market_socket_tells_quotes_and_trades_and_takes_new_symbols() {
    with_sim(async |sim| {
        let (url, id) = session(&sim, "markets").await;
        let url = url.replace("http://", "ws://");
        let frame = |symbols: &[&str], filter: &[&str]| json!({ "symbols": symbols, "sessionid": id, "filter": filter, "linebreak": true });
        let mut socket = connect(&url, frame(&["SPY", CALL], &["quote", "trade"])).await;
        let quote = until(&mut socket, "a quote", |e| e["type"] == "quote" && e["symbol"] == CALL).await;
        assert!(quote["bid"].is_number() && quote["biddate"].as_str().unwrap().parse::<i64>().is_ok(), "{quote}");
        socket.send(Message::text(frame(&["QQQ"], &[]).to_string())).await.expect("a frame sent");
        let trade = until(&mut socket, "a trade", |e| e["type"] == "trade" && e["symbol"] == "QQQ").await;
        assert!(trade["price"].is_string() && trade["size"].is_string() && trade["date"].is_string(), "{trade}");
        let sale = until(&mut socket, "a sale", |e| e["type"] == "timesale").await;
        assert!(sale["last"].is_string() && sale["session"].is_string(), "{sale}");
        until(&mut socket, "a summary", |e| e["type"] == "summary" && e["prevClose"].is_string()).await;
        socket.send(Message::text(frame(&["ZZZZ"], &[]).to_string())).await.expect("a frame sent");
        until(&mut socket, "an error", |e| e["error"].as_str().is_some_and(|w| w.contains("ZZZZ"))).await;
    })
    .await;
}

#[tokio::test]
async fn s1_the_http_stream_is_lines_that_go_on_with_the_clock() {
    with_sim(async |sim| {
        let (url, id) = session(&sim, "markets").await;
        assert_eq!(url, format!("http://{}/v1/markets/events", sim.address));
        let mut socket = TcpStream::connect(sim.address).await.expect("a connection");
        let body = format!("symbols=SPY&sessionid={id}&filter=quote&linebreak=true");
        let head = format!(
            "POST /v1/markets/events HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        socket.write_all((head + &body).as_bytes()).await.expect("a request");
        let mut text = String::new();
        for quotes in 1..=3 {
            let more = tokio::time::timeout(PATIENCE, async {
                let mut chunk = [0_u8; 4_096];
                while text.matches("\"quote\"").count() < quotes {
                    let n = socket.read(&mut chunk).await.expect("bytes");
                    assert!(n > 0, "the stream ended: {text}");
                    text.push_str(&String::from_utf8_lossy(&chunk[..n]));
                }
            });
            assert!(more.await.is_ok(), "quote {quotes} did not come: {text}");
            sim.step(5_000).await;
        }
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn s1_an_http_stream_without_news_ends_after_fifteen_minutes() {
    with_sim(async |sim| {
        sim.pin(CALL, "0.98", "1.00").await;
        let (_, id) = session(&sim, "markets").await;
        let mut socket = TcpStream::connect(sim.address).await.expect("a connection");
        let query = format!("symbols={CALL}&sessionid={id}&filter=quote");
        let head = format!("GET /v1/markets/events?{query} HTTP/1.1\r\nHost: x\r\n\r\n");
        socket.write_all(head.as_bytes()).await.expect("a request");
        let mut text = String::new();
        let mut more = async |text: &mut String, what: &str| {
            let mut chunk = [0_u8; 4_096];
            let found = tokio::time::timeout(PATIENCE, async {
                while !text.contains(what) {
                    let n = socket.read(&mut chunk).await.expect("bytes");
                    assert!(n > 0, "the line ended before {what:?}: {text}");
                    text.push_str(&String::from_utf8_lossy(&chunk[..n]));
                }
            });
            assert!(found.await.is_ok(), "{what:?} did not come: {text}");
        };
        more(&mut text, "\"bid\":0.98").await;
        sim.step(14 * 60_000).await;
        sim.pin(CALL, "0.97", "1.00").await;
        more(&mut text, "\"bid\":0.97").await;
        sim.step(14 * 60_000).await;
        sim.pin(CALL, "0.96", "1.00").await;
        more(&mut text, "\"bid\":0.96").await;
        sim.step(15 * 60_000).await;
        more(&mut text, "\r\n0\r\n\r\n").await;
    })
    .await;
}

#[tokio::test]
async fn s1_the_http_account_stream_is_lines_of_order_events() {
    with_sim(async |sim| {
        sim.pin(CALL, "0.98", "1.00").await;
        let refused = sim.get("/v1/accounts/events?sessionid=none").await;
        assert_eq!(refused.told(), (401, "Session not found"));
        let (_, id) = session(&sim, "accounts").await;
        let mut socket = TcpStream::connect(sim.address).await.expect("a connection");
        let query = format!("sessionid={id}&events=order&events=position&excludeAccounts=other");
        let head = format!("GET /v1/accounts/events?{query} HTTP/1.1\r\nHost: x\r\n\r\n");
        socket.write_all(head.as_bytes()).await.expect("a request");
        let mut text = String::new();
        let mut more = async |text: &mut String, what: &str| {
            let mut chunk = [0_u8; 4_096];
            let found = tokio::time::timeout(PATIENCE, async {
                while !text.contains(what) {
                    let n = socket.read(&mut chunk).await.expect("bytes");
                    assert!(n > 0, "the line ended before {what:?}: {text}");
                    text.push_str(&String::from_utf8_lossy(&chunk[..n]));
                }
            });
            assert!(found.await.is_ok(), "{what:?} did not come: {text}");
        };
        more(&mut text, "\r\n\r\n").await;
        let order = sim.place(LIVE_ORDERS, &buy()).await;
        sim.step(3_000).await;
        more(&mut text, "\"status\":\"filled\"").await;
        let events = text.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok()).filter(Value::is_object);
        let events: Vec<_> = events.map(|e| (e["id"].as_i64(), e["status"].clone())).collect();
        let statuses = ["pending", "open", "filled"].map(|s| (Some(order), Value::from(s)));
        assert_eq!(events, statuses, "{text}");
    })
    .await;
}

#[tokio::test]
async fn s8_4_the_sandbox_has_an_account_stream_and_no_market_stream() {
    with_sim(async |sim| {
        let sandbox = sim.sandbox();
        assert_eq!(sandbox.post("/v1/markets/events/session", "").await.status, 401);
        assert_eq!(sandbox.post("/v1/accounts/events/session", "").await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn s11_faults_double_events_and_cut_streams() {
    with_sim(async |sim| {
        sim.pin(CALL, "0.98", "1.00").await;
        let (url, id) = session(&sim, "accounts").await;
        let mut socket = connect(&url, json!({ "events": ["order"], "sessionid": id })).await;
        ready(&mut socket).await;
        sim.control("faults", json!({ "kind": "duplicate_event", "endpoint": "account_stream" })).await;
        sim.place(LIVE_ORDERS, &buy()).await;
        sim.step(3_000).await;
        for nth in ["the first", "the second"] {
            until(&mut socket, nth, |e| e["status"] == "filled").await;
        }
        assert_eq!(sim.send("DELETE", "/__sim/faults", "").await.status, 200, "the first fault in the list wins");
        sim.control("faults", json!({ "kind": "cut_stream", "endpoint": "account_stream" })).await;
        sim.place(LIVE_ORDERS, &buy()).await;
        sim.step(3_000).await;
        let ended = tokio::time::timeout(PATIENCE, async { while let Some(Ok(_)) = socket.next().await {} });
        assert!(ended.await.is_ok(), "the stream was not cut");
    })
    .await;
}

/// The statuses that a stream told of one order, up to the first that is `last`.
async fn told(socket: &mut Socket, order: i64, last: &str) -> Vec<String> {
    let mut all = Vec::new();
    while all.last().is_none_or(|known| known != last) {
        let event = until(socket, last, |e| e["id"].as_i64() == Some(order)).await;
        all.push(event["status"].as_str().unwrap_or_else(|| panic!("no status: {event}")).to_owned());
    }
    all
}

#[tokio::test]
async fn s11_faults_drop_events_and_let_them_overtake() {
    with_sim(async |sim| {
        sim.pin(CALL, "0.98", "1.00").await;
        let (url, id) = session(&sim, "accounts").await;
        let mut socket = connect(&url, json!({ "events": ["order"], "sessionid": id })).await;
        ready(&mut socket).await;
        let mut run = async |fault: Option<&str>| {
            if let Some(kind) = fault {
                sim.control("faults", json!({ "kind": kind, "endpoint": "account_stream", "count": 1 })).await;
            }
            let order = sim.place(LIVE_ORDERS, &buy()).await;
            sim.step(3_000).await;
            assert_eq!(sim.order(LIVE_ORDERS, order).await["status"], "filled", "the list is the truth");
            told(&mut socket, order, if fault == Some("reorder_event") { "pending" } else { "filled" }).await
        };
        assert_eq!(run(None).await, ["pending", "open", "filled"]);
        assert_eq!(run(Some("drop_event")).await, ["open", "filled"]);
        assert_eq!(run(Some("reorder_event")).await, ["open", "pending"]);
    })
    .await;
}
