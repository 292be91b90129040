//! Distributions of durations, cheap enough to be kept for every connection.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the buckets, in microseconds. A series of 1, 2, 5 that holds every bound that OpenTelemetry recommends for
/// `db.client.operation.duration` (1 ms to 10 s), so that those buckets are sums of these.
const BOUNDS_US: [u64; 21] = [
    10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
    1_000_000, 2_000_000, 5_000_000, 10_000_000, 20_000_000, 60_000_000,
];

/// The same bounds in nanoseconds, for comparison.
const BOUNDS_NS: [u64; BOUNDS_US.len()] = {
    let mut bounds = [0; BOUNDS_US.len()];
    let mut at = 0;
    while at < bounds.len() {
        bounds[at] = BOUNDS_US[at] * 1_000;
        at += 1;
    }
    bounds
};

/// The number of buckets: one per bound, and one for durations beyond all of them.
const BUCKETS: usize = BOUNDS_US.len() + 1;

/// A histogram of durations. Written by one thread at a time, read by any.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    counts: [AtomicU64; BUCKETS],
    sum_ns: AtomicU64,
}

impl Histogram {
    /// Records a duration. Only the thread that holds the connection may call it.
    #[inline]
    pub(crate) fn record(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        raise(&self.counts[bucket_of(nanos)], 1);
        raise(&self.sum_ns, nanos);
    }

    pub(crate) fn read(&self) -> Distribution {
        Distribution {
            counts: std::array::from_fn(|bucket| self.counts[bucket].load(Relaxed)),
            sum_ns: self.sum_ns.load(Relaxed),
        }
    }
}

/// The durations that one or several [`Histogram`]s have recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Distribution {
    counts: [u64; BUCKETS],
    sum_ns: u64,
}

impl Distribution {
    pub(crate) fn record(&mut self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket_of(nanos)] += 1;
        self.sum_ns += nanos;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum_ns = self.sum_ns.wrapping_add(other.sum_ns);
    }

    /// Returns the durations recorded since `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self {
            counts: std::array::from_fn(|bucket| self.counts[bucket].saturating_sub(earlier.counts[bucket])),
            sum_ns: self.sum_ns.saturating_sub(earlier.sum_ns),
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(crate) fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_ns)
    }

    /// Returns the count of durations up to each bound, and of all (`None`), as Prometheus counts.
    pub(crate) fn cumulative(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        let bounds = BOUNDS_US.iter().map(|us| Some(Duration::from_micros(*us))).chain([None]);
        bounds.zip(self.counts).scan(0, |total, (bound, count)| {
            *total += count;
            Some((bound, *total))
        })
    }

    /// Returns the duration that a share (0 to 1) of all do not exceed, interpolated within its bucket: right to a factor of 2.5
    /// at worst, mostly much better. `None` when nothing was recorded.
    pub(crate) fn quantile(&self, share: f64) -> Option<Duration> {
        let total = self.count();
        if total == 0 {
            return None;
        }
        let rank = (share * total as f64).clamp(1.0, total as f64);
        let mut below = 0.0;
        for (bucket, count) in self.counts.iter().enumerate() {
            let count = *count as f64;
            if count > 0.0 && below + count >= rank {
                let low = bucket.checked_sub(1).map_or(0, |before| BOUNDS_US[before]) as f64;
                // Beyond the last bound only that bound is known.
                let high = BOUNDS_US.get(bucket).map_or(low, |bound| *bound as f64);
                let us = low + (high - low) * (rank - below) / count;
                return Some(Duration::from_secs_f64(us / 1e6));
            }
            below += count;
        }
        None
    }
}

#[inline]
fn bucket_of(nanos: u64) -> usize {
    BOUNDS_NS.partition_point(|bound| *bound < nanos)
}

/// Raises a counter that one thread at a time writes.
#[inline]
pub(crate) fn raise(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(by), Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(durations: &[u64]) -> Distribution {
        let histogram = Histogram::default();
        for us in durations {
            histogram.record(Duration::from_micros(*us));
        }
        histogram.read()
    }

    #[test]
    fn a_duration_counts_up_to_the_first_bound_that_it_does_not_exceed() {
        let counted: Vec<_> = of(&[1_000, 1_001, 70_000_000]).cumulative().collect();
        let up_to = |us: u64| counted.iter().find(|(b, _)| *b == Some(Duration::from_micros(us))).unwrap().1;
        assert_eq!((up_to(500), up_to(1_000), up_to(2_000), up_to(60_000_000)), (0, 1, 2, 2));
        assert_eq!(counted.last(), Some(&(None, 3)));
    }

    #[test]
    fn quantiles_lie_in_the_bucket_of_their_rank() {
        let many = of(&[&[150; 99][..], &[3_000]].concat());
        let within = |share, low, high| {
            let found = many.quantile(share).unwrap().as_micros();
            assert!((low..=high).contains(&found), "{share}: {found}");
        };
        within(0.5, 100, 200);
        within(0.99, 100, 200);
        within(1.0, 2_000, 5_000);
        assert_eq!(of(&[]).quantile(0.5), None);
        assert_eq!(
            of(&[90_000_000]).quantile(0.5),
            Some(Duration::from_secs(60)),
            "the last bound, at least"
        );
    }

    #[test]
    fn what_was_recorded_since_is_told_from_what_was_before() {
        let before = of(&[100, 100]);
        let mut after = before.clone();
        after.add(&of(&[5_000]));
        let since = after.since(&before);
        assert_eq!((since.count(), since.sum()), (1, Duration::from_micros(5_000)));
    }
}
