//! The reasons why a pool does not reach a server, with remedies.

use holdfast::error::human;
use holdfast::{Error, ErrorKind, LimitedBy, Phase, SqlState};

use super::finding::Finding;
use super::reach::HostReach;

/// Returns the finding for a host that accepts no session.
pub(super) fn of(host: &HostReach) -> Option<Finding> {
    let error = host.error.as_deref()?;
    let phase = error.phase().map_or("an unknown phase", Phase::name);
    let evidence =
        format!("{}: failed at {phase} after {}: {}", host.name, human(host.took), error.summary());
    let (id, title, remedy) = explained(host, error);
    Some(Finding::critical(id, title, evidence, remedy))
}

/// The server let one in and then did not answer.
pub(super) fn of_question(error: &Error) -> Finding {
    Finding::critical(
        "no_answers",
        "the server lets one in, but does not answer questions about itself",
        error.summary(),
        "see whether the server is overloaded or frozen; behind a pooler, allow catalog queries for this role; a larger --timeout waits longer",
    )
}

fn explained(host: &HostReach, error: &Error) -> (&'static str, String, String) {
    let name = &host.name;
    let say = |id, title: &str, remedy: &str| (id, title.to_owned(), remedy.to_owned());
    match error.kind() {
        _ if error.is_of_other_service() => say(
            "not_postgresql",
            "what answers at this address is not PostgreSQL",
            "check host and port: the evidence shows how the answer begins",
        ),
        ErrorKind::Resolve => say(
            "name_not_found",
            "the host name leads nowhere",
            "check the spelling of host, then the name service of this machine (getent hosts <name>)",
        ),
        ErrorKind::Refused => say(
            "refused",
            "nobody listens at this address",
            "check that the server runs, that port is right, and that listen_addresses includes the address clients come to",
        ),
        ErrorKind::Unreachable => say(
            "unreachable",
            "there is no way to this address",
            "check routing, VPN and security groups between this machine and the server",
        ),
        ErrorKind::LocalLimit => say(
            "local_limit",
            "this process lacks what a connection needs",
            "raise the limits on open files, processes and memory where this program runs",
        ),
        ErrorKind::ConnectTimeout => (
            "connect_timeout",
            format!("{name} does not answer in time"),
            match error.phase() {
                Some(Phase::Connect) => "packets are dropped: a firewall or security group in between, or a host that is down",
                _ => "somebody accepts and then says nothing: the server is frozen or overloaded, or this is not a PostgreSQL port",
            }
            .to_owned(),
        ),
        ErrorKind::Tls => say(
            "tls",
            "TLS cannot be established as sslmode demands",
            "compare the certificate shown with sslrootcert and host; renew it if it has ended; sslmode=verify-full needs a certificate made out to the host's name",
        ),
        ErrorKind::Auth => say(
            "authentication",
            "the server refuses the credentials",
            "check user and password (and the password file), and the line of pg_hba.conf that applies to this user, database and address",
        ),
        ErrorKind::ServerFull => full(LimitedBy::of(error).unwrap_or(LimitedBy::Server)),
        ErrorKind::ServerStarting => say(
            "server_starting",
            "the server is starting up, shutting down or recovering",
            "wait, and look into the server's log if it lasts: recovery after a crash can take minutes",
        ),
        ErrorKind::Database if error.sqlstate() == Some(&SqlState::INVALID_CATALOG_NAME) => say(
            "unknown_database",
            "there is no such database",
            "check dbname; psql -l lists those there are",
        ),
        ErrorKind::Database if error.sqlstate() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => say(
            "not_allowed",
            "the role may not enter this database",
            "grant connect on database ... to the role, or see what else the server says it may not (a login trigger, for instance)",
        ),
        kind => (
            "cannot_connect",
            format!("no session comes about ({})", kind.name().replace('_', " ")),
            match kind {
                ErrorKind::Database => {
                    "the server says why: look at what is given in the URL and in PG* variables, options above all, and into its log"
                }
                _ => "see what was said; is it PostgreSQL that listens at this port?",
            }
            .to_owned(),
        ),
    }
}

fn full(by: LimitedBy) -> (&'static str, String, String) {
    let remedy = match by {
        LimitedBy::Role => {
            "raise the role's limit (alter role ... connection limit n), or have its processes hold fewer connections"
        }
        LimitedBy::Database => {
            "raise the database's limit (alter database ... connection limit n), or have its clients hold fewer connections"
        }
        LimitedBy::Pooler => {
            "raise the pooler's limits (PgBouncer: max_client_conn, pool_size), or have its clients hold fewer connections"
        }
        _ => {
            "find who holds the slots as a superuser (holdfast diagnose with that role shows them by application), have idle ones \
              closed (idle_timeout), make pools smaller (holdfast tune), or raise max_connections"
        }
    };
    ("server_full", format!("no slot is left: {}", by.words()), remedy.to_owned())
}
