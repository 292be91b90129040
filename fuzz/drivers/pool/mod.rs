//! Fuzzing of what a pool asks a server for itself: who holds the connections, which role the server has, how many slots there are.
//! Answers of any shape are survived by the pool, and what it learned of them is forgotten with them.

mod odd_server;

use std::panic;
use std::sync::{Arc, LazyLock, Once};
use std::time::{Duration, Instant};

use self::odd_server::Answers;
use super::core::Core;
use super::handle::{Handle, Pool};
use super::telemetry::stats::Circuit;
use crate::config::PoolConfig;
use crate::config::settings::TargetSessionAttrs;
use crate::connect::Connector;
use crate::link::dial::in_process::InProcess;
use crate::resilience::fleet::census::Id;
use crate::sys::sync::Mutex;
use crate::testing::fuzzing::Draws;

const SIZE: u32 = 2;

/// Longer than anything here takes, unless something is lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// Panics in the sources of the library, on whichever thread they were: the pool lives on after one.
static PANICS: LazyLock<Arc<Mutex<Vec<String>>>> = LazyLock::new(Arc::default);

fn note_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let tell = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let at = panic.location().map(ToString::to_string).unwrap_or_default();
            if at.starts_with("src/") && !at.contains("drivers") {
                PANICS.lock().push(panic.to_string());
            }
            tell(panic);
        }));
    });
}

/// A pool of one kind, with its server.
struct Subject {
    pool: Pool,
    answers: Answers,
}

impl Subject {
    fn new(is_in_fleet: bool, role: TargetSessionAttrs) -> Self {
        let answers = Answers::default();
        let server = answers.clone();
        let inside = InProcess::new("odd", move |stream| {
            server.serve(stream);
            Ok(())
        });
        let pause = Duration::from_millis(1);
        let config = PoolConfig::new().max_size(SIZE).retry_base_delay(pause).retry_max_delay(pause);
        let (settings, mut server_settings) =
            config.breaker_after(None).settings_within_process().expect("valid settings");
        server_settings.target_session_attrs = role;
        let connector = Connector::in_process(server_settings, inside);
        let config = PoolConfig::new();
        let core = Core::with(&config, settings, connector, is_in_fleet.then_some(Id(10)));
        let core = core.expect("a pool within the process");
        Self { pool: Pool { _handle: Arc::new(Handle(core.clone())), core }, answers }
    }

    /// Has the pool ask, and looks at what it makes of the answers.
    fn ask(&self, draws: &mut Draws<'_>) {
        let (which, answers) = (draws.byte(), draws.piece());
        self.answers.become_odd(answers);
        match which % 3 {
            0 => self.explain(),
            1 => self.take_census(),
            _ => self.use_one(Duration::from_millis(20)),
        }
        self.answers.become_usual();
    }

    fn explain(&self) {
        let told = self.pool.explain_exhaustion().to_string();
        let forged = told.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(forged, None, "text of others is not escaped: {told:?}");
    }

    fn take_census(&self) {
        let core = &self.pool.core;
        let Ok(mut conn) = self.pool.get_timeout(PATIENCE) else { return };
        let census = super::fleet::census::query_census(conn.conn_mut(), PATIENCE);
        drop(conn);
        core.admission.census_ended(census.ok().flatten().as_ref());
        let stats = self.pool.stats();
        assert!((1..=SIZE).contains(&stats.limit), "a limit of {} connections", stats.limit);
        let _ = (self.pool.health().to_string(), self.pool.stats());
    }

    fn use_one(&self, limit: Duration) {
        if let Ok(mut conn) = self.pool.get_with(0, Some(limit)) {
            let _ = conn.raw().and_then(|mut raw| raw.script("select 1"));
        }
    }

    /// All connections can be had, and come back.
    fn assert_whole(&self) {
        self.pool.core.admission.census_ended(None);
        let end = Instant::now() + PATIENCE;
        let mut all = Vec::new();
        while all.len() < SIZE as usize {
            match (self.pool.get_timeout(PATIENCE), self.pool.stats().circuit) {
                (Ok(conn), _) => all.push(conn),
                // Its role was not that of a primary: it is asked again after a while, which is not waited for here.
                (Err(_), Circuit::Refused) => break,
                // A probe that began before may still fail.
                (Err(_), Circuit::Probing) if Instant::now() < end => {}
                (Err(error), _) => panic!("a place is lost: {error}, {:?}", self.pool.stats()),
            }
        }
        drop(all);
        while self.pool.stats().in_use + self.pool.stats().opening > 0 {
            assert!(Instant::now() < end, "a connection did not come back: {:?}", self.pool.stats());
            std::thread::yield_now();
        }
    }
}

/// The first byte selects a pool: in a fleet, or one that wants a primary. Pieces follow: what it asks, and what is answered.
pub fn own_questions(input: &[u8]) {
    note_panics();
    let mut draws = Draws::new(input);
    // A new one each time: after odd answers about its role a server is left alone for longer and longer.
    let subject = match draws.below(2) {
        0 => Subject::new(true, TargetSessionAttrs::Any),
        _ => Subject::new(false, TargetSessionAttrs::Primary),
    };
    let mut asked = 0;
    while !draws.is_empty() && asked < 8 {
        subject.ask(&mut draws);
        asked += 1;
    }
    subject.assert_whole();
    assert_eq!(*PANICS.lock(), Vec::<String>::new());
}
