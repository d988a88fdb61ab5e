//! A book of closed trades, from the executions that the broker wrote down.
//!
//! | line | is |
//! |---|---|
//! | `book MULTIPLIER` | the first line |
//! | `stop PRICE\|-` | of each trade, in the order of their entries: the stop that it began with |
//! | `fill SYMBOL BUY\|SELL QUANTITY PRICE FEE` | in the order of time; the fee is of the whole execution |
//!
//! A trade is what a symbol does from flat to flat; trades end in the order in which they are counted.

use std::collections::BTreeMap;

use crate::{Money, money, nearest, rounded};

/// Digits behind the point of a figure; of a multiple of the risk, too.
const DIGITS: u32 = 4;
const UNIT: Money = 10_000;

/// A trade while its executions come.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    /// Its place in the order of entries.
    entry: usize,
    held: Money,
    bought: Money,
    paid: Money,
    brought: Money,
    fees: Money,
}

/// What a trade came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ended {
    net: Money,
    fees: Money,
    /// In ten thousandths, as a trade shows it.
    multiple: Option<Money>,
}

pub(crate) fn report(text: &str) -> Result<String, String> {
    let ended = ended(text)?;
    let lines = figures(&ended).into_iter().chain(path(&ended));
    Ok(lines.map(|(name, value)| format!("{name} {value}\n")).collect())
}

fn ended(text: &str) -> Result<Vec<Ended>, String> {
    let (mut multiplier, mut stops, mut entries) = (0, Vec::new(), 0);
    let (mut open, mut ended) = (BTreeMap::<&str, Open>::new(), Vec::new());
    for line in text.lines() {
        let unread = || format!("`{line}` is not understood");
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["book", many] => multiplier = many.parse().map_err(|_| unread())?,
            ["stop", "-"] => stops.push(None),
            ["stop", price] => stops.push(Some(money(price).ok_or_else(unread)?)),
            ["fill", symbol, side, quantity, price, fee] => {
                let trade = open.entry(symbol).or_insert_with(|| {
                    entries += 1;
                    Open { entry: entries - 1, ..Open::default() }
                });
                let quantity = quantity.parse().map_err(|_| unread())?;
                trade.take(side == "BUY", quantity, quantity * money(price).ok_or_else(unread)? * multiplier);
                trade.fees += money(fee).ok_or_else(unread)?;
                if trade.held == 0 {
                    let stop = *stops.get(trade.entry).ok_or("a trade has no line about its stop")?;
                    ended.push(trade.ends(stop.map(|stop| stop * trade.bought * multiplier)));
                    open.remove(symbol);
                }
            }
            _ => return Err(unread()),
        }
    }
    if open.is_empty() { Ok(ended) } else { Err(format!("still held: {:?}", open.keys())) }
}

impl Open {
    fn take(&mut self, is_bought: bool, quantity: Money, value: Money) {
        if is_bought {
            (self.held, self.bought, self.paid) = (self.held + quantity, self.bought + quantity, self.paid + value);
        } else {
            (self.held, self.brought) = (self.held - quantity, self.brought + value);
        }
    }

    /// `floor`: what all of it would have brought at the first stop.
    fn ends(&self, floor: Option<Money>) -> Ended {
        let net = self.brought - self.paid - self.fees;
        let risk = floor.map(|floor| self.paid - floor).filter(|risk| *risk > 0);
        Ended { net, fees: self.fees, multiple: risk.map(|risk| nearest(net * UNIT, risk)) }
    }
}

fn figures(ended: &[Ended]) -> Vec<(&'static str, String)> {
    let of = |wanted: fn(Money) -> bool| ended.iter().filter(move |trade| wanted(trade.net));
    let count = |wanted: fn(Money) -> bool| many(of(wanted).count());
    let sum = |wanted: fn(Money) -> bool| of(wanted).map(|trade| trade.net).sum::<Money>();
    let (wins, losses, scratches) = (count(|net| net > 0), count(|net| net < 0), count(|net| net == 0));
    let (won, lost, all) = (sum(|net| net > 0), sum(|net| net < 0), wins + losses + scratches);
    let fees: Money = ended.iter().map(|trade| trade.fees).sum();
    let before_fees: Money = of(|net| net > 0).map(|trade| trade.net + trade.fees).sum();
    let multiples: Vec<Money> = ended.iter().filter_map(|trade| trade.multiple).collect();
    let sorted = |last: bool| {
        let nets = ended.iter().map(|trade| trade.net);
        if last { nets.max() } else { nets.min() }.map_or_else(|| "-".to_owned(), dollars)
    };
    vec![
        ("trades", all.to_string()),
        ("wins", wins.to_string()),
        ("losses", losses.to_string()),
        ("scratches", scratches.to_string()),
        ("net", dollars(won + lost)),
        ("fees", dollars(fees)),
        ("won", dollars(won)),
        ("lost", dollars(lost)),
        ("win_rate", share(wins * 100, wins + losses)),
        ("scratch_rate", share(scratches * 100, all)),
        ("profit_factor", share(won, -lost)),
        ("average_win", share(won, wins * UNIT)),
        ("average_loss", share(lost, losses * UNIT)),
        ("expectancy", share(won + lost, all * UNIT)),
        ("r_trades", multiples.len().to_string()),
        ("expectancy_r", share(multiples.iter().sum(), many(multiples.len()) * UNIT)),
        ("best", sorted(true)),
        ("worst", sorted(false)),
        ("fee_drag", share(fees * 100, before_fees)),
    ]
}

/// What depends on the order of the trades.
fn path(ended: &[Ended]) -> Vec<(&'static str, String)> {
    let (mut net, mut peak, mut fall) = (0, 0, 0);
    let (mut run, mut longest_win, mut longest_loss) = (0_i64, 0, 0);
    for trade in ended {
        net += trade.net;
        peak = peak.max(net);
        fall = fall.max(peak - net);
        run = match trade.net.signum() {
            1 => run.max(0) + 1,
            -1 => run.min(0) - 1,
            // A scratch neither extends nor breaks it.
            _ => run,
        };
        (longest_win, longest_loss) = (longest_win.max(run), longest_loss.max(-run));
    }
    vec![
        ("deepest", dollars(fall)),
        ("current", dollars(peak - net)),
        ("recovery_factor", share(net, fall)),
        ("streak", run.to_string()),
        ("longest_win", longest_win.to_string()),
        ("longest_loss", longest_loss.to_string()),
    ]
}

fn many(count: usize) -> Money {
    Money::try_from(count).unwrap_or(Money::MAX)
}

fn dollars(amount: Money) -> String {
    rounded(amount, UNIT, DIGITS)
}

fn share(number: Money, of: Money) -> String {
    if of == 0 { "-".to_owned() } else { rounded(number * of.signum(), of.abs(), DIGITS) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_book_is_counted_as_one_would_by_hand() {
        // 198 won at a risk of 200, 51 lost at a risk of 100, a scratch, and 102 lost without a stop.
        let text = "book 100\nstop 4\nstop 4\nstop -\nstop -\nfill A BUY 2 5.00 1\nfill B BUY 1 5.00 0.50\n\
                    fill A SELL 1 5.50 0.50\nfill B SELL 1 4.50 0.50\nfill A SELL 1 6.50 0.50\nfill A BUY 1 3 0\n\
                    fill A SELL 1 3 0\nfill C BUY 2 2 1\nfill C SELL 2 1.50 1\n";
        let told = report(text).unwrap();
        let wanted = "trades 4\nwins 1\nlosses 2\nscratches 1\nnet 45\nfees 5\nwon 198\nlost -153\nwin_rate 33.3333\n\
                      scratch_rate 25\nprofit_factor 1.2941\naverage_win 198\naverage_loss -76.5\nexpectancy 11.25\n\
                      r_trades 2\nexpectancy_r 0.24\nbest 198\nworst -102\nfee_drag 2.5\ndeepest 102\ncurrent 102\n\
                      recovery_factor 0.4412\nstreak -1\nlongest_win 1\nlongest_loss 1\n";
        assert_eq!(told, wanted);
        assert!(report("book 100\nstop 4\nfill A BUY 1 5 0\n").is_err(), "what is held is no closed trade");
    }
}
