//! The budget of retries that all calls of a pool share: see [`crate::resilience::budget`].

use std::time::Instant;

use crate::pool::core::Inner;

/// Said of what would have been tried again.
pub(in crate::pool) const BUDGET_IS_SPENT: &str = "not tried again: the pool's budget of retries is spent";

impl Inner {
    /// Takes a retry out of the pool's budget.
    pub(in crate::pool) fn may_retry(&self) -> bool {
        let loans = self.admission.loans();
        self.retry_budget.lock().take(loans, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{ErrorKind, Pool, PoolConfig};

    /// A pool that retries often, of connections that break when told to.
    fn stubborn() -> Pool {
        let config = PoolConfig::new().retry_max(10).retry_base_delay(Duration::from_millis(1));
        Pool::echo(config.retry_max_delay(Duration::from_millis(1))).unwrap()
    }

    fn spend(pool: &Pool) {
        while pool.inner.may_retry() {}
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
