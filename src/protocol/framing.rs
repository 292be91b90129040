//! Finds the messages in a stream of bytes: one type byte, four bytes of length that count themselves, the body.
//! (PostgreSQL documentation, "Message Flow" and "Message Formats".)
//!
//! The only copy is of the head of a body that is asked for, where a read ends within it.

/// The bytes kept of a body that is asked for: enough for severity and SQLSTATE of an error, a backend key, a status.
pub(crate) const KEPT: usize = 128;

/// The framing of one direction of a connection, across reads of any size.
#[derive(Debug)]
pub(crate) struct Framing {
    header: [u8; 5],
    /// The number of bytes of `header` seen so far.
    have: usize,
    /// The number of bytes of the present body still to come.
    body_left: usize,
    /// Set for the first message of the client, which has no type byte: its header is the length alone.
    untyped_first: bool,
    kept: [u8; KEPT],
    kept_len: usize,
    broken: bool,
}

/// A message whose last byte has been seen.
pub(crate) struct Message<'a> {
    /// 0 for the start-up packet.
    pub(crate) kind: u8,
    /// The first bytes of the body, at most 128; empty for a kind that is not asked for.
    pub(crate) head: &'a [u8],
}

impl Framing {
    /// Makes the framing of bytes from the server.
    pub(crate) fn backend() -> Self {
        Self {
            header: [0; 5],
            have: 0,
            body_left: 0,
            untyped_first: false,
            kept: [0; KEPT],
            kept_len: 0,
            broken: false,
        }
    }

    /// Makes the framing of bytes to the server, from the start-up packet on.
    pub(crate) fn frontend() -> Self {
        let mut framing = Self::backend();
        framing.expect_untyped();
        framing
    }

    fn expect_untyped(&mut self) {
        self.untyped_first = true;
        self.header[0] = 0;
        self.have = 1;
    }

    /// Returns whether the bytes seen so far end with a whole message.
    pub(crate) fn at_boundary(&self) -> bool {
        !self.broken && self.body_left == 0 && self.have == usize::from(self.untyped_first)
    }

    /// Returns whether a length below its own four bytes was seen: the rest of the stream has no known meaning.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Returns how many bytes of the present message have been seen, header included; 0 between two messages.
    pub(crate) fn seen_of_present(&self) -> usize {
        if self.have < 5 { self.have } else { 1 + self.length() - self.body_left }
    }

    /// Returns whether the stream stands inside a row or a piece of a copy, behind its header.
    pub(crate) fn is_within_data(&self) -> bool {
        self.have == 5 && matches!(self.header[0], b'D' | b'd')
    }

    /// Returns the header of a message of the same kind whose body is the part still to come.
    pub(crate) fn header_of_rest(&self) -> [u8; 5] {
        // The rest is shorter than the length that came in four bytes.
        let [a, b, c, d] = (self.body_left as u32 + 4).to_be_bytes();
        [self.header[0], a, b, c, d]
    }

    /// Returns the length in the present header, which counts itself.
    fn length(&self) -> usize {
        let [_, a, b, c, d] = self.header;
        u32::from_be_bytes([a, b, c, d]) as usize
    }

    /// Takes the next bytes of the stream and reports each message they complete. `keep` selects the kinds whose body's head is
    /// wanted.
    pub(crate) fn feed(
        &mut self,
        mut bytes: &[u8],
        keep: impl Fn(u8) -> bool,
        mut complete: impl FnMut(Message<'_>),
    ) {
        while !self.broken {
            // Whole messages, rows above all, are stepped over without state or copy.
            while self.have == 0 && self.body_left == 0 && bytes.len() >= 5 {
                let length = u32::from_be_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]) as usize;
                if length < 4 || bytes.len() <= length {
                    break;
                }
                let head = if keep(bytes[0]) { &bytes[5..=length.min(4 + KEPT)] } else { &[] };
                complete(Message { kind: bytes[0], head });
                bytes = &bytes[length + 1..];
            }
            if bytes.is_empty() {
                return;
            }
            if self.have < 5 {
                bytes = self.take_header(bytes);
                if self.have < 5 || self.broken {
                    return;
                }
            } else {
                bytes = self.take_body(bytes, &keep);
            }
            if self.have == 5 && self.body_left == 0 {
                let head = &self.kept[..self.kept_len];
                complete(Message { kind: self.header[0], head });
                self.have = 0;
                self.kept_len = 0;
                self.untyped_first = false;
            }
        }
    }

    fn take_header<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let n = bytes.len().min(5 - self.have);
        self.header[self.have..self.have + n].copy_from_slice(&bytes[..n]);
        self.have += n;
        if self.have == 5 {
            match self.length().checked_sub(4) {
                Some(length) => self.body_left = length,
                None => self.broken = true,
            }
        }
        &bytes[n..]
    }

    fn take_body<'b>(&mut self, bytes: &'b [u8], keep: &impl Fn(u8) -> bool) -> &'b [u8] {
        let n = bytes.len().min(self.body_left);
        if keep(self.header[0]) {
            let k = n.min(KEPT - self.kept_len);
            self.kept[self.kept_len..self.kept_len + k].copy_from_slice(&bytes[..k]);
            self.kept_len += k;
        }
        self.body_left -= n;
        &bytes[n..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(framing: &mut Framing, bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let mut seen = Vec::new();
        framing.feed(bytes, |k| k == b'Z' || k == b'E', |m| seen.push((m.kind, m.head.to_vec())));
        seen
    }

    const STREAM: &[u8] = b"D\0\0\0\x06abC\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I";

    #[test]
    fn messages_are_found_wherever_the_reads_fall() {
        let expected = vec![(b'D', vec![]), (b'C', vec![]), (b'Z', b"I".to_vec())];
        for cut in 0..=STREAM.len() {
            let mut framing = Framing::backend();
            let mut seen = kinds(&mut framing, &STREAM[..cut]);
            seen.extend(kinds(&mut framing, &STREAM[cut..]));
            assert_eq!(seen, expected, "cut at {cut}");
            assert!(framing.at_boundary());
        }
        let mut framing = Framing::backend();
        let seen: Vec<_> = STREAM.iter().flat_map(|b| kinds(&mut framing, &[*b])).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_stream_that_stops_inside_a_message_is_not_at_a_boundary() {
        let mut framing = Framing::backend();
        kinds(&mut framing, &STREAM[..3]);
        assert!(!framing.at_boundary());
        kinds(&mut framing, &STREAM[3..7]);
        assert!(framing.at_boundary());
    }

    #[test]
    fn the_start_up_packet_has_no_type_byte() {
        let mut framing = Framing::frontend();
        assert!(framing.at_boundary());
        let mut seen = Vec::new();
        framing.feed(b"\0\0\0\x09\0\x03\0\0\0Q\0\0\0\x05\0", |_| false, |m| seen.push(m.kind));
        assert_eq!(seen, [0, b'Q']);
    }

    #[test]
    fn a_length_below_four_breaks_the_stream_instead_of_being_followed() {
        let mut framing = Framing::backend();
        assert!(kinds(&mut framing, b"Z\0\0\0\x03IZ\0\0\0\x05I").is_empty());
        assert!(framing.is_broken());
        assert!(!framing.at_boundary());
    }

    #[test]
    fn only_the_head_of_a_long_body_is_kept() {
        let mut framing = Framing::backend();
        let mut bytes = b"E\0\0\x01\x04".to_vec();
        bytes.extend([b'x'; 256]);
        let seen = kinds(&mut framing, &bytes);
        assert_eq!(seen, [(b'E', vec![b'x'; 128])]);
    }
}
