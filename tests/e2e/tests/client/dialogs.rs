//! Every figure of the dialogs beside the daemon's answers, at three widths: what a close would bring, what a bracket that
//! is typed would lose and pay, what a new trade would cost and which limits it would break, what a flatten would send. Prices
//! stand still, so that both can be compared to the last digit, and what was said before is what happens then.

use blotter_testkit::terminal::{Size, Terminal};
use serde_json::Value;

use crate::figures::{SIZES, agrees, cents, equity, figure, items, percent, rounded, trend};
use crate::forms::{acting, in_list, until_it_opens};
use crate::market::{Market, is_closed, is_protected};
use crate::stage::{REFUSED, wait_without};

const ESC: &str = "\u{1b}";
const CTRL_U: &str = "\u{15}";
/// What the account is said to have; the broker says that it has four times as much, and is believed.
const BALANCE: f64 = 25_000.0;

/// A contract's symbol in its parts: root, expiry, right and strike.
fn parts(trade: &Value) -> (String, String, char, String) {
    let symbol = trade["option_symbol"].as_str().unwrap();
    let (root, rest) = symbol.split_at(symbol.len() - 15);
    let day = format!("20{}-{}-{}", &rest[..2], &rest[2..4], &rest[4..6]);
    let strike = rest[7..].parse::<f64>().unwrap() / 1000.0;
    (root.to_owned(), day, rest.chars().nth(6).unwrap(), format!("{strike}"))
}

/// As sentences call it: `SPY Sep 18 '26 640 CALL`.
fn in_words(trade: &Value) -> String {
    let (root, day, right, strike) = parts(trade);
    format!("{root} {} {strike} {}", in_list(&day), if right == 'C' { "CALL" } else { "PUT" })
}

/// As lists call it: `SPY 09/18/26 640 C`.
fn in_brief(trade: &Value) -> String {
    let (root, day, right, strike) = parts(trade);
    format!("{root} {}/{}/{} {strike} {right}", &day[5..7], &day[8..], &day[2..4])
}

/// Bid and ask, as the chain has them.
fn quote(market: &Market, trade: &Value) -> (f64, f64) {
    let (root, day, ..) = parts(trade);
    let chain = market.stage.get(&format!("/v1/chain?symbol={root}&expiry={day}&strikes=20")).json().unwrap();
    let contracts = chain["rows"].as_array().unwrap().iter().flat_map(|row| [&row["call"], &row["put"]]);
    let found = contracts.into_iter().find(|contract| contract["symbol"] == trade["option_symbol"]);
    let found = found.unwrap_or_else(|| panic!("{} is not in {chain}", trade["option_symbol"]));
    (figure(&found["bid"]).unwrap(), figure(&found["ask"]).unwrap())
}

fn price(trade: &Value, name: &str) -> f64 {
    figure(&trade[name]).unwrap_or_else(|| panic!("no {name}: {trade:#}"))
}

/// What so many contracts gain between the entry and this price.
fn gain(trade: &Value, at: f64, qty: f64) -> f64 {
    (at - price(trade, "entry_price")) * qty * price(trade, "multiplier")
}

/// Entry and market, which stand in every way out.
fn quoted(trade: &Value, (bid, ask): (f64, f64)) -> [String; 2] {
    let spread = rounded((ask - bid) * 100.0 / f64::midpoint(ask, bid), 1, "");
    let entry = format!("Entry {}", cents(price(trade, "entry_price")));
    [entry, format!("Bid/Ask {} / {} {spread} %", cents(bid), cents(ask))]
}

/// What so many bring at the bid.
fn sale(market: &Market, trade: &Value, qty: f64) -> Vec<String> {
    let (bid, ask) = quote(market, trade);
    let share = (bid / price(trade, "entry_price") - 1.0) * 100.0;
    let result = format!("At the bid {} ({})", trend(gain(trade, bid, qty)), percent(share));
    quoted(trade, (bid, ask)).into_iter().chain([result]).collect()
}

/// What a bracket with these ends would lose or lock in, and pay, in multiples of the risk at entry, too.
fn bracket(market: &Market, trade: &Value, (stop, target): (f64, f64)) -> Vec<String> {
    let held = price(trade, "held_qty");
    let (at_stop, at_target) = (gain(trade, stop, held), gain(trade, target, held));
    let verb = if at_stop < -0.004 { "loses" } else { "locks in" };
    let context = market.stage.get(&format!("/v1/trades/{}/context", trade["id"].as_str().unwrap())).json().unwrap();
    let risk = -gain(trade, price(&context, "initial_stop"), held);
    let multiple = |result: f64| format!("({} R)", rounded(result / risk, 1, "+"));
    let (bid, ask) = quote(market, trade);
    let ahead = (stop < bid && target > bid).then(|| rounded((target - bid) / (bid - stop), 1, ""));
    let results = [
        format!("Stop {verb} {} {}", trend(at_stop), multiple(at_stop)),
        format!("Target pays {} {}", trend(at_target), multiple(at_target)),
    ];
    let results = results.into_iter().chain(ahead.map(|ratio| format!("Reward/risk {ratio} from the bid")));
    // A mark that is not above the stop lies on its end.
    let left = if f64::midpoint(bid, ask) > stop { '├' } else { '●' };
    let rail = [format!("{} {left}", cents(stop)), format!("┤ {}", cents(target))];
    quoted(trade, (bid, ask)).into_iter().chain(results).chain(rail).collect()
}

/// The words inside of the window with this title, as one line.
pub(crate) fn inside(text: &str, title: &str) -> Option<String> {
    let sign = format!("┌ {title} ");
    let lines: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
    let corner =
        text.lines().enumerate().find_map(|(row, line)| Some((row, line.split_once(&sign)?.0.chars().count())));
    let (top, left) = corner?;
    let right = left + lines.get(top)?.iter().skip(left).position(|c| *c == '┐')?;
    let rows = lines.iter().skip(top + 1).take_while(|line| line.get(left) == Some(&'│'));
    let inside: String = rows.flat_map(|line| line.iter().take(right).skip(left + 1).chain([&' '])).collect();
    // The ends of a rail are words beside it.
    let inside = inside.replace('├', "├ ").replace('┤', " ┤").replace('●', "● ");
    Some(inside.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The first of these that does not stand there as whole words, one behind the other.
pub(crate) fn missing(words: &str, wanted: &[String]) -> Option<String> {
    let words = format!(" {words} ");
    let mut from = 0;
    for phrase in wanted {
        match words[from..].find(&format!(" {phrase} ")) {
            Some(at) => from += at + 1,
            None => return Some(phrase.clone()),
        }
    }
    None
}

/// Looks at the dialog and at the answers until they agree.
#[track_caller]
fn reads(terminal: &mut Terminal, title: &str, wanted: impl Fn() -> Vec<String>) {
    agrees(terminal, title, |text| {
        let words = inside(text, title).ok_or_else(|| format!("┌ {title}"))?;
        missing(&words, &wanted()).map_or(Ok(Vec::new()), |phrase| Err(format!("{phrase} in `{words}`")))
    });
}

/// Opens one, looks, and leaves it.
#[track_caller]
fn glance(terminal: &mut Terminal, (key, title): (&str, &str), wanted: impl Fn() -> Vec<String>) {
    until_it_opens(terminal, key, &format!("┌ {title} "));
    reads(terminal, title, wanted);
    leaves(terminal, title);
}

#[track_caller]
fn leaves(terminal: &mut Terminal, title: &str) {
    terminal.type_keys(ESC).unwrap();
    wait_without(terminal, &format!("┌ {title} "));
}

/// A trade as the daemon has it now.
fn now(market: &Market, id: &Value) -> Value {
    market.stage.get(&format!("/v1/trades/{}", id.as_str().unwrap())).json().unwrap()
}

/// Every dialog about the trade that is selected.
#[track_caller]
fn of_trade(terminal: &mut Terminal, market: &Market, id: &Value) {
    let trade = || now(market, id);
    let number = trade()["number"].to_string();
    let ends = |trade: &Value| [price(trade, "sl_price"), price(trade, "tp_price")].map(cents);
    let held = |trade: &Value| price(trade, "held_qty");

    glance(terminal, ("c", &format!("Close #{number}")), || {
        let trade = trade();
        let [stop, target] = ends(&trade);
        let words = [
            format!("Sell {} {} at MARKET", trade["held_qty"], in_words(&trade)),
            format!("Its bracket (stop {stop}, target {target}) is cancelled first."),
        ];
        words.into_iter().chain(sale(market, &trade, held(&trade))).collect()
    });

    let title = format!("Close a part of #{number}, or at a limit");
    until_it_opens(terminal, "C", &format!("┌ {title} "));
    let part = |qty: f64| {
        let trade = trade();
        let words = [format!("{} {}", trade["held_qty"], in_words(&trade)), format!("Contracts {qty}")];
        words.into_iter().chain(sale(market, &trade, qty)).collect()
    };
    reads(terminal, &title, || part(held(&trade())));
    terminal.type_keys(&format!("{CTRL_U}1")).unwrap();
    reads(terminal, &title, || part(1.0));
    leaves(terminal, &title);

    glance(terminal, ("b", &format!("Protect #{number}")), || {
        let trade = trade();
        let [stop, target] = ends(&trade);
        vec![
            format!("{} {}", trade["held_qty"], in_words(&trade)),
            format!("A bracket with stop {stop} and target {target} is placed unless one works."),
        ]
    });
    adjust(terminal, market, id);
    details(terminal, market, id);
}

/// The bracket as it works, another stop, and the one at which nothing is lost.
#[track_caller]
fn adjust(terminal: &mut Terminal, market: &Market, id: &Value) {
    let trade = || now(market, id);
    let title = format!("Bracket of #{}", trade()["number"]);
    until_it_opens(terminal, "s", &format!("┌ {title} "));
    reads(terminal, &title, || {
        let trade = trade();
        let (stop, target) = (price(&trade, "sl_price"), price(&trade, "tp_price"));
        let words = [
            format!("{} {}", trade["held_qty"], in_words(&trade)),
            format!("Stop {}", cents(stop)),
            format!("Target {}", cents(target)),
        ];
        words.into_iter().chain(bracket(market, &trade, (stop, target))).collect()
    });
    // Below every bid here, and above the stop that works.
    terminal.type_keys(&format!("{CTRL_U}4.55")).unwrap();
    reads(terminal, &title, || {
        let trade = trade();
        bracket(market, &trade, (4.55, price(&trade, "tp_price")))
    });
    terminal.type_keys(&format!("{CTRL_U}=")).unwrap();
    reads(terminal, &title, || {
        let trade = trade();
        let (entry, bid) = (price(&trade, "entry_price"), quote(market, &trade).0);
        let mut words = bracket(market, &trade, (entry, price(&trade, "tp_price")));
        let rail = words.split_off(words.len() - 2);
        // A stop that the bid has reached already would be refused.
        words.extend((entry >= bid).then(|| format!("✗ stop not below the bid {}", cents(bid))));
        words.into_iter().chain(rail).collect()
    });
    leaves(terminal, &title);
}

/// What an opened row says of the risk.
#[track_caller]
fn details(terminal: &mut Terminal, market: &Market, id: &Value) {
    terminal.type_keys("\r").unwrap();
    agrees(terminal, "an opened row", |text| {
        let trade = now(market, id);
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let units = price(&trade, "held_qty") * price(&trade, "multiplier");
        let risk = (price(&trade, "entry_price") - price(&trade, "sl_price")) * units;
        let reward = gain(&trade, price(&trade, "tp_price"), price(&trade, "held_qty")) / risk;
        let wanted = [
            format!("Risk {}", rounded(risk, 2, "")),
            format!("To target {} R", rounded(reward, 1, "+")),
            format!("Stop {}", cents(price(&trade, "sl_price"))),
            format!("Target {}", cents(price(&trade, "tp_price"))),
        ];
        let all = wanted.into_iter().chain(quoted(&trade, quote(market, &trade)));
        Ok(all.map(|phrase| (format!("{words} "), format!("{phrase} "))).collect())
    });
    terminal.type_keys("\r").unwrap();
    wait_without(terminal, "To target");
}

/// What a flatten would send, and what it comes to.
#[track_caller]
fn flatten(terminal: &mut Terminal, market: &Market) {
    glance(terminal, ("F", "Flatten everything"), || {
        let drill = market.says(&["flatten", "--drill"]);
        let sends = drill["sends"].as_array().unwrap();
        let sales = sends.iter().filter(|send| send["what"] == "sell_at_market").count();
        assert!(sales == 2 && sends.len() == 4, "two positions with their brackets: {drill:#}");
        let line = |send: &Value| {
            let what = match send["what"].as_str().unwrap() {
                "sell_at_market" => format!("sell {}", send["qty"]),
                "cancel_bracket" => "cancel bracket".to_owned(),
                other => panic!("{other}"),
            };
            format!("#{} {}: {what}", send["trade_number"], in_brief(send))
        };
        std::iter::once(format!("{sales} positions sold in SIM:")).chain(sends.iter().map(line)).collect()
    });
}

/// The middle of its market.
fn mark(market: &Market, trade: &Value) -> f64 {
    let (bid, ask) = quote(market, trade);
    f64::midpoint(bid, ask)
}

/// What is open to be lost, down to the stops.
fn heat(market: &Market) -> f64 {
    let open = items(market, "/v1/trades?status=open");
    let at_risk = |trade: &Value| {
        let units = price(trade, "held_qty") * price(trade, "multiplier");
        (mark(market, trade) - price(trade, "sl_price")) * units
    };
    open.iter().map(at_risk).sum()
}

/// What so many of a contract would cost and risk with stop and target, and how that stands to the limits. `is_broken`
/// says of each limit whether it is.
fn entry(market: &Market, (wanted, qty): (&Value, f64), is_broken: impl Fn(&str) -> bool) -> Vec<String> {
    let (bid, ask) = quote(market, wanted);
    let units = qty * 100.0;
    let (stop, target) = (price(wanted, "sl_price"), price(wanted, "tp_price"));
    let (risk, reward) = ((ask - stop) * units, (target - ask) * units);
    let settings = market.stage.get("/v1/settings").json().unwrap();
    let equity = equity(market);
    let share = |cash: f64| rounded(cash * 100.0 / equity, 1, "");
    let open = items(market, "/v1/trades?status=open");
    let heat = heat(market) + risk;
    let day: f64 = open.iter().map(|trade| gain(trade, mark(market, trade), price(trade, "held_qty"))).sum();
    let judged = |words: String, limit: &str| {
        if is_broken(limit) { format!("{words} ✗ {limit}") } else { format!("{words} ✓") }
    };
    vec![
        format!("Bid/Ask {} / {} as of", cents(bid), cents(ask)),
        format!("Cost {}", rounded(ask * units, 2, "")),
        format!("Risk {} ({} %)", rounded(risk, 2, ""), share(risk)),
        format!("Reward/risk {}", rounded(reward / risk, 1, "")),
        judged(format!("positions {} of {}", open.len() + 1, settings["max_positions"]), "max_positions"),
        judged(
            format!("this trade {} of {} %", share(risk), figure(&settings["trade_risk_pct"]).unwrap()),
            "trade_risk_pct",
        ),
        judged(format!("heat {} of {} %", share(heat), figure(&settings["heat_limit_pct"]).unwrap()), "heat_limit_pct"),
        judged(
            format!("day {} of -{}", rounded(day, 2, "+"), rounded(price(&settings, "daily_loss_limit"), 2, "")),
            "daily_loss_limit",
        ),
    ]
}

/// A new trade while it is typed, the question before it, and one that the daemon refuses by the same limits.
#[track_caller]
fn new_trade(terminal: &mut Terminal, market: &Market, wanted: &Value) {
    const TITLE: &str = "New trade";
    let (root, day, right, strike) = parts(wanted);
    let (stop, target) = (cents(price(wanted, "sl_price")), cents(price(wanted, "tp_price")));
    until_it_opens(terminal, "n", "┌ New trade ");
    terminal.type_keys(&format!("{root} {day} {strike} {right}\t2\t\t{stop}\t{target}")).unwrap();
    reads(terminal, TITLE, || entry(market, (wanted, 2.0), |_| false));

    // Back to the quantity: more than any limit allows.
    terminal.type_keys(&format!("{0}{0}{0}{CTRL_U}200", "\u{1b}[Z")).unwrap();
    let symbol = wanted["option_symbol"].as_str().unwrap();
    let said = market.run(&["place", symbol, "--qty", "200", "--stop", &stop, "--target", &target]);
    assert_eq!(said.code, Some(REFUSED), "{said:?}");
    let refused = |limit: &str| said.err.contains(&format!("{limit} is "));
    assert!(refused("heat_limit_pct") && refused("trade_risk_pct") && !refused("max_positions"), "{said:?}");
    let share = |limit: &str| {
        let told = said.err.split(&format!("{limit} is ")).nth(1).and_then(|rest| rest.split(',').next());
        told.and_then(|share| share.parse::<f64>().ok()).unwrap_or_else(|| panic!("{said:?}"))
    };
    let risk = (quote(market, wanted).1 - price(wanted, "sl_price")) * 200.0 * 100.0;
    // To the digits that are told, the daemon judges by what it says the account is worth.
    let of_equity = |cash: f64| cash * 100.0 / equity(market);
    for (limit, expected) in [("trade_risk_pct", of_equity(risk)), ("heat_limit_pct", of_equity(risk + heat(market)))] {
        assert!(
            (share(limit) - expected).abs() < 0.006,
            "{limit}: the daemon sees {}, and not {expected}",
            share(limit)
        );
    }
    reads(terminal, TITLE, || entry(market, (wanted, 200.0), refused));
    leaves(terminal, TITLE);
}

#[test]
fn every_figure_of_every_dialog_is_what_the_daemon_answers_and_what_then_happens() {
    let mut market = Market::open();
    market.stage.set(&format!("account_balance={BALANCE}"));
    let held = [(); 2].map(|()| {
        let held = market.hold();
        market.begins_anew();
        held
    });
    // One that has lost, and one that has won.
    market.pin(&held[1].1, "6.00", "6.20");
    let unbought = serde_json::json!({ "option_symbol": market.contract(), "sl_price": "4.00", "tp_price": "7.00" });
    let ids = held.each_ref().map(|(number, _)| market.says(&["show", number])["id"].clone());
    for size in SIZES {
        let mut terminal = acting(&market.stage, size);
        for (keys, id) in ["g", "gj"].into_iter().zip(&ids) {
            terminal.type_keys(keys).unwrap();
            of_trade(&mut terminal, &market, id);
        }
        flatten(&mut terminal, &market);
        new_trade(&mut terminal, &market, &unbought);
    }
    market.begins_anew();
    what_was_said_happens(&market, &ids, &held);
}

/// A stop at the entry is where the dialog says, and a close brings what it says.
#[track_caller]
fn what_was_said_happens(market: &Market, ids: &[Value; 2], held: &[(String, String); 2]) {
    let mut terminal = acting(&market.stage, Size::STANDARD);
    terminal.type_keys("gj").unwrap();
    until_it_opens(&mut terminal, "s", &format!("┌ Bracket of #{} ", held[1].0));
    terminal.type_keys("=\r").unwrap();
    until_it_opens(&mut terminal, "\r", "The bracket is being replaced.");
    let moved = market.until("a stop at the entry", &held[1].0, |trade| trade["version"] == 2 && is_protected(trade));
    assert_eq!(cents(price(&moved, "sl_price")), cents(price(&moved, "entry_price")), "{moved:#}");

    let expected = gain(&now(market, &ids[0]), quote(market, &now(market, &ids[0])).0, 2.0);
    terminal.type_keys("g").unwrap();
    until_it_opens(&mut terminal, "c", &format!("┌ Close #{} ", held[0].0));
    until_it_opens(&mut terminal, "y", "It is on its way out.");
    let closed = market.until("its end", &held[0].0, is_closed);
    assert_eq!(cents(price(&closed["close"], "realized_pnl")), cents(expected), "{closed:#}");
}
