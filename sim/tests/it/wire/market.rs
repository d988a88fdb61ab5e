//! Section 6 over the wire: quotes, chains, series, clock, calendar, and that they agree with each other.

use blotter_sim::config::Config;
use serde_json::Value;

use crate::client::{Client, at, morning, with, with_sim};

async fn inner(sim: &Client, path: &str, key: &str) -> Value {
    sim.get(path).await.json()[key].clone()
}

#[tokio::test]
async fn s6_quotes_are_an_object_or_an_array_and_name_what_they_do_not_know() {
    with_sim(async |sim| {
        let quotes =
            async |symbols: &str| inner(&sim, &format!("/v1/markets/quotes?symbols={symbols}"), "quotes").await;
        assert!(quotes("SPY").await["quote"].is_object());
        let mixed = quotes("SPY,QQQ,ZZZZ").await;
        assert_eq!(mixed["quote"].as_array().map(Vec::len), Some(2));
        assert_eq!(mixed["unmatched_symbols"]["symbol"], "ZZZZ");
        let none = quotes("ZZZZ,YYYY").await;
        assert!(none.get("quote").is_none() && none["unmatched_symbols"]["symbol"].is_array(), "{none}");
        let posted = sim.post("/v1/markets/quotes", "symbols=spy,qqq").await.json();
        assert_eq!(posted["quotes"]["quote"].as_array().map(Vec::len), Some(2));
        assert_eq!(sim.get("/v1/markets/quotes").await.status, 400);
    })
    .await;
}

#[tokio::test]
async fn s6_a_share_quote_has_every_field_and_moments_in_milliseconds() {
    with_sim(async |sim| {
        let q = inner(&sim, "/v1/markets/quotes?symbols=SPY", "quotes").await["quote"].clone();
        let fields = "symbol,description,exch,type,last,change,change_percentage,volume,average_volume,last_volume,trade_date,open,high,\
                      low,close,prevclose,week_52_high,week_52_low,bid,bidsize,bidexch,bid_date,ask,asksize,askexch,ask_date,root_symbols";
        for field in fields.split(',') {
            assert!(q.get(field).is_some(), "{field}: {q}");
        }
        let number = |k: &str| q[k].as_f64().unwrap_or_else(|| panic!("{k}: {q}"));
        assert!(number("bid") < number("ask") && number("low") <= number("last") && number("last") <= number("high"));
        assert!((number("last") - number("prevclose") - number("change")).abs() < 1e-9);
        assert_eq!(number("bid_date") % 1_000.0, 0.0, "whole seconds");
        assert!(q["close"].is_null(), "the session has not closed: {q}");
    })
    .await;
}

#[tokio::test]
async fn s6_before_the_open_the_day_has_no_prices() {
    with(Config::manual(1, at("2026-09-10", 8, 0)), async |sim| {
        let q = inner(&sim, "/v1/markets/quotes?symbols=SPY", "quotes").await["quote"].clone();
        assert!(q["open"].is_null() && q["high"].is_null() && q["low"].is_null() && !q["prevclose"].is_null(), "{q}");
        let series = sim.get("/v1/markets/timesales?symbol=SPY&interval=1min").await;
        assert_eq!(series.body, r#"{"series":null}"#);
    })
    .await;
}

#[tokio::test]
async fn s6_greeks_come_when_asked_for_and_only_in_the_live_world() {
    with_sim(async |sim| {
        let path = "/v1/markets/options/chains?symbol=SPY&expiration=2026-09-18";
        let first = async |sim: &Client, path: &str| inner(sim, path, "options").await["option"][0].clone();
        assert!(first(&sim, path).await.get("greeks").is_none());
        let greeks = first(&sim, &format!("{path}&greeks=true")).await["greeks"].clone();
        for key in ["delta", "gamma", "theta", "vega", "rho", "phi", "bid_iv", "mid_iv", "ask_iv", "smv_vol"] {
            assert!(greeks[key].is_number(), "{key}: {greeks}");
        }
        assert_eq!(greeks["updated_at"], "2026-09-10 14:00:00", "once an hour");
        assert!(first(&sim.sandbox(), &format!("{path}&greeks=true")).await["greeks"].is_null());
    })
    .await;
}

#[tokio::test]
async fn s6_a_chain_agrees_with_its_quotes_strikes_and_expirations() {
    with_sim(async |sim| {
        let dates = inner(&sim, "/v1/markets/options/expirations?symbol=SPY", "expirations").await["date"].clone();
        assert!(dates.as_array().unwrap().contains(&Value::from("2026-09-18")), "{dates}");
        let strikes = inner(&sim, "/v1/markets/options/strikes?symbol=SPY&expiration=2026-09-18", "strikes").await;
        let chain =
            inner(&sim, "/v1/markets/options/chains?symbol=SPY&expiration=2026-09-18", "options").await["option"]
                .clone();
        let chain = chain.as_array().unwrap();
        assert_eq!(chain.len(), strikes["strike"].as_array().unwrap().len() * 2);
        let one = &chain[chain.len() / 2];
        let quote =
            inner(&sim, &format!("/v1/markets/quotes?symbols={}", one["symbol"].as_str().unwrap()), "quotes").await;
        assert_eq!(quote["quote"], *one);
        for option in chain {
            assert!(option["bid"].as_f64().unwrap() < option["ask"].as_f64().unwrap(), "{option}");
        }
        assert_eq!(
            sim.get("/v1/markets/options/chains?symbol=ZZZZ&expiration=2026-09-18").await.body,
            r#"{"options":null}"#
        );
        assert_eq!(
            sim.get("/v1/markets/options/chains?symbol=SPY&expiration=2026-09-12").await.body,
            r#"{"options":null}"#
        );
        assert_eq!(sim.get("/v1/markets/options/chains?symbol=SPY").await.status, 400);
    })
    .await;
}

#[tokio::test]
async fn s6_the_index_chain_has_both_roots_on_a_monthly_day() {
    with_sim(async |sim| {
        let path = "/v1/markets/options/chains?symbol=SPX&expiration=2026-09-18";
        let chain = inner(&sim, path, "options").await["option"].clone();
        let roots: std::collections::BTreeSet<&str> =
            chain.as_array().unwrap().iter().map(|o| o["root_symbol"].as_str().unwrap()).collect();
        assert_eq!(roots.into_iter().collect::<Vec<_>>(), ["SPX", "SPXW"]);
        assert_eq!(sim.sandbox().get(path).await.body, r#"{"options":null}"#, "the sandbox has no indices");
        let looked = inner(&sim, "/v1/markets/options/lookup?underlying=SPX", "symbols").await;
        assert_eq!(looked.as_array().map(Vec::len), Some(2), "one list for each root");
    })
    .await;
}

#[tokio::test]
async fn s6_expirations_change_their_shape_with_any_flag() {
    with_sim(async |sim| {
        let path = "/v1/markets/options/expirations?symbol=SPY&includeAllRoots=true";
        for flag in ["strikes=true", "contractSize=true", "expirationType=true"] {
            let e = inner(&sim, &format!("{path}&{flag}"), "expirations").await["expiration"][0].clone();
            assert!(e["date"].is_string() && e.as_object().unwrap().len() == 2, "{flag}: {e}");
        }
        assert_eq!(sim.get("/v1/markets/options/expirations?symbol=ZZZZ").await.body, r#"{"expirations":null}"#);
    })
    .await;
}

#[tokio::test]
async fn s6_bars_are_labelled_by_their_start_and_bounded_in_reach() {
    with_sim(async |sim| {
        let sales = "/v1/markets/timesales?symbol=SPY";
        let span = "start=2026-09-10%2009:30&end=2026-09-10%2009:45";
        let data = inner(&sim, &format!("{sales}&interval=5min&{span}"), "series").await["data"].clone();
        let times: Vec<&str> = data.as_array().unwrap().iter().map(|b| b["time"].as_str().unwrap()).collect();
        assert_eq!(times, ["2026-09-10T09:30:00", "2026-09-10T09:35:00", "2026-09-10T09:40:00", "2026-09-10T09:45:00"]);
        assert_eq!(data[0]["timestamp"].as_i64(), Some(at("2026-09-10", 9, 30).0 / 1_000));
        let single =
            inner(&sim, &format!("{sales}&interval=15min&start=2026-09-10%2009:30&end=2026-09-10%2009:31"), "series")
                .await;
        assert!(single["data"].is_object(), "{single}");
        let early = sim.get(&format!("{sales}&interval=1min&start=2026-07-01%2009:30")).await;
        assert_eq!(early.told(), (400, "Invalid parameter, start: must be on or after 2026-08-21 00:00:00."));
        assert_eq!(sim.sandbox().get(&format!("{sales}&interval=tick")).await.status, 400, "no ticks in the sandbox");
    })
    .await;
}

#[tokio::test]
async fn minute_bars_daily_bars_and_quotes_tell_one_story() {
    with_sim(async |sim| {
        sim.control("clock", serde_json::json!({ "to": "2026-09-10T20:30:00" })).await;
        for symbol in ["SPY", "NVDA", "SPX", "VIX", "SPY260918C00600000", "NVDA260918P00170000", "SPXW260911C06000000"]
        {
            let history = format!("/v1/markets/history?symbol={symbol}&start=2026-09-09&end=2026-09-10");
            let days = inner(&sim, &history, "history").await["day"].clone();
            let sales = format!(
                "/v1/markets/timesales?symbol={symbol}&interval=1min&start=2026-09-10%2009:30&end=2026-09-10%2016:00"
            );
            let minutes = inner(&sim, &sales, "series").await["data"].as_array().unwrap().clone();
            assert_eq!(minutes.len(), 390, "{symbol}");
            let number = |v: &Value, k: &str| v[k].as_f64().unwrap_or_else(|| panic!("{k}: {v}"));
            let high = minutes.iter().map(|m| number(m, "high")).fold(f64::MIN, f64::max);
            let low = minutes.iter().map(|m| number(m, "low")).fold(f64::MAX, f64::min);
            let today = &days[1];
            assert_eq!((number(today, "high"), number(today, "low")), (high, low), "{symbol}");
            assert_eq!(number(today, "open"), number(&minutes[0], "open"), "{symbol}");
            assert_eq!(number(today, "close"), number(&minutes[389], "close"), "{symbol}");
            let q = inner(&sim, &format!("/v1/markets/quotes?symbols={symbol}"), "quotes").await["quote"].clone();
            assert_eq!(number(&q, "close"), number(today, "close"), "{symbol}");
            assert_eq!(number(&q, "prevclose"), number(&days[0], "close"), "{symbol}");
            assert_eq!((number(&q, "high"), number(&q, "low")), (high, low), "{symbol}");
            if q["type"] == "option" {
                assert_eq!(q["volume"], minutes.iter().filter_map(|m| m["volume"].as_i64()).sum::<i64>(), "{symbol}");
                continue;
            }
            let year =
                inner(&sim, &format!("/v1/markets/history?symbol={symbol}&start=2025-09-25"), "history").await["day"]
                    .clone();
            for day in year.as_array().unwrap() {
                assert!(number(day, "high") <= number(&q, "week_52_high"), "{symbol}: {day} {q}");
                assert!(number(day, "low") >= number(&q, "week_52_low"), "{symbol}: {day} {q}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn years_of_daily_bars_and_weeks_and_months_of_them() {
    with_sim(async |sim| {
        let bars = async |interval: &str| {
            let path = format!("/v1/markets/history?symbol=SPY&interval={interval}&start=2021-09-10&end=2026-09-09");
            inner(&sim, &path, "history").await["day"].as_array().unwrap().len()
        };
        let (days, weeks, months) = (bars("daily").await, bars("weekly").await, bars("monthly").await);
        assert!(
            (1_240..=1_270).contains(&days) && (259..=263).contains(&weeks) && months == 61,
            "{days} {weeks} {months}"
        );
        let one = inner(&sim, "/v1/markets/history?symbol=SPY&start=2026-09-09&end=2026-09-09", "history").await;
        assert!(one["day"].is_object());
        assert_eq!(sim.get("/v1/markets/history?symbol=ZZZZ").await.body, r#"{"history":null}"#);
    })
    .await;
}

#[tokio::test]
async fn s8_4_the_sandbox_sees_the_market_of_a_quarter_of_an_hour_ago() {
    with_sim(async |sim| {
        let quote = async |sim: &Client| inner(sim, "/v1/markets/quotes?symbols=SPY", "quotes").await["quote"].clone();
        let live = quote(&sim).await;
        sim.step(15 * 60_000).await;
        let late = quote(&sim.sandbox()).await;
        assert_eq!(late["bid_date"].as_i64(), Some(morning().0));
        assert_eq!((&late["bid"], &late["ask"], &late["last"]), (&live["bid"], &live["ask"], &live["last"]));
    })
    .await;
}

#[tokio::test]
async fn s6_the_clock_names_the_state_and_the_next_change() {
    let cases = [
        ("2026-09-10", 6, 0, "closed", "07:00", "premarket"),
        ("2026-09-10", 8, 0, "premarket", "09:30", "open"),
        ("2026-09-10", 10, 0, "open", "16:00", "postmarket"),
        ("2026-09-10", 17, 0, "postmarket", "20:00", "closed"),
        ("2026-11-26", 10, 0, "closed", "07:00", "premarket"),
        ("2026-11-27", 12, 0, "open", "13:00", "postmarket"),
    ];
    for (day, hour, minute, state, change, next) in cases {
        with(Config::manual(1, at(day, hour, minute)), async |sim| {
            let clock = inner(&sim, "/v1/markets/clock", "clock").await;
            let seen = ["date", "state", "next_change", "next_state"].map(|k| clock[k].as_str().unwrap().to_owned());
            assert_eq!(seen, [day, state, change, next], "{clock}");
            assert_eq!(clock["timestamp"].as_i64(), Some(at(day, hour, minute).0 / 1_000));
        })
        .await;
    }
}

#[tokio::test]
async fn s6_the_calendar_knows_holidays_and_early_closes() {
    with_sim(async |sim| {
        let month = inner(&sim, "/v1/markets/calendar?month=11&year=2026", "calendar").await;
        let day = |n: usize| month["days"]["day"][n - 1].clone();
        assert_eq!(
            day(26),
            serde_json::json!({"date": "2026-11-26", "status": "closed", "description": "Market is closed for Thanksgiving Day"})
        );
        assert_eq!(day(27)["open"], serde_json::json!({"start": "09:30", "end": "13:00"}));
        assert_eq!(day(28)["status"], "closed");
        assert_eq!((month["month"].as_i64(), month["days"]["day"].as_array().map(Vec::len)), (Some(11), Some(30)));
        assert_eq!(sim.get("/v1/markets/calendar?month=13&year=2026").await.status, 400);
    })
    .await;
}

#[tokio::test]
async fn s6_a_list_of_symbols_may_repeat_its_name() {
    with_sim(async |sim| {
        let quotes = inner(&sim, "/v1/markets/quotes?symbols=SPY&symbols=AAPL,QQQ", "quotes").await["quote"].clone();
        let names: Vec<&str> = quotes.as_array().unwrap().iter().filter_map(|q| q["symbol"].as_str()).collect();
        assert_eq!(names, ["SPY", "AAPL", "QQQ"]);
    })
    .await;
}

#[tokio::test]
async fn s6_symbols_are_found_by_name_and_by_beginning() {
    with_sim(async |sim| {
        let found = inner(&sim, "/v1/markets/search?q=apple", "securities").await["security"].clone();
        assert_eq!(found.as_array().map(Vec::len), Some(1), "an array also for one");
        assert_eq!((found[0]["symbol"].as_str(), found[0]["type"].as_str()), (Some("AAPL"), Some("stock")));
        assert_eq!(sim.get("/v1/markets/search?q=zzzz").await.body, r#"{"securities":null}"#);
        let etfs = inner(&sim, "/v1/markets/lookup?q=XL&types=etf", "securities").await["security"].clone();
        assert!(etfs.as_array().unwrap().len() > 5, "the sector funds: {etfs}");
        assert!(inner(&sim, "/v1/markets/etb", "securities").await["security"].as_array().unwrap().len() > 10);
    })
    .await;
}
