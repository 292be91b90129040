//! Fuzzing of openings: a server that sends arbitrary bytes from the start, which must not be accepted as authenticated.

use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use super::auth::Credentials;
use super::session_options::SessionOptions;
use super::startup::{SessionStart, StartUp};
use crate::config::require_auth::RequireAuth;
use crate::config::settings::{ChannelBinding, KeepaliveSettings, ProtocolVersion, Secret, ServerSettings};
use crate::error::{Error, ErrorKind};
use crate::link::dial::address::Address;
use crate::link::dial::in_process::InProcess;
use crate::link::dial::{Dial, Encryption};
use crate::link::tls::cache::Tls;
use crate::testing::fuzzing::Draws;

/// The most bytes that the server sends, which fit into a socket.
const MAX_OUTPUT: usize = 64 * 1024;

const PASSWORD: &str = "s3cret-of-the-fuzzer";

/// TLS without verification, so that fuzzing reaches what follows the handshake.
static TLS: LazyLock<Arc<Tls>> =
    LazyLock::new(|| Arc::new(Tls::new(ServerSettings::within_process(None).tls)));

/// Opens a session to a server that has already sent all its output.
///
/// The first byte selects the client's encryption and demands. It also selects whether the rest is the output itself, or
/// kinds, lengths and bodies to be made into messages of the right length.
pub fn startup(input: &[u8]) {
    let mut draws = Draws::new(input);
    let manner = draws.byte();
    let output = if manner & 1 == 0 { draws.bytes(MAX_OUTPUT).to_vec() } else { messages(&mut draws) };
    let demands = Demands { scram: manner & 8 != 0, binding: manner & 16 != 0 };
    let encryption = match manner >> 1 & 3 {
        0 => Encryption::Always,
        1 => Encryption::IfOffered,
        _ => Encryption::Never,
    };
    match open(output, encryption, &demands) {
        Ok(start) => {
            // The server has neither the password nor a certificate.
            assert!(!demands.scram, "a server was accepted that did not authenticate itself");
            assert!(!demands.binding, "a server was accepted on a channel that is not bound");
            assert!(start.parameters().all(|(name, value)| name.len() + value.len() <= MAX_OUTPUT));
            assert!(start.key().is_none_or(|key| (4..=256).contains(&key.secret.len())));
        }
        Err(error) => check(&error),
    }
}

struct Demands {
    scram: bool,
    binding: bool,
}

fn open(output: Vec<u8>, encryption: Encryption, demands: &Demands) -> Result<SessionStart, Error> {
    let hostile = InProcess::new("hostile", move |mut server: UnixStream| {
        server.set_nonblocking(true)?;
        // Bytes that do not fit are dropped.
        let _ = server.write_all(&output);
        server.shutdown(Shutdown::Write)
    });
    let deadline = Instant::now() + Duration::from_secs(20);
    let nothing = Duration::ZERO;
    let dial = Dial {
        address: Address::InProcess(hostile),
        connected: None,
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
        options: &SessionOptions::None,
        versions: (ProtocolVersion::V3_0, ProtocolVersion::V3_2),
        credentials,
    };
    let dialled = dial.run()?;
    let start = packet.run(&dialled.link, deadline)?;
    assert!(!dialled.link.is_busy(), "a session is open in which a reply is owed");
    Ok(start)
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
    while !draws.is_empty() && output.len() < MAX_OUTPUT {
        let kind = draws.byte();
        let length = match draws.byte() {
            255 => usize::from(draws.byte()) << 8 | usize::from(draws.byte()),
            short => usize::from(short),
        };
        let body = draws.bytes(length);
        output.push(kind);
        output.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
        output.extend_from_slice(body);
    }
    output
}
