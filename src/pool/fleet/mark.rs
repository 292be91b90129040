//! The mark that each connection of a fleet's pool carries in its application name.

use crate::config::settings::{PoolSettings, ServerSettings};
use crate::resilience::fleet::census::Id;

/// The part of an application's name that the server keeps (NAMEDATALEN, less its terminator).
const MAX_APPLICATION_NAME_BYTES: usize = 63;

/// Makes a pool a member of the fleet, if `fleet_share` is on: its connections carry a mark from now on. With random choice
/// among several servers a census of one says nothing about the others, so such a pool does not share.
pub(in crate::pool) fn join(settings: &PoolSettings, server: &mut ServerSettings) -> Option<Id> {
    if !settings.fleet_share || server.load_balance_hosts {
        return None;
    }
    let id = Id(fastrand::u32(..));
    server.application_name = Some(marked(server.application_name.as_deref().unwrap_or(""), id));
    Some(id)
}

/// Appends the mark to the user's application name, which is cut where both would not fit. From version 16 on, servers write
/// each byte that is not printable ASCII as four.
fn marked(name: &str, id: Id) -> String {
    let mark = format!("hf:{:08x}", id.0);
    let mut room = MAX_APPLICATION_NAME_BYTES - mark.len() - 1;
    let fits = |c: &char| {
        let width = if c.is_ascii_graphic() || *c == ' ' { 1 } else { 4 * c.len_utf8() };
        let fits = width <= room;
        room = if fits { room - width } else { 0 };
        fits
    };
    let name: String = name.chars().take_while(fits).collect();
    if name.is_empty() { mark } else { format!("{name} {mark}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resilience::fleet::census::unmarked;

    #[test]
    fn the_mark_follows_the_users_own_name_within_what_a_server_keeps() {
        let id = Id(0x0012_abcd);
        assert_eq!(marked("", id), "hf:0012abcd");
        assert_eq!(marked("orders", id), "orders hf:0012abcd");
        for name in ["orders", "größe"] {
            assert_eq!(unmarked(&marked(name, id)), Some(name));
            assert_eq!(unmarked(name), Some(name));
        }
        assert_eq!(unmarked("hf:0012abcd"), None);
        let long = marked(&"x".repeat(80), id);
        assert_eq!((long.len(), long.ends_with("x hf:0012abcd")), (63, true));
        let umlauts = marked(&"ä".repeat(80), id);
        assert_eq!(umlauts.chars().filter(|c| *c == 'ä').count(), 51 / 8);
    }
}
