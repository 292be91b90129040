//! The start of a session: start-up packet, authentication, and the server's settings and key.

use std::time::Instant;

use super::auth::{Authentication, Credentials, Step};
use super::messages::{Message, Messages};
use super::session_options::SessionOptions;
use crate::config::settings::ProtocolVersion;
use crate::error::{Error, ErrorKind, PasswordFault, Phase};
use crate::link::{BackendKey, Link};
use crate::session::parse_server_message;

/// The contents of the start-up packet, and the credentials.
pub(super) struct StartUp<'a> {
    pub(super) user: &'a str,
    pub(super) dbname: &'a str,
    pub(super) application_name: Option<&'a str>,
    pub(super) options: &'a SessionOptions,
    /// The oldest and the newest acceptable version of the protocol.
    pub(super) versions: (ProtocolVersion, ProtocolVersion),
    pub(super) credentials: Credentials<'a>,
}

/// The settings and key that the server sent at a session's start, for a guest driver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SessionStart {
    /// The bodies of the `ParameterStatus` messages: name and value, each with a NUL behind it.
    parameters: Box<[u8]>,
    key: Option<BackendKey>,
}

impl SessionStart {
    /// Returns the settings that the server reported, by name.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut texts = self.parameters.split(|b| *b == 0);
        std::iter::from_fn(move || Some((texts.next()?, texts.next()?)))
    }

    /// Returns whether all sessions share one backend, as in PGlite's socket server: it was started for no user, and says so.
    /// A session of PostgreSQL's always has one.
    pub(super) fn shares_backend(&self) -> bool {
        self.parameters().any(|(name, value)| name == b"session_authorization" && value.is_empty())
    }

    /// Returns the key for cancel requests.
    pub(crate) fn key(&self) -> Option<&BackendKey> {
        self.key.as_ref()
    }
}

impl StartUp<'_> {
    /// Begins the session on a fresh connection. Blocks up to `deadline`, which is the link's as well.
    ///
    /// # Errors
    /// The server's own errors, protocol violations, and a broken connection. Only errors of the server's state or of the
    /// network are temporary.
    pub(super) fn run(&self, link: &Link, deadline: Instant) -> Result<SessionStart, Error> {
        let mut messages = Messages::over(link)?;
        messages.send(&self.packet())?;
        self.authenticate(&mut messages, deadline)?;
        let start = read_settings(&mut messages)?;
        messages.finish();
        if let Some(key) = start.key() {
            link.keep_backend_key(key.clone());
        }
        Ok(start)
    }

    /// Makes the `StartupMessage`: its length, the version, names and values.
    fn packet(&self) -> Vec<u8> {
        let mut packet = vec![0; 4];
        packet.extend_from_slice(&self.versions.1.number().to_be_bytes());
        let given = [
            ("client_encoding", Some("UTF8")),
            ("user", Some(self.user)),
            ("database", Some(self.dbname)),
            ("application_name", self.application_name),
        ];
        let options = self.options.parameters();
        let given = given.into_iter().filter_map(|(name, value)| Some((name, value?)));
        for (name, value) in given.chain(options) {
            for text in [name, value] {
                packet.extend_from_slice(text.as_bytes());
                packet.push(0);
            }
        }
        packet.push(0);
        // The server refuses packets of more than 10,000 bytes.
        let length = (packet.len() as u32).to_be_bytes();
        packet[..4].copy_from_slice(&length);
        packet
    }

    fn authenticate(&self, messages: &mut Messages<'_>, deadline: Instant) -> Result<(), Error> {
        let mut authentication = Authentication::new(&self.credentials, self.user, deadline);
        let mut has_negotiated = false;
        loop {
            let kind = messages.next_kind()?;
            if !matches!(kind, b'R' | b'E' | b'v') {
                return Err(Error::answered_start(kind, messages.behind_kind()));
            }
            if !messages.has_length()? {
                return Err(answered_in_text(kind, messages));
            }
            let message = messages.next()?;
            match kind {
                b'R' => match authentication.answer(messages, &message)? {
                    Step::Send(answer) => messages.send(&answer)?,
                    Step::Wait => {}
                    Step::Done => return Ok(()),
                },
                b'v' if !has_negotiated => {
                    self.check_negotiated(messages, &message)?;
                    has_negotiated = true;
                }
                b'v' => return Err(messages.unexpected(kind)),
                _ => {
                    let refusal = refused(messages, &message);
                    let of_password = refusal.kind() == ErrorKind::Auth && authentication.awaits_verdict();
                    return Err(if of_password {
                        refusal.of_password(PasswordFault::Refused)
                    } else {
                        refusal
                    });
                }
            }
        }
    }

    /// Checks a `NegotiateProtocolVersion`: the newest version that the server supports, and the options that it does not. The
    /// rules are libpq's (`pqGetNegotiateProtocolVersion3`).
    fn check_negotiated(&self, messages: &Messages<'_>, message: &Message) -> Result<(), Error> {
        let body = messages.body(message);
        let (oldest, newest) = self.versions;
        let number =
            |at: usize| body.get(at..).and_then(|b| b.first_chunk::<4>()).map(|n| u32::from_be_bytes(*n));
        let (Some(version), Some(unknown)) = (number(0), number(4)) else {
            return Err(messages.malformed(message.kind));
        };
        if version > newest.number() || version < ProtocolVersion::V3_0.number() {
            let words =
                format!("the server wants protocol version {}, which was not asked for", shown(version));
            return Err(messages.unacceptable(words));
        }
        if unknown > 0 {
            return Err(messages
                .unacceptable("the server does not know an option of the protocol that was not asked for"));
        }
        if version < oldest.number() {
            let words = format!(
                "the server only has protocol version {}, and min_protocol_version is {}",
                shown(version),
                oldest.name()
            );
            return Err(Error::new(ErrorKind::Auth, words).in_phase(Phase::Auth).set_retryable(false));
        }
        Ok(())
    }
}

fn shown(version: u32) -> String {
    format!("{}.{}", version >> 16, version & 0xffff)
}

/// Reads from the end of authentication to `ReadyForQuery`.
fn read_settings(messages: &mut Messages<'_>) -> Result<SessionStart, Error> {
    let mut parameters = Vec::new();
    let mut key = None;
    loop {
        let message = messages.next()?;
        let body = messages.body(&message);
        match message.kind {
            b'S' => match body.strip_suffix(b"\0") {
                Some(texts) if texts.iter().filter(|b| **b == 0).count() == 1 => {
                    parameters.extend_from_slice(body)
                }
                _ => return Err(messages.malformed(b'S')),
            },
            b'K' => key = Some(BackendKey::parse(body).ok_or_else(|| messages.malformed(b'K'))?),
            b'N' => log::debug!(target: "holdfast", "a notice came at the start of a session"),
            b'Z' if body.len() == 1 => return Ok(SessionStart { parameters: parameters.into(), key }),
            b'E' => return Err(refused(messages, &message)),
            other => return Err(messages.unexpected(other)),
        }
    }
}

fn refused(messages: &Messages<'_>, message: &Message) -> Error {
    match parse_server_message(messages.body(message)) {
        Ok(said) => Error::from_server(said, Phase::Auth),
        Err(_) => messages.malformed(b'E'),
    }
}

/// Makes the error of an answer that is a text: of a server that cannot serve any connection, or of another service.
fn answered_in_text(kind: u8, messages: &mut Messages<'_>) -> Error {
    let old_error = if kind == b'E' { messages.old_error() } else { None };
    match old_error {
        Some(text) => cannot_serve(&text),
        None => Error::answered_start(kind, messages.behind_kind()),
    }
}

/// Makes the error of a server that cannot serve any connection at the moment.
fn cannot_serve(text: &str) -> Error {
    let shown: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Error::new(ErrorKind::ConnectionLost, format!("the server could not serve the connection: {shown}"))
        .in_phase(Phase::Auth)
        .set_retryable(true)
}
