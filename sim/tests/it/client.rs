//! A client for tests that sees the bytes: one connection for each request, nothing interpreted that a test could judge.

use std::net::SocketAddr;

use blotter_sim::Server;
use blotter_sim::config::Config;
use blotter_sim::time::Ms;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const LIVE: &str = "live-token";
pub(crate) const SANDBOX: &str = "sandbox-token";
pub(crate) const LIVE_ORDERS: &str = "/v1/accounts/6YA00001/orders";
pub(crate) const SANDBOX_ORDERS: &str = "/v1/accounts/VA00000001/orders";

/// Thursday 2026-09-10, in the middle of the morning.
pub(crate) fn morning() -> Ms {
    at("2026-09-10", 10, 15)
}

/// A moment in New York.
pub(crate) fn at(day: &str, hour: u32, minute: u32) -> Ms {
    Ms::at_et(day.parse().expect("a date"), hour, minute)
}

/// Runs a test against a server that lives as long as the test; time stands until the test moves it.
pub(crate) async fn with_sim(test: impl AsyncFnOnce(Client)) {
    with(Config::manual(1, morning()), test).await;
}

/// The same with a configuration of the test's own.
pub(crate) async fn with(config: Config, test: impl AsyncFnOnce(Client)) {
    let server = Server::bind(config, "127.0.0.1:0").await.expect("a server");
    let client = Client { address: server.address().expect("an address"), token: LIVE.to_owned() };
    let (done, stop) = tokio::sync::oneshot::channel::<()>();
    let testing = async {
        test(client).await;
        drop(done);
    };
    tokio::join!(server.serve(async { drop(stop.await) }), testing);
}

/// Where the server is and who asks.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    /// A header's value, by its name in small letters.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|l| l.split_once(": "));
        lines.filter(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v).next()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// Status and body, for answers in plain text.
    pub(crate) fn told(&self) -> (u16, &str) {
        (self.status, self.body.as_str())
    }
}

impl Client {
    pub(crate) fn sandbox(&self) -> Self {
        Self { token: SANDBOX.to_owned(), ..self.clone() }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, "").await
    }

    pub(crate) async fn post(&self, path: &str, form: &str) -> Reply {
        self.send("POST", path, form).await
    }

    pub(crate) async fn send(&self, method: &str, path: &str, form: &str) -> Reply {
        let headers = format!("Accept: application/json\r\nAuthorization: Bearer {}\r\n", self.token);
        self.raw(method, path, (&headers, form)).await.expect("an answer")
    }

    /// One request with exactly these headers; `None` when the line was cut before an answer.
    pub(crate) async fn raw(&self, method: &str, path: &str, (headers, body): (&str, &str)) -> Option<Reply> {
        let mut socket = TcpStream::connect(self.address).await.expect("a connection");
        let host = if headers.contains("Host:") { String::new() } else { format!("Host: {}\r\n", self.address) };
        let request = format!(
            "{method} {path} HTTP/1.1\r\n{host}Connection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n{headers}\r\n{body}",
            body.len()
        );
        socket.write_all(request.as_bytes()).await.expect("a request sent");
        let mut bytes = Vec::new();
        drop(socket.read_to_end(&mut bytes).await);
        let text = String::from_utf8(bytes).expect("text");
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
        Some(Reply { status, head: head.to_owned(), body: body.to_owned() })
    }

    /// The hand on the simulation; a refusal fails the test.
    pub(crate) async fn control(&self, what: &str, body: Value) -> Value {
        let reply = self.raw("POST", &format!("/__sim/{what}"), ("", &body.to_string())).await.expect("an answer");
        assert_eq!(reply.status, 200, "{what} {body}: {}", reply.body);
        reply.json()
    }

    /// Lets trading time pass.
    pub(crate) async fn step(&self, ms: i64) {
        self.control("clock", json!({ "step_ms": ms })).await;
    }

    /// Fixes the market in a symbol until further notice.
    pub(crate) async fn pin(&self, symbol: &str, bid: &str, ask: &str) {
        self.control("do", json!({ "do": "pin", "symbol": symbol, "bid": bid, "ask": ask, "quantity": 500 })).await;
    }

    /// Places an order and gives its number.
    pub(crate) async fn place(&self, orders: &str, form: &str) -> i64 {
        let reply = self.post(orders, form).await;
        reply.json()["order"]["id"].as_i64().unwrap_or_else(|| panic!("no id: {reply:?}"))
    }

    pub(crate) async fn order(&self, orders: &str, id: i64) -> Value {
        self.get(&format!("{orders}/{id}?includeTags=true")).await.json()["order"].clone()
    }
}
