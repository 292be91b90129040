//! Several measurements of the same thing.

use std::time::Duration;

/// Several measurements of the same thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spread {
    /// How many there are.
    pub count: u32,
    /// Their mean, which is what Little's law is about.
    pub mean: Duration,
    /// Half of them took no longer.
    pub median: Duration,
    /// 99 of 100 took no longer; with fewer than a hundred, the longest.
    pub p99: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Spread {
    /// `None` of nothing.
    pub(super) fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort();
        let longest = *times.last()?;
        let count = u32::try_from(times.len()).unwrap_or(u32::MAX);
        let rank =
            |share: f64| times[((times.len() as f64 * share).ceil() as usize).clamp(1, times.len()) - 1];
        let total: Duration = times.iter().sum();
        Some(Self { count, mean: total / count, median: rank(0.5), p99: rank(0.99), longest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(times: impl IntoIterator<Item = u64>) -> Vec<Duration> {
        times.into_iter().map(Duration::from_millis).collect()
    }

    #[test]
    fn a_spread_has_the_usual_ranks() {
        let spread = Spread::of(milliseconds((1..=200).rev())).unwrap();
        let expected = [spread.median, spread.p99, spread.longest].map(|time| time.as_millis());
        assert_eq!((spread.count, expected), (200, [100, 198, 200]));
        assert_eq!(spread.mean, Duration::from_micros(100_500));
    }

    #[test]
    fn of_few_measurements_the_longest_stands_for_the_99th() {
        let spread = Spread::of(milliseconds([5, 1, 3])).unwrap();
        assert_eq!((spread.median.as_millis(), spread.p99.as_millis()), (3, 5));
        assert_eq!(Spread::of(milliseconds([7])).unwrap().median.as_millis(), 7);
        assert_eq!(Spread::of(Vec::new()), None);
    }
}
