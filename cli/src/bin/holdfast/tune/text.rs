//! Advice for people, and for a file of environment variables.

use std::io;
use std::time::Duration;

use holdfast::config::option;
use holdfast_cli::diagnose::{Advice, Fit, Opening, Spread, Step};

use crate::style::{Style, width};
use crate::table::{fold, table};

/// The verdict first, then what it rests on, then what to do.
pub(super) fn for_people(advice: &Advice, processes: u32) -> String {
    let style = Style::of(&io::stdout());
    let mut lines = vec![String::new(), style.bold(&verdict(advice, processes))];
    section(&mut lines, style, "Measured", &measured(advice), ["", ""]);
    section(&mut lines, style, "The arithmetic", &arithmetic(advice), ["", ""]);
    section(&mut lines, style, "The pool's settings, in each process", &pool(advice), ["", "", ""]);
    section(&mut lines, style, "The server's settings, for an administrator", &server(advice), ["", "", ""]);
    for setting in &advice.server {
        lines.push(format!("  {}", style.bold(&setting.statement)));
    }
    if !advice.ways_out.is_empty() {
        heading(&mut lines, style, "What can be done");
        let texts: Vec<_> = advice.ways_out.iter().map(|way| way.text.as_str()).collect();
        listed(&mut lines, &texts);
    }
    heading(&mut lines, style, "Worth knowing");
    let notes: Vec<_> = advice.notes.iter().map(String::as_str).collect();
    listed(&mut lines, &notes);
    style.lines(lines)
}

fn verdict(advice: &Advice, processes: u32) -> String {
    let size = value(advice, "max_size");
    let (pools, each) = match processes {
        1 => ("one pool".to_owned(), "one pool".to_owned()),
        _ => (format!("{processes} pools"), format!("each of {processes} pools")),
    };
    let target = &advice.target;
    match advice.fit {
        Fit::Fits => format!("{target}: max_size={size} in {each}, and it fits"),
        Fit::NotOneEach => {
            format!(
                "{target}: there are not enough connections for {pools} to have one each; see what can be done"
            )
        }
        _ => format!("{target}: max_size={size} in {each}, which is less than wanted; see what can be done"),
    }
}

fn value<'a>(advice: &'a Advice, key: &str) -> &'a str {
    advice.pool.iter().find(|setting| setting.key == key).map_or("", |setting| &setting.value)
}

fn heading(lines: &mut Vec<String>, style: Style, title: &str) {
    lines.push(String::new());
    lines.push(style.bold(title));
}

fn section<const N: usize>(
    lines: &mut Vec<String>,
    style: Style,
    title: &str,
    rows: &[[String; N]],
    header: [&str; N],
) {
    const INDENT: &str = "  ";
    if rows.is_empty() {
        return;
    }
    heading(lines, style, title);
    let written = table(header, rows, width() - INDENT.len(), |_, _, text| text);
    // Its header is empty.
    lines.extend(written.into_iter().skip(1).map(|line| format!("{INDENT}{line}")));
}

fn listed(lines: &mut Vec<String>, texts: &[&str]) {
    for text in texts {
        for (number, line) in fold(text, width() - 4).into_iter().enumerate() {
            lines.push(format!("  {} {line}", if number == 0 { "-" } else { " " }));
        }
    }
}

fn measured(advice: &Advice) -> Vec<[String; 2]> {
    let measured = &advice.measured;
    let service = match measured.service.spread() {
        Some(times) => spread(times),
        None => format!("{} (given)", time(measured.service.mean())),
    };
    [
        ("server", format!("PostgreSQL {}", advice.server_version)),
        ("opening", opening(&measured.opening)),
        ("round trip", spread(&measured.round_trip)),
        ("service time", service),
    ]
    .map(|(name, text)| [name.to_owned(), text])
    .into()
}

fn spread(times: &Spread) -> String {
    format!(
        "mean {}, median {}, p99 {}, of {}",
        time(times.mean),
        time(times.median),
        time(times.p99),
        times.count
    )
}

fn opening(opening: &Opening) -> String {
    let tls = opening.tls.map_or(String::new(), |tls| format!(", TLS {}", time(tls)));
    format!(
        "median {}, longest {}, of {} (name {}, connection {}{tls}, authentication and session {})",
        time(opening.whole.median),
        time(opening.whole.longest),
        opening.whole.count,
        time(opening.resolve),
        time(opening.connect),
        time(opening.session)
    )
}

fn time(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1e3)
}

fn arithmetic(advice: &Advice) -> Vec<[String; 2]> {
    let row = |step: &Step| {
        let result = format!("{} = {} {}", step.formula, figure(step.value), step.unit);
        [step.name.to_owned(), result.trim_end().to_owned()]
    };
    advice.arithmetic.iter().map(row).collect()
}

fn figure(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value}") } else { format!("{value:.3}") }
}

fn pool(advice: &Advice) -> Vec<[String; 3]> {
    let row = |s: &holdfast_cli::diagnose::PoolSetting| [s.key.to_owned(), s.value.clone(), s.reason.clone()];
    advice.pool.iter().map(row).collect()
}

fn server(advice: &Advice) -> Vec<[String; 3]> {
    let row = |s: &holdfast_cli::diagnose::ServerSetting| {
        [s.name.to_owned(), format!("{} -> {}", s.now, s.value), s.reason.clone()]
    };
    advice.server.iter().map(row).collect()
}

/// Lines that shells, systemd and containers read alike: no quotes, no comments behind values.
pub(super) fn environment(advice: &Advice, processes: u32) -> String {
    let mut lines = vec![format!("# holdfast tune: {}", verdict(advice, processes))];
    for setting in &advice.pool {
        let variable = option(setting.key).and_then(|info| info.environment().into_iter().next());
        if let Some(variable) = variable {
            lines.extend([format!("# {}", setting.reason), format!("{variable}={}", setting.value)]);
        }
    }
    lines.extend(advice.ways_out.iter().map(|way| format!("# {}", way.text)));
    // For a file: without colours, and no name may begin a line of its own.
    Style::plain().lines(lines)
}
