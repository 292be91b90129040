//! Servers that break the conversation on purpose, at a chosen word. Everything that a real server can do, a real server
//! should do in a test; this is for what it will not do on request.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;

use super::proxy::listen_anywhere;

/// Codes in the place of a protocol version, as in PostgreSQL's `pqcomm.h`.
const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;

/// The treatment of every client by a fake server.
#[derive(Debug, Clone)]
pub enum Script {
    /// Accepts and stays silent: a machine that hangs.
    SilentAfterAccept,
    /// Says yes to TLS, then stays silent in the middle of the handshake.
    SilentInTls,
    /// Says no to TLS, reads the startup packet, then stays silent.
    SilentInAuthentication,
    /// Says no to TLS, and answers the startup packet with this error, as full servers and poolers do.
    SayOnce(Refusal),
    /// Says yes to TLS with more bytes right behind, which a client must not take as part of the encrypted conversation
    /// (CVE-2021-23222).
    StuffBehindTlsAnswer(Vec<u8>),
    /// Answers the first bytes it reads with these, and hangs up: a server of something else.
    SayBytes(Vec<u8>),
    /// Answers the first bytes it reads with these, and waits for more: a server of something else.
    SayBytesAndStay(Vec<u8>),
    /// Reads the first bytes and hangs up.
    HangUp,
}

/// An ErrorResponse.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub severity: &'static str,
    pub sqlstate: String,
    pub message: String,
}

impl Refusal {
    pub fn fatal(sqlstate: &str, message: &str) -> Self {
        Self { severity: "FATAL", sqlstate: sqlstate.to_owned(), message: message.to_owned() }
    }

    /// PostgreSQL, all slots taken.
    pub fn too_many_clients() -> Self {
        Self::fatal("53300", "sorry, too many clients already")
    }

    /// PostgreSQL, not yet there.
    pub fn starting_up() -> Self {
        Self::fatal("57P03", "the database system is starting up")
    }

    /// PgBouncer at `max_client_conn`. It says nearly everything with 08P01.
    pub fn pgbouncer_full() -> Self {
        Self::fatal("08P01", "no more connections allowed (max_client_conn)")
    }

    /// PgBouncer whose server does not let it in.
    pub fn pgbouncer_server_login_failing() -> Self {
        Self::fatal(
            "08P01",
            "server login has been failing, cached error: connect failed (server_login_retry)",
        )
    }

    fn encode(&self) -> Vec<u8> {
        let mut fields = Vec::new();
        for (field, text) in
            [(b'S', self.severity), (b'V', self.severity), (b'C', &self.sqlstate), (b'M', &self.message)]
        {
            fields.push(field);
            fields.extend_from_slice(text.as_bytes());
            fields.push(0);
        }
        fields.push(0);
        let length = u32::try_from(fields.len() + 4).unwrap();
        [b"E".as_slice(), &length.to_be_bytes(), &fields].concat()
    }
}

/// A fake server on a port of its own, until it is dropped.
pub struct FakeServer {
    port: u16,
    shared: Arc<Shared>,
    door: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    accepted: Vec<TcpStream>,
    talks: Vec<JoinHandle<()>>,
    startups: Vec<BTreeMap<String, String>>,
}

impl FakeServer {
    pub fn start(script: Script) -> Self {
        let (port, listener) = listen_anywhere();
        let shared = Arc::new(Shared::default());
        let for_door = Arc::clone(&shared);
        let door = thread::spawn(move || {
            for client in listener.incoming() {
                if for_door.over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(client) = client else { continue };
                let (script, for_talk) = (script.clone(), Arc::clone(&for_door));
                let mut heard = for_door.heard.lock();
                heard.accepted.push(client.try_clone().unwrap());
                // A client that leaves in the middle is what these scripts are for.
                heard.talks.push(thread::spawn(move || drop(talk(&script, client, &for_talk))));
            }
        });
        Self { port, shared, door: Some(door) }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// How many have connected.
    pub fn accepted(&self) -> usize {
        self.shared.heard.lock().accepted.len()
    }

    /// The parameters of every startup packet so far (`user`, `database`, `application_name`, ...).
    pub fn startups(&self) -> Vec<BTreeMap<String, String>> {
        self.shared.heard.lock().startups.clone()
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // Wakes the thread in `accept`, which then sees that it is over.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(door) = self.door.take() {
            // A panic of that thread has been printed; another one here would hide the test's own.
            let _ = door.join();
        }
        let (accepted, talks) = {
            let mut heard = self.shared.heard.lock();
            (std::mem::take(&mut heard.accepted), std::mem::take(&mut heard.talks))
        };
        for client in accepted {
            // Ends the reads in which silent talks wait; a client that has left needs none.
            let _ = client.shutdown(Shutdown::Both);
        }
        for talk in talks {
            let _ = talk.join();
        }
    }
}

fn talk(script: &Script, mut client: TcpStream, shared: &Shared) -> io::Result<()> {
    match script {
        Script::SilentAfterAccept => {}
        Script::SilentInTls => {
            expect_request(&mut client, SSL_REQUEST)?;
            client.write_all(b"S")?;
        }
        Script::StuffBehindTlsAnswer(bytes) => {
            expect_request(&mut client, SSL_REQUEST)?;
            // In one packet, so that both are there when the client looks.
            client.write_all(&[b"S", bytes.as_slice()].concat())?;
        }
        Script::SilentInAuthentication => hear_startup(&mut client, shared)?,
        Script::SayOnce(refusal) => {
            hear_startup(&mut client, shared)?;
            client.write_all(&refusal.encode())?;
            return client.shutdown(Shutdown::Both);
        }
        Script::SayBytes(bytes) => {
            let _ = client.read(&mut [0; 1024])?;
            client.write_all(bytes)?;
            return client.shutdown(Shutdown::Both);
        }
        Script::SayBytesAndStay(bytes) => {
            let _ = client.read(&mut [0; 1024])?;
            client.write_all(bytes)?;
        }
        Script::HangUp => {
            let _ = client.read(&mut [0; 1024])?;
            return client.shutdown(Shutdown::Both);
        }
    }
    // Silent, but not deaf: what comes is read, until the client leaves or the server is dropped.
    io::copy(&mut client, &mut io::sink()).map(drop)
}

/// Reads the startup packet and notes its parameters; requests for encryption before it are declined.
fn hear_startup(client: &mut TcpStream, shared: &Shared) -> io::Result<()> {
    loop {
        let packet = read_packet(client)?;
        let (code, rest) = packet.split_at(4);
        if [SSL_REQUEST, GSS_REQUEST].map(u32::to_be_bytes).iter().any(|request| request == code) {
            client.write_all(b"N")?;
            continue;
        }
        let mut words = rest.split(|&byte| byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
        let mut parameters = BTreeMap::new();
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            if !name.is_empty() {
                parameters.insert(name, value);
            }
        }
        shared.heard.lock().startups.push(parameters);
        return Ok(());
    }
}

fn expect_request(client: &mut TcpStream, request: u32) -> io::Result<()> {
    let packet = read_packet(client)?;
    if packet.starts_with(&request.to_be_bytes()) { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// A packet without a type byte: its length, which counts itself, and the rest.
fn read_packet(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    /// PostgreSQL takes no longer one either (`MAX_STARTUP_PACKET_LENGTH`). A TLS ClientHello reads as a longer one.
    const LONGEST: u32 = 10_000;
    let mut length = [0; 4];
    client.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if !(8..=LONGEST).contains(&length) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut packet = vec![0; length as usize - 4];
    client.read_exact(&mut packet)?;
    Ok(packet)
}
