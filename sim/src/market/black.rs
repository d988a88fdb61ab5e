//! Black and Scholes: price and greeks. A hundred lines that are tested beat a dependency here.

/// The greeks of one option, as the broker names them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the greeks have no better names")]
pub struct Greeks {
    pub delta: f64,
    pub gamma: f64,
    /// Per calendar day.
    pub theta: f64,
    /// Per point of volatility.
    pub vega: f64,
    /// Per point of interest.
    pub rho: f64,
    /// Per point of dividend yield.
    pub phi: f64,
}

/// One European option at a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) spot: f64,
    pub(crate) strike: f64,
    /// In years.
    pub(crate) life: f64,
    pub(crate) vol: f64,
    pub(crate) call: bool,
}

/// Interest, a year.
pub(crate) const RATE: f64 = 0.041;

impl Terms {
    /// What it is worth.
    pub(crate) fn price(&self) -> f64 {
        let Some((d1, d2)) = self.d() else { return self.intrinsic() };
        let discounted = self.strike * (-RATE * self.life).exp();
        if self.call {
            self.spot * cdf(d1) - discounted * cdf(d2)
        } else {
            discounted * cdf(-d2) - self.spot * cdf(-d1)
        }
    }

    /// Its sensitivities.
    pub(crate) fn greeks(&self) -> Greeks {
        let Some((d1, d2)) = self.d() else {
            let inside = self.intrinsic() > 0.0;
            let delta = if inside { if self.call { 1.0 } else { -1.0 } } else { 0.0 };
            return Greeks { delta, ..Greeks::default() };
        };
        let (root, density) = (self.life.sqrt(), pdf(d1));
        let discounted = self.strike * (-RATE * self.life).exp();
        let sign = if self.call { 1.0 } else { -1.0 };
        let decay = self.spot * density * self.vol / (2.0 * root);
        Greeks {
            delta: sign * cdf(sign * d1),
            gamma: density / (self.spot * self.vol * root),
            theta: -(decay + sign * RATE * discounted * cdf(sign * d2)) / 365.0,
            vega: self.spot * density * root / 100.0,
            rho: sign * self.life * discounted * cdf(sign * d2) / 100.0,
            phi: -sign * self.life * self.spot * cdf(sign * d1) / 100.0,
        }
    }

    /// The volatility that gives `price`, by bisection; 0 when none does.
    pub(crate) fn implied(&self, price: f64) -> f64 {
        if price <= self.intrinsic() || self.life <= 0.0 {
            return 0.0;
        }
        let (mut low, mut high) = (0.01, 5.0);
        for _ in 0..40 {
            let vol = f64::midpoint(low, high);
            let worth = Self { vol, ..*self }.price();
            if worth < price { low = vol } else { high = vol }
        }
        f64::midpoint(low, high)
    }

    /// What it would be worth if it ended now.
    pub(crate) fn intrinsic(&self) -> f64 {
        let inside = if self.call { self.spot - self.strike } else { self.strike - self.spot };
        inside.max(0.0)
    }

    fn d(&self) -> Option<(f64, f64)> {
        let spread = self.vol * self.life.max(0.0).sqrt();
        if spread <= 1e-9 || self.spot <= 0.0 || self.strike <= 0.0 {
            return None;
        }
        let d1 = ((self.spot / self.strike).ln() + RATE * self.life) / spread + spread / 2.0;
        Some((d1, d1 - spread))
    }
}

fn pdf(x: f64) -> f64 {
    (-x * x / 2.0).exp() * 0.398_942_280_401_432_7
}

/// The normal distribution, by Zelen and Severo's formula 26.2.17 (error below 7.5e-8).
fn cdf(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * x.abs());
    let poly =
        t * (0.319_381_530 + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let tail = pdf(x) * poly;
    if x >= 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(call: bool) -> Terms {
        Terms { spot: 100.0, strike: 105.0, life: 0.5, vol: 0.25, call }
    }

    #[test]
    fn prices_match_the_textbook() {
        // Reference values from an independent implementation in double precision, r = 4.1 %.
        assert!((option(true).price() - 5.800_585).abs() < 5e-5, "{}", option(true).price());
        let parity = option(true).price() - option(false).price();
        assert!((parity - (100.0 - 105.0 * (-RATE * 0.5_f64).exp())).abs() < 1e-6);
    }

    #[test]
    fn greeks_are_the_slopes_of_the_price() {
        for call in [true, false] {
            let o = option(call);
            let bump = |f: fn(&mut Terms, f64), h: f64| {
                let (mut up, mut down) = (o, o);
                f(&mut up, h);
                f(&mut down, -h);
                (up.price() - down.price()) / (2.0 * h)
            };
            let g = o.greeks();
            assert!((g.delta - bump(|t, h| t.spot += h, 0.01)).abs() < 1e-4);
            assert!((g.vega - bump(|t, h| t.vol += h, 1e-3) / 100.0).abs() < 1e-4);
            assert!((g.theta + bump(|t, h| t.life += h, 1e-3) / 365.0).abs() < 1e-4);
        }
    }

    #[test]
    fn implied_volatility_finds_its_way_back() {
        let o = option(true);
        assert!((o.implied(o.price()) - 0.25).abs() < 1e-4);
        assert!(o.implied(0.0).abs() < 1e-12);
    }

    #[test]
    fn at_the_end_only_the_intrinsic_value_is_left() {
        let done = Terms { life: 0.0, spot: 110.0, ..option(true) };
        assert!((done.price() - 5.0).abs() < 1e-12 && (done.greeks().delta - 1.0).abs() < 1e-12);
    }
}
