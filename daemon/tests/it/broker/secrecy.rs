//! The token shows nowhere: not in a log at the finest level (ours or a library's), not in an
//! error, not in a `Debug`.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use blotter_daemon::broker::tradier::stream::{AccountStream, StreamPatience, StreamState};
use blotter_daemon::broker::world::Token;
use blotter_daemon::broker::{Broker, OrderScope, Priority, tls};
use blotter_daemon::clock::Clock;
use blotter_daemon::market::MarketData;
use blotter_daemon::market::orats::{Orats, OratsUrl};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::loopback::{Reply, Server};
use super::support::{ACK, TOKEN, bracket, entry, fixture, id, impatience, send, token, tradier_at};

/// Everything that anybody logs.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Page {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl log::Log for Page {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = format!("{} {} {}\n", record.level(), record.target(), record.args());
        self.0.lock().unwrap().extend_from_slice(line.as_bytes());
    }

    fn flush(&self) {}
}

/// The one page of this process: both ways of logging, at the finest level.
fn page() -> &'static Page {
    static PAGE: OnceLock<Page> = OnceLock::new();
    PAGE.get_or_init(|| {
        let page = Page::default();
        tracing_subscriber::registry()
            .with(LevelFilter::TRACE)
            .with(tracing_subscriber::fmt::layer().with_ansi(false).with_writer(page.clone()))
            .init();
        log::set_boxed_logger(Box::new(page.clone())).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        page
    })
}

#[tokio::test]
async fn neither_logs_nor_errors_nor_debug_show_a_token() {
    let page = page();
    tracing::trace!("the page is on");
    log::trace!("so is the other");
    let mut shown = Vec::new();
    for reply in [
        Reply::ok(ACK),
        Reply::new(401, fixture!("fault_token.json")),
        Reply::new(500, ""),
        Reply::new(307, "").with("Location", "/v1/elsewhere"),
        Reply::Close,
        Reply::Stall,
        Reply::Bytes(b"nonsense\r\n\r\n".to_vec()),
    ] {
        let server = Server::always(reply).await;
        let tradier = tradier_at(&server.url(), Clock::system(), impatience()).await;
        shown.push(format!("{:?}", tradier.place(&entry(), send()).await));
        shown.push(format!("{}", tradier.place(&bracket(), send()).await));
        shown.push(format!("{:?}", tradier.cancel(id(7), send()).await));
        shown.push(format!("{:?}", tradier.orders(OrderScope::Session, Priority::Read).await));
        shown.push(format!("{:?}", tradier.quotes(&["SPY".to_owned()], Priority::Read).await));
        shown.push(format!("{tradier:?} {:?} {:?}", tradier.status().borrow(), tradier.limiter()));
        let url = OratsUrl::loopback(&server.url()).unwrap();
        let orats_token = Orats::token(TOKEN.into()).unwrap();
        let orats = Orats::new(url, orats_token, Clock::system(), (&tls::none().unwrap(), impatience())).await.unwrap();
        let chain = orats.chain(&"SPX".parse().unwrap(), "2026-09-10".parse().unwrap(), Priority::Read).await;
        shown.push(format!("{chain:?} {orats:?}"));
    }
    let session = format!(r#"{{"stream":{{"url":"ws://127.0.0.1:1/{TOKEN}","sessionid":"{TOKEN}"}}}}"#);
    let server = Server::always(Reply::ok(session)).await;
    let tradier = tradier_at(&server.url(), Clock::system(), impatience()).await;
    let (stream, _hints, mut state) = AccountStream::new(&tradier, tls::none().unwrap(), StreamPatience::default());
    shown.push(format!("{stream:?}"));
    let shutdown = CancellationToken::new();
    tokio::select! {
        () = stream.run(shutdown.clone()) => {}
        found = state.wait_for(|state| matches!(state, StreamState::Waiting { .. })) => shown.push(format!("{found:?}")),
    }
    shown.push(format!("{:?} {:?}", token(), Token::<()>::new("short".into())));

    let logged = String::from_utf8_lossy(&page.0.lock().unwrap()).into_owned();
    assert!(logged.contains("the page is on") && logged.contains("so is the other"), "the page works");
    for (what, text) in [("a log", logged), ("an outcome", shown.join("\n"))] {
        let place = text.lines().find(|line| line.contains(TOKEN));
        assert_eq!(place, None, "{what} shows the token");
    }
}

#[tokio::test]
async fn a_panic_that_prints_everything_it_has_prints_no_token() {
    let server = Server::always(Reply::ok(ACK)).await;
    let tradier = tradier_at(&server.url(), Clock::system(), impatience()).await;
    let token = token();
    let message =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| panic!("{tradier:?} {token:?}"))).unwrap_err();
    let message = message.downcast_ref::<String>().unwrap();
    assert!(message.contains("Token(…)") && !message.contains(TOKEN), "{message}");
}
