//! What all handles of a pool and all its loans share.

use std::sync::Arc;
#[cfg(feature = "capi")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::admission::Admission;
use super::connection::next_wakeup::Alarm;
use super::connection::registry::Registry;
use super::connection::revalidation::Trust;
use super::connection::slot::Slots;
use super::fleet::share_slots;
use super::fleet::share_slots::FleetWatch;
use super::lifecycle::clock_jump::Ahead;
use super::outage::coordinator::Governor;
use super::outage::permanent_failure::RefusedForGood;
use super::report::explain_exhaustion::Explained;
use super::report::sampler::Watch;
#[cfg(feature = "capi")]
use super::submission::Follower;
use super::telemetry::totals::Meters;
use super::workers::Workers;
use crate::config::PoolConfig;
use crate::config::settings::PoolSettings;
use crate::connect::Connector;
use crate::error::{Error, ErrorKind, Phase};
use crate::logging::Logger;
use crate::observe::event::EventSink;
use crate::resilience::backoff::Backoff;
use crate::resilience::budget::RetryBudget;
use crate::resilience::effective_limit::EffectiveLimit;
use crate::resilience::fleet::census::Id;
use crate::resilience::learned_limit::TryIntervals;
use crate::session::StatementMode;
use crate::sql::Catalog;
use crate::sys::callback;
use crate::sys::fork::Generation;
use crate::sys::single_flight::SingleFlight;
use crate::testing::echo;

/// What became of the last opening that failed.
#[derive(Clone)]
pub(super) struct OpenFailure {
    pub(super) kind: ErrorKind,
    pub(super) phase: Option<Phase>,
    pub(super) cause: String,
    pub(super) at: Instant,
}

pub(super) struct Inner {
    pub(super) settings: PoolSettings,
    pub(super) backoff: Backoff,
    pub(super) connector: Connector,
    /// It matters which role a server has.
    pub(super) asks_for_role: bool,
    /// Whether its connections prepare statements by name.
    pub(super) statement_mode: Arc<StatementMode>,
    pub(super) slots: Slots,
    pub(super) admission: Admission,
    pub(super) registry: Registry,
    pub(super) alarm: Alarm,
    pub(super) trust: Trust,
    pub(super) ahead: Ahead,
    /// Why the last opening failed and when, for those who time out in the queue.
    pub(super) last_open_failure: Mutex<Option<OpenFailure>>,
    /// A worker opens a connection for callers in a hurry.
    pub(super) opens_in_background: SingleFlight,
    /// A timer is set for the next try to have more connections than the server was found to allow.
    pub(super) tries_one_more: SingleFlight,
    pub(super) governor: Arc<Governor>,
    /// When somebody last wanted a connection that could not be opened.
    pub(super) wanted_at: AtomicU64,
    pub(super) refused_for_good: Mutex<Option<RefusedForGood>>,
    pub(super) retry_budget: Mutex<RetryBudget>,
    /// A worker lets idle connections prove themselves.
    pub(super) proves_idle: SingleFlight,
    /// A timer is set for the next try to fill `min_idle`.
    pub(super) refills_later: SingleFlight,
    /// What was idle was released, and nothing was opened since.
    pub(super) rests: AtomicBool,
    pub(super) fleet: FleetWatch,
    pub(super) workers: Arc<Workers>,
    /// Types of the user's own, looked up by any of its connections.
    pub(super) catalog: Arc<Catalog>,
    pub(super) log: Logger,
    pub(super) events: Option<EventSink>,
    /// Every loan is told of, or leaves a backtrace.
    pub(super) follows_loans: bool,
    pub(super) meters: Meters,
    pub(super) watch: Watch,
    pub(super) explained: Explained,
    /// What ends with the pool.
    #[cfg(feature = "capi")]
    pub(super) follower: OnceLock<Arc<dyn Follower>>,
    born: Generation,
}

impl Inner {
    pub(super) fn new(config: &PoolConfig) -> Result<Arc<Self>, Error> {
        let (settings, mut server) = config.settings()?;
        let fleet = share_slots::join(&settings, &mut server);
        Self::with(config, settings, Connector::new(server)?, fleet)
    }

    /// For a pool that needs no server.
    pub(super) fn echo(config: &PoolConfig) -> Result<Arc<Self>, Error> {
        let (settings, server) = config.settings_within_process()?;
        Self::with(config, settings, Connector::in_process(server, echo::server()), None)
    }

    pub(super) fn with(
        config: &PoolConfig,
        settings: PoolSettings,
        connector: Connector,
        fleet: Option<Id>,
    ) -> Result<Arc<Self>, Error> {
        let born = Generation::watch();
        let workers = Workers::shared()?;
        let backoff = Backoff {
            retries: settings.retry_max,
            base: settings.retry_base_delay,
            max: settings.retry_max_delay,
            jitter: settings.retry_jitter,
        };
        let pace = TryIntervals { first: backoff.base / 4, longest: backoff.max };
        let governor = Governor::of(connector.reachability());
        let inner = Arc::new(Self {
            slots: Slots::new(settings.max_size, workers.timer())?,
            admission: Admission::new(settings.max_size, EffectiveLimit::new(settings.max_size, pace, fleet))
                .with_max_waiting(settings.max_waiting),
            registry: Registry::default(),
            alarm: Alarm::default(),
            trust: Trust::default(),
            ahead: Ahead::now(),
            last_open_failure: Mutex::new(None),
            opens_in_background: SingleFlight::default(),
            tries_one_more: SingleFlight::default(),
            proves_idle: SingleFlight::default(),
            refills_later: SingleFlight::default(),
            rests: AtomicBool::new(false),
            fleet: FleetWatch::new(fleet),
            catalog: Arc::default(),
            log: Logger::new(label(&settings, &connector), config.sink().cloned()),
            events: config.event_sink().cloned(),
            follows_loans: config.event_sink().is_some() || settings.leak_backtrace,
            meters: Meters::new(),
            watch: Watch::new(),
            explained: Explained::default(),
            settings,
            backoff,
            asks_for_role: connector.asks_for_role(),
            statement_mode: Arc::default(),
            connector,
            governor,
            wanted_at: AtomicU64::new(0),
            refused_for_good: Mutex::new(None),
            retry_budget: Mutex::new(RetryBudget::new(Instant::now())),
            workers,
            #[cfg(feature = "capi")]
            follower: OnceLock::new(),
            born,
        });
        inner.governor.admit(&inner);
        Ok(inner)
    }

    /// Whether this process is a child that inherited the pool by `fork`: nothing of it may be touched.
    pub(super) fn is_inherited(&self) -> bool {
        self.born.is_past()
    }

    /// Runs `job` after `delay` on the thread that keeps time, if the pool is still there. It must not block.
    pub(super) fn later(self: &Arc<Self>, delay: Duration, job: impl FnOnce(&Arc<Self>) + Send + 'static) {
        self.workers.after_if_alive(self, delay, move |inner| {
            if !inner.is_inherited() {
                job(inner);
            }
        });
    }

    /// Every entry that gets a connection calls this before it touches a lock.
    #[inline]
    pub(super) fn check_caller(&self) -> Result<(), Error> {
        if callback::is_running() {
            return Err(Error::misuse(
                "a pool cannot be waited for inside a callback of the library, such as a log sink",
            ));
        }
        if self.is_inherited() {
            return Err(Error::misuse(
                "this pool belongs to the parent of this forked process: its connections cannot be shared; fork before the first pool is made, or call exec after fork",
            ));
        }
        Ok(())
    }
}

/// A pool's name and target, for log records.
fn label(settings: &PoolSettings, connector: &Connector) -> String {
    match &settings.name {
        Some(name) => format!("{name} ({})", connector.target()),
        None => connector.target(),
    }
}
