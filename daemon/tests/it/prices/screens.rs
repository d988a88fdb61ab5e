//! Through the socket: the stream of prices, a chart, the chain, and the ORATS token.

use blotter_shared::protocol::prices::{Expirations, LivePrices, OptionChain, Series};
use blotter_shared::protocol::problem::ProblemCode;
use chrono::NaiveDate;
use http::StatusCode;
use rust_decimal::Decimal;

use crate::api::daemon::{Daemon, Events};
use crate::api::routes::me;
use crate::broker::loopback::{Reply, Server};
use crate::support::{TestDb, insert_trade};

const TRADE: &str = "01930000-0000-7000-8000-000000000001";

/// A daemon whose broker and ORATS answer from files.
async fn stage(orats: Reply) -> (TestDb, Daemon, Server) {
    let db = TestDb::start().await;
    let server = Server::start(move |_, request| match request.path.as_str() {
        "/v1/user/profile" => Reply::ok(include_str!("../../fixtures/tradier/profile_one_account.json")),
        "/v1/markets/options/expirations" => Reply::ok(include_str!("../../fixtures/tradier/expirations_plain.json")),
        "/v1/markets/options/chains" => Reply::ok(include_str!("../../fixtures/tradier/chain.json")),
        "/v1/markets/quotes" => Reply::ok(
            r#"{"quotes":{"quote":{"symbol":"SPY261218C00600000","type":"option","bid":6.0,"ask":6.1,"last":null,
                "underlying":"SPY","strike":600.0,"option_type":"call","expiration_date":"2026-12-18","root_symbol":"SPY",
                "bid_date":4102444800000,"ask_date":4102444800000}}}"#,
        ),
        path if path.starts_with("/orats") => orats.clone(),
        _ => Reply::new(404, ""),
    })
    .await;
    let (sim, orats) = (server.url(), server.url().replace("/v1", "/orats"));
    let daemon = Daemon::start(&db.cluster.url(), |config| {
        config.broker.sim_url = Some(sim);
        config.broker.orats_url = Some(orats);
        config.vault.encryption_key = Some(blotter_daemon::vault::keygen().unwrap());
    })
    .await;
    let mut client = daemon.client().await;
    let body = r#"{"mode":"SIM","token":"sim-token-0123456789"}"#;
    assert_eq!(client.act("PUT", "/v1/tokens", "t1", body).await.status, StatusCode::OK);
    (db, daemon, server)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_opens_the_stream_is_told_the_prices_of_the_own_trades() {
    let (db, daemon, _server) = stage(Reply::new(404, "Not Found.")).await;
    let admin = db.admin().await;
    let columns = [("option_symbol", "'SPY261218C00600000'"), ("ticker", "'SPY'"), ("strike", "600")];
    admin.batch_execute(&insert_trade(&me(), TRADE, &columns)).await.unwrap();
    let fill = "UPDATE paper_trades SET status = 'FILLED', held_qty = 5, protection = 'CONFIRMED', good_version = 1, entry_price = 5";
    admin.batch_execute(fill).await.unwrap();
    let (event, _) = Events::of(&daemon.socket, "/v1/quotes/stream", None).await.until("prices").await;
    let told: LivePrices = serde_json::from_value(event.data).unwrap();
    let [price] = told.prices.as_slice() else { panic!("{told:?}") };
    assert_eq!((price.trade_id.to_string().as_str(), price.mark), (TRADE, Some(Decimal::new(605, 2))));
    // Its source's clock is decades ahead: a stale mark values nothing.
    assert_eq!(price.unrealized_pnl, None, "{price:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chart_has_as_many_points_as_columns_and_is_ones_own() {
    let (db, daemon, _server) = stage(Reply::new(404, "Not Found.")).await;
    let admin = db.admin().await;
    admin.batch_execute(&insert_trade(&me(), TRADE, &[("entry_date", "now() - interval '2 hours'")])).await.unwrap();
    let rows = format!(
        "INSERT INTO price_snapshots (username, trade_id, ts, session_date, mark_price, mark_kind, bid, ask, source, quality)
         SELECT u, '{TRADE}', now() - n * interval '10 s', current_date, 5, 'MID', 4.9, 5.1, 'SIM',
                CASE WHEN n % 10 = 0 THEN 'STALE' ELSE 'GOOD' END
           FROM generate_series(1, 600) AS n, unnest(ARRAY['{}', 'somebody']) AS u",
        me()
    );
    admin.batch_execute(&rows).await.unwrap();
    let mut client = daemon.client().await;
    let series: Series = client.get(&format!("/v1/trades/{TRADE}/series?width=40")).await.json();
    assert_eq!((series.points.len(), series.recorded), (40, 540), "stale marks are no points");
    assert!(series.points.is_sorted_by_key(|point| point.at));
    for (query, field) in [("width=1", "width"), ("width=1001", "width"), ("from=2030-01-01T00:00:00Z", "from")] {
        let problem = client.get(&format!("/v1/trades/{TRADE}/series?{query}")).await.problem();
        assert_eq!((problem.code, problem.errors[0].field.as_str()), (ProblemCode::Invalid, field));
    }
    let missing = client.get("/v1/trades/01930000-0000-7000-8000-0000000000ff/series").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_is_shown_around_the_money_and_asked_for_once() {
    let (_db, daemon, server) = stage(Reply::new(404, "Not Found.")).await;
    let mut client = daemon.client().await;
    let dates: Expirations = client.get("/v1/chain/expirations?symbol=spy&mode=SIM").await.json();
    assert!(dates.expirations.is_sorted() && !dates.expirations.is_empty(), "{dates:?}");
    let expiry = NaiveDate::from_ymd_opt(2026, 9, 18).unwrap();
    let path = format!("/v1/chain?symbol=SPY&expiry={expiry}&strikes=5&mode=SIM");
    for _ in 0..5 {
        let chain: OptionChain = client.get(&path).await.json();
        assert!(!chain.rows.is_empty() && chain.rows.is_sorted_by_key(|row| row.strike), "{chain:?}");
    }
    let asked = server.requests().iter().filter(|request| request.path.ends_with("/chains")).count();
    assert_eq!(asked, 1, "it is kept for seconds");
    let path = format!("/v1/chain?symbol=spxw&expiry={expiry}&strikes=5&mode=SIM");
    assert_eq!(client.get(&path).await.json::<OptionChain>().symbol, "SPX");
    let asked = server.requests().into_iter().filter(|request| request.path.ends_with("/chains"));
    let asked: Vec<String> = asked.map(|request| request.query).collect();
    assert!(
        asked.len() == 2 && asked[1].split('&').any(|part| part == "symbol=SPX"),
        "weeklies of an index: {asked:?}"
    );
    for (query, field) in
        [("symbol=%20&expiry=2026-09-18", "symbol"), ("symbol=SPY&expiry=2026-09-18&strikes=0", "strikes")]
    {
        let problem = client.get(&format!("/v1/chain?{query}&mode=SIM")).await.problem();
        assert_eq!(problem.errors[0].field, field);
    }
    let problem = client.get("/v1/chain/expirations?symbol=SPY&mode=SANDBOX").await.problem();
    assert_eq!(problem.code, ProblemCode::Forbidden, "no token for it");
}
