//! ORATS: its habits, and its token that lives in the address.

use blotter_daemon::broker::tls;
use blotter_daemon::broker::{AuthTrouble, Priority, ReadError, Ticker};
use blotter_daemon::clock::Clock;
use blotter_daemon::market::orats::{Orats, OratsUrl};
use blotter_daemon::market::{BarsRequest, Interval, MarketData};
use rust_decimal::Decimal;

use super::loopback::{Reply, Server};
use super::support::{TOKEN, impatience, patience};

const CHAIN: &str = include_str!("../../fixtures/orats/live_strikes.json");
const OPTIONS: &str = include_str!("../../fixtures/orats/live_strikes_options.json");

async fn orats(server: &Server) -> Orats {
    let url = OratsUrl::loopback(&format!("http://{}/datav2", server.address)).unwrap();
    let token = Orats::token(TOKEN.into()).unwrap();
    let patience = blotter_daemon::broker::tradier::Patience { read: impatience().read, ..patience() };
    Orats::new(url, token, Clock::system(), (&tls::none().unwrap(), patience)).await.unwrap()
}

fn spx() -> Ticker {
    "SPX".parse().unwrap()
}

#[tokio::test]
async fn a_chain_and_its_strikes() {
    let server = Server::always(Reply::ok(CHAIN)).await;
    let orats = orats(&server).await;
    let expiry = "2026-09-10".parse().unwrap();
    let chain = orats.chain(&spx(), expiry, Priority::Read).await.unwrap();
    assert_eq!(chain.rows.len(), 2);
    let request = &server.requests()[0];
    assert_eq!(request.path, "/datav2/live/strikes/monthly");
    assert_eq!(request.query, format!("ticker=SPX&expiry=2026-09-10&token={TOKEN}"));
    assert_eq!(request.header("authorization"), None);
    let strikes = orats.strikes(&spx(), expiry, Priority::Read).await.unwrap();
    assert_eq!(strikes, [Decimal::from(6500)]);
    let other = "2026-09-11".parse().unwrap();
    assert_eq!(orats.chain(&spx(), other, Priority::Read).await.unwrap().rows.len(), 0, "another expiry's rows");
}

#[tokio::test]
async fn quotes_are_asked_ten_at_a_time_and_none_vanishes() {
    let server = Server::always(Reply::ok(OPTIONS)).await;
    let orats = orats(&server).await;
    let mut symbols: Vec<_> = (0..11).map(|strike| format!("AAPL260320C{:08}", 100_000 + strike * 1000)).collect();
    symbols.push("AAPL260320P00175000".to_owned());
    symbols.push("AAPL".to_owned());
    let quotes = orats.quotes(&symbols, Priority::Read).await.unwrap();
    assert_eq!(server.requests().len(), 2);
    assert_eq!((quotes.quotes.len(), quotes.unmatched.len()), (1, 12));
    assert_eq!(quotes.quotes[0].greeks.unwrap().delta, Some("-0.31".parse().unwrap()));
}

#[tokio::test]
async fn each_way_of_failing_has_its_name() {
    let expiry = "2026-09-10".parse().unwrap();
    for (reply, requests, check) in [
        (Reply::new(404, "Not Found."), 1, None),
        (Reply::ok("<!DOCTYPE html><p>Sign in</p>"), 1, Some(ReadError::Reauthenticate { why: AuthTrouble::Invalid })),
        (Reply::new(403, ""), 1, Some(ReadError::Reauthenticate { why: AuthTrouble::Invalid })),
    ] {
        let server = Server::always(reply).await;
        let chain = orats(&server).await.chain(&spx(), expiry, Priority::Read).await;
        match check {
            None => assert_eq!(chain.unwrap().rows.len(), 0, "told to be missing is an answer"),
            Some(error) => assert_eq!(chain, Err(error)),
        }
        assert_eq!(server.requests().len(), requests);
    }
    for reply in [Reply::ok(""), Reply::new(500, ""), Reply::new(404, "")] {
        let server = Server::always(reply).await;
        let chain = orats(&server).await.chain(&spx(), expiry, Priority::Read).await;
        assert!(matches!(chain, Err(ReadError::Unavailable { .. })), "{chain:?}");
        assert_eq!(server.requests().len(), 3, "tried again, and given up");
    }
    let server = Server::always(Reply::new(429, "")).await;
    let chain = orats(&server).await.chain(&spx(), expiry, Priority::Read).await;
    assert!(matches!(chain, Err(ReadError::RateLimited { .. })), "{chain:?}");
}

#[tokio::test]
async fn no_error_carries_the_address() {
    for reply in [
        Reply::Close,
        Reply::Reset,
        Reply::Stall,
        Reply::Bytes(b"nonsense\r\n\r\n".to_vec()),
        Reply::Cut { body: CHAIN[..50].to_owned(), promised: CHAIN.len() },
        Reply::new(302, "").with("Location", "http://127.0.0.1:1/elsewhere"),
        Reply::ok(format!("{{\"data\":\"{TOKEN}\"}}")),
        Reply::new(400, TOKEN),
        Reply::new(500, TOKEN),
    ] {
        let server = Server::always(reply.clone()).await;
        let orats = orats(&server).await;
        let error = orats.chain(&spx(), "2026-09-10".parse().unwrap(), Priority::Read).await.unwrap_err();
        let shown = format!("{error} {error:?} {orats:?}");
        let allowed = matches!(reply, Reply::Answer { status: 200, .. });
        assert!(!shown.contains("token="), "{reply:?}: {shown}");
        assert!(allowed || !shown.contains(TOKEN), "{reply:?}: {shown}");
    }
}

#[tokio::test]
async fn what_it_does_not_have_it_says() {
    let server = Server::always(Reply::ok(CHAIN)).await;
    let request = BarsRequest { symbol: spx(), interval: Interval::Daily, start: None, end: None };
    let bars = orats(&server).await.bars(&request, Priority::Read).await;
    assert_eq!(bars, Err(ReadError::Unsupported { source_name: "ORATS", what: "bars" }));
    assert_eq!(server.requests().len(), 0);
}
