//! What the hand and the scenarios do to an account, seen over the wire: brackets that vanish at the open, lists that
//! lose orders, trades of somebody else, positions that come late. And an entry that brings its exit to life.

use serde_json::json;

use crate::client::{Client, LIVE_ORDERS, at, with, with_sim};
use blotter_sim::config::Config;

const CALL: &str = "SPY260918C00600000";

fn buy() -> String {
    format!("class=option&symbol=SPY&option_symbol={CALL}&side=buy_to_open&quantity=1&type=market&duration=day")
}

fn bracket() -> String {
    format!(
        "class=oco&duration=gtc&option_symbol[0]={CALL}&side[0]=sell_to_close&quantity[0]=1&type[0]=limit&price[0]=2.00\
         &option_symbol[1]={CALL}&side[1]=sell_to_close&quantity[1]=1&type[1]=stop&stop[1]=0.40"
    )
}

/// Buys one contract at a market that stands still.
async fn own(sim: &Client) {
    sim.pin(CALL, "0.98", "1.00").await;
    sim.place(LIVE_ORDERS, &buy()).await;
    sim.step(3_000).await;
}

async fn held(sim: &Client) -> Option<f64> {
    let all = sim.get("/v1/accounts/6YA00001/positions").await.json();
    all["positions"]["position"]["quantity"].as_f64()
}

#[tokio::test]
async fn s3_3_an_oto_brings_its_exit_to_life_when_the_entry_fills() {
    with_sim(async |sim| {
        sim.pin(CALL, "0.98", "1.00").await;
        let oto = format!(
            "class=oto&duration=day&option_symbol[0]={CALL}&side[0]=buy_to_open&quantity[0]=1&type[0]=limit&price[0]=0.90\
             &option_symbol[1]={CALL}&side[1]=sell_to_close&quantity[1]=1&type[1]=limit&price[1]=1.50"
        );
        let id = sim.place(LIVE_ORDERS, &oto).await;
        let legs = async || {
            let order = sim.order(LIVE_ORDERS, id).await;
            [0, 1].map(|i| order["leg"][i]["status"].as_str().unwrap_or_else(|| panic!("{order}")).to_owned())
        };
        sim.step(3_000).await;
        assert_eq!(legs().await, ["open", "pending"]);
        sim.pin(CALL, "0.88", "0.90").await;
        sim.step(3_000).await;
        assert_eq!(legs().await, ["filled", "open"]);
        sim.pin(CALL, "1.50", "1.52").await;
        sim.step(3_000).await;
        assert_eq!(legs().await, ["filled", "filled"]);
        assert_eq!(held(&sim).await, None);
    })
    .await;
}

#[tokio::test]
async fn s11_brackets_vanish_at_half_past_nine() {
    with(Config::manual(1, at("2026-09-10", 15, 30)), async |sim| {
        own(&sim).await;
        let id = sim.place(LIVE_ORDERS, &bracket()).await;
        sim.step(3_000).await;
        sim.control("clock", json!({ "to": "2026-09-11T09:20:00" })).await;
        sim.control("scenario", json!({ "name": "brackets-vanish" })).await;
        sim.control("clock", json!({ "to": "2026-09-11T09:29:59" })).await;
        assert_eq!(sim.order(LIVE_ORDERS, id).await["status"], "open", "it lived through the night");
        sim.step(2_000).await;
        let order = sim.order(LIVE_ORDERS, id).await;
        let told = ["status", "reason_description"].map(|k| order[k].as_str());
        assert_eq!(told, [Some("canceled"), Some("Routing timeout")], "{order}");
        assert_eq!(held(&sim).await, Some(1.0), "the position is left without protection");
    })
    .await;
}

#[tokio::test]
async fn s11_orders_leave_the_list_and_come_back() {
    with_sim(async |sim| {
        own(&sim).await;
        let id = sim.place(LIVE_ORDERS, &bracket()).await;
        sim.step(1_000).await;
        let listed = async || sim.get(LIVE_ORDERS).await.body.contains(&format!("\"id\":{id},"));
        assert!(listed().await);
        sim.control("do", json!({ "do": "hide_orders", "for_ms": 5_000 })).await;
        assert!(!listed().await);
        assert_eq!(sim.order(LIVE_ORDERS, id).await["status"], "open", "asked by its number it is there");
        sim.step(5_000).await;
        assert!(listed().await);
    })
    .await;
}

#[tokio::test]
async fn s11_somebody_else_trades_and_positions_come_late() {
    with_sim(async |sim| {
        own(&sim).await;
        let act = json!({ "do": "outside_trade", "account": "6YA00001", "symbol": CALL, "side": "buy_to_open", "quantity": 2 });
        sim.control("do", act).await;
        assert_eq!(held(&sim).await, Some(3.0));
        let orders = sim.get(&format!("{LIVE_ORDERS}?includeTags=true")).await.json();
        let all = orders["orders"]["order"].as_array().cloned().unwrap_or_default();
        assert!(all.iter().any(|o| o["quantity"] == 2.0 && o["tag"].is_null() && o["status"] == "filled"), "{orders}");
        sim.control("settings", json!({ "position_lag_ms": [5_000, 5_000] })).await;
        let late = sim.place(LIVE_ORDERS, &buy()).await;
        sim.step(3_000).await;
        assert_eq!(sim.order(LIVE_ORDERS, late).await["status"], "filled");
        assert_eq!(held(&sim).await, Some(3.0), "the fill is known, the position is not");
        sim.step(5_000).await;
        assert_eq!(held(&sim).await, Some(4.0));
    })
    .await;
}

#[tokio::test]
async fn s6_quotes_by_post_and_again_are_the_same_bytes_until_something_moves() {
    with_sim(async |sim| {
        let path = format!("/v1/markets/quotes?symbols=SPY,{CALL},ZZZZ&greeks=true");
        let form = format!("symbols=SPY,{},zzzz&greeks=true", CALL.to_lowercase());
        let first = sim.get(&path).await.body;
        assert_eq!(sim.get(&path).await.body, first);
        assert_eq!(sim.post("/v1/markets/quotes", &form).await.body, first);
        assert!(!sim.get(&path.replace("true", "false")).await.body.contains("greeks"), "another face of it");
        sim.control("faults", json!({ "kind": "empty_list", "endpoint": "quotes", "count": 1 })).await;
        assert_eq!(sim.get(&path).await.body, r#"{"quotes":"null"}"#);
        assert_eq!(sim.get(&path).await.body, first);
        let sandbox = sim.sandbox().get(&path).await.body;
        assert_ne!(sandbox, first, "the sandbox is late");
        sim.pin(CALL, "7.01", "7.02").await;
        let pinned = sim.get(&path).await.body;
        assert!(pinned.contains("\"bid\":7.01") && !first.contains("\"bid\":7.01"), "{pinned}");
        sim.control("price", json!({ "symbol": "SPY", "percent": -3.0 })).await;
        sim.step(1).await;
        let moved = sim.get("/v1/markets/quotes?symbols=SPY").await.body;
        assert!(!pinned.contains(moved.split("\"quote\":").nth(1).unwrap().trim_end_matches('}')), "{moved}");
    })
    .await;
}

#[tokio::test]
async fn s5_a_users_balances_and_the_list_of_what_is_easy_to_borrow() {
    with_sim(async |sim| {
        let all = sim.get("/v1/user/balances").await.body;
        assert!(all.contains("6YA00001") && all.contains("total_equity"), "{all}");
        let shares = sim.get("/v1/markets/etb").await.json();
        let first = &shares["securities"]["security"][0];
        assert!(first["symbol"].is_string() && first["exchange"].is_string(), "{first}");
    })
    .await;
}
