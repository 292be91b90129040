//! `holdfast diagnose`: examines a database and says what is wrong and what to do.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use holdfast::PoolConfig;
use holdfast_cli::diagnose::{
    Examination, Expectation, Finding, FindingSeverity, HostReach, Inventory, Limit, Questions, examine,
};

use crate::json;
use crate::progress::Progress;
use crate::style::{Style, print, width};
use crate::table::{fold, table};

/// Examine a database as a pool meets it: can it be reached, who has its slots, what is wrong, and what to do.
///
/// Goes phase by phase (name, connection, TLS with its certificate, authentication) to each host, then asks the server for its
/// version, role and limits, who is connected, statements and transactions that last long, waits for locks, and settings worth
/// knowing. Compares the pool's own settings with what there is. It opens one session with each host and only reads; where TLS is
/// offered, it looks at the certificate over a connection of its own.
#[derive(Args)]
#[command(
    after_help = "Exit status: 0 nothing worse than advice, 1 warnings, 2 could not run (wrong options), 3 something critical.

Examples:
  holdfast diagnose --url 'postgresql://app@db/orders?sslmode=verify-full'
  holdfast diagnose --processes 12                    do 12 pools like this one fit?
  holdfast diagnose --expect orders.customer_id --expect shop.items
  holdfast diagnose --json | jq '.findings[] | select(.severity == \"critical\")'

Without --url and DATABASE_URL, PG* and HOLDFAST_* variables say where. Literals are left out of the statements shown.
Findings go to standard output, steps to standard error. NO_COLOR is honoured."
)]
pub(crate) struct Arguments {
    /// The database, as a URL or as keywords; PG* and HOLDFAST_* variables fill in what it leaves open.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    url: Option<String>,
    /// A table or column that has to be there: table, table.column or schema.table.column. May be repeated.
    #[arg(long, value_name = "NAME")]
    expect: Vec<String>,
    /// How many processes have such a pool.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    processes: u32,
    /// From when on statements, open transactions and waits for locks are worth telling: 500ms, 5s, 2min; a bare whole number is
    /// milliseconds, as in a pool's options.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = crate::time::duration)]
    long: Duration,
    /// How long each host and each question may take.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = crate::time::duration)]
    timeout: Duration,
    /// Print one JSON document (docs/diagnose.schema.json) instead of text.
    #[arg(long)]
    json: bool,
    /// No steps on standard error.
    #[arg(short, long)]
    quiet: bool,
}

impl Arguments {
    pub(crate) fn run(self, logging: bool) -> Result<ExitCode, Box<dyn std::error::Error>> {
        let url = self.url.as_deref().filter(|url| !url.is_empty());
        let config = url.map_or_else(PoolConfig::from_env, PoolConfig::from_url)?;
        let mut questions = Questions::new().processes(self.processes).long(self.long).timeout(self.timeout);
        for expectation in &self.expect {
            questions = questions.expect(expectation.parse::<Expectation>()?);
        }
        let examination = Progress::of_steps(self.quiet, logging, |tell| examine(&config, &questions, tell))?;
        print(&if self.json {
            format!("{:#}\n", json::examination(&examination))
        } else {
            for_people(&examination)
        })?;
        Ok(ExitCode::from(match examination.worst() {
            Some(FindingSeverity::Critical) => 3,
            Some(FindingSeverity::Warning) => 1,
            _ => 0,
        }))
    }
}

/// The verdict first, then what was found, then what there is.
fn for_people(examination: &Examination) -> String {
    let style = Style::of(&io::stdout());
    let mut lines = vec![String::new(), style.bold(&verdict(examination)), String::new()];
    for finding in &examination.findings {
        lines.extend(finding_lines(finding, style));
    }
    for host in &examination.hosts {
        lines.extend(host_lines(host, style));
    }
    if let Some(inventory) = &examination.inventory {
        lines.extend(inventory_lines(inventory, style));
    }
    style.lines(lines)
}

fn verdict(examination: &Examination) -> String {
    let count = |severity| examination.findings.iter().filter(|finding| finding.severity == severity).count();
    let (critical, warnings) = (count(FindingSeverity::Critical), count(FindingSeverity::Warning));
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    let target = &examination.target;
    match (critical, warnings) {
        (0, 0) => format!("{target}: nothing is wrong"),
        (0, n) => format!("{target}: {n} warning{}", plural(n)),
        (n, 0) => format!("{target}: {n} critical finding{}", plural(n)),
        (n, m) => format!("{target}: {n} critical finding{}, {m} warning{}", plural(n), plural(m)),
    }
}

fn finding_lines(finding: &Finding, style: Style) -> Vec<String> {
    let head = format!("{}: {}", finding.severity.name().to_uppercase(), finding.title);
    let mut lines = vec![style.severity(finding.severity, &head)];
    for (what, text) in [("seen", &finding.evidence), ("to do", &finding.remedy)] {
        for (number, line) in fold(text, width().saturating_sub(10)).iter().enumerate() {
            let what = if number == 0 { what } else { "" };
            lines.push(format!("  {what:6} {line}"));
        }
    }
    lines.push(String::new());
    lines
}

fn host_lines(host: &HostReach, style: Style) -> Vec<String> {
    let addresses =
        if host.addresses.is_empty() { String::new() } else { format!(" ({})", host.addresses.join(", ")) };
    let mut lines = vec![style.bold(&format!("Reaching {}{addresses}", host.name))];
    let mut rows: Vec<[String; 3]> = host
        .phases
        .iter()
        .map(|phase| {
            [phase.phase.name().to_owned(), milliseconds(phase.took), note(phase.phase.name(), host)]
        })
        .collect();
    if let Some(error) = &host.error {
        let (phase, took) =
            host.failed.as_ref().map_or(("?", host.took), |failed| (failed.phase.name(), failed.took));
        rows.push([phase.to_owned(), milliseconds(took), format!("FAILED: {}", error.kind().name())]);
    }
    lines.extend(table(["phase", "took", ""], &rows, width(), |row, _, text| match row {
        None => style.dim(&text),
        Some(_) => text,
    }));
    lines.push(String::new());
    lines
}

fn note(phase: &str, host: &HostReach) -> String {
    match (&host.certificate, phase) {
        (Some(shown), "tls") => {
            let left = shown
                .left
                .map_or("has ended".to_owned(), |left| format!("good for {} days", left.as_secs() / 86_400));
            format!("{}, {}, certificate of {} {left}", shown.protocol, shown.cipher, shown.subject)
        }
        _ => String::new(),
    }
}

fn inventory_lines(inventory: &Inventory, style: Style) -> Vec<String> {
    let (identity, limits) = (&inventory.identity, &inventory.limits);
    let role = match (identity.in_recovery, identity.read_only) {
        (true, _) => "standby",
        (false, true) => "primary, read-only session",
        (false, false) => "primary",
    };
    let limit = |limit: Option<Limit>| {
        limit.map_or("none".to_owned(), |limit| format!("{} of {}", limit.used, limit.limit))
    };
    let rows: Vec<[String; 2]> = [
        ("version", format!("PostgreSQL {}", identity.version)),
        ("role", role.to_owned()),
        (
            "session",
            format!(
                "{} in {}{}",
                identity.user,
                identity.database,
                identity
                    .pooler
                    .as_ref()
                    .map_or(String::new(), |pooler| format!(", through {}", pooler.name()))
            ),
        ),
        ("round trip", milliseconds(inventory.round_trip)),
        (
            "slots",
            format!(
                "{} used of {} (max_connections {}, {} reserved)",
                limits.server.used,
                limits.ordinary_slots(),
                limits.server.limit,
                limits.superuser_reserved + limits.reserved
            ),
        ),
        ("role's limit", limit(limits.role)),
        ("database's limit", limit(limits.database)),
    ]
    .map(|(name, value)| [name.to_owned(), value])
    .into();
    let titled = |title: &str, rows: &[[String; 2]]| {
        let mut lines = vec![style.bold(title)];
        lines.extend(table(["", ""], rows, width(), |_, _, text| text).into_iter().skip(1));
        lines.push(String::new());
        lines
    };
    let mut lines = titled("The server", &rows);
    let settings: Vec<_> =
        inventory.settings.iter().map(|(name, value)| [name.clone(), value.clone()]).collect();
    lines.extend(titled("Its settings, in this session", &settings));
    lines.push(style.bold("Connections"));
    let rows: Vec<[String; 4]> = inventory
        .sessions
        .iter()
        .map(|group| {
            [
                group.count.to_string(),
                or(&group.state, "(hidden)"),
                or(&group.user, "(no role)"),
                or(&group.application, "(no name)"),
            ]
        })
        .collect();
    lines.extend(table(
        ["how many", "state", "role", "application"],
        &rows,
        width(),
        |row, _, text| match row {
            None => style.dim(&text),
            Some(_) => text,
        },
    ));
    lines
}

fn or(text: &str, instead: &str) -> String {
    if text.is_empty() { instead.to_owned() } else { text.to_owned() }
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}
