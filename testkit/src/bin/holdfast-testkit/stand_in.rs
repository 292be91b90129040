//! What the program has started, and the orders that it follows.

use std::time::Duration;

use holdfast_testkit::embedded::{EmbeddedPostgres, Error, StopMode};
use holdfast_testkit::fake_server::{FakeServer, Script};
use holdfast_testkit::full_server::FullServer;
use holdfast_testkit::proxy::{Proxy, Then};

use crate::arguments::What;
use crate::target::Target;

/// A server or a proxy that runs until this is dropped.
pub(crate) enum StandIn {
    Server(EmbeddedPostgres),
    FullServer(FullServer),
    Proxy(Proxy, Target),
    Refuse(FakeServer, Script),
}

impl StandIn {
    pub(crate) fn start(what: What) -> Result<Self, String> {
        let listening = |fault: std::io::Error| format!("cannot listen: {fault}");
        match what {
            What::Server { max_connections } => {
                let started = EmbeddedPostgres::builder().max_connections(max_connections).start();
                started.map(Self::Server).map_err(|fault| fault.to_string())
            }
            What::FullServer { slots } => {
                FullServer::start(slots).map(Self::FullServer).map_err(|fault| fault.to_string())
            }
            What::Proxy { to, port, faults } => {
                let proxy = Proxy::start_on(port, to.upstream.clone()).map_err(listening)?;
                let mut started = Self::Proxy(proxy, to);
                faults.iter().try_for_each(|fault| started.obey(fault))?;
                Ok(started)
            }
            What::Refuse { script, port, times } => {
                let server = FakeServer::start_on(port, script.clone()).map_err(listening)?;
                if let Some(times) = times {
                    server.follow_after(times, Script::LetIn);
                }
                Ok(Self::Refuse(server, script))
            }
        }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Server(server) => server.url(),
            Self::FullServer(full) => full.url(),
            Self::Proxy(proxy, target) => target.through(proxy.port()),
            Self::Refuse(server, _) => server.url(),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        match self {
            Self::Server(server) => server.port(),
            Self::FullServer(full) => full.server().port(),
            Self::Proxy(proxy, _) => proxy.port(),
            Self::Refuse(server, _) => server.port(),
        }
    }

    /// Follows an order: a name, or `name=value`. Returns when it is in force.
    pub(crate) fn obey(&mut self, order: &str) -> Result<(), String> {
        let (name, value) = match order.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (order, None),
        };
        let done = match self {
            Self::Server(server) => obey_as_server(server, name, value),
            Self::FullServer(full) => match (name, value) {
                ("free", None) => said(full.free(usize::MAX)),
                ("free", Some(_)) => said(full.free(number(order, value)?)),
                ("fill", None) => said(full.fill()),
                _ => obey_as_server(full.server(), name, value),
            },
            Self::Proxy(proxy, _) => obey_as_proxy(proxy, order, name, value)?,
            Self::Refuse(server, script) => {
                let next = match (name, value) {
                    ("let-in", None) => Some(Script::LetIn),
                    ("refuse", None) => Some(script.clone()),
                    _ => None,
                };
                next.map(|script| {
                    server.follow(script);
                    Ok(())
                })
            }
        };
        done.unwrap_or_else(|| Err(format!("there is no order `{order}` (see --help of the command)")))
    }
}

/// The outcome of an order that there is.
type Done = Option<Result<(), String>>;

fn said<T>(outcome: Result<T, Error>) -> Done {
    Some(outcome.map(drop).map_err(|fault| fault.to_string()))
}

fn obey_as_server(server: &EmbeddedPostgres, name: &str, value: Option<&str>) -> Done {
    match (name, value) {
        ("freeze", None) => said(server.freeze()),
        ("thaw", None) => said(server.thaw()),
        ("stop", None) => said(server.stop(StopMode::Fast)),
        ("crash", None) => said(server.crash()),
        ("start", None) => said(server.start_again()),
        ("restart", None) => said(server.restart()),
        _ => None,
    }
}

fn obey_as_proxy(proxy: &Proxy, order: &str, name: &str, value: Option<&str>) -> Result<Done, String> {
    let bytes = || number(order, value);
    match (name, value) {
        ("deaf", None) => proxy.go_deaf(),
        ("deaf-to-new", None) => proxy.go_deaf_after_connect(),
        ("deaf-after", _) => proxy.after_bytes_from_server(bytes()?, Then::GoDeaf),
        ("hear", None) => proxy.hear_again(),
        ("slow", _) => {
            let delay = u64::try_from(bytes()?).unwrap_or(u64::MAX);
            proxy.latency(Duration::from_millis(delay));
        }
        ("cut", None) => drop(proxy.cut_all()),
        ("cut-after", _) => proxy.after_bytes_from_server(bytes()?, Then::Cut),
        ("half-open", None) => drop(proxy.half_open()),
        ("half-close", None) => proxy.half_close(),
        ("refuse", None) => proxy.refuse(),
        ("no-answer", None) => proxy.stop_accepting(),
        ("accept", None) => proxy.accept_again(),
        _ => return Ok(None),
    }
    Ok(Some(Ok(())))
}

fn number(order: &str, value: Option<&str>) -> Result<usize, String> {
    let number = value.and_then(|value| value.parse::<u32>().ok());
    let number = number.ok_or_else(|| format!("`{order}` takes a number, as in `slow=200` or `free=1`"))?;
    usize::try_from(number).map_err(|fault| fault.to_string())
}
