//! Checks that a server has the role that `target_session_attrs` asks for.

use crate::config::settings::TargetSessionAttrs;
use crate::error::{Error, ErrorKind, Phase};
use crate::session::RawSession;

/// A function that runs one statement and returns the values of its first row, none when there is no row. The API it uses
/// depends on the owner of the session.
pub(crate) type FirstRow<'a> = &'a mut dyn FnMut(&str) -> Result<Vec<Option<String>>, Error>;

/// The query for the role: one round trip, valid on every supported version (a hot standby is always read-only). Names are
/// qualified, and nothing is compared, since a caller may have set another `search_path`.
const ROLE_QUERY: &str =
    "select pg_catalog.current_setting('transaction_read_only'), pg_catalog.pg_is_in_recovery()";

/// Checks the role of a fresh session's server.
pub(super) fn check_role(ask: FirstRow<'_>, wanted: TargetSessionAttrs) -> Result<(), Error> {
    let Some(what) = misfit(ask, wanted)? else { return Ok(()) };
    // Roles change in a failover, so asking again later is right.
    Err(Error::new(ErrorKind::Unreachable, format!("the server does not have the role asked for: {what}"))
        .in_phase(Phase::Role)
        .set_retryable(true))
}

/// Asks the server for its role and returns the mismatch, if there is one. `PreferStandby` here means "must be a standby":
/// the preference is two calls.
pub(super) fn misfit(ask: FirstRow<'_>, wanted: TargetSessionAttrs) -> Result<Option<&'static str>, Error> {
    if wanted == TargetSessionAttrs::Any {
        return Ok(None);
    }
    let (read_only, standby) = read_role(ask)?;
    let (fits, what) = match wanted {
        TargetSessionAttrs::Any => (true, ""),
        TargetSessionAttrs::ReadWrite => (!read_only, "its sessions are read-only"),
        TargetSessionAttrs::ReadOnly => (read_only, "its sessions are read-write"),
        TargetSessionAttrs::Primary => (!standby, "it is a standby"),
        TargetSessionAttrs::Standby | TargetSessionAttrs::PreferStandby => (standby, "it is not a standby"),
    };
    Ok((!fits).then_some(what))
}

/// Asks whether the server's sessions are read-only, and whether it is a standby.
fn read_role(ask: FirstRow<'_>) -> Result<(bool, bool), Error> {
    let row = ask(ROLE_QUERY).map_err(|e| match e.kind() {
        ErrorKind::QueryTimeout => {
            Error::new(ErrorKind::ConnectTimeout, "the server did not tell its role in time")
                .in_phase(Phase::Role)
                .with_source(e)
        }
        _ => e.in_phase(Phase::Role).set_retryable(true),
    })?;
    let flag = |column: usize, yes: &str| Some(row.get(column)?.as_deref()? == yes);
    match (flag(0, "on"), flag(1, "t")) {
        (Some(read_only), Some(standby)) => Ok((read_only, standby)),
        _ => Err(Error::new(ErrorKind::Database, "the server did not tell its role").in_phase(Phase::Role)),
    }
}

/// Runs one statement on a fresh session and returns the values of its first row, none when there is no row.
pub(super) fn first_row(raw: &mut RawSession<'_>, sql: &str) -> Result<Vec<Option<String>>, Error> {
    let blocks = raw.script(sql)?;
    let Some(block) = blocks.first().filter(|block| block.rows() > 0) else { return Ok(Vec::new()) };
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    Ok((0..block.columns().len()).map(|column| block.cell(0, column).map(text)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_with_fewer_columns_than_asked_for_is_an_error() {
        for answer in [vec![], vec![Some("on".to_owned())], vec![None, Some("t".to_owned())]] {
            let error = misfit(&mut |_| Ok(answer.clone()), TargetSessionAttrs::Primary).unwrap_err();
            assert_eq!((error.kind(), error.phase()), (ErrorKind::Database, Some(Phase::Role)));
        }
        let standby = || Ok(vec![Some("on".to_owned()), Some("t".to_owned())]);
        assert_eq!(misfit(&mut |_| standby(), TargetSessionAttrs::Standby).unwrap(), None);
        assert_eq!(
            misfit(&mut |_| standby(), TargetSessionAttrs::ReadWrite).unwrap(),
            Some("its sessions are read-only")
        );
    }
}
