//! What the tests of the broker layer have in common.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use blotter_daemon::broker::rate_limit::{Limits, MemoryStore, RateLimiter};
use blotter_daemon::broker::tradier::{Patience, Setup, Tradier};
use blotter_daemon::broker::world::{BaseUrl, Sandbox, Token};
use blotter_daemon::broker::{
    Instrument, Leg, Lifetime, NewOrder, OrderId, Pricing, Priority, Send, Shape, TradeSide, tls,
};
use blotter_daemon::clock::Clock;
use blotter_shared::domain::Quantity;
use chrono::TimeDelta;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A text that must never be seen anywhere but in the one header.
pub(super) const TOKEN: &str = "s3cr3t-token-0123456789";

pub(super) fn token() -> Token<Sandbox> {
    Token::new(TOKEN.into()).unwrap()
}

/// Short enough for tests, long enough for a loaded machine.
pub(super) fn patience() -> Patience {
    Patience {
        connect: Duration::from_secs(5),
        read: Duration::from_secs(5),
        write: Duration::from_secs(5),
        permit: Duration::from_secs(5),
        repeats: 2,
        pause: Duration::from_millis(5),
    }
}

/// As [`patience`], for servers that never answer.
pub(super) fn impatience() -> Patience {
    Patience { read: Duration::from_millis(300), write: Duration::from_millis(300), ..patience() }
}

pub(super) async fn limiter(clock: &Clock, ceiling: u32) -> RateLimiter {
    let store = Arc::new(MemoryStore::default());
    RateLimiter::open(token().fingerprint(), Limits { ceiling }, store, clock.clone()).await
}

pub(super) async fn tradier_at(url: &str, clock: Clock, patience: Patience) -> Tradier {
    let base = BaseUrl::<Sandbox>::loopback(url).unwrap();
    let setup = Setup {
        account: "VA00000001".parse().unwrap(),
        limiter: limiter(&clock, 10_000).await,
        clock,
        tls: tls::none().unwrap(),
        patience,
    };
    Tradier::new(&base, &token(), setup).unwrap()
}

pub(super) async fn tradier(url: &str) -> Tradier {
    tradier_at(url, Clock::system(), patience()).await
}

pub(super) fn send() -> Send {
    Send { priority: Priority::Entry, by: Clock::system().now() + TimeDelta::seconds(30) }
}

pub(super) fn id(number: i64) -> OrderId {
    OrderId::new(number).unwrap()
}

pub(super) fn leg(side: TradeSide, pricing: Pricing) -> Leg {
    Leg { side, quantity: Quantity::new(1).unwrap(), pricing }
}

pub(super) fn instrument() -> Instrument {
    Instrument { underlying: "SPY".parse().unwrap(), contract: "SPY260918C00600000".parse().unwrap() }
}

pub(super) fn entry() -> NewOrder {
    let shape = Shape::Single(leg(TradeSide::BuyToOpen, Pricing::Limit("0.55".parse().unwrap())));
    NewOrder::new(instrument(), shape, Lifetime::Day, "e1-7f3a".parse().unwrap()).unwrap()
}

pub(super) fn bracket() -> NewOrder {
    let shape = Shape::Oco([
        leg(TradeSide::SellToClose, Pricing::Limit("1.10".parse().unwrap())),
        leg(TradeSide::SellToClose, Pricing::Stop("0.30".parse().unwrap())),
    ]);
    NewOrder::new(instrument(), shape, Lifetime::Gtc, "b1-7f3a".parse().unwrap()).unwrap()
}

/// The simulator's controls: one request, one connection. A refusal fails the test.
pub(super) async fn hand(address: SocketAddr, method: &str, what: &str, body: &str) -> serde_json::Value {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let head = format!("{method} /__sim/{what} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\n");
    let request = format!("{head}content-length: {length}\r\n\r\n{body}");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{method} {what}: {answer}");
    serde_json::from_str(body).unwrap()
}

pub(super) const ACK: &str = include_str!("../../fixtures/tradier/ack.json");

/// Reads a fixture of the wire.
macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../fixtures/tradier/", $name))
    };
}
pub(super) use fixture;
