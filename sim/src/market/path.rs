//! A random walk that is a function of (key, session, moment): the market's, a sector's, or one share's own.

use super::round::float;
use crate::rng::{at, bell, key, unit};

/// Grid points in a minute of the regular session.
pub(crate) const PER_MINUTE: usize = 4;

/// Share of a day's variance that falls into the night.
const NIGHT: f64 = 0.28;

/// One walk in logarithms of price.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    key: u64,
    vol: f64,
    drift: f64,
    /// Σ of the days' moves to the close of session n ≥ 0, and to the close of session −1−n going back.
    ahead: Vec<f64>,
    behind: Vec<f64>,
}

impl Path {
    pub(crate) fn new(seed: u64, name: &str, (vol, drift): (f64, f64)) -> Self {
        Self { key: key(seed, name), vol, drift, ahead: Vec::new(), behind: vec![0.0] }
    }

    /// The walk at the close of session `n`, 0 at the close before the anchor. `scale` is the day's volatility regime.
    pub(crate) fn close(&mut self, n: i64, regime: &dyn Fn(i64) -> f64) -> f64 {
        if self.vol == 0.0 {
            return 0.0;
        }
        match usize::try_from(n) {
            Ok(index) => {
                while self.ahead.len() <= index {
                    let day = i64::try_from(self.ahead.len()).unwrap_or(0);
                    let last = self.ahead.last().copied().unwrap_or(0.0);
                    let (night, session) = self.moves(day, regime(day));
                    self.ahead.push(last + night + session);
                }
                self.ahead.get(index).copied().unwrap_or(0.0)
            }
            Err(_) => {
                let index = usize::try_from(-1 - n).unwrap_or(0);
                while self.behind.len() <= index {
                    // The close of session −1−len is the close of the session after it, less that session's moves.
                    let after = -i64::try_from(self.behind.len()).unwrap_or(0);
                    let (night, session) = self.moves(after, regime(after));
                    let last = self.behind.last().copied().unwrap_or(0.0);
                    self.behind.push(last - night - session);
                }
                self.behind.get(index).copied().unwrap_or(0.0)
            }
        }
    }

    /// The moves of session `n`: over the night before it, and from open to close.
    pub(crate) fn moves(&self, n: i64, regime: f64) -> (f64, f64) {
        let day = n.cast_unsigned();
        let vol = self.vol * regime;
        let draw = |use_: u64| bell(at(self.key ^ 0xDA11, day.wrapping_mul(8).wrapping_add(use_)));
        // One night in forty gaps hard: news.
        let news = if unit(at(self.key ^ 0x6A9, day)) < 0.025 { 3.0 } else { 1.0 };
        let night = vol * NIGHT.sqrt() * news * draw(0);
        let session = vol * (1.0 - NIGHT).sqrt() * draw(1) + self.drift;
        (night, session)
    }

    /// The walk within session `n` on its grid of `steps` steps, from 0 at the open to the session's move at the close.
    pub(crate) fn shape(&self, n: i64, steps: usize, regime: f64) -> Vec<f64> {
        if self.vol == 0.0 {
            return vec![0.0; steps + 1];
        }
        let (_, target) = self.moves(n, regime);
        let day_key = at(self.key, n.cast_unsigned());
        let vol = self.vol * regime * (1.0 - NIGHT).sqrt();
        let total: f64 = (0..steps).map(|i| weight(i, steps)).sum();
        let jump = self.jump(n, steps, vol);
        let (mut walk, mut spent) = (0.0, 0.0);
        let mut points = Vec::with_capacity(steps + 1);
        points.push((0.0, 0.0));
        for i in 0..steps {
            let w = weight(i, steps) / total;
            spent += w;
            walk += vol * w.sqrt() * bell(at(day_key, u64::try_from(i).unwrap_or(0)));
            if jump.is_some_and(|(step, _)| step == i) {
                walk += jump.map_or(0.0, |(_, size)| size);
            }
            points.push((walk, spent));
        }
        let miss = walk - target;
        points.into_iter().map(|(walk, spent)| walk - spent * miss).collect()
    }

    /// Now and then news breaks during the session: a step of one to three daily deviations.
    fn jump(&self, n: i64, steps: usize, vol: f64) -> Option<(usize, f64)> {
        let draw = |use_: u64| at(self.key ^ 0x10B, n.cast_unsigned().wrapping_mul(4).wrapping_add(use_));
        let step = usize::try_from(draw(1) % u64::try_from(steps).unwrap_or(1)).unwrap_or(0);
        (unit(draw(0)) < 0.04).then(|| (step, vol * 1.5 * bell(draw(2))))
    }
}

/// The day's rhythm: wild after the open, calm at noon, livelier towards the close.
pub(crate) fn weight(step: usize, steps: usize) -> f64 {
    let x = fraction(step, steps);
    let minutes = x * 390.0;
    0.55 + 2.6 * (-minutes / 18.0).exp() + 1.1 * (x - 0.45).powi(2) * 4.0
}

/// How far into the day a step is, from 0 to 1.
pub(crate) fn fraction(step: usize, steps: usize) -> f64 {
    float(i64::try_from(step).unwrap_or(0)) / float(i64::try_from(steps.max(1)).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_starts_at_nothing_and_ends_at_its_move() {
        let path = Path::new(7, "MKT", (0.01, 0.0));
        for n in [-500, -1, 0, 3] {
            let shape = path.shape(n, 1_560, 1.0);
            let (_, target) = path.moves(n, 1.0);
            assert_eq!(shape.len(), 1_561);
            assert!(shape[0].abs() < 1e-12 && (shape[1_560] - target).abs() < 1e-9);
        }
    }

    #[test]
    fn closes_add_up_in_both_directions() {
        let mut path = Path::new(7, "MKT", (0.01, 0.0003));
        let flat = |_: i64| 1.0;
        for n in [-30, -1, 0, 1, 30] {
            let (night, session) = path.moves(n, 1.0);
            let step = path.close(n, &flat) - path.close(n - 1, &flat);
            assert!((step - night - session).abs() < 1e-12, "{n}");
        }
        assert!(path.close(-1, &flat).abs() < 1e-12);
    }

    #[test]
    fn the_open_is_wilder_than_noon() {
        assert!(weight(0, 1_560) > 3.0 * weight(700, 1_560));
        assert!(weight(1_559, 1_560) > 1.5 * weight(700, 1_560));
    }
}
