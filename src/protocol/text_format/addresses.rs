//! The text of inet, cidr, macaddr and macaddr8.

use std::fmt::Write as _;

/// The address families in the output of `network_send`, by the server's own numbers. Its format: family, length of the
/// mask, a flag for cidr, the number of bytes that follow.
const IPV4: u8 = 2;
const IPV6: u8 = 3;

/// Prints like `network_out`: the mask is shown for cidr, and for inet unless it covers the whole address.
pub(super) fn write_inet(bytes: &[u8], out: &mut String) -> Option<()> {
    let (&[family, bits, is_cidr, length], address) = bytes.split_first_chunk::<4>()?;
    if usize::from(length) != address.len() {
        return None;
    }
    let whole = match family {
        IPV4 => {
            write_v4(address.try_into().ok()?, out);
            32
        }
        IPV6 => {
            write_v6(address.try_into().ok()?, out);
            128
        }
        _ => return None,
    };
    if is_cidr != 0 || bits != whole {
        write!(out, "/{bits}").ok()?;
    }
    Some(())
}

fn write_v4([a, b, c, d]: [u8; 4], out: &mut String) {
    let _ = write!(out, "{a}.{b}.{c}.{d}");
}

/// Prints like `inet_net_ntop_ipv6`: the longest run of two zero words or more is left out, the first of several as long; an
/// embedded IPv4 address is shown as such.
fn write_v6(bytes: [u8; 16], out: &mut String) {
    let words: [u16; 8] = std::array::from_fn(|n| u16::from_be_bytes([bytes[2 * n], bytes[2 * n + 1]]));
    let (start, length) = longest_zeros(&words);
    let end = start + length;
    let holds_v4 = start == 0 && (length == 6 || (length == 5 && words[5] == 0xffff));
    for (at, word) in words.iter().enumerate() {
        if (start..end).contains(&at) {
            if at == start {
                out.push(':');
            }
            continue;
        }
        if at > 0 {
            out.push(':');
        }
        if holds_v4 && at == 6 {
            let [.., a, b, c, d] = bytes;
            return write_v4([a, b, c, d], out);
        }
        let _ = write!(out, "{word:x}");
    }
    if end == 8 {
        out.push(':');
    }
}

/// Returns the start and length of the longest run of two zero words or more; length 0 when there is none.
fn longest_zeros(words: &[u16; 8]) -> (usize, usize) {
    let mut best = (0, 0);
    for start in 0..8 {
        let length = words[start..].iter().take_while(|w| **w == 0).count();
        if length >= 2 && length > best.1 {
            best = (start, length);
        }
    }
    best
}

/// Prints like `macaddr_out` and `macaddr8_out`.
pub(super) fn write_mac(bytes: &[u8], out: &mut String) -> Option<()> {
    if !matches!(bytes.len(), 6 | 8) {
        return None;
    }
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 {
            out.push(':');
        }
        write!(out, "{byte:02x}").ok()?;
    }
    Some(())
}
