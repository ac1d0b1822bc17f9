//! Times of one contender, and what is said of them.

/// Times in microseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    times: Vec<f64>,
}

impl Sample {
    pub(crate) fn add(&mut self, micros: f64) {
        self.times.push(micros);
    }

    pub(crate) fn len(&self) -> usize {
        self.times.len()
    }

    pub(crate) fn median(&self) -> f64 {
        quantile(&self.times, 0.5)
    }

    pub(crate) fn p99(&self) -> f64 {
        quantile(&self.times, 0.99)
    }

    /// The median distance from the median.
    pub(crate) fn spread(&self) -> f64 {
        let median = self.median();
        quantile(&self.times.iter().map(|time| (time - median).abs()).collect::<Vec<_>>(), 0.5)
    }
}

/// The value below which this share of the times lies; 0 of none.
fn quantile(times: &[f64], share: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len() as f64 * share) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_knows_its_middle_its_end_and_how_far_it_spreads() {
        let mut sample = Sample::default();
        (1..=101).for_each(|time| sample.add(f64::from(time)));
        assert_eq!((sample.median(), sample.p99(), sample.spread()), (51.0, 100.0, 25.0));
        assert_eq!(Sample::default().median(), 0.0);
    }
}
