//! What a quote is worth: its mark, and how far it can be trusted. Pure.
//!
//! Invariants:
//! * A number that a quote does not have is not made up, and one that cannot be right is left out:
//!   a crossed pair has no mark, a put has no delta of a call.
//! * Of unknown age is as bad as old, and so is of the future: then somebody's clock is wrong.

use blotter_shared::domain::OptionType;
use blotter_shared::protocol::prices::{MarkKind, QuoteQuality};
use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;

use crate::market::{Greeks, Quote};

/// What the moment is like at which quotes are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Now, by the clock that the source goes by.
    pub now: DateTime<Utc>,
    /// When the session began that is on, or was last: what is older is of another day.
    pub since: DateTime<Utc>,
    /// How far the source is behind by design.
    pub delay: TimeDelta,
    /// How long nothing has been quoted because the market is closed.
    pub closed_for: TimeDelta,
}

/// A judged quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub price: Option<Decimal>,
    pub kind: MarkKind,
    pub quality: QuoteQuality,
    pub bid: Option<Decimal>,
    pub ask: Option<Decimal>,
    pub quoted_at: Option<DateTime<Utc>>,
}

/// Sensitivities that can be right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SoundGreeks {
    pub delta: Option<Decimal>,
    pub gamma: Option<Decimal>,
    pub theta: Option<Decimal>,
    pub vega: Option<Decimal>,
    pub iv: Option<Decimal>,
}

/// Older than this and what its source is behind by, a quote is stale. Quotes of quiet contracts stand
/// for minutes.
const OLD: TimeDelta = TimeDelta::minutes(5);
/// Clocks may differ by so much.
const AHEAD: TimeDelta = TimeDelta::seconds(60);

impl Mark {
    /// Judges the two sides of a quote.
    #[must_use]
    pub fn of(quote: &Quote, moment: &Moment) -> Self {
        let bid = quote.bid.filter(|bid| *bid >= Decimal::ZERO);
        // An ask of nothing is no ask; a bid of nothing says that nobody bids.
        let ask = quote.ask.filter(|ask| *ask > Decimal::ZERO);
        let quoted_at = quote.quoted_at();
        let (price, kind, quoted_at) = match (bid, ask) {
            (Some(bid), Some(ask)) if bid > ask => {
                return Self {
                    price: None,
                    kind: MarkKind::None,
                    quality: QuoteQuality::Crossed,
                    bid: Some(bid),
                    ask: Some(ask),
                    quoted_at,
                };
            }
            (Some(bid), Some(ask)) => (Some((bid + ask) / Decimal::TWO), MarkKind::Mid, quoted_at),
            (Some(bid), None) if bid > Decimal::ZERO => (Some(bid), MarkKind::Bid, quoted_at),
            (None, Some(ask)) => (Some(ask), MarkKind::Ask, quoted_at),
            (_, None) => match quote.last.filter(|last| *last > Decimal::ZERO) {
                Some(last) if quote.trade_at.is_some_and(|at| at >= moment.since) => {
                    (Some(last), MarkKind::Last, quote.trade_at)
                }
                _ => (None, MarkKind::None, quoted_at),
            },
        };
        let quality = match (moment.is_stale(quoted_at), kind) {
            (true, _) => QuoteQuality::Stale,
            (false, MarkKind::Mid) if is_wide(bid, ask) => QuoteQuality::Wide,
            (false, MarkKind::Mid) if moment.delay > TimeDelta::zero() => QuoteQuality::Delayed,
            (false, MarkKind::Mid) => QuoteQuality::Good,
            (false, MarkKind::Bid | MarkKind::Ask | MarkKind::Last | MarkKind::None) => QuoteQuality::Wide,
        };
        Self { price, kind, quality, bid, ask, quoted_at }
    }
}

impl Moment {
    fn is_stale(&self, quoted_at: Option<DateTime<Utc>>) -> bool {
        let Some(at) = quoted_at else { return true };
        at < self.since || self.now - at > self.delay + self.closed_for + OLD || at > self.now + AHEAD
    }
}

/// Further apart than a quarter of the middle, and than ten cents.
fn is_wide(bid: Option<Decimal>, ask: Option<Decimal>) -> bool {
    let (Some(bid), Some(ask)) = (bid, ask) else { return true };
    let spread = ask - bid;
    spread > Decimal::new(10, 2) && spread > (bid + ask) / Decimal::from(8)
}

impl SoundGreeks {
    /// Leaves out what cannot be right for this side.
    #[must_use]
    pub fn of(greeks: Option<&Greeks>, side: OptionType) -> Self {
        let Some(greeks) = greeks else { return Self::default() };
        let delta = greeks.delta.filter(|delta| match side {
            OptionType::Call => (Decimal::ZERO..=Decimal::ONE).contains(delta),
            OptionType::Put => (Decimal::NEGATIVE_ONE..=Decimal::ZERO).contains(delta),
        });
        // Of a put with a call's delta the other sensitivities that differ by side are the call's, too.
        let own = delta.is_some() || greeks.delta.is_none();
        let small = |value: &Decimal| value.abs() < Decimal::from(100_000);
        let iv = greeks.mid_iv.or(greeks.smoothed_iv);
        Self {
            delta,
            gamma: greeks.gamma.filter(|gamma| *gamma >= Decimal::ZERO).filter(small),
            theta: greeks.theta.filter(|_| own).filter(small),
            vega: greeks.vega.filter(|vega| *vega >= Decimal::ZERO).filter(small),
            iv: iv.filter(|iv| *iv > Decimal::ZERO && *iv < Decimal::from(20)),
        }
    }
}

/// What an underlying is worth: its last trade, or else the middle. Nothing from another day.
#[must_use]
pub fn underlying(quote: &Quote, moment: &Moment) -> Option<Decimal> {
    let fresh = |at: Option<DateTime<Utc>>| at.is_some_and(|at| at >= moment.since && at <= moment.now + AHEAD);
    let last = quote.last.filter(|last| *last > Decimal::ZERO && fresh(quote.trade_at));
    let middle = || Mark::of(quote, moment).price.filter(|_| fresh(quote.quoted_at()));
    last.or_else(middle)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_789_052_400;

    fn at(age: i64) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(NOW - age, 0)
    }

    fn moment() -> Moment {
        Moment {
            now: at(0).unwrap(),
            since: at(3600).unwrap(),
            delay: TimeDelta::zero(),
            closed_for: TimeDelta::zero(),
        }
    }

    fn decimal(text: &str) -> Option<Decimal> {
        (!text.is_empty()).then(|| text.parse().unwrap())
    }

    fn quote(bid: &str, ask: &str, age: i64) -> Quote {
        let nothing = Quote::nothing("X");
        Quote { bid: decimal(bid), ask: decimal(ask), bid_at: at(age), ask_at: at(age), ..nothing }
    }

    #[test]
    fn each_bad_quote_has_its_own_consequence() {
        use MarkKind as K;
        use QuoteQuality as Q;
        for (bid, ask, age, price, kind, quality) in [
            ("5.00", "5.10", 3, "5.05", K::Mid, Q::Good),
            ("5.00", "5.10", 301, "5.05", K::Mid, Q::Stale),
            ("5.00", "5.10", 86_400, "5.05", K::Mid, Q::Stale),
            // The clock is an hour behind the source's.
            ("5.00", "5.10", -3600, "5.05", K::Mid, Q::Stale),
            ("5.00", "5.10", -30, "5.05", K::Mid, Q::Good),
            ("5.20", "5.10", 3, "", K::None, Q::Crossed),
            ("5.00", "7.00", 3, "6.00", K::Mid, Q::Wide),
            // A nickel apart is a nickel, however cheap the contract is.
            ("0.05", "0.10", 3, "0.075", K::Mid, Q::Good),
            ("0", "0.05", 3, "0.025", K::Mid, Q::Good),
            ("0", "0", 3, "", K::None, Q::Wide),
            ("", "", 3, "", K::None, Q::Wide),
            ("5.00", "", 3, "5.00", K::Bid, Q::Wide),
            ("5.00", "0", 3, "5.00", K::Bid, Q::Wide),
            ("", "5.10", 3, "5.10", K::Ask, Q::Wide),
            ("-1", "5.10", 3, "5.10", K::Ask, Q::Wide),
        ] {
            let mark = Mark::of(&quote(bid, ask, age), &moment());
            assert_eq!(
                (mark.price, mark.kind, mark.quality),
                (decimal(price), kind, quality),
                "{bid}/{ask} {age} s old"
            );
        }
    }

    #[test]
    fn a_quote_of_unknown_age_is_stale_and_a_delayed_source_is_not() {
        let unknown = Quote { bid_at: None, ask_at: None, ..quote("5.00", "5.10", 0) };
        assert_eq!(Mark::of(&unknown, &moment()).quality, QuoteQuality::Stale);
        let delayed = Moment { delay: TimeDelta::minutes(15), ..moment() };
        assert_eq!(Mark::of(&quote("5.00", "5.10", 901), &delayed).quality, QuoteQuality::Delayed);
        assert_eq!(Mark::of(&quote("5.00", "5.10", 1201), &delayed).quality, QuoteQuality::Stale);
    }

    #[test]
    fn the_last_trade_stands_in_only_when_it_is_of_this_session() {
        let traded = |age| Quote { last: decimal("4.80"), trade_at: at(age), ..quote("0", "0", 3) };
        assert_eq!(Mark::of(&traded(200), &moment()).price, decimal("4.80"));
        assert_eq!(Mark::of(&traded(200), &moment()).quality, QuoteQuality::Wide);
        assert_eq!(Mark::of(&traded(4000), &moment()).price, None, "yesterday's");
        assert_eq!(underlying(&traded(4000), &moment()), None);
        assert_eq!(underlying(&traded(200), &moment()), decimal("4.80"));
    }

    #[test]
    fn a_put_with_a_calls_delta_has_none() {
        let greeks = Greeks {
            delta: decimal("0.53"),
            theta: decimal("-4"),
            gamma: decimal("0.01"),
            mid_iv: decimal("0.2"),
            ..Greeks::default()
        };
        let put = SoundGreeks::of(Some(&greeks), OptionType::Put);
        assert_eq!((put.delta, put.theta), (None, None), "the call's");
        assert_eq!((put.gamma, put.iv), (decimal("0.01"), decimal("0.2")), "the same on both sides");
        assert_eq!(SoundGreeks::of(Some(&greeks), OptionType::Call).delta, decimal("0.53"));
        let mad = Greeks { delta: decimal("-7"), mid_iv: decimal("99"), gamma: decimal("-1"), ..Greeks::default() };
        assert_eq!(SoundGreeks::of(Some(&mad), OptionType::Put), SoundGreeks::default());
    }

    proptest! {
        #[test]
        fn a_mark_lies_between_its_sides_and_bad_quotes_are_never_shown(
            bid in -100_i64..100_000, ask in -100_i64..100_000, age in -10_000_i64..200_000,
        ) {
            let quote = Quote { bid: Some(Decimal::new(bid, 2)), ask: Some(Decimal::new(ask, 2)), ..quote("", "", age) };
            let mark = Mark::of(&quote, &moment());
            prop_assert_eq!(mark.kind == MarkKind::None, mark.price.is_none());
            if let (Some(price), Some(bid), Some(ask)) = (mark.price, mark.bid, mark.ask) {
                prop_assert!(bid <= price && price <= ask);
            }
            prop_assert!(!mark.quality.is_shown() || (-60..=3600).contains(&age));
            prop_assert!(!mark.quality.is_sound() || mark.kind == MarkKind::Mid);
        }
    }
}
