//! Points in the code at which a test can make a pool panic: see `whole_tests`.

/// Panics if a test has armed this point for this pool. Expands to nothing outside of tests.
macro_rules! failpoint {
    ($core:expr, $point:literal) => {
        #[cfg(test)]
        $crate::pool::failpoint::reach($core.settings.name.as_deref(), $point);
    };
}
#[cfg(test)]
pub(in crate::pool) use armed::{Armed, reach};

#[cfg(test)]
mod armed {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use parking_lot::Mutex;

    /// The armed points. Pools are distinguished by their names, since other tests run meanwhile.
    static ARMED: Mutex<Vec<(String, &'static str, Arc<AtomicBool>)>> = Mutex::new(Vec::new());

    /// A point that panics the first time that it is reached.
    pub(in crate::pool) struct Armed {
        pool: String,
        reached: Arc<AtomicBool>,
    }

    impl Armed {
        pub(in crate::pool) fn new(pool: &str, point: &'static str) -> Self {
            let reached = Arc::new(AtomicBool::new(false));
            ARMED.lock().push((pool.to_owned(), point, reached.clone()));
            Self { pool: pool.to_owned(), reached }
        }

        pub(in crate::pool) fn was_reached(&self) -> bool {
            self.reached.load(Ordering::Acquire)
        }
    }

    impl Drop for Armed {
        fn drop(&mut self) {
            ARMED.lock().retain(|(pool, _, _)| *pool != self.pool);
        }
    }

    pub(in crate::pool) fn reach(pool: Option<&str>, point: &str) {
        // In a destructor during cleanup it would be the end of the process.
        if std::thread::panicking() {
            return;
        }
        let hit = {
            let armed = ARMED.lock();
            let this = armed.iter().find(|(name, at, _)| Some(name.as_str()) == pool && *at == point);
            this.is_some_and(|(_, _, reached)| !reached.swap(true, Ordering::AcqRel))
        };
        assert!(!hit, "injected at {point}");
    }
}
