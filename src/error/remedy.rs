//! Advice: what a person can do about an error.

use super::classify::PoolerAnswer;
use super::{Error, ErrorKind, sqlstate};

impl Error {
    /// Returns whether a pooler refused a parameter of the start-up packet.
    pub(crate) fn is_of_refused_parameter(&self) -> bool {
        self.server().and_then(PoolerAnswer::of) == Some(PoolerAnswer::Parameter)
    }

    /// Advice for a person, where there is any: the server's hint if it sent one, else the library's own.
    pub fn remedy(&self) -> Option<&str> {
        if let Some(hint) = self.0.server.as_ref().and_then(|s| s.hint.as_deref()) {
            return Some(hint);
        }
        if self.is_of_other_service() {
            return Some("check host and port: what answers there is another service than PostgreSQL");
        }
        if self.is_of_password_callback() {
            return Some(
                "look at where the program's password callback gets passwords from: the server was not asked",
            );
        }
        if let Some(said) = self.server() {
            if self.is_of_refused_parameter() {
                return Some(
                    "the pooler does not take this parameter when a session starts: remove it from options and from PG variables such as PGOPTIONS, set it with ALTER ROLE, or have the pooler accept it (PgBouncer: ignore_startup_parameters, track_extra_parameters)",
                );
            }
            if sqlstate::is_out_of_resources(said.sqlstate.code()) {
                return Some("a resource of the server is used up (disk, memory): its log has more");
            }
        }
        Some(match self.kind() {
            ErrorKind::Refused => "check that the server runs and listens at this address and port",
            ErrorKind::Resolve => "check the host name and the resolver",
            ErrorKind::Unreachable => "check routing, firewall and the address",
            ErrorKind::Tls => {
                "check sslmode against what the server offers, that sslrootcert has the issuer of the server's certificate, that the certificate is for the host you connect to, and that sslcert and sslkey are what the server expects"
            }
            ErrorKind::Auth if self.server().is_none() => {
                "check user, password (or password file) and the server's pg_hba.conf, and what the options demand of the server: require_auth, channel_binding, sslcertmode, requirepeer"
            }
            ErrorKind::Auth => "check user, password (or password file) and the server's pg_hba.conf",
            ErrorKind::ServerFull => {
                "every slot is taken: lower max_size in the processes that share this server, close what is left idle, or raise the server's limit"
            }
            ErrorKind::ServerStarting => {
                "the server is starting, stopping or recovering: it should accept connections soon"
            }
            ErrorKind::ConnectTimeout => {
                "the server did not answer in time: check it is not frozen or cut off; connection_timeout sets the limit"
            }
            ErrorKind::PoolTimeout => {
                "every connection of the pool was busy: look for long transactions or leaked connections before raising max_size"
            }
            ErrorKind::Overloaded => {
                "more is asked of the pool than it can do: turn work away, or look for what keeps connections busy"
            }
            ErrorKind::LocalLimit => {
                "the server is not at fault: raise this process' limits (ulimit, cgroup, ip_local_port_range), or look for what it does not close"
            }
            ErrorKind::CommitUnknown => {
                "look in the database whether the transaction took effect before repeating it"
            }
            ErrorKind::PoolClosed => "open a new pool",
            _ => return None,
        })
    }
}
