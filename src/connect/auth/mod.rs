//! Authentication by the method that the server asks for, within what the settings allow.

mod scram;

use std::time::Instant;

use openssl::hash::{MessageDigest, hash};

pub(super) use self::scram::Nonce;
use self::scram::{Binding, Expected, Scram};
use super::messages::{Message, Messages};
use crate::config::require_auth::{AuthMethod, RequireAuth};
use crate::config::settings::{ChannelBinding, Secret};
use crate::error::{Error, ErrorKind, Phase};
use crate::link::tls::ClientCertificate;

const SCRAM: &str = "SCRAM-SHA-256";
const SCRAM_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// The client's credentials, and the conditions for sending them.
pub(super) struct Credentials<'a> {
    pub(super) password: Option<&'a Secret>,
    pub(super) channel_binding: ChannelBinding,
    /// `None`: any method is acceptable.
    pub(super) require_auth: Option<&'a RequireAuth>,
    pub(super) scram_max_iterations: u32,
    /// Set when the server must have asked for a client certificate and got it.
    pub(super) requires_certificate: bool,
    pub(super) nonce: Nonce,
}

/// The step that follows an authentication request.
pub(super) enum Step {
    /// This answer has to be sent.
    Send(Vec<u8>),
    /// The server continues without an answer.
    Wait,
    /// The client is authenticated.
    Done,
}

/// The state of a SCRAM exchange.
enum Exchange {
    None,
    Begun(Scram),
    Answered(Expected),
    Verified,
}

/// One authentication.
pub(super) struct Authentication<'a> {
    credentials: &'a Credentials<'a>,
    user: &'a str,
    deadline: Instant,
    exchange: Exchange,
    /// Set when the exchange is bound to the TLS connection.
    is_bound: bool,
    /// Set when the credentials that the server asked for have been sent, and in SCRAM its signature is verified.
    has_finished: bool,
}

/// Makes the error of a failure that a retry cannot mend.
fn failed(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Auth, message).in_phase(Phase::Auth).set_retryable(false)
}

impl<'a> Authentication<'a> {
    pub(super) fn new(credentials: &'a Credentials<'a>, user: &'a str, deadline: Instant) -> Self {
        Self { credentials, user, deadline, exchange: Exchange::None, is_bound: false, has_finished: false }
    }

    /// Handles one authentication request.
    ///
    /// # Errors
    /// [`ErrorKind::Auth`], final: a method that is not supported or not allowed, no password, a wrong signature.
    pub(super) fn answer(&mut self, messages: &Messages<'_>, message: &Message) -> Result<Step, Error> {
        let body = messages.body(message);
        let Some((code, body)) = body.split_first_chunk::<4>() else {
            return Err(messages.malformed(message.kind));
        };
        match u32::from_be_bytes(*code) {
            0 => {
                self.check_certificate(messages)?;
                self.check_end().map(|()| Step::Done)
            }
            3 => {
                self.check_first_request()?;
                self.allow(AuthMethod::Password)?;
                self.forbid_without_binding()?;
                let password = self.password("a password in the clear")?.to_owned();
                self.has_finished = true;
                Ok(Step::Send(password_message(password.as_bytes())))
            }
            5 => {
                self.check_first_request()?;
                self.allow(AuthMethod::Md5)?;
                self.forbid_without_binding()?;
                let Ok(salt) = <[u8; 4]>::try_from(body) else {
                    return Err(messages.malformed(message.kind));
                };
                let answer = md5_answer(self.user, self.password("a password (md5)")?, salt)?;
                self.has_finished = true;
                Ok(Step::Send(password_message(answer.as_bytes())))
            }
            10 => self.begin_scram(messages, body),
            11 => self.continue_scram(body),
            12 => self.end_scram(body),
            other => Err(self.unsupported(other)),
        }
    }

    /// Returns whether the server has the proof of the password, and has not shown its own.
    pub(super) fn awaits_verdict(&self) -> bool {
        match self.exchange {
            Exchange::Answered(_) => true,
            Exchange::None => self.has_finished,
            Exchange::Begun(_) | Exchange::Verified => false,
        }
    }

    fn password(&self, asked: &str) -> Result<&'a str, Error> {
        let password = self.credentials.password.map(Secret::reveal).filter(|password| !password.is_empty());
        password.ok_or_else(|| {
            failed(format!(
                "the server asks for {asked}, and no password is given: set password or PGPASSWORD, or put it into the password file"
            ))
        })
    }

    fn allow(&self, method: AuthMethod) -> Result<(), Error> {
        match self.credentials.require_auth {
            Some(required) if !required.allows(method) => Err(failed(format!(
                "authentication method requirement \"{required}\" failed: the server asks for {}",
                method.words()
            ))),
            _ => Ok(()),
        }
    }

    /// Refuses a second request for credentials: a server asks for them once.
    fn check_first_request(&self) -> Result<(), Error> {
        if self.has_finished || !matches!(self.exchange, Exchange::None) {
            return Err(failed("the server asked for the password twice"));
        }
        Ok(())
    }

    /// Refuses to send a password where channel binding is required: the method cannot authenticate the server as the end of the
    /// TLS connection.
    fn forbid_without_binding(&self) -> Result<(), Error> {
        if self.credentials.channel_binding != ChannelBinding::Require {
            return Ok(());
        }
        Err(failed(
            "channel binding is required (channel_binding), and the server's authentication request does not support it",
        ))
    }

    /// Checks that a certificate identified the client, where that is demanded. With TLS 1.3 the server has looked at it only by
    /// now.
    fn check_certificate(&self, messages: &Messages<'_>) -> Result<(), Error> {
        if !self.credentials.requires_certificate {
            return Ok(());
        }
        let why = match messages.client_certificate() {
            ClientCertificate::Sent => return Ok(()),
            ClientCertificate::NotAsked => "the server did not ask for one",
            ClientCertificate::Missing => "the server let the client in without one",
        };
        Err(failed(format!("a client certificate is required (sslcertmode), and {why}")))
    }

    /// Checks that the server may end authentication now.
    fn check_end(&self) -> Result<(), Error> {
        if matches!(self.exchange, Exchange::Begun(_) | Exchange::Answered(_)) {
            return Err(failed(
                "the server let the client in in the middle of SCRAM, without a proof that it knows the password",
            ));
        }
        if self.credentials.channel_binding == ChannelBinding::Require && !self.is_bound {
            return Err(failed(
                "channel binding is required (channel_binding), and the server authenticated the client without it",
            ));
        }
        match self.credentials.require_auth {
            Some(required) if required.demands_authentication() && !self.has_finished => {
                Err(failed(format!(
                    "authentication method requirement \"{required}\" failed: the server did not complete authentication"
                )))
            }
            _ => Ok(()),
        }
    }

    fn begin_scram(&mut self, messages: &Messages<'_>, body: &[u8]) -> Result<Step, Error> {
        self.check_first_request()?;
        let offered: Vec<&[u8]> = body.split(|b| *b == 0).filter(|name| !name.is_empty()).collect();
        let offers = |name: &str| offered.contains(&name.as_bytes());
        let demanded = self.credentials.channel_binding == ChannelBinding::Require;
        if offers(SCRAM_PLUS) && !messages.is_encrypted() {
            return Err(failed("the server offered SCRAM-SHA-256-PLUS over a connection without TLS"));
        }
        if !offers(SCRAM) && !offers(SCRAM_PLUS) {
            let names: Vec<String> = offered.iter().map(|name| name.escape_ascii().to_string()).collect();
            return Err(failed(format!(
                "the server offers no mechanism of SASL that is spoken here: it has {}, and this is SCRAM-SHA-256",
                names.join(", ")
            )));
        }
        self.allow(AuthMethod::ScramSha256)?;
        let binding = match self.credentials.channel_binding {
            ChannelBinding::Disable => None,
            ChannelBinding::Prefer | ChannelBinding::Require => messages.channel_binding(),
        };
        let (mechanism, binding) = match binding {
            Some(hash) if offers(SCRAM_PLUS) => (SCRAM_PLUS, Binding::ServerEndPoint(hash)),
            _ if demanded => {
                return Err(failed(
                    "channel binding is required (channel_binding), and the server offered no method of authentication that supports it",
                ));
            }
            // States that the client supports binding: a server that offered it detects then that the offer was removed.
            Some(_) => (SCRAM, Binding::NotOffered),
            None if offers(SCRAM) => (SCRAM, Binding::Unsupported),
            None => {
                return Err(failed(
                    "the server offers SCRAM with channel binding only, which this connection does not support",
                ));
            }
        };
        self.is_bound = mechanism == SCRAM_PLUS;
        let scram =
            Scram::new(self.password("a password (scram-sha-256)")?, binding, self.credentials.nonce)?;
        let first = scram.first_message();
        self.exchange = Exchange::Begun(scram);
        let mut answer = [mechanism.as_bytes(), b"\0"].concat();
        answer.extend_from_slice(&(first.len() as u32).to_be_bytes());
        answer.extend_from_slice(first.as_bytes());
        Ok(Step::Send(typed(&answer)))
    }

    fn continue_scram(&mut self, body: &[u8]) -> Result<Step, Error> {
        let Exchange::Begun(scram) = std::mem::replace(&mut self.exchange, Exchange::None) else {
            return Err(failed("the server went on with SCRAM before it began it"));
        };
        let (answer, expected) = scram.answer(body, self.credentials.scram_max_iterations)?;
        // Hashing a million times takes a while, during which no deadline is checked.
        if Instant::now() >= self.deadline {
            let message = "the time was over before the password was hashed as often as the server asks for";
            return Err(Error::new(ErrorKind::ConnectTimeout, message).in_phase(Phase::Auth));
        }
        self.exchange = Exchange::Answered(expected);
        Ok(Step::Send(typed(answer.as_bytes())))
    }

    fn end_scram(&mut self, body: &[u8]) -> Result<Step, Error> {
        let Exchange::Answered(expected) = std::mem::replace(&mut self.exchange, Exchange::None) else {
            return Err(failed("the server ended SCRAM before the client had answered"));
        };
        expected.verify(body)?;
        self.exchange = Exchange::Verified;
        self.has_finished = true;
        Ok(Step::Wait)
    }

    fn unsupported(&self, code: u32) -> Error {
        let (name, method) = match code {
            2 => ("Kerberos V5", None),
            6 => ("SCM credentials", None),
            7 | 8 => ("GSSAPI", Some(AuthMethod::Gss)),
            9 => ("SSPI", Some(AuthMethod::Sspi)),
            _ => {
                return failed(format!(
                    "the server asks for authentication by a method that is not known (number {code})"
                ));
            }
        };
        if let Some(Err(forbidden)) = method.map(|method| self.allow(method)) {
            return forbidden;
        }
        failed(format!(
            "the server asks for authentication by {name}, which is not supported: choose scram-sha-256, or a client certificate, for this user in the server's pg_hba.conf"
        ))
    }
}

/// Makes a `PasswordMessage` or one of its relatives, which share one kind.
fn typed(body: &[u8]) -> Vec<u8> {
    let mut message = vec![b'p'];
    message.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    message.extend_from_slice(body);
    message
}

fn password_message(password: &[u8]) -> Vec<u8> {
    typed(&[password, b"\0"].concat())
}

/// Returns `md5` and the hexadecimal hash of the salt and a hash of password and user.
fn md5_answer(user: &str, password: &str, salt: [u8; 4]) -> Result<String, Error> {
    let md5 = |bytes: &[u8]| {
        let hashed = hash(MessageDigest::md5(), bytes).map_err(|e| {
            failed(format!(
                "the server asks for a password hashed by MD5, which this system does not allow: {e}"
            ))
        })?;
        Ok::<String, Error>(hashed.iter().map(|byte| format!("{byte:02x}")).collect())
    };
    let inner = md5(&[password.as_bytes(), user.as_bytes()].concat())?;
    Ok(format!("md5{}", md5(&[inner.as_bytes(), &salt].concat())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_hashed_by_md5_as_postgresql_does() {
        // The example of `postgres-protocol`.
        let answer = md5_answer("md5_user", "password", [0x2a, 0x3d, 0x8f, 0xe0]).unwrap();
        assert_eq!(answer, "md562af4dd09bbb41884907a838a3233294");
    }
}
