//! Section 5: profile, balances, positions, gain and loss, history, watchlists.

use crate::client::{Client, LIVE_ORDERS, SANDBOX_ORDERS, with_sim};

const CALL: &str = "SPY260918C00600000";

/// Buys two contracts at 1.00 and sells one at 1.50.
async fn trade(sim: &Client) {
    let order = |side: &str, quantity: i64| {
        format!("class=option&symbol=SPY&option_symbol={CALL}&side={side}&quantity={quantity}&type=market&duration=day")
    };
    sim.pin(CALL, "0.98", "1.00").await;
    sim.place(LIVE_ORDERS, &order("buy_to_open", 2)).await;
    sim.step(3_000).await;
    sim.pin(CALL, "1.50", "1.52").await;
    sim.place(LIVE_ORDERS, &order("sell_to_close", 1)).await;
    sim.step(3_000).await;
}

#[tokio::test]
async fn s5_one_account_stands_alone_in_the_profile() {
    with_sim(async |sim| {
        let profile = sim.get("/v1/user/profile").await.json()["profile"].clone();
        assert_eq!(profile["account"]["account_number"], "6YA00001");
        for key in
            ["classification", "date_created", "day_trader", "option_level", "status", "type", "last_update_date"]
        {
            assert!(!profile["account"][key].is_null(), "{key}: {profile}");
        }
        let sandbox = sim.sandbox().get("/v1/user/profile").await.json();
        assert_eq!(sandbox["profile"]["account"]["account_number"], "VA00000001");
    })
    .await;
}

#[tokio::test]
async fn s5_balances_hold_the_object_of_the_accounts_type_alone() {
    with_sim(async |sim| {
        trade(&sim).await;
        let b = sim.get("/v1/accounts/6YA00001/balances").await.json()["balances"].clone();
        assert_eq!(b["account_type"], "margin");
        assert!(b["margin"].is_object() && b.get("cash").is_none() && b.get("pdt").is_none(), "{b}");
        // 100,000 − 2 × 1.00 × 100 + 1.50 × 100 − 3 × 0.35; one contract left at the middle of 1.50 and 1.52.
        assert_eq!(b["total_cash"].as_f64(), Some(99_948.95), "{b}");
        assert_eq!(b["close_pl"].as_f64(), Some(50.0), "{b}");
        assert_eq!(b["option_long_value"].as_f64(), Some(151.0), "{b}");
        assert_eq!(b["total_equity"].as_f64(), Some(100_099.95), "{b}");
    })
    .await;
}

#[tokio::test]
async fn s5_positions_are_a_word_or_an_object_with_the_whole_cost() {
    with_sim(async |sim| {
        let path = "/v1/accounts/6YA00001/positions";
        assert_eq!(sim.get(path).await.body, r#"{"positions":"null"}"#);
        trade(&sim).await;
        let p = sim.get(path).await.json()["positions"]["position"].clone();
        assert_eq!(
            (p["symbol"].as_str(), p["quantity"].as_f64(), p["cost_basis"].as_f64()),
            (Some(CALL), Some(1.0), Some(100.0)),
            "{p}"
        );
        assert!(p["date_acquired"].as_str().unwrap().ends_with('Z') && p["id"].is_i64(), "{p}");
        assert_eq!(p.as_object().unwrap().len(), 5, "no market value and no average: {p}");
    })
    .await;
}

#[tokio::test]
async fn s5_gain_loss_and_history_are_made_at_night() {
    with_sim(async |sim| {
        trade(&sim).await;
        let (gains, history) = ("/v1/accounts/6YA00001/gainloss", "/v1/accounts/6YA00001/history");
        assert_eq!(sim.get(gains).await.body, r#"{"gainloss":"null"}"#);
        assert_eq!(sim.get(history).await.body, r#"{"history":"null"}"#);
        sim.control("clock", serde_json::json!({ "to": "2026-09-11T08:00:00" })).await;
        let g = sim.get(gains).await.json()["gainloss"].clone();
        let lot = &g["closed_position"];
        assert_eq!(
            (lot["cost"].as_f64(), lot["proceeds"].as_f64(), lot["gain_loss"].as_f64()),
            (Some(100.0), Some(150.0), Some(50.0)),
            "{g}"
        );
        assert_eq!(
            (lot["gain_loss_percent"].as_f64(), lot["term"].as_i64(), g["total_positions"].as_i64()),
            (Some(50.0), Some(0), Some(1))
        );
        let h = sim.get(history).await.json()["history"]["event"].clone();
        assert_eq!(h.as_array().map(Vec::len), Some(2), "{h}");
        assert_eq!(
            (h[0]["type"].as_str(), h[0]["trade"]["price"].as_f64()),
            (Some("trade"), Some(1.5)),
            "newest first: {h}"
        );
        for (item, quantity, commission, amount) in [(&h[0], -1.0, 0.35, 149.65), (&h[1], 2.0, 0.7, -200.7)] {
            let (trade, date) = (&item["trade"], item["date"].as_str());
            let (contracts, charged) = (trade["quantity"].as_f64(), trade["commission"].as_f64());
            assert_eq!((contracts, charged), (Some(quantity), Some(commission)), "{h}");
            assert_eq!(
                (item["amount"].as_f64(), date),
                (Some(amount), Some("2026-09-10T00:00:00Z")),
                "net, by day: {h}"
            );
        }
        let one = sim.get(&format!("{history}?limit=1&page=2")).await.json();
        assert_eq!(one["history"]["event"]["trade"]["price"].as_f64(), Some(1.0), "{one}");
        let sandbox = sim.sandbox().get("/v1/accounts/VA00000001/history").await;
        assert_eq!(sandbox.status, 400, "the sandbox has no history");
    })
    .await;
}

#[tokio::test]
async fn s5_gains_and_losses_come_in_pages_sorted_and_narrowed() {
    with_sim(async |sim| {
        trade(&sim).await;
        let sell = format!(
            "class=option&symbol=SPY&option_symbol={CALL}&side=sell_to_close&quantity=1&type=market&duration=day"
        );
        sim.pin(CALL, "0.40", "0.42").await;
        sim.place(LIVE_ORDERS, &sell).await;
        sim.step(3_000).await;
        sim.control("clock", serde_json::json!({ "to": "2026-09-11T08:00:00" })).await;
        let page = async |query: &str| {
            sim.get(&format!("/v1/accounts/6YA00001/gainloss?{query}")).await.json()["gainloss"].clone()
        };
        let all = page("").await;
        let gains = |g: &serde_json::Value| -> Vec<f64> {
            g["closed_position"].as_array().unwrap().iter().map(|l| l["gain_loss"].as_f64().unwrap()).collect()
        };
        assert_eq!(gains(&all), [-60.0, 50.0], "the latest first: {all}");
        assert_eq!(gains(&page("sort=asc").await), [50.0, -60.0]);
        let second = page("limit=1&page=2").await;
        let figures = ["page", "total_pages", "total_positions"].map(|k| second[k].as_i64());
        assert_eq!(figures, [Some(2), Some(2), Some(2)], "{second}");
        assert_eq!(second["closed_position"]["gain_loss"].as_f64(), Some(50.0), "one stands alone: {second}");
        assert_eq!(page("limit=1&page=3").await, "null", "past the end");
        assert_eq!(page("symbol=AAPL").await, "null");
        assert_eq!(page("start=2026-09-11").await, "null");
        assert_eq!(gains(&page(&format!("symbol={CALL}&start=2026-09-10&end=2026-09-10")).await).len(), 2);
    })
    .await;
}

#[tokio::test]
async fn s5_balances_of_the_past_and_groups_are_there() {
    with_sim(async |sim| {
        let past = sim.get("/v1/accounts/6YA00001/historical-balances").await.json();
        let days = past["historical_balances"]["balances"]["balance"].as_array().unwrap().clone();
        assert_eq!(days.last().unwrap()["date"], "2026-09-09");
        assert_eq!(days.last().unwrap()["value"].as_f64(), Some(100_000.0));
        assert_eq!(sim.get("/v1/accounts/6YA00001/positiongroups").await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn s3_6_the_list_rolls_at_midnight_in_new_york_and_keeps_what_works() {
    with_sim(async |sim| {
        trade(&sim).await;
        let gtc = "class=equity&symbol=AAPL&side=buy&quantity=1&type=limit&price=10&duration=gtc";
        let id = sim.place(LIVE_ORDERS, gtc).await;
        sim.control("clock", serde_json::json!({ "to": "2026-09-10T23:59:00" })).await;
        assert_eq!(sim.get(LIVE_ORDERS).await.json()["orders"]["order"].as_array().map(Vec::len), Some(3));
        sim.step(60_000).await;
        let left = sim.get(LIVE_ORDERS).await.json();
        assert_eq!(left["orders"]["order"]["id"].as_i64(), Some(id), "{left}");
    })
    .await;
}

#[tokio::test]
async fn s7_watchlists_are_made_filled_renamed_and_deleted() {
    with_sim(async |sim| {
        let made = sim.post("/v1/watchlists", "name=My list&symbols=SPY,QQQ").await.json();
        assert_eq!(made["watchlist"]["id"], "my-list");
        let path = "/v1/watchlists/my-list";
        assert_eq!(sim.post(&format!("{path}/symbols"), "symbols=AAPL").await.json()["watchlist"]["items"]["item"][2]["symbol"], "AAPL");
        assert_eq!(sim.send("DELETE", &format!("{path}/symbols/SPY"), "").await.status, 200);
        assert_eq!(sim.send("PUT", path, "name=Other").await.json()["watchlist"]["name"], "Other");
        assert!(sim.sandbox().get(path).await.status == 404, "lists belong to a token");
        assert_eq!(sim.send("DELETE", path, "").await.status, 200);
        assert_eq!(sim.get(path).await.status, 404);
        assert!(sim.get("/v1/watchlists").await.json()["watchlists"]["watchlist"].is_object());
    })
    .await;
}

#[tokio::test]
async fn s4_refusals_in_the_answer_are_200_with_errors() {
    with_sim(async |sim| {
        sim.control("settings", serde_json::json!({ "refusals": "inline" })).await;
        let sell = "class=equity&symbol=AAPL&side=sell&quantity=1&type=market&duration=day";
        let reply = sim.sandbox().post(SANDBOX_ORDERS, sell).await;
        assert_eq!(reply.status, 200);
        let errors = reply.json();
        assert!(errors.get("order").is_none() && !errors["errors"]["error"].is_null(), "{errors}");
    })
    .await;
}
