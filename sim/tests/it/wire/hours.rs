//! Orders for the sessions before and after the regular one, and previews of every class.

use serde_json::json;

use crate::client::{Client, LIVE_ORDERS, SANDBOX_ORDERS, at, with};
use blotter_sim::config::Config;

const CALL: &str = "SPY260918C00600000";

fn early() -> Config {
    Config::manual(1, at("2026-09-10", 6, 30))
}

fn share(duration: &str, price: &str) -> String {
    format!("class=equity&symbol=AAPL&side=buy&quantity=10&type=limit&price={price}&duration={duration}&tag=x")
}

async fn to(sim: &Client, time: &str) {
    sim.control("clock", json!({ "to": format!("2026-09-10T{time}") })).await;
}

async fn status(sim: &Client, id: i64) -> String {
    sim.order(LIVE_ORDERS, id).await["status"].as_str().expect("a status").to_owned()
}

#[tokio::test]
async fn s3_1_an_order_for_the_premarket_waits_for_it_trades_in_it_and_ends_with_it() {
    with(early(), async |sim| {
        sim.pin("AAPL", "99.00", "100.00").await;
        let good = sim.place(LIVE_ORDERS, &share("pre", "100.00")).await;
        let low = sim.place(LIVE_ORDERS, &share("pre", "50.00")).await;
        let day = sim.place(LIVE_ORDERS, &share("day", "100.00")).await;
        sim.step(5_000).await;
        assert_eq!(status(&sim, good).await, "pending", "the session has not begun");
        to(&sim, "07:00:02").await;
        assert_eq!((status(&sim, good).await, status(&sim, low).await), ("filled".into(), "open".into()));
        assert_eq!(status(&sim, day).await, "pending", "a day order waits for the regular session");
        let order = sim.order(LIVE_ORDERS, good).await;
        assert_eq!((order["duration"].as_str(), order["avg_fill_price"].as_f64()), (Some("pre"), Some(100.0)));
        to(&sim, "09:30:05").await;
        assert_eq!((status(&sim, low).await, status(&sim, day).await), ("expired".into(), "filled".into()));
    })
    .await;
}

#[tokio::test]
async fn s3_1_an_order_for_the_postmarket_begins_at_the_close_and_ends_at_eight() {
    with(early(), async |sim| {
        to(&sim, "15:00:00").await;
        sim.pin("AAPL", "99.00", "100.00").await;
        let good = sim.place(LIVE_ORDERS, &share("post", "100.00")).await;
        let low = sim.place(LIVE_ORDERS, &share("post", "50.00")).await;
        to(&sim, "15:59:59").await;
        assert_eq!((status(&sim, good).await, status(&sim, low).await), ("pending".into(), "pending".into()));
        to(&sim, "16:00:02").await;
        assert_eq!((status(&sim, good).await, status(&sim, low).await), ("filled".into(), "open".into()));
        let change = sim.send("PUT", &format!("{LIVE_ORDERS}/{low}"), "duration=day").await;
        assert_eq!(
            change.told(),
            (400, "Invalid parameter, duration: is not valid."),
            "no way from session to session"
        );
        to(&sim, "20:00:01").await;
        assert_eq!(status(&sim, low).await, "expired");
        let late = sim.post(LIVE_ORDERS, &share("post", "100.00")).await;
        assert_eq!(late.told(), (400, "Invalid parameter, duration: post market no longer available."));
    })
    .await;
}

#[tokio::test]
async fn s2_a_session_that_is_over_takes_no_orders_and_the_sandbox_none_at_all() {
    with(early(), async |sim| {
        let gone = (400, "Invalid parameter, duration: pre market no longer available.");
        assert_eq!(sim.sandbox().post(SANDBOX_ORDERS, &share("pre", "100.00")).await.told(), gone);
        to(&sim, "09:23:59").await;
        assert_eq!(sim.post(LIVE_ORDERS, &share("pre", "100.00")).await.status, 200);
        to(&sim, "09:24:00").await;
        assert_eq!(sim.post(LIVE_ORDERS, &share("pre", "100.00")).await.told(), gone);
    })
    .await;
}

#[tokio::test]
async fn s3_1_outside_the_session_only_limit_orders_in_shares_are_accepted() {
    with(early(), async |sim| {
        let option = format!(
            "class=option&symbol=SPY&option_symbol={CALL}&side=buy_to_open&quantity=1&type=limit&price=1.00&duration=pre"
        );
        let market = "class=equity&symbol=AAPL&side=buy&quantity=10&type=market&duration=pre".to_owned();
        for form in [option, market] {
            let id = sim.place(LIVE_ORDERS, &form).await;
            sim.step(3_000).await;
            let order = sim.order(LIVE_ORDERS, id).await;
            let reason = order["reason_description"].as_str().unwrap_or_default();
            assert!(order["status"] == "rejected" && reason.contains("IncorrectTimeInForce"), "{order}");
        }
    })
    .await;
}

#[tokio::test]
async fn s3_1_every_class_can_be_previewed_and_a_preview_places_nothing() {
    with(Config::manual(1, at("2026-09-10", 10, 15)), async |sim| {
        sim.pin(CALL, "1.98", "2.00").await;
        sim.pin("SPY260918C00605000", "0.98", "1.00").await;
        sim.pin("SPY", "600.00", "600.02").await;
        let leg = |i: usize, side: &str, terms: &str| {
            let (kind, price) = terms.split_once(' ').expect("kind and price");
            let name = if kind == "stop" { "stop" } else { "price" };
            format!("&option_symbol[{i}]={CALL}&side[{i}]={side}&quantity[{i}]=1&type[{i}]={kind}&{name}[{i}]={price}")
        };
        let entry = leg(0, "buy_to_open", "limit 2.00");
        let (target, stop) = (leg(1, "sell_to_close", "limit 3.00"), leg(2, "sell_to_close", "stop 1.00"));
        let spread = format!("&option_symbol[0]={CALL}&side[0]=buy_to_open&quantity[0]=1&option_symbol[1]=SPY260918C00605000&side[1]=sell_to_open&quantity[1]=1");
        let covered = "&side[0]=buy&quantity[0]=100&option_symbol[1]=SPY260918C00605000&side[1]=sell_to_open&quantity[1]=1";
        let cases = [
            ("equity", "&symbol=SPY&side=buy&quantity=10&type=limit&price=600.00".to_owned(), 6_000.0),
            ("option", format!("&symbol=SPY&option_symbol={CALL}&side=buy_to_open&quantity=2&type=market"), 400.0),
            ("multileg", format!("&symbol=SPY&type=debit&price=1.10{spread}"), 110.0),
            ("combo", format!("&symbol=SPY&type=debit&price=599.00{covered}"), 59_900.0),
            ("oto", format!("{entry}{target}"), 200.0),
            ("otoco", format!("{entry}{target}{stop}"), 200.0),
        ];
        for (class, form, cost) in cases {
            let reply = sim.post(LIVE_ORDERS, &format!("class={class}&duration=day&preview=true{form}")).await;
            let order = reply.json()["order"].clone();
            assert_eq!((order["status"].as_str(), order["class"].as_str()), (Some("ok"), Some(class)), "{reply:?}");
            assert_eq!(order["order_cost"].as_f64(), Some(cost), "{class}: {order}");
            assert!(order["id"].is_null(), "a preview has no number: {order}");
        }
        assert_eq!(sim.get(LIVE_ORDERS).await.body, r#"{"orders":"null"}"#);
        let exits = format!("{}{}", leg(0, "sell_to_close", "limit 3.00"), leg(1, "sell_to_close", "stop 1.00"));
        let refused = sim.post(LIVE_ORDERS, &format!("class=oco&duration=day&preview=true{exits}")).await.json();
        assert_eq!(refused["errors"]["error"][1], "UnexpectedSellOrderOption", "nothing is held: {refused}");
        sim.place(LIVE_ORDERS, &format!("class=option&symbol=SPY&option_symbol={CALL}&side=buy_to_open&quantity=1&type=market&duration=day")).await;
        sim.step(3_000).await;
        let order = sim.post(LIVE_ORDERS, &format!("class=oco&duration=day&preview=true{exits}")).await.json()["order"].clone();
        assert_eq!((order["status"].as_str(), order["class"].as_str()), (Some("ok"), Some("oco")), "{order}");
    })
    .await;
}
