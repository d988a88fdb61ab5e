//! Percentiles of a handful of numbers.

/// Measured values of one thing, kept sorted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    sorted: Vec<f64>,
}

impl Sample {
    pub(crate) fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self { sorted: values }
    }

    pub(crate) fn len(&self) -> usize {
        self.sorted.len()
    }

    /// The value below which `percent` of the sample lies (nearest rank).
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank in a sample of at most millions"
    )]
    pub(crate) fn percentile(&self, percent: f64) -> Option<f64> {
        let last = self.sorted.len().checked_sub(1)?;
        let rank = (percent / 100.0 * last as f64).round() as usize;
        self.sorted.get(rank.min(last)).copied()
    }

    pub(crate) fn median(&self) -> Option<f64> {
        self.percentile(50.0)
    }

    pub(crate) fn p99(&self) -> Option<f64> {
        self.percentile(99.0)
    }

    /// Half the distance between the quartiles, relative to the median: how noisy the run was.
    pub(crate) fn spread(&self) -> Option<f64> {
        let (low, high, median) = (self.percentile(25.0)?, self.percentile(75.0)?, self.median()?);
        (median > 0.0).then(|| (high - low) / 2.0 / median)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_a_hundred_and_one() {
        let sample = Sample::new((0..=100).rev().map(f64::from).collect());
        assert_eq!(sample.median(), Some(50.0));
        assert_eq!(sample.p99(), Some(99.0));
        assert_eq!(Sample::default().median(), None);
    }
}
