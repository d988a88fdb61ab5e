//! Section 11's checklist and `/__sim`: what each fault does to the wire and to the order, and what the ledger tells.

use serde_json::{Value, json};

use crate::client::{Client, LIVE_ORDERS, with_sim};

const SHARES: &str = "class=equity&symbol=AAPL&side=buy&quantity=1&type=limit&price=10&duration=gtc&tag=f-1";
const ACCEPT: &str = "Accept: application/json\r\nAuthorization: Bearer live-token\r\n";

/// Places an order under a fault; what was answered (status 0 for a cut line) and how many orders exist after it.
async fn under(sim: &Client, fault: Value) -> (u16, String, usize) {
    sim.control("faults", fault).await;
    let reply = sim.raw("POST", LIVE_ORDERS, (ACCEPT, SHARES)).await;
    assert_eq!(sim.send("DELETE", "/__sim/faults", "").await.status, 200);
    let orders = sim.raw("GET", "/__sim/orders", ("", "")).await.unwrap().json()["orders"].as_array().unwrap().len();
    reply.map_or((0, String::new(), orders), |r| (r.status, r.body, orders))
}

#[tokio::test]
async fn s11_each_fault_says_its_words_and_does_the_deed_or_does_not() {
    let backend = "An error occurred while communicating with the backend.";
    let cases = [
        ("lost_request", 0, "", 0),
        ("lost_answer", 0, "", 1),
        ("timeout_before", 0, "", 0),
        ("timeout_after", 0, "", 1),
        ("error_before", 500, backend, 0),
        ("error_after", 500, backend, 1),
        ("backend", 500, backend, 0),
        ("bad_gateway", 502, "", 0),
        ("unavailable", 503, "Service Unavailable", 0),
        ("html", 503, "<!DOCTYPE html>", 0),
        ("html_ok", 200, "<!DOCTYPE html>", 0),
        ("empty", 200, "", 0),
        ("truncated", 200, "{\"order\":{\"id\":", 1),
        ("too_many", 429, "{\"fault\"", 0),
        ("too_many_bare", 429, "{\"fault\"", 0),
        ("revoked", 401, "{\"fault\"", 0),
        ("unauthorized", 401, "Unauthorized Account: 6YA00001", 0),
        ("latency", 200, "{\"order\":{\"id\":", 1),
    ];
    for (kind, status, words, placed) in cases {
        with_sim(async |sim| {
            let seen = under(&sim, json!({ "kind": kind, "endpoint": "place", "ms": 30 })).await;
            assert_eq!((seen.0, seen.2), (status, placed), "{kind}: {seen:?}");
            assert!(seen.1.starts_with(words), "{kind}: {seen:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn s2_while_the_backend_is_away_previews_fail_and_reads_go_on() {
    with_sim(async |sim| {
        sim.control("faults", json!({ "kind": "backend", "from": "09:30", "until": "10:16" })).await;
        let preview = sim.post(LIVE_ORDERS, &format!("{SHARES}&preview=true")).await;
        assert_eq!(preview.told(), (400, "Unexpected server error"));
        assert_eq!(sim.get(LIVE_ORDERS).await.status, 200);
        assert_eq!(sim.post(LIVE_ORDERS, SHARES).await.status, 500);
        sim.step(60_000).await;
        assert_eq!(sim.post(LIVE_ORDERS, SHARES).await.status, 200, "the outage is over");
    })
    .await;
}

#[tokio::test]
async fn s7_a_429_comes_with_its_headers_or_without() {
    with_sim(async |sim| {
        sim.control("faults", json!({ "kind": "too_many", "count": 1 })).await;
        let told = sim.get("/v1/markets/clock").await;
        assert_eq!((told.status, told.header("x-ratelimit-available")), (429, Some("0")), "{told:?}");
        sim.control("faults", json!({ "kind": "too_many_bare", "count": 1 })).await;
        let bare = sim.get("/v1/markets/clock").await;
        assert_eq!((bare.status, bare.header("x-ratelimit-available")), (429, None));
        assert_eq!(sim.get("/v1/markets/clock").await.status, 200, "both are spent");
    })
    .await;
}

#[tokio::test]
async fn s11_lists_go_stale_empty_and_lose_their_tags() {
    with_sim(async |sim| {
        let list = format!("{LIVE_ORDERS}?includeTags=true");
        sim.control("faults", json!({ "kind": "stale", "endpoint": "orders", "ms": 5_000 })).await;
        assert_eq!(sim.get(&list).await.body, r#"{"orders":"null"}"#);
        let id = sim.place(LIVE_ORDERS, SHARES).await;
        sim.step(2_000).await;
        assert_eq!(sim.get(&list).await.body, r#"{"orders":"null"}"#, "as it was");
        assert_eq!(sim.order(LIVE_ORDERS, id).await["status"], "open", "another endpoint is fresh");
        sim.step(60_000).await;
        assert_ne!(sim.get(&list).await.body, r#"{"orders":"null"}"#, "not older than it may be");
        sim.send("DELETE", "/__sim/faults", "").await;
        sim.control("faults", json!({ "kind": "empty_list", "endpoint": "orders", "count": 1 })).await;
        assert_eq!(sim.get(&list).await.body, r#"{"orders":"null"}"#);
        sim.control("faults", json!({ "kind": "no_tags", "endpoint": "orders", "count": 1 })).await;
        assert!(!sim.get(&list).await.body.contains("f-1"));
        assert!(sim.get(&list).await.body.contains("f-1"), "flaps back");
    })
    .await;
}

#[tokio::test]
async fn faults_strike_by_count_place_world_and_the_same_way_each_time() {
    let run = async || {
        let mut seen = Vec::new();
        with_sim(async |sim| {
            sim.control("faults", json!({ "kind": "unavailable", "endpoint": "market", "chance": 0.5 })).await;
            sim.control(
                "faults",
                json!({ "kind": "html", "endpoint": "orders", "world": "sandbox", "skip": 1, "count": 1 }),
            )
            .await;
            for _ in 0..20 {
                seen.push(sim.get("/v1/markets/clock").await.status);
            }
            let sandbox = sim.sandbox();
            for _ in 0..3 {
                assert_eq!(sim.get(LIVE_ORDERS).await.status, 200, "of the other world");
                seen.push(sandbox.get(crate::client::SANDBOX_ORDERS).await.status);
            }
        })
        .await;
        seen
    };
    let (first, again) = (run().await, run().await);
    assert_eq!(first, again);
    assert!(first[..20].contains(&503) && first[..20].contains(&200), "{first:?}");
    assert_eq!(first[20..], [200, 503, 200]);
}

#[tokio::test]
async fn the_ledger_has_requests_orders_and_fills_with_their_moments() {
    with_sim(async |sim| {
        sim.pin("AAPL", "9.99", "10.00").await;
        let id = sim.place(LIVE_ORDERS, SHARES).await;
        sim.step(3_000).await;
        let ledger = sim.raw("GET", "/__sim/ledger", ("", "")).await.unwrap().json();
        let entries = ledger["entries"].as_array().unwrap();
        let of = |fact: &str| entries.iter().filter(|e| e["fact"] == fact).collect::<Vec<_>>();
        assert_eq!(of("placed")[0]["order"].as_i64(), Some(id));
        let request = of("request")[0];
        assert_eq!(
            (request["method"].as_str(), request["path"].as_str(), request["status"].as_i64()),
            (Some("POST"), Some(LIVE_ORDERS), Some(200))
        );
        let fill = of("fill")[0];
        assert_eq!(
            (fill["quantity"].as_i64(), fill["price"].as_str(), fill["cash"].as_str()),
            (Some(1), Some("10.00"), Some("-10.00")),
            "{fill}"
        );
        assert!(entries.windows(2).all(|w| w[0]["seq"].as_i64() < w[1]["seq"].as_i64()));
        let later = sim.raw("GET", &format!("/__sim/ledger?since={}", ledger["next"]), ("", "")).await.unwrap().json();
        assert_eq!(later["entries"].as_array().map(Vec::len), Some(0), "{later}");
    })
    .await;
}

#[tokio::test]
async fn the_same_seed_and_requests_give_the_same_bytes() {
    let run = async || {
        let mut bytes = String::new();
        with_sim(async |sim| {
            for path in ["/v1/markets/quotes?symbols=SPY,SPX,NVDA", "/v1/markets/options/chains?symbol=SPY&expiration=2026-09-18&greeks=true"] {
                bytes += &sim.get(path).await.body;
            }
            let order = "class=option&symbol=SPY&option_symbol=SPY260918C00600000&side=buy_to_open&quantity=3&type=market&duration=day";
            bytes += &sim.post(LIVE_ORDERS, order).await.body;
            for _ in 0..5 {
                sim.step(777).await;
                bytes += &sim.get(LIVE_ORDERS).await.body;
                bytes += &sim.get("/v1/accounts/6YA00001/balances").await.body;
            }
            bytes += &sim.raw("GET", "/__sim/ledger?format=lines", ("", "")).await.unwrap().body;
        })
        .await;
        bytes
    };
    assert_eq!(run().await, run().await);
}

#[tokio::test]
async fn the_hand_moves_prices_trades_positions_and_time() {
    with_sim(async |sim| {
        let last = async || {
            sim.get("/v1/markets/quotes?symbols=SPY").await.json()["quotes"]["quote"]["last"].as_f64().unwrap()
        };
        let before = last().await;
        sim.control("price", json!({ "symbol": "SPY", "percent": -5.0 })).await;
        sim.step(1_000).await;
        assert!(last().await < before * 0.97, "{before} {}", last().await);
        let quote = sim.get("/v1/markets/quotes?symbols=SPY260918P00600000").await.json();
        assert!(quote["quotes"]["quote"]["bid"].as_f64().unwrap() > 20.0, "options follow: {quote}");
        sim.control("do", json!({ "do": "move_position", "account": "6YA00001", "symbol": "AAPL", "quantity": 7 }))
            .await;
        let held = sim.get("/v1/accounts/6YA00001/positions").await.json();
        assert_eq!(held["positions"]["position"]["quantity"].as_f64(), Some(7.0), "{held}");
        sim.control("do", json!({ "do": "wipe", "account": "6YA00001" })).await;
        assert_eq!(sim.get("/v1/accounts/6YA00001/positions").await.body, r#"{"positions":"null"}"#);
        let clock = sim.control("clock", json!({ "to": "2026-09-10T15:59:58" })).await;
        assert_eq!(
            (clock["et"].as_str(), clock["rate"].as_f64(), clock["state"].as_str()),
            (Some("2026-09-10T15:59:58.000"), Some(0.0), Some("open"))
        );
        let read = sim.raw("GET", "/__sim/clock", ("", "")).await.unwrap().json();
        assert_eq!(read, clock);
    })
    .await;
}

#[tokio::test]
async fn a_wish_that_cannot_be_granted_is_told_in_a_sentence() {
    with_sim(async |sim| {
        let cases = [
            ("clock", r#"{"to":"2026-09-10T09:00:00"}"#, "time goes forward"),
            ("clock", r#"{"clock":"fast"}"#, "clock:"),
            ("clock", r#"{"jump":1}"#, "unknown field `jump`"),
            ("faults", r#"{"kind":"latencies"}"#, "unknown variant"),
            ("faults", r#"{"kind":"latency","endpoint":"nowhere"}"#, "endpoint:"),
            ("do", r#"{"do":"price","symbol":"ZZZZ","percent":1}"#, "symbol:"),
            ("do", r#"{"do":"wipe","account":"nobody"}"#, "account:"),
            ("settings", r#"{"step":1}"#, "settings:"),
            ("scenario", r#"{"name":"none"}"#, "no such scenario"),
            ("nothing", "{}", "no such control"),
        ];
        for (what, body, words) in cases {
            let reply = sim.raw("POST", &format!("/__sim/{what}"), ("", body)).await.unwrap();
            assert!(
                reply.status >= 400 && reply.json()["error"].as_str().unwrap().contains(words),
                "{what} {body}: {reply:?}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn the_demo_loses_the_first_bracket_and_brings_the_second_to_its_target() {
    with_sim(async |sim| {
        const CALL: &str = "SPY260918C00600000";
        sim.control("scenario", json!({ "name": "demo" })).await;
        let buy = format!("class=option&symbol=SPY&option_symbol={CALL}&side=buy_to_open&quantity=1&type=market&duration=day");
        sim.place(LIVE_ORDERS, &buy).await;
        sim.step(3_000).await;
        let quote = sim.get(&format!("/v1/markets/quotes?symbols={CALL}")).await.json();
        let bid = quote["quotes"]["quote"]["bid"].as_f64().unwrap();
        let bracket = format!(
            "class=oco&duration=gtc&option_symbol[0]={CALL}&side[0]=sell_to_close&quantity[0]=1&type[0]=limit&price[0]={:.2}\
             &option_symbol[1]={CALL}&side[1]=sell_to_close&quantity[1]=1&type[1]=stop&stop[1]={:.2}",
            bid * 1.3,
            bid * 0.6
        );
        let first = sim.place(LIVE_ORDERS, &bracket).await;
        sim.step(24_000).await;
        assert_eq!(sim.order(LIVE_ORDERS, first).await["status"], "open");
        sim.step(3_000).await;
        assert_eq!(sim.order(LIVE_ORDERS, first).await["status"], "canceled");
        let second = sim.place(LIVE_ORDERS, &bracket).await;
        sim.step(60_000).await;
        let order = sim.order(LIVE_ORDERS, second).await;
        assert_eq!((order["status"].as_str(), order["leg"][0]["status"].as_str()), (Some("filled"), Some("filled")), "{order}");
    })
    .await;
}

#[tokio::test]
async fn every_shipped_scenario_serves_a_day() {
    let names: Vec<&str> = blotter_sim::scenario::SHIPPED.iter().map(|(name, _)| *name).collect();
    assert!(names.len() >= 12, "{names:?}");
    for name in names {
        with_sim(async |sim| {
            sim.control("scenario", json!({ "name": name })).await;
            sim.raw("POST", LIVE_ORDERS, (ACCEPT, SHARES)).await;
            for _ in 0..6 {
                sim.step(3_600_000).await;
            }
            let clock = sim.raw("GET", "/__sim/clock", ("", "")).await.unwrap().json();
            assert_eq!(clock["state"], "postmarket", "{name}: {clock}");
        })
        .await;
    }
}
