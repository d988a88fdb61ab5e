//! Section 6 of the reference, below the wire: the market is one function of seed and time, so its answers must agree.

use blotter_sim::core::{Contract, Right, Symbol};
use blotter_sim::market::{Interval, Market};
use blotter_sim::time::{HOUR, MINUTE, Ms, SECOND};
use chrono::NaiveDate;
use rust_decimal::Decimal;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn market() -> Market {
    Market::new(7, day("2026-09-10"))
}

fn noon() -> Ms {
    Ms::at_et(day("2026-09-10"), 12, 0)
}

#[test]
fn s6_the_same_seed_gives_the_same_market_in_any_order_of_questions() {
    let symbols = ["SPY", "NVDA", "VIX", "SPY260918C00600000", "SPXW260911P06000000"].map(Symbol::new);
    let (mut a, mut b) = (market(), market());
    let forward: Vec<_> = symbols.iter().map(|s| a.quote(s, noon()).unwrap().touch).collect();
    b.history(&symbols[1], Interval::Daily, (day("2024-01-01"), day("2026-09-10")), noon());
    b.quote(&symbols[0], noon().plus(30 * 24 * HOUR));
    let mut backward: Vec<_> = symbols.iter().rev().map(|s| b.quote(s, noon()).unwrap().touch).collect();
    backward.reverse();
    assert_eq!(forward, backward);
    let other = Market::new(8, day("2026-09-10")).quote(&symbols[0], noon()).unwrap();
    assert_ne!(other.touch.last, forward[0].last);
}

#[test]
fn s6_every_underlying_has_a_sane_market_all_day() {
    let mut m = market();
    let symbols: Vec<Symbol> = m.underlyings().iter().map(|u| u.symbol.clone()).collect();
    for symbol in &symbols {
        for minutes in [-300, -200, -5, 0, 1, 100, 389, 391, 600] {
            let now = Ms::at_et(day("2026-09-10"), 9, 30).plus(minutes * MINUTE);
            let q = m.quote(symbol, now).unwrap();
            assert!(q.touch.bid > Decimal::ZERO && q.touch.ask >= q.touch.bid, "{symbol} {minutes} {:?}", q.touch);
            assert_eq!(q.touch.ask > q.touch.bid, q.kind != "index", "{symbol}");
            let distance = (q.touch.last - q.touch.mid()).abs() / q.touch.mid();
            assert!(distance < Decimal::new(1, 2), "{symbol} {minutes}: last far from the market {:?}", q.touch);
            assert!((q.change_percent).abs() < Decimal::from(40), "{symbol} {minutes}: {}", q.change_percent);
            assert!(q.year_range.0 >= q.year_range.1);
            assert!(q.traded_at <= now && q.quoted_at <= now);
        }
    }
}

#[test]
fn s6_quotes_minute_bars_and_daily_bars_agree() {
    let mut m = market();
    for symbol in ["SPY", "TSLA", "VIX"].map(Symbol::new) {
        let open = Ms::at_et(day("2026-09-10"), 9, 30);
        let close = Ms::at_et(day("2026-09-10"), 16, 0);
        let evening = close.plus(HOUR);
        let minutes = m.intraday(&symbol, 1, (open, close), evening);
        assert_eq!(minutes.len(), 390);
        let daily = m.history(&symbol, Interval::Daily, (day("2026-09-10"), day("2026-09-10")), evening);
        let [bar] = daily.as_slice() else { panic!("one bar, not {}", daily.len()) };
        assert_eq!(minutes[0].open, bar.open);
        assert_eq!(minutes[389].close, bar.close);
        assert_eq!(minutes.iter().map(|b| b.high).max(), Some(bar.high));
        assert_eq!(minutes.iter().map(|b| b.low).min(), Some(bar.low));
        let volume: i64 = minutes.iter().map(|b| b.volume).sum();
        assert!((volume - bar.volume).abs() <= 390, "{volume} {}", bar.volume);
        let fives = m.intraday(&symbol, 5, (open, close), evening);
        assert_eq!(fives.len(), 78);
        assert_eq!(fives[3].close, minutes[19].close);
        for minute in [0, 17, 200, 388] {
            let quote = m.quote(&symbol, open.plus(i64::try_from(minute + 1).unwrap() * MINUTE)).unwrap();
            assert_eq!(quote.touch.last, minutes[minute].close, "{symbol} {minute}");
        }
        let next = m.quote(&symbol, Ms::at_et(day("2026-09-11"), 10, 0)).unwrap();
        assert_eq!(next.previous_close, bar.close);
        let quote = m.quote(&symbol, close.plus(-SECOND)).unwrap();
        let (day_open, high, low) = quote.day.unwrap();
        assert_eq!(day_open, bar.open);
        assert!(high <= bar.high && low >= bar.low);
    }
}

#[test]
fn s6_years_of_history_exist_and_weeks_and_months_gather_days() {
    let mut m = market();
    let spy = Symbol::new("SPY");
    let range = (day("2024-09-10"), day("2026-09-09"));
    let daily = m.history(&spy, Interval::Daily, range, noon());
    assert!((495..=505).contains(&daily.len()), "{}", daily.len());
    let weekly = m.history(&spy, Interval::Weekly, range, noon());
    let monthly = m.history(&spy, Interval::Monthly, range, noon());
    assert!((104..=106).contains(&weekly.len()) && monthly.len() == 25, "{} {}", weekly.len(), monthly.len());
    let volume = |bars: &[blotter_sim::market::Bar]| bars.iter().map(|b| b.volume).sum::<i64>();
    assert_eq!(volume(&daily), volume(&weekly));
    let moves: Vec<f64> = daily.windows(2).map(|w| ratio(w[1].close, w[0].close) - 1.0).collect();
    let n = f64::from(u32::try_from(moves.len()).unwrap());
    let vol = (moves.iter().map(|x| x * x).sum::<f64>() / n).sqrt() * 252_f64.sqrt();
    assert!((0.08..0.30).contains(&vol), "annual volatility {vol}");
}

fn ratio(a: Decimal, b: Decimal) -> f64 {
    (a / b).to_string().parse().unwrap()
}

#[test]
fn s6_shares_move_with_the_market_and_fear_against_it() {
    let mut m = market();
    let range = (day("2025-01-01"), day("2026-09-09"));
    let mut moves = |symbol: &str| -> Vec<f64> {
        let bars = m.history(&Symbol::new(symbol), Interval::Daily, range, noon());
        bars.windows(2).map(|w| ratio(w[1].close, w[0].close) - 1.0).collect()
    };
    let (spy, spx, nvda, vix) = (moves("SPY"), moves("SPX"), moves("NVDA"), moves("VIX"));
    assert!(correlation(&spy, &spx) > 0.99);
    let with_market = correlation(&spy, &nvda);
    assert!((0.4..0.95).contains(&with_market), "{with_market}");
    assert!(correlation(&spy, &vix) < -0.4, "{}", correlation(&spy, &vix));
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let n = f64::from(u32::try_from(a.len()).unwrap());
    let mean = |v: &[f64]| v.iter().sum::<f64>() / n;
    let (ma, mb) = (mean(a), mean(b));
    let cov: f64 = a.iter().zip(b).map(|(x, y)| (x - ma) * (y - mb)).sum();
    let var = |v: &[f64], m: f64| v.iter().map(|x| (x - m).powi(2)).sum::<f64>();
    cov / (var(a, ma) * var(b, mb)).sqrt()
}

#[test]
fn s6_a_chain_is_ordered_priced_and_on_its_ticks() {
    let mut m = market();
    for (symbol, expiry) in [
        ("SPY", "2026-09-10"),
        ("SPX", "2026-09-18"),
        ("NFLX", "2026-10-16"),
        ("BRK/B", "2026-09-18"),
        ("VIX", "2026-09-16"),
    ] {
        let chain = m.chain(&Symbol::new(symbol), day(expiry), noon());
        assert!(chain.len() >= 32, "{symbol} {expiry}: {}", chain.len());
        let mut last_call = Decimal::MAX;
        for contract in &chain {
            let quote = m.quote(&contract.occ(), noon()).unwrap_or_else(|| panic!("{}", contract.occ()));
            let touch = quote.touch;
            assert!(touch.ask > touch.bid, "{}", contract.occ());
            let spot = m.option(&contract.occ(), noon()).unwrap().spot();
            let strike = f64::from(contract.strike_mils) / 1_000.0;
            let worth = if contract.right == Right::Call { spot - strike } else { strike - spot };
            assert!(ratio(touch.ask, Decimal::ONE) > worth * 0.98, "{} below its worth: {touch:?}", contract.occ());
            if contract.right == Right::Call && contract.root == chain[0].root {
                assert!(touch.mid() <= last_call + Decimal::new(15, 2), "{}", contract.occ());
                last_call = touch.mid();
            }
            if symbol == "SPX" {
                let step = if touch.bid < Decimal::from(3) { Decimal::new(5, 2) } else { Decimal::new(10, 2) };
                assert!((touch.bid % step).is_zero(), "{touch:?}");
            }
        }
    }
    let roots: std::collections::BTreeSet<String> =
        m.chain(&Symbol::new("SPX"), day("2026-09-18"), noon()).into_iter().map(|c| c.root).collect();
    assert_eq!(roots.into_iter().collect::<Vec<_>>(), ["SPX", "SPXW"]);
}

#[test]
fn s6_expiries_follow_the_calendar() {
    let mut m = market();
    let spy: Vec<_> = m.expirations(&Symbol::new("SPY"), noon());
    let first: Vec<String> = spy.iter().take(3).map(|e| e.date.to_string()).collect();
    assert_eq!(first, ["2026-09-10", "2026-09-11", "2026-09-14"], "every session, today included");
    assert!(spy.iter().any(|e| e.date == day("2026-12-18") && e.monthly));
    let nvda = m.expirations(&Symbol::new("NVDA"), noon());
    assert_eq!(nvda[0].date, day("2026-09-11"), "Fridays");
    let after_close = m.expirations(&Symbol::new("SPY"), Ms::at_et(day("2026-09-10"), 16, 0));
    assert_eq!(after_close[0].date, day("2026-09-11"));
    let good_friday = m.expirations(&Symbol::new("NVDA"), Ms::at_et(day("2027-03-22"), 12, 0));
    assert_eq!(good_friday[0].date, day("2027-03-25"), "the Thursday before a closed Friday");
}

#[test]
fn s6_a_contract_is_quoted_from_listing_to_its_last_second() {
    let mut m = market();
    let symbol = Symbol::new("SPY260918C00600000");
    let contract = Contract::parse(symbol.as_str()).unwrap();
    let end = Ms::at_et(contract.expiry, 16, 0);
    assert!(m.quote(&symbol, end.plus(-SECOND)).is_some());
    assert!(m.quote(&symbol, end).is_none());
    assert!(m.quote(&Symbol::new("SPY260918C00600500"), noon()).is_none(), "no such strike");
    assert!(m.quote(&Symbol::new("SPY260912C00600000"), noon()).is_none(), "no such day");
    assert!(m.quote(&Symbol::new("ZZZZ"), noon()).is_none());
}

#[test]
fn s6_a_scripted_move_shows_in_quotes_and_history() {
    let mut m = market();
    let spy = Symbol::new("SPY");
    let before = m.quote(&spy, noon().plus(MINUTE)).unwrap().touch.last;
    let untouched = m.quote(&spy, noon().plus(SECOND)).unwrap().touch;
    let from = noon().plus(7 * SECOND);
    assert!(m.push(&spy, 10.0, (from, 53 * SECOND)));
    assert_eq!(m.quote(&spy, noon().plus(SECOND)).unwrap().touch, untouched, "what was seen stays");
    let after = m.quote(&spy, noon().plus(MINUTE)).unwrap().touch.last;
    assert!((ratio(after, before) - 1.10).abs() < 1e-4);
    let bars = m.intraday(&spy, 1, (noon().plus(MINUTE), noon().plus(MINUTE)), noon().plus(HOUR));
    assert_eq!(bars[0].open, after);
    let contract = Contract::parse("SPY260918C00640000").unwrap();
    let now = noon().plus(2 * MINUTE);
    assert!(m.push_option_to(&contract, 25.0, (now, 20 * SECOND)));
    let reached = m.quote(&contract.occ(), now.plus(21 * SECOND)).unwrap().touch.mid();
    assert!((reached - Decimal::from(25)).abs() < Decimal::ONE, "{reached}");
}

#[test]
fn s6_a_tape_replaces_the_model_and_names_its_bad_line() {
    let mut m = market();
    m.play("2026-09-10T09:30:00,SPY,500.00\n2026-09-10T12:00:00,SPY,510.00\n").unwrap();
    let spy = Symbol::new("SPY");
    assert_eq!(m.quote(&spy, noon().plus(-MINUTE)).unwrap().touch.last.to_string(), "500.00");
    assert_eq!(m.quote(&spy, noon().plus(MINUTE)).unwrap().touch.last.to_string(), "510.00");
    let bad = m.play("2026-09-10T09:30:00,SPY,500.00\n2026-09-10T12:00:00,SPY,minus\n").unwrap_err();
    assert_eq!(bad.to_string(), "line 2: price \"minus\" is no number");
}
