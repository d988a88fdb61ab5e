//! How nervous the market is: the regime of a day, the volatility indices, and the surface that options are priced from.

use super::model::Market;
use super::universe::{AssetKind, OptionClass, Underlying};
use crate::rng::{at, bell, key};
use crate::time::Ms;

/// Slow waves of calm and storm, by session number.
#[derive(Clone, Debug)]
pub(crate) struct Regime {
    key: u64,
}

/// What fear needs to know of a session: levels of the market factor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FearDay {
    usual: f64,
    mood: f64,
    open: f64,
    close: f64,
}

/// Over how many sessions a mood lasts.
const MOOD: i64 = 12;

impl Regime {
    pub(crate) fn new(seed: u64) -> Self {
        Self { key: key(seed, "regime") }
    }

    /// A factor on all volatilities of session `n`, around 1.
    pub(crate) fn scale(&self, n: i64) -> f64 {
        let sum: f64 = (0..MOOD).map(|back| bell(at(self.key, (n - back).cast_unsigned()))).sum();
        (0.11 * sum).clamp(-0.7, 1.0).exp()
    }
}

impl Underlying {
    /// Whether it is one of the volatility indices.
    pub(super) fn kind_is_volatility(&self) -> bool {
        self.kind == AssetKind::Index && self.beta == 0.0
    }
}

impl Market {
    /// How implied volatility stands against its usual level: it rises when the market falls below where it has been.
    pub(super) fn fear(&mut self, number: i64, within: Option<f64>) -> f64 {
        let day = self.fear_day(number);
        let level = within.map_or(day.close, |w| day.open + w);
        (day.mood * (-4.5 * (level - day.usual)).exp()).clamp(0.55, 4.0)
    }

    fn fear_day(&mut self, number: i64) -> FearDay {
        if let Some(known) = self.fears.get(&number) {
            return *known;
        }
        let usual = (1..=20).map(|back| self.market_level(number - back, None)).sum::<f64>() / 20.0;
        let day = FearDay {
            usual,
            mood: self.regime.scale(number).powf(0.6),
            open: self.market_level(number, Some(0.0)),
            close: self.market_level(number, None),
        };
        self.fears.insert(number, day);
        day
    }

    /// Fear at a moment.
    pub(super) fn fear_at(&mut self, now: Ms) -> f64 {
        let (number, session) = self.session_of(now);
        if now <= session.open {
            return self.fear(number, Some(0.0));
        }
        let within = self.market_within(number, now);
        self.fear(number, Some(within))
    }

    /// A volatility index: short ones overreact, long ones underreact.
    pub(super) fn volatility_index(&mut self, index: usize, number: i64, within: Option<f64>) -> f64 {
        let fear = self.fear(number, within);
        let Some(under) = self.underlying(index) else { return 0.0 };
        let power = match under.symbol.as_str() {
            "VIX9D" => 1.35,
            "VIX3M" => 0.65,
            "VVIX" => 0.45,
            _ => 1.0,
        };
        under.price * fear.powf(power)
    }

    /// Implied volatility of an option: at the money by fear and term, then a smile in deviations from the money.
    pub(super) fn surface(&self, index: usize, fear: f64, (spot, strike, life): (f64, f64, f64)) -> f64 {
        let Some(under) = self.underlying(index) else { return 0.2 };
        let term = 1.0 + 0.06 * (life.min(2.0)).sqrt() * (2.0 - fear).clamp(-1.0, 1.0);
        let usual = if under.options == OptionClass::Vix { 1.0 } else { 0.30 + 0.70 * fear };
        let money = under.iv * usual * term;
        let deviation = ((strike / spot).ln() / (money * life.max(1.0 / 2_000.0).sqrt())).clamp(-7.0, 7.0);
        let (lean, bend) = match (under.options, under.kind) {
            (OptionClass::Vix, _) => (0.10, 0.015),
            (_, AssetKind::Index | AssetKind::Etf) => (-0.085, 0.022),
            (_, AssetKind::Stock) => (-0.045, 0.026),
        };
        (money * (1.0 + lean * deviation + bend * deviation * deviation)).clamp(0.03, 6.0)
    }
}
