//! How many retries a pool may make in all.
//!
//! Retries multiply what they meet: three attempts of everybody are three times the load, just when there is least to
//! spare. So a pool has tokens: a retry takes one, a loan gives a tenth of one back, a second a whole one.
//! Below a tenth of all work, retries go unhindered; beyond that they are refused once the store of tokens is used up.
//! (A tenth, and the store, are those of "Handling Overload" in Google's Site Reliability Engineering and of the AWS SDKs'
//! retry quota, which has room for 35 of its costlier kind.)

use std::time::Instant;

/// Tokens that may pile up.
const STORE: f64 = 35.0;
const PER_LOAN: f64 = 0.1;
const PER_SECOND: f64 = 1.0;

#[derive(Debug)]
pub(crate) struct RetryBudget {
    tokens: f64,
    /// Loans counted so far.
    loans: u64,
    at: Instant,
}

impl RetryBudget {
    pub(crate) fn new(now: Instant) -> Self {
        Self { tokens: STORE, loans: 0, at: now }
    }

    /// Takes a token for one retry, if there is one. `loans`: that the pool has made so far, in all.
    pub(crate) fn take(&mut self, loans: u64, now: Instant) -> bool {
        let earned = loans.saturating_sub(self.loans) as f64 * PER_LOAN;
        let passed = now.saturating_duration_since(self.at).as_secs_f64() * PER_SECOND;
        self.tokens = (self.tokens + earned + passed).min(STORE);
        (self.loans, self.at) = (loans.max(self.loans), self.at.max(now));
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
    fn ten_loans_earn_a_retry() {
        let now = Instant::now();
        let mut budget = spent(now);
        assert!(!budget.take(9, now));
        assert!(budget.take(10, now), "earned in two parts");
        assert!(!budget.take(10, now), "each loan counts once");
    }

    #[test]
    fn a_second_earns_a_retry() {
        let now = Instant::now();
        let mut budget = spent(now);
        assert!(!budget.take(0, now + Duration::from_millis(900)));
        assert!(budget.take(0, now + Duration::from_secs(1)));
    }

    #[test]
    fn no_more_than_the_store_piles_up() {
        let now = Instant::now();
        let mut budget = spent(now);
        let later = now + Duration::from_secs(3600);
        assert_eq!((0..100).filter(|_| budget.take(1_000_000, later)).count(), 35);
    }
}
