//! Quotes: everything the broker says about a symbol at a moment.

use rust_decimal::Decimal;

use super::model::{Listed, Market};
use super::option::{OptionView, print_moment};
use super::round::{Toward, float, int, to_tick};
use super::universe::AssetKind;
use crate::core::{Contract, Symbol, Touch};
use crate::rng::{at, key, unit};
use crate::time::{Ms, SECOND};

/// A symbol at a moment.
#[derive(Clone, Debug)]
pub struct Quote {
    /// What is quoted.
    pub symbol: Symbol,
    /// Its name.
    pub description: String,
    /// `stock`, `etf`, `index` or `option`.
    pub kind: &'static str,
    /// The exchange's letter.
    pub exchange: &'static str,
    /// Both sides, size and last.
    pub touch: Touch,
    /// Since the last close.
    pub change: Decimal,
    /// The same in percent.
    pub change_percent: Decimal,
    /// Today's volume.
    pub volume: i64,
    /// The usual volume.
    pub average_volume: i64,
    /// Size of the last trade.
    pub last_volume: i64,
    /// When it last traded.
    pub traded_at: Ms,
    /// When its sides last moved.
    pub quoted_at: Ms,
    /// Open, high, low of today; `None` before the open.
    pub day: Option<(Decimal, Decimal, Decimal)>,
    /// Today's close, once there is one.
    pub close: Option<Decimal>,
    /// The close of the session before.
    pub previous_close: Decimal,
    /// Of the last 252 sessions' closes and today's extremes.
    pub year_range: (Decimal, Decimal),
    /// The roots of its options.
    pub roots: String,
    /// For options.
    pub option: Option<OptionPart>,
}

/// What only options have.
#[derive(Clone, Debug)]
pub struct OptionPart {
    /// The contract.
    pub contract: Contract,
    /// The model's view of it.
    pub view: OptionView,
    /// Contracts in existence.
    pub open_interest: i64,
    /// Whether it is a third Friday's.
    pub monthly: bool,
}

impl Market {
    /// The quote of a share, index or contract.
    pub fn quote(&mut self, symbol: &Symbol, now: Ms) -> Option<Quote> {
        if let Some(index) = self.index(symbol) {
            return Some(self.share_quote(index, now));
        }
        let listed = self.listed(symbol)?;
        self.option_quote(&listed, now)
    }

    fn share_quote(&mut self, index: usize, now: Ms) -> Quote {
        let (number, session) = self.session_of(now);
        let today = session.date == self.date(now);
        let started = now >= session.open;
        let touch = self.share_touch(index, now);
        let day = (today && started).then(|| self.day_bar(index, number, now));
        let last_number = if today && !started { number - 1 } else { number };
        let reference = if today { number - 1 } else { number };
        let previous =
            to_tick(self.close_of(index, if today { number - 1 } else { reference - 1 }), 10, Toward::Nearest);
        let closed = now >= session.close;
        let close = (closed || !today).then(|| to_tick(self.close_of(index, last_number), 10, Toward::Nearest));
        let year_range = self.year_range(index, number, day.as_ref());
        let volume = if started {
            let d = self.day(index, number);
            self.volume_until(index, &d, now)
        } else {
            0
        };
        let roots = self
            .underlying(index)
            .map(|u| if u.symbol.as_str() == "SPX" { "SPX,SPXW".to_owned() } else { u.root() })
            .unwrap_or_default();
        let (symbol, description, kind, average) = self.underlying(index).map_or_else(
            || (Symbol::new(""), String::new(), AssetKind::Stock, 0.0),
            |u| (u.symbol.clone(), u.name.clone(), u.kind, u.volume),
        );
        let change = touch.last - previous;
        Quote {
            symbol,
            description,
            kind: kind.word(),
            exchange: if kind == AssetKind::Stock { "Q" } else { "P" },
            change,
            change_percent: percent(change, previous),
            volume,
            average_volume: int(average),
            last_volume: if kind == AssetKind::Index { 0 } else { 100 },
            traded_at: traded(now, &session),
            quoted_at: quoted(now, session.premarket, session.end),
            day: day.map(|b| (b.open, b.high.max(touch.last), b.low.min(touch.last))),
            close,
            previous_close: previous,
            year_range,
            roots,
            option: None,
            touch,
        }
    }

    /// The market in a share: a cent or a few hundredths of a percent wide.
    pub(super) fn share_touch(&mut self, index: usize, now: Ms) -> Touch {
        let spot = self.spot(index, now);
        let Some(under) = self.underlying(index) else { return Touch::default() };
        if let Some(pin) = self.pinned.get(&under.symbol).filter(|p| p.covers(now)) {
            return pin.touch;
        }
        let last = to_tick(spot, 10, Toward::Nearest);
        if under.kind == AssetKind::Index {
            return Touch { bid: last, ask: last, bid_size: 0, ask_size: 0, last };
        }
        let half = (spot * 0.000_04 * (3e7 / under.volume.max(1e5)).powf(0.35).clamp(0.4, 6.0)).max(0.003);
        let noise = key(self.seed, under.symbol.as_str());
        let lean = (unit(at(noise, (now.0 / (2 * SECOND)).cast_unsigned())) - 0.5) * half;
        let bid = to_tick(spot + lean - half, 10, Toward::Below);
        let ask = to_tick(spot + lean + half, 10, Toward::Above).max(bid + Decimal::new(1, 2));
        let size = |salt: i64| {
            (i64::try_from(at(noise ^ 0x51, (now.0 / SECOND * 2 + salt).cast_unsigned()) % 14).unwrap_or(0) + 1) * 100
        };
        Touch { bid, ask, bid_size: size(0), ask_size: size(1), last }
    }

    fn year_range(&mut self, index: usize, number: i64, today: Option<&super::bars::Bar>) -> (Decimal, Decimal) {
        let known = self.year_ranges.get(index).copied().flatten().filter(|(n, _, _)| *n == number);
        let (_, high, low) = known.unwrap_or_else(|| self.year_before(index, number));
        today.map_or((high, low), |b| (high.max(b.high), low.min(b.low)))
    }

    fn year_before(&mut self, index: usize, number: i64) -> (i64, Decimal, Decimal) {
        // Laying out a whole year costs a second. A year's extreme falls on a day that also closes near it, so only the
        // days with the highest and the lowest closes are laid out.
        const NEAR: usize = 10;
        let mut closes: Vec<(f64, i64)> =
            (1..=252).map(|back| (self.close_of_model(index, number - back), number - back)).collect();
        closes.sort_by(|a, b| a.0.total_cmp(&b.0));
        let near = closes.iter().take(NEAR).chain(closes.iter().rev().take(NEAR));
        let (mut high, mut low) = (Decimal::MIN, Decimal::MAX);
        for (_, before) in near.copied() {
            let close = self.days.get(before).close;
            let bar = self.day_bar(index, before, close);
            high = high.max(bar.high);
            low = low.min(bar.low);
        }
        let found = (number, high, low);
        if let Some(slot) = self.year_ranges.get_mut(index) {
            *slot = Some(found);
        }
        found
    }

    fn option_quote(&mut self, listed: &Listed, now: Ms) -> Option<Quote> {
        let view = self.view(listed, now)?;
        let (contract, index) = (&listed.contract, listed.index);
        let (seen, session) = self.trading_moment(now);
        let (number, _) = self.session_of(seen);
        let started = now >= session.open && session.date == self.date(now);
        let day = started.then(|| self.option_day(listed, number, now));
        let previous = self.option_close(listed, number - 1);
        let change = view.touch.last - previous;
        let noise = listed.noise;
        let traded_at = print_moment(noise, seen, &session);
        let (open_interest, usual) = self.interest(index, contract, view.greeks().delta, noise);
        let gone = float(seen.since(session.open)) / float(session.close.since(session.open).max(1));
        let (name, kind) = self.underlying(index).map(|u| (u.symbol.as_str().to_owned(), u.kind))?;
        let monthly = contract.root == name.replace('/', "")
            && (kind == AssetKind::Index || super::chain::third_friday(contract.expiry));
        let description = format!(
            "{name} {} ${} {}",
            contract.expiry.format("%b %-d %Y"),
            contract.strike(),
            if view.terms.call { "Call" } else { "Put" }
        );
        let close = (now >= session.close || !started).then(|| self.option_close(listed, number));
        Some(Quote {
            symbol: listed.symbol.clone(),
            description,
            kind: "option",
            exchange: "Z",
            touch: view.touch,
            change,
            change_percent: percent(change, previous),
            volume: if started || now >= session.close { int(usual * gone.clamp(0.0, 1.0)) } else { 0 },
            average_volume: 0,
            last_volume: 1 + i64::try_from(at(noise, traded_at.0.cast_unsigned()) % 9).unwrap_or(0),
            traded_at,
            quoted_at: quoted(seen, session.open, session.close),
            day: day.map(|(o, h, l)| (o, h.max(view.touch.last), l.min(view.touch.last))),
            close,
            previous_close: previous,
            year_range: (Decimal::ZERO, Decimal::ZERO),
            roots: String::new(),
            option: Some(OptionPart { contract: contract.clone(), view, open_interest, monthly }),
        })
    }

    /// How many contracts change hands on a day like the one of `now`.
    pub(super) fn usual_volume(&mut self, listed: &Listed, now: Ms) -> f64 {
        let delta = self.view(listed, now).map_or(0.0, |v| v.greeks().delta);
        self.interest(listed.index, &listed.contract, delta, listed.noise).1
    }

    /// Open interest and a usual day's volume: most at the money, most at round strikes.
    fn interest(&self, index: usize, contract: &Contract, delta: f64, noise: u64) -> (i64, f64) {
        let volume = self.underlying(index).map_or(1e6, |u| if u.volume > 0.0 { u.volume } else { 4e7 });
        let center = (-(delta.abs() - 0.4).powi(2) * 9.0).exp();
        let round = if contract.strike_mils.is_multiple_of(10_000) { 2.2 } else { 1.0 };
        let chance = 0.3 + 1.4 * unit(at(noise, 77));
        let open = (volume / 6_000.0).clamp(60.0, 20_000.0) * center * round * chance;
        (int(open), open * 0.6 * (0.4 + unit(at(noise, 78))))
    }
}

fn percent(change: Decimal, base: Decimal) -> Decimal {
    (change * Decimal::ONE_HUNDRED).checked_div(base).unwrap_or_default().round_dp(2)
}

/// The second of the last trade: now while anything trades, else the end of the last session.
fn traded(now: Ms, session: &crate::calendar::Session) -> Ms {
    let end = session.close;
    if now >= end || now < session.open { end.min(now) } else { Ms(now.0 - now.0 % 250) }
}

/// The whole second in which the sides last moved.
fn quoted(now: Ms, from: Ms, to: Ms) -> Ms {
    let moment = now.min(to).max(from.min(now));
    Ms(moment.0 - moment.0 % SECOND)
}
