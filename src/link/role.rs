//! Whether a server has the role that `target_session_attrs` asks for.

use postgres::{Client, SimpleQueryMessage};

use super::Link;
use crate::config::settings::TargetSessionAttrs;
use crate::error::LinkFault;
use crate::error::{Error, ErrorKind, Phase};

/// Checks a fresh session.
pub(super) fn check_role(client: &mut Client, link: &Link, wanted: TargetSessionAttrs) -> Result<(), Error> {
    let Some(what) = misfit(client, link, wanted)? else { return Ok(()) };
    // Roles change in a failover, so asking again later is right.
    Err(Error::new(ErrorKind::Unreachable, format!("the server does not have the role asked for: {what}"))
        .in_phase(Phase::Role)
        .set_retryable(true))
}

/// Asks the server for its role; what is wrong with it, if something is. `PreferStandby` here means "must be a standby":
/// preferring is done by asking twice.
pub(super) fn misfit(
    client: &mut Client,
    link: &Link,
    wanted: TargetSessionAttrs,
) -> Result<Option<&'static str>, Error> {
    if wanted == TargetSessionAttrs::Any {
        return Ok(None);
    }
    let (read_only, standby) = read_role(client, link)?;
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
fn read_role(client: &mut Client, link: &Link) -> Result<(bool, bool), Error> {
    let sql =
        "select pg_catalog.current_setting('transaction_read_only') = 'on', pg_catalog.pg_is_in_recovery()";
    let answer = client.simple_query(sql).map_err(|e| {
        if link.fault() == Some(LinkFault::DeadlinePassed) {
            Error::new(ErrorKind::ConnectTimeout, "the server did not tell its role in time")
                .in_phase(Phase::Role)
                .with_source(e)
        } else {
            Error::from(e).in_phase(Phase::Role).set_retryable(true)
        }
    })?;
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let flag = |index| row.and_then(|row| row.get(index)).map(|text| text == "t");
    match (flag(0), flag(1)) {
        (Some(read_only), Some(standby)) => Ok((read_only, standby)),
        _ => Err(Error::new(ErrorKind::Database, "the server did not tell its role").in_phase(Phase::Role)),
    }
}
