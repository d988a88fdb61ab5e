//! Figures worked out a second time, from what is raw: facts in on standard input, a line for each figure
//! out. It shares no code with the daemon, not even a decimal: money is counted in whole hundredths of a cent,
//! a share is a fraction of two whole numbers.
//!
//! An input that begins with `book` is about a book of closed trades, see [`book`]. Every other one is about the
//! forensic figures of one trade:
//!
//! | line | is |
//! |---|---|
//! | `trade MULTIPLIER INTERVAL` | milliseconds between two recorded quotes |
//! | `session FROM UNTIL` | when the contract traded |
//! | `fill AT BUY\|SELL QUANTITY PRICE` | |
//! | `quote AT QUALITY MID\|- BID\|-` | as recorded |
//! | `bar START LOW HIGH CLOSE` | a minute of the broker's |
//!
//! Instants are milliseconds since 1970. `docs/TIME.md` says what the figures are.

mod book;

use std::io::Read;
use std::process::ExitCode;

/// Hundredths of a cent.
type Money = i128;
type Instant = i64;

const MINUTE: Instant = 60_000;
const AFTERWARDS: Instant = 120 * MINUTE;

#[derive(Debug, Default)]
struct Trade {
    multiplier: Money,
    reach: Instant,
    sessions: Vec<(Instant, Instant)>,
    /// When, how many (sold ones below zero), at what.
    fills: Vec<(Instant, Money, Money)>,
    quotes: Vec<Quote>,
    bars: Vec<(Instant, [Money; 3])>,
}

#[derive(Clone, Copy, Debug)]
struct Quote {
    at: Instant,
    mid: Option<Money>,
    bid: Option<Money>,
}

fn main() -> ExitCode {
    let mut text = String::new();
    let read = std::io::stdin().read_to_string(&mut text).map_err(|error| error.to_string());
    match read.and_then(|_| recounted(&text)) {
        Ok(report) => {
            print!("{report}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn recounted(text: &str) -> Result<String, String> {
    if text.starts_with("book ") { book::report(text) } else { Trade::read(text)?.report() }
}

impl Trade {
    fn read(text: &str) -> Result<Self, String> {
        let mut trade = Self::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            trade.take(&words).ok_or_else(|| format!("`{line}` is not understood"))?;
        }
        trade.fills.sort_unstable();
        trade.quotes.sort_unstable_by_key(|quote| quote.at);
        Ok(trade)
    }

    fn take(&mut self, words: &[&str]) -> Option<()> {
        match words {
            ["trade", multiplier, interval] => {
                (self.multiplier, self.reach) = (multiplier.parse().ok()?, 2 * interval.parse::<Instant>().ok()?);
            }
            ["session", from, until] => self.sessions.push((from.parse().ok()?, until.parse().ok()?)),
            ["fill", at, side, quantity, price] => {
                let quantity: Money = quantity.parse().ok()?;
                let signed = if *side == "BUY" { quantity } else { -quantity };
                self.fills.push((at.parse().ok()?, signed, money(price)?));
            }
            // What cannot be trusted is no mark.
            ["quote", at, "GOOD" | "DELAYED", mid, bid] => {
                self.quotes.push(Quote { at: at.parse().ok()?, mid: money(mid), bid: money(bid) });
            }
            ["quote", ..] => {}
            ["bar", start, low, high, close] => {
                self.bars.push((start.parse::<Instant>().ok()? + MINUTE, [money(low)?, money(high)?, money(close)?]));
            }
            _ => return None,
        }
        Some(())
    }

    fn report(&self) -> Result<String, String> {
        let first = self.fills.iter().find(|fill| fill.1 > 0).ok_or("nothing was bought")?.0;
        let last = self.fills.iter().rev().find(|fill| fill.1 < 0).ok_or("nothing was sold")?.0;
        let bars = self.bars_in_gaps(first, last);
        let mids = self.quotes.iter().filter_map(|quote| Some((quote.at, quote.mid?)));
        let own: Vec<_> = mids.collect();
        let mut mid = own.clone();
        mid.extend(bars.iter().flat_map(|(at, prices)| prices.iter().map(|price| (*at, *price))));
        mid.sort_by_key(|mark| mark.0);
        let bid: Vec<_> = self.quotes.iter().filter_map(|quote| Some((quote.at, quote.bid?))).collect();
        let mut lines = self.figures("mid", &mid, (first, last));
        lines.extend(self.figures("bid", &bid, (first, last)));
        lines.push(format!("coverage {}", self.coverage(&mid, (first, last))));
        lines.push(format!("own_coverage {}", self.coverage(&own, (first, last))));
        lines.push(format!("points {} {}", own.len(), bars.len() * 3));
        Ok(lines.join("\n") + "\n")
    }

    /// Bars in stretches of trading time longer than the reach without a recorded mark.
    fn bars_in_gaps(&self, first: Instant, last: Instant) -> Vec<(Instant, [Money; 3])> {
        let is_missing = |at: Instant| {
            self.sessions.iter().any(|(open, close)| {
                let (from, until) = ((*open).max(first), (*close).min(last + AFTERWARDS));
                if at <= from || at >= until {
                    return false;
                }
                let known = self.quotes.iter().map(|quote| quote.at);
                let before = known.clone().filter(|quote| *quote <= at).max().map_or(from, |quote| quote.max(from));
                let next = known.filter(|quote| *quote >= at && *quote < until).min().unwrap_or(until);
                next - before > self.reach && at != before && at != next
            })
        };
        self.bars.iter().filter(|(at, _)| is_missing(*at)).copied().collect()
    }

    /// What was paid (below zero) and brought until an instant, and how many are left.
    fn until(&self, at: Instant) -> (Money, Money) {
        let done = self.fills.iter().filter(|fill| fill.0 <= at);
        done.fold((0, 0), |(cash, held), (_, quantity, price)| {
            (cash - quantity * price * self.multiplier, held + quantity)
        })
    }

    fn worth(&self, at: Instant, mark: Money) -> Money {
        let (cash, held) = self.until(at);
        cash + held * mark * self.multiplier
    }

    fn figures(&self, name: &str, marks: &[(Instant, Money)], (first, last): (Instant, Instant)) -> Vec<String> {
        let bought = self.fills.iter().filter(|fill| fill.1 > 0);
        let cost: Money = bought.map(|(_, quantity, price)| quantity * price * self.multiplier).sum();
        let result = self.until(last).0;
        let inside = marks.iter().filter(|mark| (first..=last).contains(&mark.0));
        let at_fills = self.fills.iter().map(|fill| (fill.0, fill.2));
        let worths: Vec<Money> = inside.copied().chain(at_fills).map(|(at, mark)| self.worth(at, mark)).collect();
        let best = worths.iter().copied().max().unwrap_or(0).max(0);
        let worst = worths.iter().copied().min().unwrap_or(0).min(0);
        let efficiency = if best > 0 { rounded(result * 100, best, 4) } else { "-".to_owned() };
        let later = marks.iter().filter(|mark| mark.0 > last && mark.0 <= last + AFTERWARDS).map(|mark| mark.1).max();
        let sold: Money = self.fills.iter().map(|fill| (-fill.1).max(0)).sum();
        let brought: Money =
            self.fills.iter().map(|(_, quantity, price)| (-quantity).max(0) * price * self.multiplier).sum();
        let afterwards = later.map(|mark| (sold * mark * self.multiplier - brought).max(0));
        vec![
            format!("{name}.pnl_15m {}", self.after(marks, first + 15 * MINUTE, last)),
            format!("{name}.pnl_1h {}", self.after(marks, first + 60 * MINUTE, last)),
            format!("{name}.mfe {}", rounded(best * 100, cost, 4)),
            format!("{name}.mae {}", rounded(-worst * 100, cost, 4)),
            format!("{name}.efficiency {efficiency}"),
            format!("{name}.post_exit {}", afterwards.map_or("-".to_owned(), |more| rounded(more * 100, cost, 4))),
        ]
    }

    fn after(&self, marks: &[(Instant, Money)], at: Instant, last: Instant) -> String {
        if at >= last {
            return rounded(self.until(last).0, 10_000, 4);
        }
        let newest = marks.iter().rfind(|mark| mark.0 <= at);
        let fresh = newest.filter(|mark| at - mark.0 <= self.reach);
        fresh.map_or("-".to_owned(), |mark| rounded(self.worth(at, mark.1), 10_000, 4))
    }

    /// Second by second would do; milliseconds are counted as stretches between the ends of what is known.
    fn coverage(&self, marks: &[(Instant, Money)], (first, last): (Instant, Instant)) -> String {
        let (mut total, mut known) = (0_i64, 0_i64);
        for (open, close) in &self.sessions {
            let (from, until) = ((*open).max(first), (*close).min(last));
            if from >= until {
                continue;
            }
            let mut cuts: Vec<Instant> = marks.iter().flat_map(|mark| [mark.0, mark.0 + self.reach]).collect();
            cuts.extend([from, until]);
            cuts.retain(|cut| (from..=until).contains(cut));
            cuts.sort_unstable();
            cuts.dedup();
            for (begin, end) in cuts.iter().zip(cuts.iter().skip(1)) {
                let is_known = marks.iter().any(|mark| mark.0 <= *begin && mark.0 + self.reach >= *end);
                total += end - begin;
                known += if is_known { end - begin } else { 0 };
            }
        }
        if total == 0 { "100".to_owned() } else { rounded(i128::from(known) * 100, i128::from(total), 2) }
    }
}

/// `12.3400` in hundredths of a cent; `-` is none.
fn money(text: &str) -> Option<Money> {
    if text == "-" {
        return None;
    }
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part = format!("{part:0<4}");
    (part.len() == 4).then(|| format!("{whole}{part}").parse().ok()).flatten()
}

/// A fraction with so many digits at most, to the nearest, to the even one between two.
fn rounded(number: i128, of: i128, digits: u32) -> String {
    let scale = 10_i128.pow(digits);
    let value = nearest(number * scale, of);
    let sign = if value < 0 { "-" } else { "" };
    let width = usize::try_from(digits).unwrap_or_default();
    let text = format!("{sign}{}.{:0width$}", value.abs() / scale, value.abs() % scale);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The nearest whole number, the even one between two.
fn nearest(number: i128, of: i128) -> i128 {
    let (whole, rest) = (number.div_euclid(of), number.rem_euclid(of));
    whole + i128::from(rest * 2 > of || (rest * 2 == of && whole % 2 != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trade_is_counted_as_one_would_by_hand() {
        let text = "trade 100 60000\nsession 0 36000000\nfill 0 BUY 2 5.00\nfill 3600000 SELL 2 5.50\n\
                    quote 60000 GOOD 5.2 5.1\nquote 120000 WIDE 9 8\nquote 960000 GOOD 4.5 4.4\nbar 600000 6 6.2 6.1\n\
                    bar 0 7 7 7\nquote 3700000 GOOD 7 6.9\n";
        let report = Trade::read(text).unwrap().report().unwrap();
        let wanted = "mid.pnl_15m -\nmid.pnl_1h 100\nmid.mfe 24\nmid.mae 10\nmid.efficiency 41.6667\nmid.post_exit 30\n\
                      bid.pnl_15m -\nbid.pnl_1h 100\nbid.mfe 10\nbid.mae 12\nbid.efficiency 100\nbid.post_exit 28\n\
                      coverage 10\nown_coverage 6.67\npoints 3 3\n";
        assert_eq!(report, wanted);
    }

    #[test]
    fn what_is_not_there_is_not_nothing() {
        assert_eq!(["-", "-0.5", "0", "1.23456"].map(money), [None, Some(-5_000), Some(0), None]);
    }

    #[test]
    fn halves_go_to_the_even_digit_on_both_sides_of_zero() {
        for (number, of, text) in
            [(25, 10_000, "0.0025"), (5, 100_000, "0"), (15, 100_000, "0.0002"), (-15, 100_000, "-0.0002")]
        {
            assert_eq!(rounded(number, of, 4), text, "{number}/{of}");
        }
    }
}
