//! From the start of a process to its first row, over TLS: what a short-lived process waits for.

use std::env;
use std::hint::black_box;
use std::process::{Command, Stdio};
use std::time::Instant;

use holdfast::Pool;

use super::Bench;
use super::opening::server_with_tls;
use crate::support::libpq::{Connection, Format};
use crate::support::report::{Better, Bound, Judged, Measurement};
use crate::support::rounds::{Contender, interleave, millis};
use crate::support::subjects::{HOLDFAST, LIBPQ};
use crate::support::{Outcome, children};

pub const NAME: &str = "first";

const FIRST_ROW: &str = "select 1";

pub fn measure(bench: &Bench<'_>) -> Outcome<Vec<Measurement>> {
    let server = server_with_tls()?;
    let url = format!("{}?sslmode=prefer", server.url());
    let started = |subject: &'static str| {
        let url = url.clone();
        Contender::new(subject, move || {
            let start = Instant::now();
            let status = Command::new(env::current_exe()?)
                .args([children::FLAG, NAME, subject, &url])
                .stdin(Stdio::null())
                .status()?;
            let took = start.elapsed();
            if status.success() { Ok(vec![millis(took)]) } else { Err(format!("{subject}: {status}").into()) }
        })
    };
    let series = interleave(bench.options.rounds(21), vec![started(HOLDFAST), started(LIBPQ)])?;
    Ok(vec![
        Measurement::new(
            "first",
            "a process from its start to its first row and its end, over TLS, sslmode=prefer",
            ("ms", 1, Better::Less),
        )
        .of(&series, 0)
        .target(Judged::RatioTo(LIBPQ), Bound::AtMost(1.2)),
    ])
}

/// In a process of its own: connects, reads one row, ends.
pub fn child(subject: &str, url: &str) -> Outcome<()> {
    match subject {
        HOLDFAST => {
            let row = Pool::from_url(url)?.query_one(FIRST_ROW, &[])?;
            black_box(row.get::<_, i32>(0));
        }
        LIBPQ => {
            let rows =
                Connection::open(&format!("{url}&gssencmode=disable"))?.query(FIRST_ROW, Format::Text)?;
            black_box(rows.value(0, 0));
        }
        other => return Err(format!("no such subject: {other}").into()),
    }
    Ok(())
}
