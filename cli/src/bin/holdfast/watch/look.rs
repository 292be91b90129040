//! One sample: of the server, of pools.

use std::time::{Duration, SystemTime};

use serde_json::Value;

/// One sample.
#[derive(Clone)]
pub(super) struct Look {
    pub(super) at: SystemTime,
    /// `None` when no database is looked at; else what it says, or why it says nothing.
    pub(super) server: Option<Result<ServerLook, String>>,
    pub(super) pools: Vec<PoolLook>,
}

impl Look {
    /// Whether anything that was asked answered.
    pub(super) fn found_something(&self) -> bool {
        matches!(self.server, Some(Ok(_))) || self.pools.iter().any(|pool| pool.stats.is_ok())
    }
}

/// The database's state and sessions.
#[derive(Clone, Default)]
pub(super) struct ServerLook {
    pub(super) target: String,
    pub(super) version: String,
    /// What is in between, if anything is.
    pub(super) pooler: Option<String>,
    pub(super) max_connections: u32,
    pub(super) reserved: u32,
    pub(super) sessions: Vec<Session>,
}

/// A session of a client, other than this program's own.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) pid: i32,
    /// Without the mark of a fleet.
    pub(super) application: String,
    /// The mark of a pool that shares, if it has one.
    pub(super) mark: Option<String>,
    pub(super) user: String,
    /// Empty where it is hidden from the role that looks.
    pub(super) state: String,
    /// The time since the statement began, or since the session became idle.
    pub(super) since: Duration,
    pub(super) waits_for_lock: bool,
    /// Without its literals.
    pub(super) statement: String,
}

impl Session {
    pub(super) fn is_idle_in_transaction(&self) -> bool {
        self.state.starts_with("idle in transaction")
    }

    pub(super) fn is_active(&self) -> bool {
        self.state == "active"
    }
}

impl ServerLook {
    /// Slots for roles without privileges.
    pub(super) fn slots(&self) -> u32 {
        self.max_connections.saturating_sub(self.reserved)
    }

    /// The session that looks has a slot too.
    pub(super) fn used(&self) -> u32 {
        u32::try_from(self.sessions.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    pub(super) fn groups(&self) -> Vec<Group> {
        group(&self.sessions, |session| (session.application.clone(), session.user.clone()))
    }

    /// Pools that mark their connections.
    pub(super) fn fleet(&self) -> Vec<Group> {
        let marked: Vec<_> = self.sessions.iter().filter(|session| session.mark.is_some()).cloned().collect();
        group(&marked, |session| {
            let mark = session.mark.clone().unwrap_or_default();
            (format!("{} hf:{mark}", session.application).trim_start().to_owned(), session.user.clone())
        })
    }

    /// Statements and idle transactions that last for longer than `long`, the longest first.
    pub(super) fn lasting(&self, long: Duration) -> Vec<&Session> {
        let lasts = |session: &&Session| {
            (session.is_active() || session.is_idle_in_transaction()) && session.since >= long
        };
        let mut lasting: Vec<_> = self.sessions.iter().filter(lasts).collect();
        lasting.sort_by_key(|session| std::cmp::Reverse(session.since));
        lasting
    }
}

/// Sessions that have something in common.
#[derive(Clone, Default, PartialEq, Debug)]
pub(super) struct Group {
    pub(super) application: String,
    pub(super) user: String,
    pub(super) count: u32,
    pub(super) active: u32,
    pub(super) idle: u32,
    pub(super) idle_in_transaction: u32,
    pub(super) waiting: u32,
    /// The longest that one of them has been in its state.
    pub(super) longest: Duration,
}

fn group(sessions: &[Session], key: impl Fn(&Session) -> (String, String)) -> Vec<Group> {
    let mut groups: std::collections::BTreeMap<(String, String), Group> = Default::default();
    for session in sessions {
        let (application, user) = key(session);
        let group = groups.entry((application.clone(), user.clone())).or_default();
        (group.application, group.user) = (application, user);
        group.count += 1;
        group.active += u32::from(session.is_active());
        group.idle += u32::from(session.state == "idle");
        group.idle_in_transaction += u32::from(session.is_idle_in_transaction());
        group.waiting += u32::from(session.waits_for_lock);
        group.longest = group.longest.max(session.since);
    }
    groups.into_values().collect()
}

/// A pool's state, as its metrics address reports it.
#[derive(Clone)]
pub(super) struct PoolLook {
    pub(super) address: String,
    /// `docs/stats.schema.json` is its schema, or why there is nothing.
    pub(super) stats: Result<Value, String>,
}

impl PoolLook {
    /// A figure of the document; 0 where it has none, since versions differ.
    pub(super) fn figure(&self, path: &str) -> f64 {
        self.at(path).and_then(Value::as_f64).unwrap_or_default()
    }

    pub(super) fn text(&self, path: &str) -> String {
        self.at(path).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    pub(super) fn at(&self, path: &str) -> Option<&Value> {
        self.stats.as_ref().ok()?.pointer(path)
    }

    /// The pool's name, or where it connects to.
    pub(super) fn name(&self) -> String {
        [self.text("/pool/name"), self.text("/pool/target"), self.address.clone()]
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or_default()
    }

    pub(super) fn alerts(&self) -> &[Value] {
        self.at("/alerts").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(application: &str, mark: Option<&str>, state: &str, seconds: u64) -> Session {
        Session {
            pid: 1,
            application: application.to_owned(),
            mark: mark.map(str::to_owned),
            user: "app".to_owned(),
            state: state.to_owned(),
            since: Duration::from_secs(seconds),
            waits_for_lock: false,
            statement: String::new(),
        }
    }

    #[test]
    fn sessions_are_counted_by_application_and_pools_by_their_marks() {
        let sessions = vec![
            session("orders", Some("0000000a"), "idle", 1),
            session("orders", Some("0000000b"), "active", 9),
            session("orders", None, "idle in transaction (aborted)", 2),
            session("", Some("0000000c"), "", 0),
        ];
        let look = ServerLook { max_connections: 20, reserved: 3, sessions, ..ServerLook::default() };
        assert_eq!((look.slots(), look.used()), (17, 5));
        let groups = look.groups();
        assert_eq!(groups.len(), 2);
        let orders = &groups[1];
        let counts =
            (orders.count, orders.active, orders.idle, orders.idle_in_transaction, orders.longest.as_secs());
        assert_eq!(counts, (3, 1, 1, 1, 9));
        let fleet: Vec<_> = look.fleet().into_iter().map(|pool| pool.application).collect();
        assert_eq!(fleet, ["hf:0000000c", "orders hf:0000000a", "orders hf:0000000b"]);
        assert_eq!(look.lasting(Duration::from_secs(2)).len(), 2);
    }

    #[test]
    fn a_pool_of_another_version_is_shown_as_far_as_it_is_understood() {
        let look = PoolLook {
            address: "http://h:1".to_owned(),
            stats: Ok(serde_json::json!({ "connections": { "in_use": 3, "idle": "many" } })),
        };
        assert_eq!((look.figure("/connections/in_use"), look.figure("/connections/idle")), (3.0, 0.0));
        assert_eq!((look.name(), look.alerts().len()), ("http://h:1".to_owned(), 0));
    }
}
