//! Tests of the start of a session against servers that are something else, or demand too much.

use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use super::auth::{Credentials, Nonce};
use super::session_options::SessionOptions;
use super::startup::{SessionStart, StartUp};
use crate::config::require_auth::RequireAuth;
use crate::config::settings::{ChannelBinding, ProtocolVersion, Secret};
use crate::error::{Error, ErrorKind, Phase};
use crate::link::scripted_server::ScriptedServer;

/// The client's settings.
struct Client {
    password: Option<Secret>,
    require_auth: Option<RequireAuth>,
    channel_binding: ChannelBinding,
    versions: (ProtocolVersion, ProtocolVersion),
}

impl Client {
    fn new() -> Self {
        Self {
            password: Some(Secret::new("pencil")),
            require_auth: None,
            channel_binding: ChannelBinding::Prefer,
            versions: (ProtocolVersion::V3_0, ProtocolVersion::V3_2),
        }
    }

    fn requiring(methods: &str) -> Self {
        Self { require_auth: RequireAuth::parse(methods).expect("a valid list"), ..Self::new() }
    }

    fn start(&self, server: &ScriptedServer) -> Result<SessionStart, Error> {
        let deadline = Instant::now() + Duration::from_secs(10);
        server.link.set_deadline(Some(deadline));
        let credentials = Credentials {
            password: self.password.as_ref(),
            channel_binding: self.channel_binding,
            require_auth: self.require_auth.as_ref(),
            scram_max_iterations: 1_000,
            requires_certificate: false,
            nonce: Nonce::Random,
        };
        let packet = StartUp {
            user: "app",
            dbname: "orders",
            application_name: Some("test"),
            options: &SessionOptions::None,
            versions: self.versions,
            credentials,
        };
        packet.run(&server.link, deadline)
    }

    /// Starts a session against a server that sends all of this without reading.
    fn meets(&self, words: &[&[u8]]) -> Result<SessionStart, Error> {
        let mut server = ScriptedServer::fresh().unwrap();
        server.say(&words.concat());
        server.fall_silent(false).unwrap();
        self.start(&server)
    }
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat()
}

/// An authentication request.
fn request(code: u32, rest: &[u8]) -> Vec<u8> {
    message(b'R', &[&code.to_be_bytes(), rest].concat())
}

fn ok() -> Vec<u8> {
    request(0, b"")
}

const READY: &[u8] = b"Z\0\0\0\x05I";

fn assert_final(error: &Error, words: &str) {
    assert_eq!((error.kind(), error.phase()), (ErrorKind::Auth, Some(Phase::Auth)), "{error}");
    assert!(!error.is_retryable(), "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn settings_and_key_are_kept() {
    let key = message(b'K', &[&[0, 0, 0, 9][..], &[7; 256]].concat());
    let told = [
        &ok()[..],
        &message(b'S', b"server_version\x0018.0\0"),
        &message(b'N', b"SNOTICE\0C00000\0Mhello\0\0"),
        &message(b'S', b"in_hot_standby\0off\0"),
        &key,
        READY,
    ];
    let start = Client::new().meets(&told).unwrap();
    let parameters: Vec<_> = start.parameters().collect();
    assert_eq!(parameters, [(&b"server_version"[..], &b"18.0"[..]), (b"in_hot_standby", b"off")]);
    assert_eq!(start.key().map(|key| (key.process_id, key.secret.len())), Some((9, 256)));
}

#[test]
fn a_session_without_a_user_shares_its_backend() {
    for (authorization, shares) in [("", true), ("app", false)] {
        let told = message(b'S', format!("session_authorization\0{authorization}\0").as_bytes());
        assert_eq!(Client::new().meets(&[&ok(), &told, READY]).unwrap().shares_backend(), shares);
    }
    assert!(!Client::new().meets(&[&ok(), READY]).unwrap().shares_backend());
}

#[test]
fn bytes_behind_the_start_are_left_to_the_session() {
    let mut server = ScriptedServer::fresh().unwrap();
    let notice = message(b'N', b"SNOTICE\0C00000\0Mlate\0\0");
    server.say(&[&ok(), READY, &notice].concat());
    Client::new().start(&server).unwrap();
    assert!(server.link.is_clean());
    let mut buffer = [0; 64];
    let n = server.link.blocking(None).unwrap().receive(&mut buffer).unwrap();
    assert_eq!(buffer[..n], notice);
}

#[test]
fn the_packet_names_user_and_database() {
    let mut server = ScriptedServer::fresh().unwrap();
    server.say(&[&ok(), READY].concat());
    Client::new().start(&server).unwrap();
    let mut sent = [0; 256];
    let n = server.server.read(&mut sent).unwrap();
    let text = b"client_encoding\0UTF8\0user\0app\0database\0orders\0application_name\0test\0\0";
    assert_eq!(sent[..8], [0, 0, 0, (8 + text.len()) as u8, 0, 3, 0, 2]);
    assert_eq!(sent[8..n], text[..]);
}

#[test]
fn something_else_than_a_server_is_named_at_once() {
    for words in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"-ERR unknown command\r\n",
        b"J\0\0\0\x0a8.0.36\0",
        b"+OK",
        b"\0",
        b"Z\0\0\0\x01",
        b"ERROR\r\n",
        b"ERR cut",
        b"RTSP/1.0 400 Bad Request\r\n",
        b"R\n",
        b"v2 ready",
    ] {
        let error = Client::new().meets(&[words]).unwrap_err();
        let first = char::from(words[0]).escape_default();
        assert_final(&error, &format!("expected authentication request from server, but received {first}"));
        assert!(error.is_of_other_service());
    }
}

#[test]
fn the_old_form_of_error_of_a_server_that_cannot_fork_is_retryable() {
    let words = b"Ecould not fork new process for connection: Cannot allocate memory\n\0";
    let error = Client::new().meets(&[words]).unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert!(error.to_string().contains("could not fork new process for connection: Cannot"), "{error}");
}

#[test]
fn a_server_gets_the_password_once() {
    for second in [request(3, b""), request(5, b"salt"), request(10, b"SCRAM-SHA-256\0\0")] {
        for first in [request(3, b""), request(5, b"salt")] {
            let error = Client::new().meets(&[&first, &second]).unwrap_err();
            assert_final(&error, "asked for the password twice");
        }
    }
}

#[test]
fn a_refusal_keeps_its_code_before_and_after_authentication() {
    let refusal = message(b'E', b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0");
    for before in [vec![], ok()] {
        let error = Client::new().meets(&[&before, &refusal]).unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::ServerStarting, true), "{error}");
    }
}

#[test]
fn messages_that_claim_more_than_their_kind_may_have_end_the_attempt() {
    let claims = |kind: u8, length: u32| [&[kind][..], &length.to_be_bytes()].concat();
    for (before, claim) in [
        (vec![], claims(b'R', 2_001)),
        (vec![], claims(b'R', 7)),
        (ok(), claims(b'N', 2_000_000_000)),
        (ok(), claims(b'E', 30_001)),
        (ok(), claims(b'S', 70_000)),
        (ok(), claims(b'K', 265)),
        (ok(), claims(b'Z', 17)),
        (ok(), claims(b'D', 100)),
    ] {
        let error = Client::new().meets(&[&before, &claim, &[0; 64]]).unwrap_err();
        assert_final(&error, "the server sent");
    }
    // More than 30,000 for an error before authentication is one without a length.
    let error = Client::new().meets(&[&claims(b'E', 0x7878_7878), b"\0"]).unwrap_err();
    assert!(error.is_retryable(), "{error}");
}

#[test]
fn a_server_that_is_never_ready_is_given_up_after_a_mebibyte() {
    let endless = [
        message(b'N', &[&b"SNOTICE\0C00000\0M"[..], &[b'x'; 2_000], b"\0\0"].concat()),
        message(b'S', &[&b"name\0"[..], &[b'x'; 2_000], b"\0"].concat()),
    ];
    for piece in endless {
        let mut server = ScriptedServer::fresh().unwrap();
        server.say(&ok());
        let mut told = server.server.try_clone().unwrap();
        told.set_nonblocking(false).unwrap();
        let teller = thread::spawn(move || {
            let mut sent = 0;
            while sent < 4 << 20 && told.write_all(&piece).is_ok() {
                sent += piece.len();
            }
            sent
        });
        let error = Client::new().start(&server).unwrap_err();
        assert_final(&error, "more than 1 MiB");
        drop(server);
        assert!(teller.join().unwrap() < 2 << 20);
    }
}

#[test]
fn settings_that_are_cut_and_messages_in_the_wrong_place_are_refused() {
    for words in [
        message(b'S', b"name\0value"),
        message(b'S', b"name\0"),
        message(b'S', b"a\0b\0c\0"),
        message(b'K', b"\0\0\0\x01"),
        message(b'Z', b""),
        message(b'R', &[0; 4]),
        message(b'v', &[0; 8]),
        message(b'1', b""),
    ] {
        let error = Client::new().meets(&[&ok(), &words]).unwrap_err();
        assert_final(&error, "the server sent");
    }
}

#[test]
fn unsupported_methods_are_named_with_what_to_do() {
    for (code, name) in [(7, "GSSAPI"), (9, "SSPI"), (2, "Kerberos V5"), (6, "SCM"), (99, "number 99")] {
        let error = Client::new().meets(&[&request(code, b"")]).unwrap_err();
        assert_final(&error, name);
    }
    let error = Client::new().meets(&[&request(10, b"OAUTHBEARER\0\0")]).unwrap_err();
    assert_final(&error, "OAUTHBEARER");
}

#[test]
fn a_missing_password_is_reported_by_method() {
    let client = Client { password: None, ..Client::new() };
    for asked in [request(3, b""), request(5, b"salt"), request(10, b"SCRAM-SHA-256\0\0")] {
        assert_final(&client.meets(&[&asked]).unwrap_err(), "PGPASSWORD");
    }
}

/// The error of a client whose server asks for a password in the clear, reads it, and says `reply`.
fn after_password(reply: &[u8]) -> Error {
    let mut server = ScriptedServer::fresh().unwrap();
    server.say(&request(3, b""));
    let mut told = server.server.try_clone().unwrap();
    told.set_nonblocking(false).unwrap();
    let reply = reply.to_vec();
    let teller = thread::spawn(move || {
        let mut heard = Vec::new();
        while !heard.ends_with(b"pencil\0") {
            let mut some = [0; 256];
            let count = told.read(&mut some).unwrap();
            assert!(count > 0, "it hung up");
            heard.extend_from_slice(&some[..count]);
        }
        told.write_all(&reply).unwrap();
    });
    let error = Client::new().start(&server).unwrap_err();
    teller.join().unwrap();
    error
}

#[test]
fn a_refusal_is_one_of_the_password_only_in_reply_to_it() {
    let refusal = |code: &str| message(b'E', format!("SFATAL\0VFATAL\0C{code}\0Mno\0\0").as_bytes());
    // PAM and LDAP (28000) as well as passwords that the server knows itself (28P01).
    for code in ["28P01", "28000"] {
        let before = Client::new().meets(&[&refusal(code)]).unwrap_err();
        let reply = after_password(&refusal(code));
        let after = after_password(&[ok(), refusal(code)].concat());
        let of_password = [&before, &reply, &after].map(Error::is_of_refused_password);
        assert_eq!(of_password, [false, true, false], "{before}; {reply}; {after}");
        assert!([before, reply, after].iter().all(|error| error.kind() == ErrorKind::Auth));
    }
    assert!(!after_password(&refusal("53300")).is_of_refused_password());
}

#[test]
fn passwords_in_the_clear_and_by_md5_are_answered() {
    let answered = |asked: Vec<u8>| {
        let mut server = ScriptedServer::fresh().unwrap();
        server.say(&[&asked, &ok(), READY].map(<[u8]>::to_vec).concat());
        Client::new().start(&server).unwrap();
        let mut sent = [0; 256];
        let _packet = server.server.read(&mut sent).unwrap();
        let n = server.server.read(&mut sent).unwrap();
        sent[..n].to_vec()
    };
    assert_eq!(answered(request(3, b"")), b"p\0\0\0\x0bpencil\0");
    let hashed = answered(request(5, b"salt"));
    assert_eq!((&hashed[..8], hashed.len()), (&b"p\0\0\0\x28md5"[..], 41));
}

#[test]
fn a_method_that_is_not_acceptable_gets_no_answer() {
    let refused = |methods: &str, words: &[&[u8]]| {
        let mut server = ScriptedServer::fresh().unwrap();
        server.say(&words.concat());
        let error = Client::requiring(methods).start(&server).unwrap_err();
        assert_final(&error, &format!("authentication method requirement \"{methods}\" failed"));
        let mut sent = [0; 512];
        let _packet = server.server.read(&mut sent).unwrap();
        assert!(server.server.read(&mut sent).is_err(), "nothing but the start-up packet was sent");
    };
    refused("scram-sha-256", &[&request(3, b"")]);
    refused("!password,!md5", &[&request(5, b"salt")]);
    refused("md5", &[&request(10, b"SCRAM-SHA-256\0\0")]);
    refused("scram-sha-256", &[&ok(), READY]);
    refused("!none", &[&ok(), READY]);
    refused("none", &[&request(3, b"")]);
    refused("md5", &[&request(7, b"")]);
    Client::requiring("none").meets(&[&ok(), READY]).unwrap();
    Client::requiring("scram-sha-256,none").meets(&[&ok(), READY]).unwrap();
    Client::requiring("password").meets(&[&request(3, b""), &ok(), READY]).unwrap();
}

#[test]
fn where_channel_binding_is_required_no_password_is_shown_without_it() {
    let client = Client { channel_binding: ChannelBinding::Require, ..Client::new() };
    for words in [request(3, b""), request(5, b"salt"), ok(), request(10, b"SCRAM-SHA-256\0\0")] {
        assert_final(&client.meets(&[&words]).unwrap_err(), "hannel binding");
    }
    let plus = request(10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");
    assert_final(&Client::new().meets(&[&plus]).unwrap_err(), "without TLS");
}

#[test]
fn scram_out_of_order_is_refused_and_its_end_cannot_be_left_out() {
    let begin = request(10, b"SCRAM-SHA-256\0\0");
    for (words, said) in [
        (vec![request(11, b"r=x,s=AAAA,i=1")], "before it began"),
        (vec![request(12, b"v=AAAA")], "before the client had answered"),
        (vec![begin.clone(), begin.clone()], "twice"),
        (vec![begin.clone(), ok()], "in the middle of SCRAM"),
        (vec![begin.clone(), request(12, b"v=AAAA")], "before the client had answered"),
        (vec![begin.clone(), request(11, b"r=other,s=AAAA,i=1")], "nonce"),
        (vec![begin.clone(), request(11, b"nonsense")], "malformed"),
    ] {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        assert_final(&Client::new().meets(&words).unwrap_err(), said);
    }
}

#[test]
fn a_server_that_does_not_authenticate_itself_is_refused() {
    for last in [None, Some(request(12, b"v=AAAA")), Some(request(12, b"e=other-error"))] {
        let mut server = ScriptedServer::fresh().unwrap();
        server.say(&request(10, b"SCRAM-SHA-256\0\0"));
        let mut impostor = server.server.try_clone().unwrap();
        impostor.set_nonblocking(false).unwrap();
        let plays = thread::spawn(move || {
            let mut heard = [0; 512];
            let _packet = impostor.read(&mut heard).unwrap();
            let n = impostor.read(&mut heard).unwrap();
            let first = String::from_utf8_lossy(&heard[..n]).into_owned();
            let nonce = first.rsplit_once("r=").unwrap().1;
            impostor.write_all(&request(11, format!("r={nonce}more,s=c2FsdA==,i=2").as_bytes())).unwrap();
            let _proof = impostor.read(&mut heard).unwrap();
            impostor.write_all(&[last.unwrap_or_default(), ok(), READY.to_vec()].concat()).unwrap();
        });
        let error = Client::new().start(&server).unwrap_err();
        assert_final(&error, "SCRAM");
        plays.join().unwrap();
    }
}

#[test]
fn an_older_version_is_accepted_within_the_settings() {
    let negotiate =
        |version: u32, unknown: u32| message(b'v', &[version.to_be_bytes(), unknown.to_be_bytes()].concat());
    let met = |client: &Client, words: &[u8]| client.meets(&[words, &ok(), READY]);
    assert!(met(&Client::new(), &negotiate(0x3_0000, 0)).is_ok());
    let demanding = Client { versions: (ProtocolVersion::V3_2, ProtocolVersion::Latest), ..Client::new() };
    assert_final(&met(&demanding, &negotiate(0x3_0000, 0)).unwrap_err(), "min_protocol_version is 3.2");
    for odd in
        [negotiate(0x3_0003, 0), negotiate(0x2_0000, 0), negotiate(0x3_0000, 1), message(b'v', &[0; 4])]
    {
        assert_final(&met(&Client::new(), &odd).unwrap_err(), "the server");
    }
    let old = Client { versions: (ProtocolVersion::V3_0, ProtocolVersion::V3_0), ..Client::new() };
    assert_final(&met(&old, &negotiate(0x3_0002, 0)).unwrap_err(), "3.2");
    let twice = [negotiate(0x3_0000, 0), negotiate(0x3_0000, 0)].concat();
    assert_final(&met(&Client::new(), &twice).unwrap_err(), "unexpected message of kind 'v'");
}
