//! What a new trade would cost and risk, and which limits it would break, worked out while it is typed. The
//! daemon judges again with what it knows; this only keeps a person from being surprised.

use blotter_shared::domain::{Cash, Price};
use blotter_shared::protocol::settings::Settings;
use blotter_shared::protocol::trades::Trade;
use rust_decimal::Decimal;

use crate::figures::{Counts, heat_pct, share_of};
use crate::format;
use crate::theme::Role;
use crate::widgets::facts::Fact;

/// Shares of a contract: what is typed is a plain call or put.
const UNITS: Decimal = Decimal::ONE_HUNDRED;

/// What is typed so far, as far as it can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    pub qty: Option<u32>,
    /// The limit, or what the market asks.
    pub price: Option<Decimal>,
    pub stop: Option<Price>,
    pub target: Option<Price>,
    pub no_stop: bool,
}

/// What is held against it.
#[derive(Clone, Copy, Debug)]
pub struct Book<'a> {
    pub open: &'a [Trade],
    pub settings: &'a Settings,
    /// What the limits are in percent of.
    pub capital: Cash,
    pub day: Option<Cash>,
}

impl Draft {
    /// What is paid.
    #[must_use]
    pub fn cost(&self) -> Option<Decimal> {
        self.price?.checked_mul(Decimal::from(self.qty?))?.checked_mul(UNITS)
    }

    /// What is lost at the stop; without one everything.
    #[must_use]
    pub fn risk(&self) -> Option<Decimal> {
        let floor = match (self.stop, self.no_stop) {
            (Some(stop), _) => stop.value(),
            (None, true) => Decimal::ZERO,
            (None, false) => return None,
        };
        let distance = (self.price? - floor).max(Decimal::ZERO);
        distance.checked_mul(Decimal::from(self.qty?))?.checked_mul(UNITS)
    }

    fn reward(&self) -> Option<Decimal> {
        (self.target?.value() - self.price?).checked_mul(Decimal::from(self.qty?))?.checked_mul(UNITS)
    }
}

/// Cost, risk and reward, in the order in which they are shown.
#[must_use]
pub fn worth(draft: &Draft, capital: Option<Cash>) -> Vec<Fact> {
    let unknown = || format::UNKNOWN.to_owned();
    let risk = draft.risk();
    let share = risk.zip(capital).and_then(|(risk, capital)| share_of(risk, capital));
    let risk_words = match (risk, share) {
        (Some(risk), Some(share)) => format!("{} ({:.1} %)", format::money(risk), share.round_dp(1)),
        (Some(risk), None) => format::money(risk),
        (None, _) => unknown(),
    };
    let ratio = draft.reward().zip(risk).and_then(|(reward, risk)| reward.checked_div(risk));
    vec![
        Fact::new("Cost", draft.cost().map_or_else(unknown, format::money)),
        Fact::new("Risk", risk_words),
        Fact::new("Reward/risk", ratio.map_or_else(unknown, |ratio| format!("{:.1}", ratio.round_dp(1)))),
    ]
}

/// Each limit, as passed or broken, with the name of its setting when it is broken.
#[must_use]
pub fn limits(draft: &Draft, book: &Book<'_>) -> Vec<Fact> {
    let settings = book.settings;
    let mut facts = Vec::new();
    if settings.entries_stopped {
        facts.push(judged("entries", "stopped", Some("kill switch")));
    }
    facts.push(positions(book));
    facts.extend(trade_risk(draft, book));
    facts.extend(heat(draft, book));
    if let Some(day) = book.day {
        let limit = settings.daily_loss_limit.0;
        let words = format!("{} of -{}", format::signed_money(day.0), format::money(limit));
        let is_reached = day.0 <= -limit && !limit.is_zero();
        facts.push(judged("day", &words, is_reached.then_some("daily_loss_limit")));
    }
    facts
}

fn positions(book: &Book<'_>) -> Fact {
    let mode = book.settings.broker_mode;
    let alive = book.open.iter().filter(|trade| trade.broker_mode == mode).count();
    let most = usize::try_from(book.settings.max_positions).unwrap_or(0);
    judged("positions", &format!("{} of {most}", alive + 1), (alive >= most).then_some("max_positions"))
}

fn trade_risk(draft: &Draft, book: &Book<'_>) -> Option<Fact> {
    let share = share_of(draft.risk()?, book.capital)?;
    let limit = book.settings.trade_risk_pct;
    let words = format!("{:.1} of {} %", share.round_dp(1), format::plain(limit, 2));
    Some(judged("this trade", &words, (share > limit).then_some("trade_risk_pct")))
}

fn heat(draft: &Draft, book: &Book<'_>) -> Option<Fact> {
    let mode = book.settings.broker_mode;
    let open: Vec<Trade> = book.open.iter().filter(|trade| trade.broker_mode == mode).cloned().collect();
    let now = heat_pct(&Counts::of(&open), book.capital)?;
    let after = now.checked_add(share_of(draft.risk()?, book.capital)?)?;
    let limit = book.settings.heat_limit_pct;
    let words = format!("{:.1} of {} %", after.round_dp(1), format::plain(limit, 2));
    Some(judged("heat", &words, (after > limit).then_some("heat_limit_pct")))
}

/// A broken limit is told by its sign and its setting, not by colour alone.
fn judged(name: &'static str, words: &str, broken: Option<&str>) -> Fact {
    match broken {
        None => Fact { label: name, value: format!("{words} ✓"), role: Role::Good },
        Some(setting) => Fact { label: name, value: format!("{words} ✗ {setting}"), role: Role::Danger },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn price(text: &str) -> Option<Price> {
        text.parse().ok()
    }

    fn draft() -> Draft {
        Draft {
            qty: Some(2),
            price: Some(Decimal::new(450, 2)),
            stop: price("3.00"),
            target: price("8.00"),
            no_stop: false,
        }
    }

    #[test]
    fn cost_risk_and_reward_of_two_contracts() {
        let values: Vec<String> = worth(&draft(), None).into_iter().map(|fact| fact.value).collect();
        assert_eq!(values, ["900.00", "300.00", "2.3"]);
        let bare = Draft { stop: None, no_stop: true, ..draft() };
        assert_eq!((bare.risk(), Draft { no_stop: false, ..bare }.risk()), (Some(Decimal::from(900)), None));
        let nothing: Vec<String> = worth(&Draft::default(), None).into_iter().map(|fact| fact.value).collect();
        assert_eq!(nothing, ["–", "–", "–"]);
    }

    proptest! {
        #[test]
        fn no_figures_panic_and_the_risk_is_never_more_than_the_cost(
            qty: u32, price in 0_i64..i64::MAX, scale in 0_u32..8, stop in 1_i64..10_000_000,
        ) {
            let stop = Price::new(Decimal::new(stop, 4)).ok();
            let draft = Draft { qty: Some(qty), price: Some(Decimal::new(price, scale)), stop, ..Draft::default() };
            if let (Some(cost), Some(risk)) = (draft.cost(), draft.risk()) {
                prop_assert!(risk <= cost && risk >= Decimal::ZERO);
            }
            let _ = worth(&draft, None);
        }
    }
}
