//! The retry budget: limits the retries of a whole pool.
//!
//! Retries multiply load: three attempts by every caller are three times the load, just when there is least to spare. So a pool
//! has tokens: a retry takes one, a checkout earns a tenth of one, a second earns a whole one. Below a tenth of all work,
//! retries go unhindered; beyond that they are refused once the tokens are used up. (The tenth and the maximum are those of
//! "Handling Overload" in Google's Site Reliability Engineering and of the AWS SDKs' retry quota, which has room for 35 of its
//! costlier kind.)

use std::time::Instant;

/// The most tokens that may accumulate.
const MAX_TOKENS: f64 = 35.0;
const TOKENS_PER_CHECKOUT: f64 = 0.1;
const TOKENS_PER_SECOND: f64 = 1.0;

#[derive(Debug)]
pub(crate) struct RetryBudget {
    tokens: f64,
    /// Checkouts counted so far.
    checkouts: u64,
    at: Instant,
}

impl RetryBudget {
    pub(crate) fn new(now: Instant) -> Self {
        Self { tokens: MAX_TOKENS, checkouts: 0, at: now }
    }

    /// Takes a token for one retry, if there is one. `checkouts`: the pool's total so far.
    pub(crate) fn take(&mut self, checkouts: u64, now: Instant) -> bool {
        let earned = checkouts.saturating_sub(self.checkouts) as f64 * TOKENS_PER_CHECKOUT;
        let passed = now.saturating_duration_since(self.at).as_secs_f64() * TOKENS_PER_SECOND;
        self.tokens = (self.tokens + earned + passed).min(MAX_TOKENS);
        (self.checkouts, self.at) = (checkouts.max(self.checkouts), self.at.max(now));
        let granted = self.tokens >= 1.0;
        if granted {
            self.tokens -= 1.0;
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn spent(now: Instant) -> RetryBudget {
        let mut budget = RetryBudget::new(now);
        let granted = (0..100).filter(|_| budget.take(0, now)).count();
        assert_eq!(granted, 35);
        budget
    }

    #[test]
    fn ten_checkouts_earn_a_retry() {
        let now = Instant::now();
        let mut budget = spent(now);
        assert!(!budget.take(9, now));
        assert!(budget.take(10, now), "earned in two parts");
        assert!(!budget.take(10, now), "each checkout counts once");
    }

    #[test]
    fn a_second_earns_a_retry() {
        let now = Instant::now();
        let mut budget = spent(now);
        assert!(!budget.take(0, now + Duration::from_millis(900)));
        assert!(budget.take(0, now + Duration::from_secs(1)));
    }

    #[test]
    fn no_more_than_the_maximum_accumulates() {
        let now = Instant::now();
        let mut budget = spent(now);
        let later = now + Duration::from_secs(3600);
        assert_eq!((0..100).filter(|_| budget.take(1_000_000, later)).count(), 35);
    }
}
