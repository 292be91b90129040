//! The retry budget that all calls of a pool share: see [`crate::resilience::budget`].

use std::time::Instant;

use crate::pool::core::Core;

/// The note on errors of calls that the budget kept from another attempt.
pub(in crate::pool) const BUDGET_IS_SPENT: &str = "not tried again: the pool's budget of retries is spent";

impl Core {
    /// Takes a retry from the pool's budget. Returns `false` when it is spent.
    pub(in crate::pool) fn may_retry(&self) -> bool {
        let checkouts = self.admission.checkouts();
        self.retry_budget.lock().take(checkouts, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{ErrorKind, Pool, PoolConfig};

    /// Makes a pool that retries often, whose connections break on request.
    fn stubborn() -> Pool {
        let config = PoolConfig::new().retry_max(10).retry_base_delay(Duration::from_millis(1));
        Pool::echo(config.retry_max_delay(Duration::from_millis(1))).unwrap()
    }

    fn spend(pool: &Pool) {
        while pool.core.may_retry() {}
    }

    #[test]
    fn statements_that_may_be_repeated_are_so_within_the_budget() {
        let pool = stubborn();
        let error = pool.idempotent().query("echo:drop", &[]).unwrap_err();
        assert_eq!((error.kind(), pool.stats().opens), (ErrorKind::ConnectionLost, 12), "{error}");
        spend(&pool);
        let error = pool.idempotent().query("echo:drop", &[]).unwrap_err();
        assert_eq!(pool.stats().opens, 13, "{error}");
        assert!(error.to_string().contains(BUDGET_IS_SPENT), "{error}");
    }

    #[test]
    fn transactions_that_lose_their_connection_are_run_again_within_the_budget() {
        let pool = stubborn();
        let lose = || pool.transaction(|tx| tx.query("echo:drop", &[]).map(drop));
        assert_eq!((lose().unwrap_err().kind(), pool.stats().opens), (ErrorKind::ConnectionLost, 6));
        spend(&pool);
        lose().unwrap_err();
        assert_eq!(pool.stats().opens, 7);
    }
}
