//! The sessions of a server, and their activity.

use std::time::Duration;

use holdfast::Error;

use super::inventory::Answers;

/// A group of sessions with the same application, role and state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionGroup {
    /// `application_name`.
    pub application: String,
    /// The role.
    pub user: String,
    /// As in `pg_stat_activity`; empty if hidden from this role.
    pub state: String,
    /// The number of sessions.
    pub count: u32,
}

/// A session that has done the same for long.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Session {
    /// The server's process id.
    pub pid: u32,
    /// `application_name`.
    pub application: String,
    /// The role.
    pub user: String,
    /// The time for which it has done that.
    pub age: Duration,
    /// Its statement, or its last one, without the literals in it.
    pub statement: String,
}

/// A session that waits for a lock. Its age is that of the wait; before PostgreSQL 14, which notes when a wait begins, that of
/// its statement.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Blocked {
    /// The session that waits.
    pub session: Session,
    /// Process ids of those that have the lock, or are before it in the queue.
    pub blockers: Vec<u32>,
    /// The state of the first of them, without the literals in it.
    pub blocker_state: String,
    /// The time for which its transaction has been open. `None` if that is hidden from this role, or no session has it (a prepared
    /// transaction).
    pub blocker_transaction_age: Option<Duration>,
}

const COLUMNS: &str = "pid, coalesce(application_name, ''), coalesce(usename::text, '')";
/// Sessions of clients, among all that `pg_stat_activity` has.
pub(in crate::diagnose) const CLIENTS: &str = "datid is not null and usesysid is not null and coalesce(backend_type, 'client backend') = 'client backend'";

pub(super) fn groups(answers: &mut Answers<'_>) -> Result<Vec<SessionGroup>, Error> {
    let rows = answers.rows(&format!(
        "select coalesce(application_name, ''), coalesce(usename::text, ''), coalesce(state, ''), count(*) \
         from pg_catalog.pg_stat_activity where {CLIENTS} group by 1, 2, 3 order by 4 desc, 1, 2, 3 limit 200"
    ))?;
    Ok(rows
        .iter()
        .map(|row| SessionGroup {
            application: row.text(0),
            user: row.text(1),
            state: row.text(2),
            count: row.count(3),
        })
        .collect())
}

/// Statements that have run for longer than `long`.
pub(super) fn long_statements(answers: &mut Answers<'_>, long: Duration) -> Result<Vec<Session>, Error> {
    sessions(answers, "query_start", "state = 'active' and wait_event_type is distinct from 'Lock'", long)
}

/// Transactions that have been idle for longer than `long`.
pub(super) fn idle_in_transaction(answers: &mut Answers<'_>, long: Duration) -> Result<Vec<Session>, Error> {
    sessions(answers, "state_change", "state like 'idle in transaction%'", long)
}

/// Idle for longer than a pool of this role would keep a connection. Those of this machine are left out: their clients cannot
/// go without the server's noticing.
pub(super) fn abandoned(answers: &mut Answers<'_>, max_lifetime: Duration) -> Result<Vec<Session>, Error> {
    let which = "state = 'idle' and usename = session_user and datname = pg_catalog.current_database() \
                 and client_addr is not null and not client_addr <<= '127.0.0.0/8' and client_addr <> '::1'";
    sessions(answers, "state_change", which, max_lifetime)
}

fn sessions(
    answers: &mut Answers<'_>,
    since: &str,
    which: &str,
    long: Duration,
) -> Result<Vec<Session>, Error> {
    let rows = answers.rows(&format!(
        "select {COLUMNS}, pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - {since}), query \
         from pg_catalog.pg_stat_activity where {CLIENTS} and pid <> pg_catalog.pg_backend_pid() and {which} \
         and pg_catalog.clock_timestamp() - {since} > interval '{} ms' order by 4 desc limit 50",
        long.as_millis()
    ))?;
    Ok(rows.iter().map(session).collect())
}

fn session(row: &super::inventory::Row) -> Session {
    Session {
        pid: row.count(0),
        application: row.text(1),
        user: row.text(2),
        age: row.seconds(3),
        statement: without_literals(&row.text(4)),
    }
}

/// `pg_locks.waitstart`.
const WAITS_ARE_DATED_SINCE: u32 = 140_000;

pub(super) fn blocked(answers: &mut Answers<'_>, version_number: u32) -> Result<Vec<Blocked>, Error> {
    // A statement may have worked for long before it waits. Of a wait that has just begun the date may not be there yet.
    let (since, dates) = if version_number >= WAITS_ARE_DATED_SINCE {
        (
            "coalesce(w.since, pg_catalog.clock_timestamp())",
            "left join (select pid, min(waitstart) as since from pg_catalog.pg_locks where not granted group by pid) w \
             on w.pid = a.pid",
        )
    } else {
        ("a.query_start", "")
    };
    let rows = answers.rows(&format!(
        "select a.pid, coalesce(a.application_name, ''), coalesce(a.usename::text, ''), \
         pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - {since}), a.query, \
         pg_catalog.array_to_string(b.pids, ','), \
         case when b.pids[1] = 0 then 'a prepared transaction' else coalesce(f.state || ': ' || f.query, '') end, \
         pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - f.xact_start) \
         from pg_catalog.pg_stat_activity a cross join lateral (select pg_catalog.pg_blocking_pids(a.pid) as pids) b \
         left join pg_catalog.pg_stat_activity f on f.pid = b.pids[1] {dates} \
         where a.wait_event_type = 'Lock' and pg_catalog.cardinality(b.pids) > 0 order by 4 desc limit 50"
    ))?;
    let numbers = |text: String| text.split(',').filter_map(|pid| pid.parse().ok()).collect();
    Ok(rows
        .iter()
        .map(|row| Blocked {
            session: session(row),
            blockers: numbers(row.text(5)),
            blocker_state: without_literals(&row.text(6)),
            blocker_transaction_age: row.known_seconds(7),
        })
        .collect())
}

/// Returns the beginning of a statement, on one line, with `'...'` in place of every literal: those hold other people's data, and
/// sometimes their passwords. For programs that show statements of others.
pub fn without_literals(statement: &str) -> String {
    const LONGEST: usize = 120;
    let (mut plain, mut rest) = (String::new(), statement);
    while let Some(at) = rest.find(['\'', '$']) {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let (kept, length) = literal(rest);
        plain.push_str(kept);
        rest = &rest[length..];
    }
    plain.push_str(rest);
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    if plain.chars().count() <= LONGEST {
        return plain;
    }
    plain.chars().take(LONGEST).chain(['…']).collect()
}

/// Returns the replacement of the literal that a text begins with, and the literal's length. One that is cut off by the server's
/// `track_activity_query_size` reaches to the end.
fn literal(text: &str) -> (&str, usize) {
    if let Some(body) = text.strip_prefix('\'') {
        let mut from = 0;
        while let Some(end) = body[from..].find('\'').map(|at| from + at) {
            // Doubled, or escaped: not the end. A backslash is taken for an escape always, which hides too much at worst.
            let doubled = body[end + 1..].starts_with('\'');
            let escaped = body[..end].bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1;
            if !doubled && !escaped {
                return ("'...'", end + 2);
            }
            from = end + 1 + usize::from(doubled);
        }
        return ("'...'", text.len());
    }
    // A dollar quote has a tag that is a name, or empty; `$1` is a parameter.
    let tag_end = text[1..].find(|c: char| !(c.is_alphanumeric() || c == '_')).map(|at| at + 1);
    match tag_end {
        Some(end) if text[end..].starts_with('$') && !text[1..].starts_with(|c: char| c.is_ascii_digit()) => {
            let tag = &text[..=end];
            let body = &text[tag.len()..];
            let length = body.find(tag).map_or(text.len(), |at| tag.len() + at + tag.len());
            ("'...'", length)
        }
        _ => ("$", 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_literal_of_a_statement_is_shown() {
        let cases = [
            ("select 1", "select 1"),
            ("alter role app password 'S3cret'", "alter role app password '...'"),
            ("select 'it''s', $1, \"a'", "select '...', $1, \"a'...'"),
            ("select E'a\\'b' || 'c'", "select E'...' || '...'"),
            ("do $tag$ begin S3cret end $tag$; select 2", "do '...'; select 2"),
            ("select $$S3cret", "select '...'"),
            ("select 'cut off S3cr", "select '...'"),
            ("select\n\t 1", "select 1"),
        ];
        for (given, shown) in cases {
            assert_eq!(without_literals(given), shown);
        }
        assert_eq!(without_literals(&"x".repeat(500)).chars().count(), 121);
    }
}
