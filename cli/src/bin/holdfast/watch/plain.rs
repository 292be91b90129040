//! One sample as plain text, where there is no terminal to draw on.

use std::time::Duration;

use super::look::Look;
use super::sorting::Sorting;
use super::tables;
use crate::style::{Style, width};
use crate::table::table;

pub(super) fn of(look: &Look, long: Duration) -> String {
    let mut lines = Vec::new();
    match &look.server {
        None => {}
        Some(Err(error)) => {
            lines.push(format!("The database does not answer: {}", tables::visible(error, "-")))
        }
        Some(Ok(server)) => {
            lines.push(tables::summary(server));
            section(
                &mut lines,
                "Sessions",
                tables::GROUPS,
                &tables::groups(server.groups(), Sorting::default()),
            );
            section(
                &mut lines,
                "The fleet",
                tables::GROUPS,
                &tables::groups(server.fleet(), Sorting::default()),
            );
            listed(&mut lines, "Lasting", tables::lasting(server, long));
        }
    }
    section(&mut lines, "Pools", tables::POOLS, &tables::pools(&look.pools));
    listed(&mut lines, "Alerts", tables::alerts(&look.pools));
    Style::plain().lines(lines)
}

fn section<const N: usize>(lines: &mut Vec<String>, title: &str, header: [&str; N], rows: &[[String; N]]) {
    if !rows.is_empty() {
        lines.extend([String::new(), title.to_owned()]);
        lines.extend(table(header, rows, width(), |_, _, text| text));
    }
}

fn listed(lines: &mut Vec<String>, title: &str, texts: Vec<String>) {
    if !texts.is_empty() {
        lines.extend([String::new(), title.to_owned()]);
        lines.extend(texts);
    }
}
