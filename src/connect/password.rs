//! The passwords of one opening, and what is remembered of those that a server refused.
//!
//! A password from the program's callback or from the password file may change while a pool lives. It is had once for each
//! host of an opening, when the host is reached first. If the server refuses it, its source is asked again: it may have changed
//! between asking and sending.

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};
use std::time::Instant;

use crate::config::password::PasswordRequest;
use crate::config::settings::{Host, HostSettings, Secret, ServerSettings};
use crate::error::{Error, ErrorKind, Phase};
use crate::sys::sync::Mutex;

/// The number of times that a source is asked again within one opening, after refusals. Under load a password may rotate twice
/// between asking and sending; servers that lock a role out do so after more failures than these.
const MOST_RENEWALS: u8 = 2;

/// The password for one host, during one opening.
pub(super) struct HostPassword<'a> {
    server: &'a ServerSettings,
    host: &'a HostSettings,
    state: RefCell<State>,
}

enum State {
    NotAsked,
    InHand {
        password: Option<Secret>,
        /// The number of times that the source was asked again.
        renewals: u8,
    },
}

impl<'a> HostPassword<'a> {
    pub(super) fn new(server: &'a ServerSettings, host: &'a HostSettings) -> Self {
        Self { server, host, state: RefCell::new(State::NotAsked) }
    }

    /// Returns the password. The first time it is asked of its source, which may block up to `deadline`: no lock may be held.
    ///
    /// # Errors
    /// Those of the program's callback.
    pub(super) fn get(&self, deadline: Instant) -> Result<Option<Secret>, Error> {
        if let State::InHand { password, .. } = &*self.state.borrow() {
            return Ok(password.clone());
        }
        let password = self.ask(deadline, false)?;
        self.state.replace(State::InHand { password: password.clone(), renewals: 0 });
        Ok(password)
    }

    /// Asks the source again for a password in place of the one that was refused, at most [`MOST_RENEWALS`] times. Returns
    /// whether there is another one.
    ///
    /// # Errors
    /// Those of the program's callback.
    pub(super) fn renew(&self, deadline: Instant) -> Result<bool, Error> {
        let (refused, renewals) = match &*self.state.borrow() {
            State::InHand { password, renewals } if self.is_changeable() && *renewals < MOST_RENEWALS => {
                (password.clone(), renewals + 1)
            }
            _ => return Ok(false),
        };
        self.state.replace(State::InHand { password: refused.clone(), renewals });
        let password = self.ask(deadline, true)?;
        if password.is_none() || password == refused {
            return Ok(false);
        }
        self.state.replace(State::InHand { password, renewals });
        Ok(true)
    }

    /// Returns whether the source may give another password than before.
    fn is_changeable(&self) -> bool {
        self.server.password_callback.is_some() || self.host.password.is_none()
    }

    fn ask(&self, deadline: Instant, was_refused: bool) -> Result<Option<Secret>, Error> {
        let Some(callback) = &self.server.password_callback else {
            return self.host.current_password().map_err(|cause| {
                let message = format!("could not read the password file: {cause}");
                Error::from_local_io(cause, ErrorKind::Auth, message).in_phase(Phase::Auth)
            });
        };
        let host = match &self.host.host {
            Host::Tcp(name) => name.as_str().into(),
            Host::Unix(directory) => directory.to_string_lossy(),
        };
        let request = PasswordRequest {
            host: &host,
            port: self.host.port,
            user: &self.server.user,
            dbname: &self.server.dbname,
            deadline,
            was_refused,
        };
        callback.ask(&request).map(Some)
    }
}

/// Fingerprints of the passwords that the hosts of a target refused last, to tell when their source gives another.
#[derive(Default)]
pub(super) struct RefusedPasswords {
    /// Keyed at random, so that a fingerprint tells nothing outside of this object.
    hasher: RandomState,
    by_host: Mutex<Vec<(usize, u64)>>,
}

impl RefusedPasswords {
    /// Notes that the host with this number refused the password at hand.
    pub(super) fn note(&self, host: usize, password: &HostPassword<'_>) {
        if !password.is_changeable() {
            return;
        }
        let State::InHand { password: Some(refused), .. } = &*password.state.borrow() else {
            return;
        };
        let fingerprint = self.fingerprint(refused);
        let mut by_host = self.by_host.lock();
        by_host.retain(|(number, _)| *number != host);
        by_host.push((host, fingerprint));
    }

    /// Forgets all: an opening succeeded, or failed in another way.
    pub(super) fn clear(&self) {
        self.by_host.lock().clear();
    }

    /// Returns whether a source has another password now than the one that was refused. May block up to `deadline`.
    pub(super) fn has_another(&self, server: &ServerSettings, deadline: Instant) -> bool {
        let refused = self.by_host.lock().clone();
        refused.into_iter().any(|(number, fingerprint)| {
            let Some(host) = server.hosts.get(number) else { return false };
            let password = HostPassword::new(server, host).ask(deadline, true);
            matches!(password, Ok(Some(password)) if self.fingerprint(&password) != fingerprint)
        })
    }

    fn fingerprint(&self, password: &Secret) -> u64 {
        self.hasher.hash_one(password.reveal())
    }
}
