//! What fuzzers do with openings: a server that says anything from the first byte on, to a client that must not let itself
//! be taken in.

use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use super::auth::Credentials;
use super::startup::{SessionStart, StartUp};
use crate::config::require_auth::RequireAuth;
use crate::config::settings::{ChannelBinding, KeepaliveSettings, ProtocolVersion, Secret, ServerSettings};
use crate::error::{Error, ErrorKind};
use crate::link::address::Address;
use crate::link::dial::{Dial, Encryption};
use crate::link::in_process::Inside;
use crate::link::tls_cache::Tls;
use crate::testing::fuzzing::Draws;

/// What is not longer than this fits into a socket.
const LONGEST: usize = 64 * 1024;

const PASSWORD: &str = "s3cret-of-the-fuzzer";

/// TLS that trusts anyone, so that what follows is reached.
static TLS: LazyLock<Arc<Tls>> =
    LazyLock::new(|| Arc::new(Tls::new(ServerSettings::within_process(None).tls)));

/// Opens a session to a server that has said already all that it will say.
///
/// The first byte says how the client goes about encryption and what it demands, and whether the rest are the server's words
/// or kinds, lengths and bodies that are put into messages of the right length.
pub fn startup(input: &[u8]) {
    let mut draws = Draws::new(input);
    let manner = draws.byte();
    let words = if manner & 1 == 0 { draws.bytes(LONGEST).to_vec() } else { messages(&mut draws) };
    let demands = Demands { scram: manner & 8 != 0, binding: manner & 16 != 0 };
    let encryption = match manner >> 1 & 3 {
        0 => Encryption::Always,
        1 => Encryption::IfOffered,
        _ => Encryption::Never,
    };
    match open(words, encryption, &demands) {
        Ok(start) => {
            // Nobody here knows the password, nor has a certificate.
            assert!(!demands.scram, "a server was believed that proved nothing");
            assert!(!demands.binding, "a server was believed on a channel that is not bound");
            assert!(start.parameters().all(|(name, value)| name.len() + value.len() <= LONGEST));
            assert!(start.key().is_none_or(|key| (4..=256).contains(&key.secret.len())));
        }
        Err(error) => check(&error),
    }
}

struct Demands {
    scram: bool,
    binding: bool,
}

fn open(words: Vec<u8>, encryption: Encryption, demands: &Demands) -> Result<SessionStart, Error> {
    let hostile = Inside::new("hostile", move |mut server: UnixStream| {
        server.set_nonblocking(true)?;
        // What does not fit is as good as never said.
        let _ = server.write_all(&words);
        server.shutdown(Shutdown::Write)
    });
    let deadline = Instant::now() + Duration::from_secs(20);
    let nothing = Duration::ZERO;
    let dial = Dial {
        address: Address::Inside(hostile),
        host_name: "localhost".into(),
        encryption,
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
    let password = Secret::new(PASSWORD);
    let require_auth =
        if demands.scram { RequireAuth::parse("scram-sha-256").unwrap_or_default() } else { None };
    let credentials = Credentials {
        password: Some(&password),
        channel_binding: if demands.binding { ChannelBinding::Require } else { ChannelBinding::Prefer },
        require_auth: require_auth.as_ref(),
        scram_max_iterations: 100,
    };
    let packet = StartUp {
        user: "app",
        dbname: "orders",
        application_name: None,
        options: None,
        versions: (ProtocolVersion::V3_0, ProtocolVersion::V3_2),
        credentials,
    };
    let dialled = dial.run()?;
    let start = packet.run(&dialled.link, deadline)?;
    assert!(!dialled.link.is_busy(), "a session is open in which a reply is owed");
    Ok(start)
}

/// An error says something, shows no password, and nothing in it moves a terminal's cursor unless it is the server's message.
fn check(error: &Error) {
    let text = error.to_string();
    assert!(!text.is_empty() && !text.contains(PASSWORD), "{text}");
    assert_ne!(error.kind(), ErrorKind::ConnectTimeout, "nothing was to be waited for: {text}");
    assert!(error.server().is_some() || !text.contains('\u{1b}'), "{text:?}");
    assert!(!error.is_of_other_service() || !error.is_retryable(), "{text}");
}

/// Whole messages: a byte for the kind, another for how long it is, or 255 that two more say so.
fn messages(draws: &mut Draws<'_>) -> Vec<u8> {
    let mut words = Vec::new();
    while !draws.is_empty() && words.len() < LONGEST {
        let kind = draws.byte();
        let length = match draws.byte() {
            255 => usize::from(draws.byte()) << 8 | usize::from(draws.byte()),
            short => usize::from(short),
        };
        let body = draws.bytes(length);
        words.push(kind);
        words.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
        words.extend_from_slice(body);
    }
    words
}
