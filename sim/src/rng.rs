//! Randomness that can be replayed: a stream of numbers for each (seed, class, use).
//!
//! Every class of chance owns its stream, so turning one knob leaves all other draws as they were. The generator is
//! SplitMix64 in counter form: the n-th number is a function of key and n alone, which lets the market ask for any
//! point of its path without having walked there.

use serde::{Deserialize, Serialize};

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// A replayable stream of numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stream {
    key: u64,
    drawn: u64,
}

impl Stream {
    /// The stream of one class of chance under one seed.
    #[must_use]
    pub fn new(seed: u64, class: &str) -> Self {
        Self { key: key(seed, class), drawn: 0 }
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.drawn = self.drawn.wrapping_add(1);
        at(self.key, self.drawn)
    }

    /// A whole number from `low` to `high`, both included; `low` when the range is empty.
    pub fn range(&mut self, low: i64, high: i64) -> i64 {
        let width = high.saturating_sub(low).max(0).unsigned_abs().saturating_add(1);
        low.saturating_add_unsigned(self.next_u64() % width)
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        unit(self.next_u64()) < p
    }
}

/// The key of a class of chance under a seed.
#[must_use]
pub fn key(seed: u64, class: &str) -> u64 {
    let start = 0xCBF2_9CE4_8422_2325 ^ mix(seed);
    let hash = class.bytes().fold(start, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3));
    mix(hash)
}

/// The `n`-th number of the stream with `key`.
#[must_use]
pub fn at(key: u64, n: u64) -> u64 {
    mix(key.wrapping_add(n.wrapping_mul(GOLDEN)))
}

/// A number in [0, 1).
#[must_use]
pub fn unit(bits: u64) -> f64 {
    let high = u32::try_from(bits >> 32).unwrap_or(0);
    f64::from(high) / 4_294_967_296.0
}

/// A number with mean 0 and variance 1, bell-shaped, never beyond 3.47: the sum of four uniforms.
/// Fat tails are the business of whoever models jumps.
#[must_use]
pub fn bell(bits: u64) -> f64 {
    let part = |shift: u32| f64::from(u16::try_from((bits >> shift) & 0xFFFF).unwrap_or(0));
    let sum = part(0) + part(16) + part(32) + part(48);
    (sum / 65_536.0 - 2.0) * 1.732_050_807_568_877_2
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_do_not_share_their_draws() {
        let mut fills = Stream::new(7, "fill");
        let mut alone = Stream::new(7, "fill");
        let mut other = Stream::new(7, "cancel");
        let with: Vec<u64> = (0..4).map(|_| (other.next_u64(), fills.next_u64()).1).collect();
        let without: Vec<u64> = (0..4).map(|_| alone.next_u64()).collect();
        assert_eq!(with, without);
        assert_ne!(key(7, "fill"), key(8, "fill"));
    }

    #[test]
    fn the_bell_has_mean_zero_and_variance_one() {
        let n = 100_000_u32;
        let (mut sum, mut squares) = (0.0, 0.0);
        for i in 0..n {
            let x = bell(at(1, u64::from(i)));
            sum += x;
            squares += x * x;
        }
        assert!((sum / f64::from(n)).abs() < 0.01);
        assert!((squares / f64::from(n) - 1.0).abs() < 0.02);
    }

    #[test]
    fn a_range_keeps_its_ends() {
        let mut s = Stream::new(1, "x");
        let drawn: Vec<i64> = (0..200).map(|_| s.range(3, 5)).collect();
        assert!(drawn.iter().all(|n| (3..=5).contains(n)) && drawn.contains(&3) && drawn.contains(&5));
        assert_eq!(s.range(9, 2), 9);
    }
}
