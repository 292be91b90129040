//! Whether a server has the role that `target_session_attrs` asks for.

use crate::config::settings::TargetSessionAttrs;
use crate::error::{Error, ErrorKind, Phase};
use crate::session::{Lane, ResultBlock};

/// Checks a fresh session.
pub(super) fn check_role(lane: &mut Lane<'_>, wanted: TargetSessionAttrs) -> Result<(), Error> {
    let Some(what) = misfit(lane, wanted)? else { return Ok(()) };
    // Roles change in a failover, so asking again later is right.
    Err(Error::new(ErrorKind::Unreachable, format!("the server does not have the role asked for: {what}"))
        .in_phase(Phase::Role)
        .set_retryable(true))
}

/// Asks the server for its role; what is wrong with it, if something is. `PreferStandby` here means "must be a standby":
/// preferring is done by asking twice.
pub(super) fn misfit(lane: &mut Lane<'_>, wanted: TargetSessionAttrs) -> Result<Option<&'static str>, Error> {
    if wanted == TargetSessionAttrs::Any {
        return Ok(None);
    }
    let (read_only, standby) = read_role(lane)?;
    let (fits, what) = match wanted {
        TargetSessionAttrs::Any => (true, ""),
        TargetSessionAttrs::ReadWrite => (!read_only, "its sessions are read-only"),
        TargetSessionAttrs::ReadOnly => (read_only, "its sessions are read-write"),
        TargetSessionAttrs::Primary => (!standby, "it is a standby"),
        TargetSessionAttrs::Standby | TargetSessionAttrs::PreferStandby => (standby, "it is not a standby"),
    };
    Ok((!fits).then_some(what))
}

/// Reads both at one round trip, the same way on every supported version (a hot standby is always read-only).
fn read_role(lane: &mut Lane<'_>) -> Result<(bool, bool), Error> {
    let sql =
        "select pg_catalog.current_setting('transaction_read_only') = 'on', pg_catalog.pg_is_in_recovery()";
    let answer = lane.script(sql).map_err(|e| match e.kind() {
        ErrorKind::QueryTimeout => {
            Error::new(ErrorKind::ConnectTimeout, "the server did not tell its role in time")
                .in_phase(Phase::Role)
                .with_source(e)
        }
        _ => e.in_phase(Phase::Role).set_retryable(true),
    })?;
    match (flag(&answer, 0), flag(&answer, 1)) {
        (Some(read_only), Some(standby)) => Ok((read_only, standby)),
        _ => Err(Error::new(ErrorKind::Database, "the server did not tell its role").in_phase(Phase::Role)),
    }
}

/// A boolean in the first row of an answer; `None` for one that has no such column or anything else in it.
fn flag(answer: &[ResultBlock], column: usize) -> Option<bool> {
    match answer.first()?.cell(0, column)? {
        b"t" => Some(true),
        b"f" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::played::Played;
    use crate::session::LaneState;

    /// A row of texts, with what goes before and behind it.
    fn answer(columns: &[&str]) -> Vec<u8> {
        let message =
            |kind: u8, body: &[u8]| [&[kind][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat();
        let count = (columns.len() as u16).to_be_bytes().to_vec();
        let (mut description, mut row) = (count.clone(), count);
        for text in columns {
            description.extend_from_slice(b"?\0\0\0\0\0\0\0\0\0\0\x10\0\x01\xff\xff\xff\xff\0\0");
            row.extend_from_slice(&(text.len() as u32).to_be_bytes());
            row.extend_from_slice(text.as_bytes());
        }
        let parts = [
            message(b'T', &description),
            message(b'D', &row),
            message(b'C', b"SELECT 1\0"),
            message(b'Z', b"I"),
        ];
        parts.concat()
    }

    fn asked(columns: &[&str], wanted: TargetSessionAttrs) -> Result<Option<&'static str>, Error> {
        let mut server = Played::begin(b"Z\0\0\0\x05I", false).unwrap();
        let mut state = LaneState::new(0);
        server.say(&answer(columns));
        misfit(&mut Lane::new(&server.link, &server.cancel, &mut state), wanted)
    }

    #[test]
    fn an_answer_with_fewer_columns_or_other_words_is_an_error() {
        for columns in [&[][..], &["t"], &["t", "maybe"], &["", ""]] {
            let error = asked(columns, TargetSessionAttrs::Primary).unwrap_err();
            assert_eq!(
                (error.kind(), error.phase()),
                (ErrorKind::Database, Some(Phase::Role)),
                "{columns:?}"
            );
        }
    }

    #[test]
    fn what_speaks_against_a_server_is_named() {
        let misfit = |columns: &[&str], wanted| asked(columns, wanted).unwrap();
        assert_eq!(misfit(&["f", "f"], TargetSessionAttrs::ReadWrite), None);
        assert_eq!(misfit(&["t", "f"], TargetSessionAttrs::ReadWrite), Some("its sessions are read-only"));
        assert_eq!(misfit(&["t", "t"], TargetSessionAttrs::Primary), Some("it is a standby"));
        assert_eq!(misfit(&["f", "f"], TargetSessionAttrs::Standby), Some("it is not a standby"));
    }
}
