//! `sslmode` for one address: the layers to try, and the conditions for trying a second one.

use std::time::{Duration, Instant};

use super::auth::{Credentials, Nonce};
use super::candidates::Candidate;
use super::connector::{Opened, Opening, host_name, name_of};
use super::peer::check_peer;
use super::role::{check_role, first_row};
use super::server_timeouts::set_timeouts;
use super::session_options::SessionOptions;
use super::startup::StartUp;
use super::timing::Timing;
use crate::config::settings::{Secret, SslCertMode, SslMode, TargetSessionAttrs};
use crate::error::{Error, ErrorKind, Phase};
use crate::link::cancel::CancelHandle;
use crate::link::dial::address::Address;
use crate::link::dial::{Dial, Encryption};

/// The encryption of one try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    Plain,
    TlsIfOffered,
    Tls,
}

impl Opening<'_> {
    /// Opens a session to one address by `sslmode`, with libpq's second tries: `allow` changes to TLS when the server refuses a
    /// plain session, `prefer` to plain when TLS fails or the server refuses an encrypted session. Unlike in libpq, there is no
    /// second try after a refusal that encryption cannot change (no slots left, starting up, no such database).
    pub(super) fn open_candidate(
        &self,
        candidate: &Candidate<'_>,
        wanted: TargetSessionAttrs,
        deadline: Instant,
    ) -> Result<Opened, Error> {
        let (first, second) = match (&candidate.address, self.server.tls.mode) {
            // libpq: sslmode is ignored for Unix-domain sockets.
            (Address::Unix(_) | Address::InProcess(_), _) | (_, SslMode::Disable) => (Layer::Plain, None),
            (_, SslMode::Allow) => (Layer::Plain, Some(Layer::Tls)),
            (_, SslMode::Prefer) => (Layer::TlsIfOffered, Some(Layer::Plain)),
            (_, SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull) => (Layer::Tls, None),
        };
        let failure = match self.open_layer(candidate, first, wanted, deadline) {
            Ok(opened) => return Ok(opened),
            Err(failure) => failure,
        };
        let another = second.filter(|second| worth_another_layer(&failure, *second));
        match another {
            Some(layer) => self
                .open_layer(candidate, layer, wanted, deadline)
                .map_err(|second| error_to_report(failure.error, second.error)),
            None => Err(failure.error),
        }
    }

    fn open_layer(
        &self,
        candidate: &Candidate<'_>,
        layer: Layer,
        wanted: TargetSessionAttrs,
        deadline: Instant,
    ) -> Result<Opened, Failure> {
        let began = Instant::now();
        let form = self.options_form;
        let options = form.of(self.server.options.as_deref());
        let opened = self.try_password(candidate, layer, wanted, deadline, &options).or_else(|error| {
            let other = form.other(&options, self.server.options.as_deref());
            let Some(other) = other.filter(|_| error.is_of_refused_parameter()) else { return Err(error) };
            let opened = self.try_password(candidate, layer, wanted, deadline, &other)?;
            form.keep(&other);
            Ok(opened)
        });
        opened.map_err(|error| {
            let error = error.with_timings(|timings| {
                let before = timings.connect.unwrap_or_default() + timings.tls.unwrap_or_default();
                timings.failing = began.elapsed().saturating_sub(before);
            });
            Failure { error, layer }
        })
    }

    /// Tries with the password at hand; while the server refuses that, again with what its source gives then.
    fn try_password(
        &self,
        candidate: &Candidate<'_>,
        layer: Layer,
        wanted: TargetSessionAttrs,
        deadline: Instant,
        options: &SessionOptions,
    ) -> Result<Opened, Error> {
        loop {
            let refusal = match self.try_layer(candidate, layer, wanted, deadline, options) {
                Err(error) if error.is_of_refused_password() => error,
                other => return other,
            };
            match candidate.password.renew(deadline) {
                Ok(true) => {}
                Ok(false) => return Err(refusal),
                Err(e) => return Err(refusal.with_note(format!("asked for another one: {}", e.summary()))),
            }
        }
    }

    fn try_layer(
        &self,
        candidate: &Candidate<'_>,
        layer: Layer,
        wanted: TargetSessionAttrs,
        deadline: Instant,
        options: &SessionOptions,
    ) -> Result<Opened, Error> {
        let encryption = match layer {
            Layer::Plain => Encryption::Never,
            Layer::TlsIfOffered => Encryption::IfOffered,
            Layer::Tls => Encryption::Always,
        };
        let dial = Dial {
            address: candidate.address.clone(),
            connected: candidate.connected.take(),
            host_name: host_name(candidate.host),
            encryption,
            tls: self.tls.clone(),
            keepalive: self.server.keepalive.clone(),
            deadline,
            abort: self.abort.clone(),
        };
        let dialled = dial.run()?;
        let checked = match &candidate.address {
            Address::Unix(_) => check_peer(dialled.link.descriptor(), &self.server.peer),
            Address::Tcp(_) | Address::InProcess(_) => Ok(()),
        };
        let password = checked
            .and_then(|()| candidate.password.get(deadline))
            .map_err(|error| error.with_timings(|timings| dialled.note(timings)))?;
        let began = Instant::now();
        let start = self
            .start_up(password.as_ref(), options)
            .run(&dialled.link, deadline)
            .map_err(|error| error.with_timings(|timings| dialled.note(timings)))?;
        let timing = Timing {
            resolve: Duration::ZERO,
            connect: dialled.connecting,
            tls: dialled.encrypted.then_some(dialled.encrypting),
            session: began.elapsed(),
        };
        let cancel = CancelHandle::new(
            candidate.address.clone(),
            host_name(candidate.host),
            dialled.encrypted.then(|| self.tls.clone()),
            start.key().cloned(),
        );
        let state = Box::new((self.new_session)());
        if start.shares_backend() {
            state.note_shared_backend();
        }
        let mut opened =
            Opened { link: dialled.link, state, start, target: name_of(candidate), cancel, timing };
        match self.make_ready(&mut opened, wanted) {
            Ok(()) => {
                opened.link.set_deadline(None);
                Ok(opened)
            }
            Err(error) => {
                opened.end();
                Err(error.with_timings(|timings| timing.note(timings)))
            }
        }
    }

    /// Asks for the server's role and sets its timeouts. These statements are not counted as the callers'.
    fn make_ready(&self, opened: &mut Opened, wanted: TargetSessionAttrs) -> Result<(), Error> {
        let link = opened.link.clone();
        let _paused = link.traffic().pause_counting();
        let mut raw = opened.raw();
        check_role(&mut |sql| first_row(&mut raw, sql), wanted)?;
        set_timeouts(&mut raw, &link, &self.server.orphans)
    }

    fn start_up<'a>(&'a self, password: Option<&'a Secret>, options: &'a SessionOptions) -> StartUp<'a> {
        let server = self.server;
        StartUp {
            user: &server.user,
            dbname: &server.dbname,
            application_name: self.application_name,
            options,
            versions: server.auth.versions,
            credentials: Credentials {
                password,
                channel_binding: server.tls.channel_binding,
                require_auth: server.auth.required.as_ref(),
                scram_max_iterations: server.auth.scram_max_iterations,
                requires_certificate: server.tls.cert_mode == SslCertMode::Require,
                nonce: Nonce::Random,
            },
        }
    }
}

/// A failed try and the layer it was made on.
struct Failure {
    error: Error,
    layer: Layer,
}

fn worth_another_layer(failure: &Failure, second: Layer) -> bool {
    let error = &failure.error;
    if error.is_of_other_service() || error.is_of_password_callback() {
        return false;
    }
    // A network failure would fail the plain try as well, and time is short.
    let refused_by_server = error.phase() == Some(Phase::Auth) && error.kind() == ErrorKind::Auth;
    match (failure.layer, second) {
        (Layer::TlsIfOffered, Layer::Plain) => {
            // A shortage of this process' own says nothing about the server's TLS.
            let says_nothing = matches!(error.kind(), ErrorKind::ConnectTimeout | ErrorKind::LocalLimit);
            let tls_failed = error.phase() == Some(Phase::Tls) && !says_nothing;
            // Where TLS was not offered, the refused try was plain already, and another would send the password once more.
            tls_failed || (refused_by_server && error.phase_timings().tls.is_some())
        }
        _ => refused_by_server,
    }
}

/// Selects the error of two failed layers to report. The first is what the mode asked for and has more information, unless
/// the second got further and met something temporary: a full server must not be reported as a permanent failure.
fn error_to_report(first: Error, second: Error) -> Error {
    if second.is_retryable() {
        second.with_note(format!("before that, with the other choice of encryption: {}", first.summary()))
    } else {
        first
    }
}
