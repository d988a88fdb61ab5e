//! Every order of the command line, on the real daemon and the simulated broker: what it prints, what it refuses with
//! which code, and what the broker then has.

use serde_json::{Value, json};

use crate::market::{ACCOUNT, Market, is_closed, is_protected};
use crate::stage::{CONFLICT, DONE, REFUSED, USAGE, ends_with};

/// What a scanner sends.
fn signal(symbol: &str) -> Value {
    json!({
        "option_symbol": symbol, "qty": 2, "limit": "5.10", "sl_price": "4.00", "tp_price": "7.00",
        "strategy": "breakout", "ai_score": 87.5, "ai_verdict": "BUY", "ai_reasoning_log": { "why": ["volume", "trend"] },
    })
}

#[test]
fn a_signal_on_standard_input_becomes_a_protected_trade_and_close_ends_it() {
    let market = Market::open();
    let desk = &market.stage.desk;
    let symbol = market.contract();
    let text = signal(&symbol).to_string();
    ends_with(&desk.run_with(&["place"], "buy some"), USAGE, "this is no signal");
    ends_with(&desk.run_with(&["place"], ""), USAGE, "this is no signal");
    ends_with(&desk.run_with(&["place"], &text.replace("\"4.00\"", "4,00")), USAGE, "this is no signal");
    ends_with(&desk.run_with(&["--read-only", "place"], &text), REFUSED, "read-only");
    ends_with(&desk.run_with(&["place"], &text.replace("4.00", "5.00")), REFUSED, "");
    ends_with(&desk.run_with(&["place"], &text.replace("4.00", "4.001")), REFUSED, "");
    assert!(market.orders().is_empty(), "what is refused is never sent: {:#?}", market.orders());

    let number = placed(&market, &symbol, &text);
    let trade = market.until("the bracket", &number, is_protected);
    let stored = ["option_symbol", "qty", "sl_price", "tp_price", "strategy", "version"].map(|name| &trade[name]);
    let asked = [&json!(symbol), &json!(2), &json!("4.00"), &json!("7.00"), &json!("breakout"), &json!(1)];
    assert_eq!(stored.map(plain), asked.map(plain), "{trade:#}");
    let context = market.stage.get(&format!("/v1/trades/{}/context", trade["id"].as_str().unwrap())).text();
    assert!(context.contains("87.5") && context.contains("volume"), "the signal's story is lost: {context}");
    assert_eq!(market.position(&symbol), 2);

    ends_with(&desk.run(&["close", &number, "--version", "7"]), CONFLICT, "version");
    ends_with(&desk.run(&["close", &number, "--qty", "3"]), REFUSED, "");
    ends_with(&desk.run(&["--read-only", "close", &number]), REFUSED, "read-only");
    ends_with(&desk.run(&["close", "99"]), REFUSED, "There is no trade #99.");
    let said = desk.run(&["close", &format!("#{number}")]);
    ends_with(&said, DONE, &format!("#{number} {symbol}: It is on its way out."));
    let trade = market.until("its end", &number, is_closed);
    assert_eq!(trade["close"]["reason"], "MANUAL_CLOSE", "{trade:#}");
    assert_eq!(plain(&trade["close"]["price"]), "5", "{trade:#}");
    assert_eq!(market.position(&symbol), 0);
    ends_with(&desk.run(&["close", &number]), REFUSED, "");
    assert_eq!(roles(&market), ["BUY 2", "OCO", "SELL 2"], "{:#?}", market.orders());
    let told = desk.run(&["why", &number]);
    for words in ["asked to buy", "asked to close", "2 sold at 5.00", "CLOSED (MANUAL_CLOSE)"] {
        ends_with(&told, DONE, words);
    }
}

/// Places until it is sent in its time, which a very busy machine may miss; gives the number.
#[track_caller]
fn placed(market: &Market, symbol: &str, text: &str) -> String {
    for _ in 0..5 {
        let said = market.stage.desk.run_with(&["place"], text);
        ends_with(&said, DONE, &format!("{symbol}: The order is taken; it is sent within seconds or never."));
        let number = said.out.trim_start_matches('#').split(' ').next().unwrap().to_owned();
        let trade = market.until("an order that is sent", &number, |trade| trade["status"] != "PENDING");
        if trade["status"] != "VOID" {
            return number;
        }
    }
    panic!("no entry is sent in its time:\n{}", market.stage.daemon.log());
}

/// A figure without the zeroes that change nothing, any other value as it is.
fn plain(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    text.parse::<f64>().map_or(text, |figure| figure.to_string())
}

/// The orders that were sent, in their order: what it is, and of how many contracts.
fn roles(market: &Market) -> Vec<String> {
    let orders = market.orders();
    let role = |order: &Value| match (order["side"].as_str(), order["legs"].as_array().map_or(0, Vec::len)) {
        (_, 2) => "OCO".to_owned(),
        (Some(side), _) if side.contains("buy") => format!("BUY {}", order["quantity"]),
        (Some(_) | None, _) => format!("SELL {}", order["quantity"]),
    };
    orders.iter().map(role).collect()
}

#[test]
fn a_bracket_is_moved_and_taken_to_break_even_from_the_command_line() {
    let market = Market::open();
    let desk = &market.stage.desk;
    let (number, symbol) = market.hold();
    let at = at_version;
    ends_with(&desk.run(&["adjust", &number]), USAGE, "say --stop, --target or both");
    ends_with(&desk.run(&["adjust", &number, "--stop", "4,50"]), USAGE, "");
    ends_with(&desk.run(&["adjust", &number, "--stop", "5.00"]), REFUSED, "");
    ends_with(&desk.run(&["adjust", &number, "--stop", "4.50", "--version", "9"]), CONFLICT, "");
    let said = desk.run(&["adjust", &number, "--stop", "4.50", "--target", "8.00"]);
    ends_with(&said, DONE, &format!("#{number} {symbol}: The bracket is being replaced."));
    market.until("the moved bracket", &number, at(2));
    assert_eq!(working(&market), [("4.5".to_owned(), "8".to_owned(), 2)]);

    market.pin(&symbol, "6.00", "6.10");
    ends_with(&desk.run(&["adjust", &number, "--stop", "entry"]), DONE, "The bracket is being replaced.");
    market.until("a stop at the entry", &number, at(3));
    assert_eq!(working(&market), [("5.1".to_owned(), "8".to_owned(), 2)]);
}

#[test]
fn a_part_is_closed_and_the_rest_at_a_limit_from_the_command_line() {
    let market = Market::open();
    let desk = &market.stage.desk;
    let (number, symbol) = market.hold();
    let at = at_version;
    ends_with(&desk.run(&["close", &number, "--qty", "0"]), USAGE, "");
    ends_with(&desk.run(&["close", &number, "--qty", "1"]), DONE, "A part is on its way out.");
    market.until("one of two", &number, |trade| at(2)(trade) && trade["held_qty"] == 1);
    assert_eq!((market.position(&symbol), working(&market)), (1, vec![("4".to_owned(), "7".to_owned(), 1)]));

    ends_with(&desk.run(&["close", &number, "--limit", "5.40"]), DONE, "The limit takes the place of the target.");
    market.until("the limit beside the stop", &number, at(3));
    assert_eq!(working(&market), [("4".to_owned(), "5.4".to_owned(), 1)]);
    market.pin(&symbol, "5.45", "5.50");
    let trade = market.until("the limit is hit", &number, is_closed);
    assert_eq!(trade["close"]["reason"], "MANUAL_CLOSE", "{trade:#}");
    assert_eq!(market.position(&symbol), 0);
}

/// Protected, in this version.
fn at_version(version: i64) -> impl Fn(&Value) -> bool {
    move |trade| is_protected(trade) && trade["version"] == version
}

/// Stop, target and quantity of each bracket that works.
fn working(market: &Market) -> Vec<(String, String, i64)> {
    let all = market.sim.books("orders");
    let all = all["orders"].as_array().unwrap();
    let works = |order: &&Value| ["open", "pending", "partially_filled"].contains(&order["status"].as_str().unwrap());
    let brackets = all.iter().filter(|order| order["legs"].as_array().is_some_and(|legs| legs.len() == 2));
    let ends = |order: &Value| {
        let legs: Vec<&Value> =
            all.iter().filter(|leg| order["legs"].as_array().unwrap().contains(&leg["id"])).collect();
        let figure =
            |name: &str| legs.iter().map(|leg| &leg[name]).find(|it| !it.is_null()).map(plain).unwrap_or_default();
        (figure("stop"), figure("price"), legs.iter().filter_map(|leg| leg["quantity"].as_i64()).max().unwrap_or(0))
    };
    brackets.filter(works).map(ends).collect()
}

#[test]
fn a_lost_bracket_is_placed_again_on_request_and_an_entry_is_cancelled() {
    let market = Market::open();
    let desk = &market.stage.desk;
    let (number, _) = market.hold();
    ends_with(&desk.run(&["--read-only", "protect", &number]), REFUSED, "read-only");
    ends_with(&desk.run(&["protect", &number, "--version", "3"]), CONFLICT, "");
    let said = desk.run(&["protect", &number]);
    ends_with(&said, DONE, "The bracket is being placed again.");
    market.until("a bracket", &number, |trade| is_protected(trade) && trade["version"] == 2);
    assert_eq!(working(&market), [("4".to_owned(), "7".to_owned(), 2)], "one bracket, and no second one");
    ends_with(&desk.run(&["cancel", &number]), REFUSED, "");

    let (entry, symbol) = market.rests();
    ends_with(&desk.run(&["cancel", &entry, "--version", "4"]), CONFLICT, "");
    ends_with(&desk.run(&["cancel", &entry]), DONE, "The entry is being cancelled.");
    market.until("a cancelled entry", &entry, |trade| trade["status"] == "CANCELED");
    assert_eq!(market.position(&symbol), 0);
}

#[test]
fn a_flatten_is_drilled_first_and_then_sends_just_that() {
    let mut market = Market::open();
    ends_with(&market.run(&["flatten"]), USAGE, "--drill");
    ends_with(&market.run(&["flatten", "--drill"]), DONE, "Nothing is held and no entry works.\n");
    let first = market.hold();
    market.begins_anew();
    let held = [first, market.hold()];
    market.begins_anew();
    let desk = &market.stage.desk;
    let (entry, _) = market.rests();

    let before = (market.orders(), market.says(&["trades"])["items"].clone());
    let drill = market.says(&["flatten", "--drill"]);
    let text = desk.run(&["flatten", "--drill"]);
    ends_with(&text, DONE, "Would be sent, in this order:\n");
    assert_eq!(market.orders(), before.0, "a drill sends nothing");
    let versions = |items: &Value| items.as_array().unwrap().iter().map(|it| it["version"].clone()).collect::<Vec<_>>();
    assert_eq!(versions(&market.says(&["trades"])["items"]), versions(&before.1), "a drill wants nothing");
    let lines: Vec<&str> = text.out.lines().skip(1).collect();
    let sends = drill["sends"].as_array().unwrap();
    assert_eq!(lines.len(), sends.len(), "{text:?}");
    for (line, send) in lines.iter().zip(sends) {
        let what = match send["what"].as_str().unwrap() {
            "cancel_entry" => format!("cancel the entry  order {}", send["order_id"].as_str().unwrap()),
            "cancel_bracket" => format!("cancel the bracket  order {}", send["order_id"].as_str().unwrap()),
            _ => format!("sell {} at the market", send["qty"]),
        };
        let symbol = send["option_symbol"].as_str().unwrap();
        let whole = line.starts_with(&format!("#{}", send["trade_number"])) && line.contains(symbol);
        assert!(whole && line.ends_with(&what), "{line} is not {send}");
    }

    let first = market.sim.books("ledger")["next"].as_u64().unwrap();
    ends_with(&desk.run(&["--read-only", "flatten", "--yes"]), REFUSED, "read-only");
    let said = desk.run(&["flatten", "--yes"]);
    ends_with(&said, DONE, "Is sent, in this order:\n");
    assert_eq!(said.out.lines().skip(1).collect::<Vec<_>>(), lines, "it says what the drill said");
    for (number, symbol) in &held {
        market.until("its end", number, is_closed);
        assert_eq!(market.position(symbol), 0);
    }
    market.until("a cancelled entry", &entry, |trade| trade["status"] == "CANCELED");
    let (mut planned, mut done) = (planned(sends), sent(&market, first));
    assert_eq!(planned.iter().filter(|it| it.starts_with("cancel")).count(), 3, "{planned:?}");
    let is_sale = |it: &String| it.starts_with("sell");
    assert!(done.is_sorted_by_key(is_sale), "a sale before a cancel: {done:?}");
    planned.sort_unstable();
    done.sort_unstable();
    assert_eq!(done, planned, "what was sent is what the drill said");
    ends_with(&desk.run(&["flatten", "--yes"]), DONE, "Nothing is held and no entry works.\n");
}

/// What a drill says, as the broker would write it down.
fn planned(sends: &[Value]) -> Vec<String> {
    let one = |send: &Value| match send["order_id"].as_str() {
        Some(order) => format!("cancel {order}"),
        None => format!("sell {} {}", send["qty"], send["option_symbol"].as_str().unwrap()),
    };
    sends.iter().map(one).collect()
}

/// What the broker wrote down of cancels and orders since then, in its order.
fn sent(market: &Market, since: u64) -> Vec<String> {
    let ledger = market.sim.books(&format!("ledger?since={since}"));
    let told = ledger["entries"].as_array().unwrap().iter().filter_map(|entry| match entry["fact"].as_str() {
        Some("cancel_sent") => Some(format!("cancel {}", entry["order"])),
        Some("placed") => Some(format!("sell {} {}", entry["quantity"], entry["symbol"].as_str().unwrap())),
        Some(_) | None => None,
    });
    told.collect()
}

#[test]
fn the_kill_switch_stops_entries_and_lets_exits_go_on() {
    let market = Market::open();
    let desk = &market.stage.desk;
    let (number, _) = market.hold();
    ends_with(&desk.run(&["kill-switch"]), USAGE, "");
    ends_with(&desk.run(&["kill-switch", "perhaps"]), USAGE, "on or off");
    ends_with(&desk.run(&["--read-only", "kill-switch", "on"]), REFUSED, "read-only");
    ends_with(&desk.run(&["kill-switch", "on"]), DONE, "Entries are stopped; exits go on.\n");
    assert_eq!(market.stage.get("/v1/settings").json().unwrap()["entries_stopped"], true);
    let symbol = market.contract();
    let text = signal(&symbol).to_string();
    let sent = market.orders().len();
    ends_with(&desk.run_with(&["place"], &text), REFUSED, "");
    ends_with(&desk.run(&["close", &number]), DONE, "It is on its way out.");
    market.until("its end", &number, is_closed);
    assert_eq!(market.orders().len(), sent + 1, "the sale and nothing else");

    ends_with(&desk.run(&["kill-switch", "off"]), DONE, "Entries are let in again.\n");
    let again = placed(&market, &symbol, &text);
    market.until("the bracket", &again, is_protected);
}

#[test]
fn a_position_that_came_from_elsewhere_is_adopted_and_protected() {
    let market = Market::open();
    let desk = &market.stage.desk;
    let symbol = market.contract();
    let adopt = |qty: &'static str| {
        ["adopt", &symbol, "--qty", qty, "--stop", "4.00", "--strategy", "inherited"].map(ToOwned::to_owned)
    };
    let run = |qty| desk.run(&adopt(qty).each_ref().map(String::as_str));
    ends_with(&run("2"), REFUSED, "");
    let moved =
        json!({ "do": "move_position", "account": ACCOUNT, "symbol": symbol, "quantity": 2, "reason": "transfer" });
    market.sim.happens(&moved);
    ends_with(&run("3"), REFUSED, "");
    let said = run("2");
    ends_with(&said, DONE, &format!("{symbol}: The position is taken up."));
    let number = said.out.trim_start_matches('#').split(' ').next().unwrap().to_owned();
    let trade = market.until("its stop", &number, is_protected);
    assert_eq!((&trade["held_qty"], &trade["strategy"]), (&json!(2), &json!("inherited")), "{trade:#}");
    ends_with(&run("2"), REFUSED, "");
}
