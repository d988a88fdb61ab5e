//! Each habit of the broker's, from a fixture, through a real connection.

use blotter_daemon::broker::{
    AccountType, Broker, DayStatus, Duration, Fill, HistoryKind, HistoryRange, Liveness, MarketState, Order,
    OrderClass, OrderScope, OrderSide, OrderStatus, OrderType, Priority, ReadError, Ticker,
};
use blotter_daemon::market::{BarsRequest, InstrumentKind, Interval, MarketData};
use blotter_shared::domain::OptionType;
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::loopback::{Reply, Server};
use super::support::{fixture, id, tradier};

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// Asks through a server that answers with `body`.
macro_rules! ask {
    ($body:expr, $method:ident($($argument:expr),*)) => {{
        let server = Server::always(Reply::ok($body)).await;
        tradier(&server.url()).await.$method($($argument,)* Priority::Read).await
    }};
}

async fn order(body: &str) -> Order {
    let number = serde_json::from_str::<serde_json::Value>(body).unwrap()["order"]["id"].as_i64().unwrap();
    ask!(body, order(id(number))).unwrap()
}

#[tokio::test]
async fn numbers_with_eight_decimals_and_exponents() {
    let order = order(fixture!("order_filled.json")).await;
    assert_eq!(order.fill(), Fill::Done { quantity: Decimal::ONE, average: decimal("0.54") });
    assert_eq!(order.last_fill_quantity, Some(Decimal::ZERO), "0E-8 is a number");
    assert_eq!(order.tag.as_deref(), Some("e1-7f3a"));
    assert_eq!(order.created_at.unwrap().to_rfc3339(), "2026-09-10T14:03:11.120+00:00");
}

#[tokio::test]
async fn a_fill_is_shown_before_its_price_and_even_before_its_quantity() {
    let early = order(fixture!("order_filled_before_price.json")).await;
    assert_eq!((early.status.clone(), early.fill()), (OrderStatus::Filled, Fill::PriceMissing(Decimal::ONE)));
    let earlier = order(fixture!("order_filled_before_quantity.json")).await;
    assert_eq!((earlier.status.clone(), earlier.fill()), (OrderStatus::Filled, Fill::Nothing));
}

#[tokio::test]
async fn a_rejection_has_its_reason_without_the_trailing_blank() {
    let order = order(fixture!("order_rejected.json")).await;
    assert!(order.status.is_final());
    assert!(order.reason.unwrap().ends_with("for security."));
}

#[tokio::test]
async fn a_canceled_order_may_have_filled_in_part() {
    let order = order(fixture!("order_canceled_after_partial_fill.json")).await;
    assert_eq!(order.fill(), Fill::Done { quantity: Decimal::TWO, average: decimal("0.54") });
    assert_eq!(order.remaining_quantity, Some(Decimal::ZERO), "which says nothing about fills");
}

#[tokio::test]
async fn new_words_are_kept_and_count_as_live() {
    let order = order(fixture!("order_unknown_words.json")).await;
    assert_eq!(order.status, OrderStatus::Unknown("pondering".to_owned()));
    assert_eq!(order.status.liveness(), Liveness::Live);
    assert_eq!(order.duration, Some(Duration::Unknown("overnight".to_owned())));
    assert_eq!(order.side, Some(OrderSide::Unknown("sell_sideways".to_owned())));
    assert_eq!(order.order_type, Some(OrderType::Unknown("pegged".to_owned())));
    assert_eq!(order.class, Some(OrderClass::Unknown("tranche".to_owned())));
}

#[tokio::test]
async fn the_parent_of_an_oco_has_nothing_of_its_own() {
    let parent = order(fixture!("order_oco.json")).await;
    assert_eq!((parent.symbol.clone(), parent.quantity, parent.fill()), (None, None, Fill::Nothing));
    assert_eq!(parent.tag.as_deref(), Some("strat-a1"));
    let [target, stop] = &parent.legs[..] else { panic!("{parent:?}") };
    assert_eq!(target.fill(), Fill::Done { quantity: Decimal::ONE, average: decimal("3.34") });
    assert_eq!((stop.stop_price, stop.price, stop.fill()), (Some(decimal("2.78")), None, Fill::Nothing));
    assert!(parent.is_final_throughout());
    let racing = order(fixture!("order_oco_sibling_not_yet_canceled.json")).await;
    assert!(racing.legs[0].status.is_final() && !racing.is_final_throughout(), "the sibling still works");
}

#[tokio::test]
async fn a_single_leg_is_an_object() {
    let order = order(fixture!("order_multileg_one_leg_object.json")).await;
    assert_eq!((order.legs.len(), order.order_type), (1, Some(OrderType::Debit)));
}

#[tokio::test]
async fn no_orders_one_order_many_orders() {
    for (body, count) in [
        (fixture!("orders_none_string.json"), 0),
        (fixture!("orders_none_null.json"), 0),
        (fixture!("orders_one_object.json"), 1),
        (fixture!("orders_many.json"), 5),
    ] {
        let list = ask!(body, orders(OrderScope::Session)).unwrap();
        assert_eq!(list.orders.len(), count, "{body}");
    }
}

#[tokio::test]
async fn what_is_no_list_is_not_an_empty_one() {
    for body in [
        fixture!("maintenance.html"),
        "",
        "null",
        "{}",
        "[]",
        r#"{"orders":""}"#,
        r#"{"orders":[]}"#,
        r#"{"orders":{"order":"none"}}"#,
        r#"{"orders":{"order":[{"id":"x","status":"open"}]}}"#,
        r#"{"orders":{"order":[{"id":1,"status":"open","exec_quantity":-1}]}}"#,
        r#"{"orders":{"order":[{"id":1,"status":"open","create_date":"yesterday"}]}}"#,
        r#"{"orders":{"order":[{"id":1,"sta"#,
        fixture!("fault_datastore.json"),
        fixture!("errors_string.json"),
        fixture!("positions_none.json"),
    ] {
        let list = ask!(body, orders(OrderScope::Session));
        assert!(list.is_err(), "`{body}` gave {list:?}");
        let positions = ask!(body.replace("orders", "positions").replace("order", "position"), positions());
        assert!(positions.is_err() || body.contains("positions"), "`{body}` gave {positions:?}");
    }
}

#[tokio::test]
async fn positions_of_each_shape() {
    assert_eq!(ask!(fixture!("positions_none.json"), positions()), Ok(Vec::new()));
    assert_eq!(ask!(fixture!("positions_one_object.json"), positions()).unwrap().len(), 1);
    let many = ask!(fixture!("positions_many.json"), positions()).unwrap();
    assert_eq!((many[1].quantity, many[1].cost_basis), (decimal("-20"), Some(decimal("-1870.7"))));
}

#[tokio::test]
async fn each_kind_of_account_has_its_buying_power_elsewhere() {
    for (body, kind, power) in [
        (fixture!("balances_margin.json"), AccountType::Margin, "99945"),
        (fixture!("balances_pdt.json"), AccountType::Pdt, "6363.86"),
        (fixture!("balances_cash.json"), AccountType::Cash, "4343.38"),
    ] {
        let balances = ask!(body, balances()).unwrap();
        assert_eq!((balances.account_type, balances.option_buying_power), (kind, Some(decimal(power))));
        assert_eq!(balances.total_equity, decimal("100000"));
    }
}

#[tokio::test]
async fn a_profile_has_one_account_or_several() {
    let one = ask!(fixture!("profile_one_account.json"), profile()).unwrap();
    assert_eq!((one.accounts.len(), one.accounts[0].option_level), (1, Some(6)));
    assert_eq!(ask!(fixture!("profile_two_accounts.json"), profile()).unwrap().accounts.len(), 2);
}

#[tokio::test]
async fn the_exchanges_day() {
    let clock = ask!(fixture!("clock.json"), clock()).unwrap();
    assert_eq!((clock.state, clock.next_state), (MarketState::Open, Some(MarketState::Postmarket)));
    assert_eq!(clock.next_change.unwrap().to_string(), "16:00:00");
    let days = ask!(fixture!("calendar.json"), calendar(2026, 11)).unwrap();
    assert_eq!((days[0].status.clone(), days[0].open), (DayStatus::Closed, None));
    assert_eq!(days[1].open.unwrap().end.to_string(), "13:00:00", "an early close shows only here");
}

#[tokio::test]
async fn the_accounts_history() {
    let range = HistoryRange { start: "2026-05-01".parse().unwrap(), end: "2026-07-31".parse().unwrap() };
    let server = Server::in_order(vec![
        Reply::ok(fixture!("history_account.json")),
        Reply::ok(fixture!("history_account_none.json")),
    ])
    .await;
    let events = tradier(&server.url()).await.history(range, Priority::Read).await.unwrap();
    assert_eq!(events[0].commission, Some(decimal("0.35")));
    assert_eq!((events[1].kind.clone(), events[1].detail.as_deref()), (HistoryKind::Option, Some("OPTEXP")));
    assert_eq!(events[3].kind, HistoryKind::Unknown("rebate".to_owned()));
    assert_eq!(events.len(), 4);
}

#[tokio::test]
async fn quotes_of_a_stock_an_option_an_index_and_of_nothing() {
    let symbols = ["SPY", "SPY260918C00600000", "VIX", "NOPE", "GONE"].map(str::to_owned);
    let quotes = ask!(fixture!("quotes_mixed.json"), quotes(&symbols)).unwrap();
    let [stock, option, index] = &quotes.quotes[..] else { panic!("{quotes:?}") };
    assert_eq!((stock.bid, stock.close), (Some(decimal("600.11")), None));
    assert_eq!(stock.quoted_at(), stock.ask_at, "the older side counts, not the last trade");
    assert_eq!((option.last, option.trade_at), (None, None), "never traded, still quoted");
    let terms = option.terms.as_ref().unwrap();
    assert_eq!((terms.strike, terms.option_type, terms.contract_size), (decimal("600"), OptionType::Call, Some(100)));
    assert_eq!(option.greeks.unwrap().mid_iv, Some(decimal("0.1234")));
    assert_eq!((index.kind.clone(), index.quoted_at()), (Some(InstrumentKind::Index), index.trade_at));
    let mut unmatched = quotes.unmatched.clone();
    unmatched.sort();
    assert_eq!(unmatched, ["GONE", "NOPE"], "one was named, one simply left out");
}

#[tokio::test]
async fn quotes_alone_and_none() {
    let one = ask!(fixture!("quotes_one_object.json"), quotes(&["SPY".to_owned()])).unwrap();
    assert_eq!((one.quotes.len(), one.unmatched.len()), (1, 0));
    let none = ask!(fixture!("quotes_all_unmatched.json"), quotes(&["NOPE".to_owned(), "NADA".to_owned()])).unwrap();
    assert_eq!((none.quotes.len(), none.unmatched), (0, vec!["NOPE".to_owned(), "NADA".to_owned()]));
}

#[tokio::test]
async fn a_chain_keeps_its_roots_apart() {
    let (underlying, expiry): (Ticker, _) = ("SPX".parse().unwrap(), "2026-09-18".parse().unwrap());
    let chain = ask!(fixture!("chain.json"), chain(&underlying, expiry)).unwrap();
    let roots: Vec<_> = chain.rows.iter().filter_map(|row| row.terms.as_ref()?.root.as_deref()).collect();
    assert_eq!(roots, ["SPX", "SPXW", "SPXW"]);
    assert_eq!(chain.rows[1].greeks, None);
    assert_eq!(ask!(fixture!("chain_none.json"), chain(&underlying, expiry)).unwrap().rows.len(), 0);
}

#[tokio::test]
async fn expirations_and_strikes_of_each_shape() {
    let underlying: Ticker = "SPY".parse().unwrap();
    for (body, count) in [
        (fixture!("expirations_plain.json"), 2),
        (fixture!("expirations_full.json"), 2),
        (fixture!("expirations_one.json"), 1),
        (fixture!("expirations_none.json"), 0),
    ] {
        assert_eq!(ask!(body, expirations(&underlying)).unwrap().len(), count, "{body}");
    }
    let expiry = "2026-09-18".parse().unwrap();
    let strikes = ask!(fixture!("strikes.json"), strikes(&underlying, expiry)).unwrap();
    assert_eq!(strikes, [decimal("599.5"), decimal("600")], "ascending, each once");
    assert_eq!(ask!(fixture!("strikes_one.json"), strikes(&underlying, expiry)).unwrap().len(), 1);
}

#[tokio::test]
async fn bars_within_a_day_and_of_days() {
    let minutes = BarsRequest {
        symbol: "SPY".parse().unwrap(),
        interval: Interval::OneMinute,
        start: Some("2026-09-10T09:30:00".parse().unwrap()),
        end: None,
    };
    for (body, count) in
        [(fixture!("timesales.json"), 2), (fixture!("timesales_one.json"), 1), (fixture!("timesales_none.json"), 0)]
    {
        assert_eq!(ask!(body, bars(&minutes)).unwrap().len(), count, "{body}");
    }
    let server = Server::always(Reply::ok(fixture!("timesales.json"))).await;
    tradier(&server.url()).await.bars(&minutes, Priority::Read).await.unwrap();
    assert!(server.requests()[0].query.contains("start=2026-09-10+09%3A30"), "{}", server.requests()[0].query);
    let days = BarsRequest { interval: Interval::Daily, ..minutes };
    let bars = ask!(fixture!("history_daily.json"), bars(&days)).unwrap();
    assert_eq!(bars[0].close, Some(decimal("599.01")));
}

/// Every fixture of an answer, for the fuzzer to damage.
const ANSWERS: &[&str] = &[
    fixture!("order_filled.json"),
    fixture!("order_oco.json"),
    fixture!("orders_many.json"),
    fixture!("positions_many.json"),
    fixture!("balances_margin.json"),
    fixture!("profile_two_accounts.json"),
    fixture!("clock.json"),
    fixture!("calendar.json"),
    fixture!("history_account.json"),
    fixture!("quotes_mixed.json"),
    fixture!("chain.json"),
    fixture!("expirations_full.json"),
    fixture!("strikes.json"),
    fixture!("timesales.json"),
    fixture!("errors_array.json"),
];

fn damaged() -> impl Strategy<Value = String> {
    let whole = prop::sample::select(ANSWERS);
    let bytes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    (whole, bytes, any::<prop::sample::Index>(), any::<bool>()).prop_map(|(whole, hits, cut, is_cut)| {
        let mut bytes = whole.as_bytes().to_vec();
        for (place, byte) in hits {
            let index = place.index(bytes.len());
            bytes[index] = byte;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Damage may only ever turn an answer into an error or into what it says; it never panics,
    /// hangs, or makes orders disappear silently.
    #[test]
    fn no_damage_to_an_answer_panics(body in damaged()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Server::always(Reply::ok(body)).await;
            let tradier = tradier(&server.url()).await;
            let (underlying, expiry): (Ticker, _) = ("SPX".parse().unwrap(), "2026-09-18".parse().unwrap());
            let _ = tradier.orders(OrderScope::Session, Priority::Read).await;
            let _ = tradier.order(id(38_467_818), Priority::Read).await;
            let _ = tradier.positions(Priority::Read).await;
            let _ = tradier.balances(Priority::Read).await;
            let _ = tradier.profile(Priority::Read).await;
            let _ = Broker::clock(&tradier, Priority::Read).await;
            let _ = tradier.calendar(2026, 11, Priority::Read).await;
            let _ = tradier.quotes(&["SPY".to_owned()], Priority::Read).await;
            let _ = tradier.chain(&underlying, expiry, Priority::Read).await;
            let _ = tradier.expirations(&underlying, Priority::Read).await;
            let _ = tradier.strikes(&underlying, expiry, Priority::Read).await;
        });
    }

    /// A list of orders that is cut anywhere is an error, never a shorter list.
    #[test]
    fn a_list_that_is_cut_is_an_error(cut in 0_usize..ANSWERS[2].trim_end().len()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let body = &ANSWERS[2][..cut];
            let list = ask!(body, orders(OrderScope::Session));
            assert!(matches!(list, Err(ReadError::Undecodable { .. } | ReadError::Unavailable { .. })), "{body}: {list:?}");
        });
    }
}
