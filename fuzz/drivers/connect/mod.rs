//! Fuzzing of openings, authentication included: a server that sends arbitrary bytes from the start, which must not be accepted
//! as authenticated unless it proves that it has the password.

mod scram_server;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use self::scram_server::{NONCE, Verifier};
use super::auth::{Credentials, Nonce};
use super::session_options::SessionOptions;
use super::startup::{SessionStart, StartUp};
use crate::config::require_auth::RequireAuth;
use crate::config::settings::{ChannelBinding, KeepaliveSettings, ProtocolVersion, Secret, ServerSettings};
use crate::error::{Error, ErrorKind};
use crate::link::dial::address::Address;
use crate::link::dial::in_process::InProcess;
use crate::link::dial::{Dial, Encryption};
use crate::link::tls::cache::Tls;
use crate::sys::sync::Mutex;
use crate::testing::fuzzing::Draws;

/// The most bytes that the server sends, which fit into a socket.
const MAX_OUTPUT: usize = 64 * 1024;

const PASSWORD: &str = "s3cret-of-the-fuzzer";

/// Few, so that a fuzzer gets far.
const MAX_ITERATIONS: u32 = 100;

/// The kinds of message that stand for the server's half of SCRAM: a challenge that continues the client's nonce, and the
/// signature that proves knowledge of the password; the same with one byte changed, and a challenge with a nonce of its own. No
/// input would hit upon them.
const CHALLENGE: u8 = 1;
const SIGNATURE: u8 = 2;
const FORGED_SIGNATURE: u8 = 3;
const FOREIGN_CHALLENGE: u8 = 4;

/// TLS without verification, so that fuzzing reaches what follows the handshake.
static TLS: LazyLock<Arc<Tls>> =
    LazyLock::new(|| Arc::new(Tls::new(ServerSettings::within_process(None).tls)));

/// Opens a session to a server that has already sent all its output.
///
/// The first byte selects the client's encryption and demands. It also selects whether the rest is the output itself, or
/// kinds, lengths and bodies to be made into messages of the right length. The client's nonce is `NONCE`.
pub fn startup(input: &[u8]) {
    let opening = Opening::of(input);
    let (opened, sent) = opening.run();
    let Opening { output, demands, .. } = &opening;
    let verifiers = scram_server::challenges(output).into_iter();
    let proved = verifiers.filter(Verifier::continues_the_clients_nonce).find(|it| it.signed(output));
    match opened {
        Ok(start) => {
            assert!(
                !demands.scram || proved.is_some(),
                "a server was accepted that did not authenticate itself"
            );
            // The server has no certificate.
            assert!(!demands.binding, "a server was accepted on a channel that is not bound");
            assert!(start.parameters().all(|(name, value)| name.len() + value.len() <= MAX_OUTPUT));
            assert!(start.key().is_none_or(|key| (4..=256).contains(&key.secret.len())));
        }
        Err(error) => check(&error),
    }
    check_sent(&sent, output, demands);
}

struct Demands {
    scram: bool,
    binding: bool,
}

/// One input, read.
struct Opening {
    output: Vec<u8>,
    /// The bytes of the output that come before the start-up packet was sent. What comes behind an answer to the request for
    /// TLS is refused.
    first: usize,
    encryption: Encryption,
    demands: Demands,
}

impl Opening {
    fn of(input: &[u8]) -> Self {
        let mut draws = Draws::new(input);
        let manner = draws.byte();
        let output = if manner & 1 == 0 { draws.bytes(MAX_OUTPUT).to_vec() } else { messages(&mut draws) };
        let demands = Demands { scram: manner & 8 != 0, binding: manner & 16 != 0 };
        let encryption = match manner >> 1 & 3 {
            0 => Encryption::Always,
            1 => Encryption::IfOffered,
            _ => Encryption::Never,
        };
        let is_staged = manner & 32 == 0 && matches!(encryption, Encryption::IfOffered);
        let first = if is_staged && output.first() == Some(&b'N') { 1 } else { output.len() };
        Self { output, first, encryption, demands }
    }

    /// Opens the session. Also returns the bytes that the client sent.
    fn run(&self) -> (Result<SessionStart, Error>, Vec<u8>) {
        // The server's end stays open: what a client sends to one that has closed fails, whatever came from there.
        let held: Arc<Mutex<Option<UnixStream>>> = Arc::default();
        let (first, rest) = self.output.split_at(self.first);
        let (first, rest) = (first.to_vec(), rest.to_vec());
        let (keep, is_whole) = (held.clone(), rest.is_empty());
        let hostile = InProcess::new("hostile", move |mut server: UnixStream| {
            server.set_nonblocking(true)?;
            say(&mut server, &first, is_whole)?;
            *keep.lock() = Some(server);
            Ok(())
        });
        let opened = self.open(hostile, || {
            if let (Some(server), false) = (&mut *held.lock(), is_whole) {
                let _ = say(server, &rest, true);
            }
        });
        let mut sent = Vec::new();
        if let Some(mut server) = held.lock().take() {
            // Ends with an error where the client has not closed its end.
            let _ = server.read_to_end(&mut sent);
        }
        (opened, sent)
    }

    /// `dialled` is called before the start-up packet is sent.
    fn open(&self, hostile: InProcess, dialled: impl FnOnce()) -> Result<SessionStart, Error> {
        let deadline = Instant::now() + Duration::from_secs(20);
        let nothing = Duration::ZERO;
        let dial = Dial {
            address: Address::InProcess(hostile),
            connected: None,
            host_name: "localhost".into(),
            encryption: self.encryption,
            tls: TLS.clone(),
            keepalive: KeepaliveSettings {
                enabled: false,
                idle: nothing,
                interval: nothing,
                retries: 0,
                tcp_user_timeout: nothing,
            },
            deadline,
            abort: Arc::default(),
        };
        let Demands { scram, binding } = self.demands;
        let password = Secret::new(PASSWORD);
        let require_auth = if scram { RequireAuth::parse("scram-sha-256").unwrap_or_default() } else { None };
        let credentials = Credentials {
            password: Some(&password),
            channel_binding: if binding { ChannelBinding::Require } else { ChannelBinding::Prefer },
            require_auth: require_auth.as_ref(),
            scram_max_iterations: MAX_ITERATIONS,
            requires_certificate: false,
            nonce: Nonce::Fixed(NONCE),
        };
        let packet = StartUp {
            user: "app",
            dbname: "orders",
            application_name: None,
            options: &SessionOptions::None,
            versions: (ProtocolVersion::V3_0, ProtocolVersion::V3_2),
            credentials,
        };
        let link = dial.run()?.link;
        dialled();
        let start = packet.run(&link, deadline)?;
        // Messages behind the start are the session's, of any kind.
        let whole_start =
            frames(&self.output[usize::from(self.first == 1)..]).find(|frame| frame.kind == b'Z');
        let is_all = whole_start.is_some_and(|ready| ready.behind.is_empty());
        assert!(!is_all || !link.is_busy(), "a session is open in which a reply is owed");
        Ok(start)
    }
}

/// A message in the server's output, and the bytes behind it.
struct Frame<'o> {
    kind: u8,
    body: &'o [u8],
    behind: &'o [u8],
}

/// Iterates over the messages that follow each other from the start of `output`.
fn frames(mut output: &[u8]) -> impl Iterator<Item = Frame<'_>> {
    std::iter::from_fn(move || {
        let ([kind, length @ ..], rest) = output.split_first_chunk::<5>()?;
        let length = (u32::from_be_bytes(*length) as usize).checked_sub(4)?;
        let (body, behind) = rest.split_at_checked(length)?;
        output = behind;
        Some(Frame { kind: *kind, body, behind })
    })
}

/// Sends bytes of the server, of which those that do not fit are dropped.
fn say(server: &mut UnixStream, bytes: &[u8], is_all: bool) -> std::io::Result<()> {
    let _ = server.write_all(bytes);
    if is_all { server.shutdown(Shutdown::Write) } else { Ok(()) }
}

/// Checks what the client sent: no password in the clear nor as MD5 where that is not acceptable, and at most one proof, which
/// is the right one for a challenge of the server's.
fn check_sent(sent: &[u8], output: &[u8], demands: &Demands) {
    let count = |text: &[u8]| sent.windows(text.len()).filter(|window| *window == text).count();
    let (clear, md5, proofs) = (count(PASSWORD.as_bytes()), count(b"p\0\0\0\x28md5"), count(b",p="));
    if demands.scram || demands.binding {
        assert_eq!((clear, md5), (0, 0), "a password was sent that was not to be");
    }
    assert!(clear + md5 + proofs <= 1, "the password was used {clear}, {md5} and {proofs} times");
    if proofs == 1 {
        assert!(!demands.binding, "a proof was sent that is not bound");
        let challenges = scram_server::challenges(output);
        assert!(challenges.iter().any(|verifier| verifier.accepts(sent)), "the proof is wrong");
    }
}

/// Checks an error's text: it is not empty, has no password, and no escape sequence except in the server's own message.
fn check(error: &Error) {
    let text = error.to_string();
    assert!(!text.is_empty() && !text.contains(PASSWORD), "{text}");
    assert_ne!(error.kind(), ErrorKind::ConnectTimeout, "nothing was to be waited for: {text}");
    assert!(error.server().is_some() || !text.contains('\u{1b}'), "{text:?}");
    assert!(!error.is_of_other_service() || !error.is_retryable(), "{text}");
}

/// Draws whole messages: a byte for the kind, another for the length, where 255 means that the next two hold it.
fn messages(draws: &mut Draws<'_>) -> Vec<u8> {
    let mut output = Vec::new();
    let push = |output: &mut Vec<u8>, kind: u8, body: &[u8]| {
        output.push(kind);
        output.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
        output.extend_from_slice(body);
    };
    while !draws.is_empty() && output.len() < MAX_OUTPUT {
        let kind = draws.byte();
        let length = match draws.byte() {
            255 => usize::from(draws.byte()) << 8 | usize::from(draws.byte()),
            short => usize::from(short),
        };
        let body = draws.bytes(length);
        match kind {
            CHALLENGE | FOREIGN_CHALLENGE => {
                let (salt, iterations) = (draws.piece(), draws.byte());
                let clients = if kind == CHALLENGE { NONCE } else { "" };
                let challenge = scram_server::challenge(clients, body, salt, iterations);
                push(&mut output, b'R', &[&[0, 0, 0, 11], &challenge[..]].concat());
            }
            SIGNATURE => {
                let signature = scram_server::challenges(&output).last().map(Verifier::signature);
                let signature = signature.unwrap_or_default();
                push(&mut output, b'R', &[&[0, 0, 0, 12], signature.as_bytes(), body].concat());
            }
            FORGED_SIGNATURE => {
                let which = usize::from(draws.byte());
                let forged = scram_server::challenges(&output).last().map(|it| it.forged_signature(which));
                push(&mut output, b'R', &[&[0, 0, 0, 12], forged.unwrap_or_default().as_bytes()].concat());
            }
            kind => push(&mut output, kind, body),
        }
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(input: &[u8]) -> Result<SessionStart, Error> {
        startup(input);
        Opening::of(input).run().0
    }

    /// Messages of a server that asks for SCRAM, then those of `rest`.
    fn scram(rest: &[u8]) -> Vec<u8> {
        [&b"\x0dR\x13\0\0\0\x0aSCRAM-SHA-256\0\0"[..], rest].concat()
    }

    const WELCOME: &[u8] = b"R\x04\0\0\0\0Z\x01I";

    #[test]
    fn a_server_that_proves_itself_is_accepted_and_no_other() {
        let challenge = |nonce: &[u8], iterations: u8| {
            [&[CHALLENGE, nonce.len() as u8], nonce, b"\x04salt", &[iterations]].concat()
        };
        let proof = &[SIGNATURE, 0][..];
        for (rest, accepted) in [
            ([&challenge(b"x", 4), proof, WELCOME].concat(), true),
            ([&challenge(b"another", 100), proof, WELCOME].concat(), true),
            ([&challenge(b"x", 0), proof, WELCOME].concat(), false),
            ([&challenge(b"x", 101), proof, WELCOME].concat(), false),
            ([&challenge(b"", 4), proof, WELCOME].concat(), false),
            ([&challenge(b"x", 4), WELCOME].concat(), false),
            ([&challenge(b"x", 4), &b"R\x04\0\0\0\x0c"[..], WELCOME].concat(), false),
            ([&challenge(b"x", 4), &b"R\x0a\0\0\0\x0cv=AAAA"[..], WELCOME].concat(), false),
            ([proof, WELCOME].concat(), false),
            (WELCOME.to_vec(), false),
        ] {
            let opened = opened(&scram(&rest));
            assert_eq!(opened.is_ok(), accepted, "{}: {opened:?}", rest.escape_ascii());
        }
    }

    /// Without inputs that are accepted, a fuzzer changes nothing behind the place where all of them fail.
    #[test]
    fn the_seeds_of_good_servers_are_accepted() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/startup");
        for name in [
            "trusted",
            "cleartext",
            "md5",
            "no_tls",
            "long_key",
            "framed",
            "scram_proved",
            "framed_scram_proved",
        ] {
            let opened = opened(&std::fs::read(folder.join(name)).unwrap());
            assert!(opened.is_ok(), "{name}: {opened:?}");
        }
    }
}
