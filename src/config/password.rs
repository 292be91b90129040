//! Passwords from the program: a callback that is asked at each opening of a session.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::settings::Secret;
use crate::error::{Error, ErrorKind, PasswordFault, Phase};
use crate::sys::callback;

/// The session that a password is asked for, as a callback of [`PoolConfig::password_with`] gets it.
///
/// [`PoolConfig::password_with`]: crate::PoolConfig::password_with
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct PasswordRequest<'a> {
    /// The host as it was configured: a name, an address, or the directory of a Unix-domain socket.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// The role that the session is for.
    pub user: &'a str,
    /// The database.
    pub dbname: &'a str,
    /// The end of the attempt. A password that comes later is not used, and the attempt fails.
    pub deadline: Instant,
    /// The server has refused the password that the callback gave for this session a moment ago. One that is kept in a
    /// cache must not be given again.
    pub was_refused: bool,
}

/// The failure of a callback.
pub(crate) type PasswordFailure = Box<dyn StdError + Send + Sync>;

type Given = Result<String, PasswordFailure>;

type Ask = dyn Fn(&PasswordRequest<'_>) -> Given + Send + Sync;

/// The program's password callback. Equal are only a callback and its clones.
#[derive(Clone)]
pub(crate) struct PasswordCallback {
    id: u64,
    ask: Arc<Ask>,
}

impl PasswordCallback {
    pub(crate) fn new(
        ask: impl Fn(&PasswordRequest<'_>) -> Result<String, PasswordFailure> + Send + Sync + 'static,
    ) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Self { id: COUNT.fetch_add(1, Ordering::Relaxed), ask: Arc::new(ask) }
    }

    /// Returns the callback behind `pass`, which gets each request with the callback's own function. It counts as the same.
    #[cfg(feature = "capi")]
    pub(crate) fn behind(
        &self,
        pass: impl Fn(&dyn Fn(&Self) -> Given) -> Given + Send + Sync + 'static,
    ) -> Self {
        let ask = move |request: &PasswordRequest<'_>| pass(&|callback| (callback.ask)(request));
        Self { id: self.id, ask: Arc::new(ask) }
    }

    /// Returns a number that no other callback of the process has.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Asks the program: never to be called with a lock held. Blocks as long as the callback does.
    ///
    /// # Errors
    /// [`ErrorKind::Auth`], retryable: the callback failed, panicked, came too late, or gave what no password can be.
    pub(crate) fn ask(&self, request: &PasswordRequest<'_>) -> Result<Secret, Error> {
        let mut answer = None;
        callback::run(|| answer = Some((self.ask)(request)));
        let not_obtained = |what: String| {
            Error::new(ErrorKind::Auth, what)
                .in_phase(Phase::Auth)
                .of_password(PasswordFault::NotObtained)
                .set_retryable(true)
        };
        match answer {
            None => Err(not_obtained("the password callback panicked".to_owned())),
            Some(Err(e)) => Err(not_obtained(format!("the password callback failed: {e}")).with_source(e)),
            Some(Ok(_)) if Instant::now() >= request.deadline => {
                Err(not_obtained("the password callback returned after the attempt's deadline".to_owned()))
            }
            Some(Ok(password)) if password.contains('\0') => {
                Err(not_obtained("the password callback gave a password with a NUL in it".to_owned()))
            }
            Some(Ok(password)) => Ok(Secret::new(password)),
        }
    }
}

impl PartialEq for PasswordCallback {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for PasswordCallback {}

impl fmt::Debug for PasswordCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordCallback")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn failure(limit: Duration, callback: &PasswordCallback) -> Error {
        let deadline = Instant::now() + limit;
        let request =
            PasswordRequest { host: "db", port: 1, user: "u", dbname: "d", deadline, was_refused: false };
        callback.ask(&request).expect_err("no password")
    }

    #[test]
    fn a_callback_that_fails_panics_or_is_late_gives_a_retryable_error_without_what_it_returned() {
        let long = Duration::from_secs(60);
        let fails = PasswordCallback::new(|_| Err("the vault is sealed".into()));
        let error = failure(long, &fails);
        assert_eq!(StdError::source(&error).unwrap().to_string(), "the vault is sealed");
        let panics = PasswordCallback::new(|_| panic!("on purpose"));
        let late = PasswordCallback::new(|_| Ok("Zecret".to_owned()));
        let broken = PasswordCallback::new(|_| Ok("Zec\0ret".to_owned()));
        for (error, words) in [
            (error, "failed: the vault is sealed"),
            (failure(long, &panics), "panicked"),
            (failure(Duration::ZERO, &late), "after the attempt's deadline"),
            (failure(long, &broken), "NUL"),
        ] {
            assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Auth, true), "{error}");
            assert!(error.to_string().contains(words), "{error}");
            assert!(!format!("{error} {error:?} {late:?}").contains("Zec"), "{error:?}");
        }
    }
}
