//! Packets and messages of PostgreSQL's protocol, as the server's side reads and writes them.

use std::io::{self, Read};

/// PostgreSQL takes no longer startup packet either (`MAX_STARTUP_PACKET_LENGTH`). A TLS ClientHello reads as a longer one.
const LONGEST_PACKET: u32 = 10_000;

/// Statements of tests are shorter. What is longer is not a client of PostgreSQL's.
const LONGEST_MESSAGE: u32 = 16 * 1024 * 1024;

/// Reads a packet without a type byte, without its length.
pub(super) fn read_packet(client: &mut impl Read) -> io::Result<Vec<u8>> {
    read_body(client, 8..=LONGEST_PACKET)
}

/// Reads a message: its type and what follows its length. `None` when the client has left.
pub(super) fn read_message(client: &mut impl Read) -> io::Result<Option<(u8, Vec<u8>)>> {
    let mut kind = [0];
    if client.read(&mut kind)? == 0 {
        return Ok(None);
    }
    Ok(Some((kind[0], read_body(client, 4..=LONGEST_MESSAGE)?)))
}

fn read_body(client: &mut impl Read, allowed: std::ops::RangeInclusive<u32>) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    client.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if !allowed.contains(&length) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut body = vec![0; length as usize - 4];
    client.read_exact(&mut body)?;
    Ok(body)
}

/// A message of the server's: its type, its length, which counts itself, and the rest.
pub(super) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [&[kind], length.to_be_bytes().as_slice(), body].concat()
}

/// Takes a text that ends with a zero byte off the front of a message.
pub(super) fn take_text(body: &mut &[u8]) -> String {
    let end = body.iter().position(|&byte| byte == 0).unwrap_or(body.len());
    let text = String::from_utf8_lossy(&body[..end]).into_owned();
    *body = body.get(end + 1..).unwrap_or_default();
    text
}

/// Takes a number of two bytes off the front of a message; 0 where it has ended.
pub(super) fn take_u16(body: &mut &[u8]) -> u16 {
    let Some((number, rest)) = body.split_first_chunk() else { return 0 };
    *body = rest;
    u16::from_be_bytes(*number)
}

/// Takes a number of four bytes off the front of a message; 0 where it has ended.
pub(super) fn take_u32(body: &mut &[u8]) -> u32 {
    let Some((number, rest)) = body.split_first_chunk() else { return 0 };
    *body = rest;
    u32::from_be_bytes(*number)
}
