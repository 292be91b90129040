//! The parts of a pool, wired together: the state that all its handles and connections share.

#[cfg(feature = "capi")]
use std::any::Any;
use std::sync::Arc;
#[cfg(feature = "capi")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use super::admission::Admission;
use super::connection::clock_offset::ClockOffset;
use super::connection::next_wakeup::NextWakeup;
use super::connection::registry::Registry;
use super::connection::revalidation::Revalidation;
use super::connection::server_connection::Parked;
use super::connection::slot::Slots;
use super::fleet::mark;
use super::fleet::watch::FleetWatch;
use super::outage::coordinator::{Coordinator, Coordinators};
use super::outage::last_failure::LastOpenFailure;
use super::outage::permanent_failure::PermanentFailure;
use super::telemetry::exhaustion::Explanations;
use super::telemetry::sampler::Sampler;
use super::telemetry::totals::Metrics;
use super::workers::Workers;
use crate::config::settings::PoolSettings;
use crate::config::{PoolConfig, SessionHook, SessionReset};
use crate::connect::Connector;
use crate::error::{Error, ErrorKind, Phase};
use crate::link::deadline;
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
use crate::sys::process_local::ProcessLocal;
use crate::sys::single_flight::SingleFlight;
use crate::sys::sync::Mutex;
use crate::testing::echo;

static COORDINATORS: ProcessLocal<Coordinators<Core>> = ProcessLocal::new(Coordinators::default);

/// An object that is notified when the pool shuts. Each pool has at most one.
#[cfg(feature = "capi")]
pub(crate) trait Follower: Any + Send + Sync {
    /// Handles that the pool was closed, or its last handle dropped. Called on the thread that did it, with no lock held, perhaps
    /// more than once. Must not block.
    fn pool_shuts(&self);

    /// Handles that the pool has another `max_size`. Called as [`pool_shuts`](Self::pool_shuts).
    fn pool_resized(&self);
}

pub(super) struct Core {
    pub(super) settings: PoolSettings,
    pub(super) backoff: Backoff,
    pub(super) connector: Connector,
    /// `target_session_attrs` asks for a role, so a validation checks it.
    pub(super) asks_for_role: bool,
    /// Decides whether connections prepare statements by name.
    pub(super) statement_mode: Arc<StatementMode>,
    pub(super) slots: Slots,
    pub(super) admission: Admission<Parked>,
    pub(super) registry: Registry,
    pub(super) next_wakeup: NextWakeup,
    pub(super) revalidation: Revalidation,
    pub(super) clock_offset: ClockOffset,
    /// The cause and time of the last failed opening, for callers that time out in the queue.
    pub(super) last_open_failure: LastOpenFailure,
    /// A background opening is under way, for callers with little time left.
    pub(super) opens_in_background: SingleFlight,
    /// A timer is set for the next try to exceed the learned limit.
    pub(super) tries_one_more: SingleFlight,
    pub(super) coordinator: Arc<Coordinator<Self>>,
    /// The time at which a caller last wanted a connection that could not be opened.
    pub(super) wanted_at: AtomicU64,
    pub(super) permanent_failure: PermanentFailure,
    pub(super) retry_budget: Mutex<RetryBudget>,
    /// A worker is validating idle connections.
    pub(super) validates_idle: SingleFlight,
    /// A timer is set for the next try to fill `min_idle`.
    pub(super) refills_later: SingleFlight,
    /// Idle connections were released and none was opened since: `min_idle` is not filled.
    pub(super) refill_is_paused: AtomicBool,
    /// Calls that wait until the pool is warm, of which each holds a `Warming`.
    pub(super) warming: AtomicU32,
    pub(super) fleet: FleetWatch,
    pub(super) workers: Arc<Workers>,
    /// A pooler was found between, which changes the server session: sessions cannot be reset.
    pub(super) is_behind_pooler: AtomicBool,
    /// User-defined types, looked up by any connection of the pool.
    pub(super) catalog: Arc<Catalog>,
    pub(super) log: Logger,
    pub(super) events: Option<EventSink>,
    /// The program's hook on new sessions.
    pub(super) connect_hook: Option<Arc<dyn SessionHook>>,
    /// Every checkout emits events or keeps a backtrace.
    pub(super) follows_checkouts: bool,
    pub(super) metrics: Metrics,
    pub(super) sampler: Sampler,
    pub(super) explanations: Explanations,
    /// An object that is notified when the pool shuts.
    #[cfg(feature = "capi")]
    pub(super) follower: OnceLock<Arc<dyn Follower>>,
    born: Generation,
}

impl Core {
    pub(super) fn new(config: &PoolConfig) -> Result<Arc<Self>, Error> {
        let (settings, mut server) = config.settings()?;
        let fleet = mark::join(&settings, &mut server);
        Self::with(config, settings, Connector::new(server)?, fleet)
    }

    /// Makes the core of a pool that needs no server.
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
        deadline::fix_epoch();
        let workers = Workers::shared()?;
        let backoff = Backoff {
            retries: settings.retry_max,
            base: settings.retry_base_delay,
            max: settings.retry_max_delay,
            jitter: settings.retry_jitter,
        };
        let pace = TryIntervals { first: backoff.base / 4, longest: backoff.max };
        let coordinator = COORDINATORS.get().of(connector.reachability());
        let core = Arc::new(Self {
            slots: Slots::new(settings.max_size, workers.slot_thread())?,
            admission: Admission::new(settings.max_size, EffectiveLimit::new(settings.max_size, pace, fleet))
                .with_max_waiting(settings.max_waiting),
            registry: Registry::default(),
            next_wakeup: NextWakeup::default(),
            revalidation: Revalidation::default(),
            clock_offset: ClockOffset::now(),
            last_open_failure: LastOpenFailure::default(),
            opens_in_background: SingleFlight::default(),
            tries_one_more: SingleFlight::default(),
            validates_idle: SingleFlight::default(),
            refills_later: SingleFlight::default(),
            refill_is_paused: AtomicBool::new(false),
            warming: AtomicU32::new(0),
            fleet: FleetWatch::new(fleet),
            is_behind_pooler: AtomicBool::new(false),
            catalog: Arc::default(),
            log: Logger::new(&label(&settings, &connector), config.sink().cloned()),
            events: config.event_sink().cloned(),
            connect_hook: config.connect_hook().cloned(),
            follows_checkouts: config.event_sink().is_some() || settings.leak_backtrace,
            metrics: Metrics::new(),
            sampler: Sampler::new(),
            explanations: Explanations::default(),
            settings,
            backoff,
            asks_for_role: connector.asks_for_role(),
            statement_mode: Arc::default(),
            connector,
            coordinator,
            wanted_at: AtomicU64::new(0),
            permanent_failure: PermanentFailure::default(),
            retry_budget: Mutex::new(RetryBudget::new(Instant::now())),
            workers,
            #[cfg(feature = "capi")]
            follower: OnceLock::new(),
            born,
        });
        core.coordinator.admit(&core);
        core.limit_openings();
        Ok(core)
    }

    /// Returns whether sessions are reset between two checkouts.
    #[inline]
    pub(super) fn resets_sessions(&self) -> bool {
        self.settings.session_reset != SessionReset::None && !self.is_behind_pooler.load(Ordering::Relaxed)
    }

    /// Returns whether this process is a child that inherited the pool by `fork`: then nothing of the pool may be touched.
    pub(super) fn is_inherited(&self) -> bool {
        self.born.is_past()
    }

    /// Rejects misuse. Every entry point that gets a connection calls this before it touches a lock.
    #[inline]
    pub(super) fn check_caller(&self) -> Result<(), Error> {
        if callback::is_running() {
            return Err(Error::misuse(
                "a pool cannot be waited for inside a callback of the library, such as a log sink",
            ));
        }
        if callback::sets_up_for(std::ptr::from_ref(self).addr()) {
            return Err(Error::misuse(
                "on_connect cannot get a connection of the pool that it sets a session up for: use the one it is given",
            ));
        }
        if self.is_inherited() {
            return Err(Error::misuse(
                "this pool belongs to the parent of this forked process: its connections cannot be shared; make a pool of its own in the child",
            ));
        }
        Ok(())
    }
}

/// Returns the error of calls that come after the pool was closed.
pub(super) fn pool_closed() -> Error {
    Error::new(ErrorKind::PoolClosed, "the pool was closed").in_phase(Phase::Queue)
}

/// Returns a pool's name and target, for log records.
fn label(settings: &PoolSettings, connector: &Connector) -> String {
    match &settings.name {
        Some(name) => format!("{name} ({})", connector.target()),
        None => connector.target(),
    }
}
