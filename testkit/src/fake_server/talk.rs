//! The conversation with one client, up to the word at which its script breaks it.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

use super::packets::read_packet;
use super::refusal::Refusal;
use super::{Script, Shared, session};

/// Codes in the place of a protocol version, as in PostgreSQL's `pqcomm.h`.
const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;

/// Treats a client as the script says, until it leaves or the server is dropped.
pub(super) fn talk(script: &Script, mut client: TcpStream, shared: &Shared) -> io::Result<()> {
    let client = &mut client;
    match script {
        Script::SilentAfterAccept => {}
        Script::SilentInTls => {
            expect_request(client, SSL_REQUEST)?;
            client.write_all(b"S")?;
        }
        Script::StuffBehindTlsAnswer(bytes) => {
            expect_request(client, SSL_REQUEST)?;
            // In one packet, so that both are there when the client looks.
            client.write_all(&[b"S", bytes.as_slice()].concat())?;
        }
        Script::SilentInAuthentication => hear_startup(client, shared)?,
        Script::SayAtStartUp(refusal) => {
            hear_startup(client, shared)?;
            return say_and_hang_up(client, &refusal.encode());
        }
        Script::SayAfterAuthentication(refusal) => {
            hear_startup(client, shared)?;
            return say_and_hang_up(client, &[session::authenticated(), refusal.encode()].concat());
        }
        Script::SayAtStatement(at, refusal) => return serve(client, shared, Some((*at, refusal))),
        Script::LetIn => return serve(client, shared, None),
        Script::SayBytes(bytes) => {
            let _ = client.read(&mut [0; 1024])?;
            return say_and_hang_up(client, bytes);
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
    io::copy(client, &mut io::sink()).map(drop)
}

fn say_and_hang_up(client: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    client.write_all(bytes)?;
    client.shutdown(Shutdown::Both)
}

fn serve(client: &mut TcpStream, shared: &Shared, fault: Option<(u32, &Refusal)>) -> io::Result<()> {
    hear_startup(client, shared)?;
    session::serve(client, fault, |sql| shared.heard.lock().statements.push(sql.to_owned()))
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
        if CANCEL_REQUEST.to_be_bytes() == code {
            // Nothing runs long enough here to be cancelled. A server hangs up without an answer.
            return Err(io::ErrorKind::ConnectionAborted.into());
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
