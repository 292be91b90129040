//! `holdfast verify`: runs the checks, shows them, and says by its exit status how they ended.

use std::io;
use std::process::ExitCode;

use clap::Args;
use holdfast::PoolConfig;
use holdfast_cli::diagnose::{CheckReport, Report, Subject, Verdict, verify};

use crate::json;
use crate::progress::Progress;
use crate::style::{Style, print, width};
use crate::table::{fold, table};

/// Check, against a real server, that a pool keeps its promises.
///
/// Without a database URL it starts a private PostgreSQL from the installed binaries, runs every check on it, and
/// removes it: 8 of 8 concurrent callers on a pool of 5, 15 of 15 rapid requests, typical queries, statistics, and
/// the scenes that a plain pool fails: the server full, restarted in the middle of traffic, frozen, and a leaked
/// transaction. That takes about 15 seconds.
///
/// With --url (or DATABASE_URL) it checks your database instead. Only harmless checks run then: they open at most 5
/// connections, and what they create is temporary. The scenes are skipped.
#[derive(Args)]
#[command(after_help = "Exit status: 0 every check passed, 1 a check failed, 2 nothing could be checked.

Examples:
  holdfast verify                                    on a private PostgreSQL
  holdfast verify --url 'postgresql://app@db/orders?sslmode=verify-full'
  DATABASE_URL=postgresql://app@db/orders holdfast verify
  holdfast verify --private --json > report.json     for programs
  holdfast verify -v                                 with what the pool logs meanwhile

Figures and the table go to standard output, progress to standard error. NO_COLOR is honoured.")]
pub(crate) struct Arguments {
    /// The database to check, as a URL or as keywords; PG* and HOLDFAST_* variables fill in what it leaves open.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    url: Option<String>,
    /// Start a private PostgreSQL even if DATABASE_URL is set.
    #[arg(long)]
    private: bool,
    /// Print one JSON document instead of the table.
    #[arg(long)]
    json: bool,
    /// No progress on standard error.
    #[arg(short, long)]
    quiet: bool,
}

impl Arguments {
    pub(crate) fn run(self, logging: bool) -> Result<ExitCode, Box<dyn std::error::Error>> {
        let url = self.url.filter(|url| !url.is_empty() && !self.private);
        let subject = match url {
            Some(url) => Subject::Database(Box::new(PoolConfig::from_url(&url)?)),
            None => {
                if !self.quiet {
                    eprintln!(
                        "starting a private PostgreSQL (no --url, no DATABASE_URL); it is removed at the end"
                    );
                }
                Subject::private()?
            }
        };
        let report = if self.quiet {
            verify(&subject, &mut holdfast_cli::diagnose::Silent)
        } else {
            verify(&subject, &mut Progress::new(logging))
        };
        let text = if self.json { format!("{:#}\n", json::report(&report)) } else { for_people(&report) };
        print(&text)?;
        Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// The table, what failed, and a line that sums it up.
fn for_people(report: &Report) -> String {
    let style = Style::of(&io::stdout());
    let rows: Vec<_> = report.checks.iter().map(row).collect();
    let paint = |row: Option<usize>, column: usize, text: String| match (row, column) {
        (None, _) => style.bold(&text),
        (Some(row), 1) => style.verdict(report.checks[row].verdict, &text),
        _ => text,
    };
    let mut lines = vec![String::new()];
    lines.extend(table(["check", "result", "time", "what was measured"], &rows, width(), paint));
    for report in report.checks.iter().filter(|check| !check.complaints.is_empty()) {
        lines.extend(explain(report, style));
    }
    lines.push(String::new());
    lines.extend(sum_up(report, style));
    style.lines(lines)
}

fn sum_up(report: &Report, style: Style) -> Vec<String> {
    let (passed, failed, skipped) =
        (report.count(Verdict::Passed), report.count(Verdict::Failed), report.count(Verdict::Skipped));
    let mut summary = format!("{passed} of {} checks passed", passed + failed);
    if skipped > 0 {
        summary.push_str(&format!(", {skipped} not run"));
    }
    let verdict = if report.passed() { Verdict::Passed } else { Verdict::Failed };
    let whose = if report.private { "a private PostgreSQL at" } else { "your database at" };
    let summary = style.verdict(verdict, &summary);
    let through =
        report.pooler.as_ref().map_or(String::new(), |pooler| format!(" through {}", pooler.name()));
    let took = report.took.as_secs_f64();
    let mut lines = vec![format!("{summary} on {whose} {}{through}, in {took:.1} s", report.target)];
    if let Some(pooler) = &report.pooler {
        lines.extend(fold(pooler.advice(), width()));
    }
    if skipped > 0 && failed == 0 {
        lines.push(
            "Scenes disturb a server, so they run only on a private one: holdfast verify --private".into(),
        );
    }
    lines
}

/// Returns the complaints of a failed check clause by clause: an error has several, the last of which is the remedy.
fn explain(report: &CheckReport, style: Style) -> Vec<String> {
    let title = format!("{} failed: {}", report.check.title, report.check.claim);
    let mut lines = vec![String::new(), style.verdict(report.verdict, &title)];
    for complaint in &report.complaints {
        let clauses = complaint.split("; ").flat_map(|clause| fold(clause, width().saturating_sub(4)));
        for (number, line) in clauses.enumerate() {
            let bullet = if number == 0 { "-" } else { " " };
            lines.push(format!("  {bullet} {line}"));
        }
    }
    lines
}

fn row(report: &CheckReport) -> [String; 4] {
    let took = match report.verdict {
        Verdict::Skipped => String::new(),
        _ => format!("{:.2} s", report.took.as_secs_f64()),
    };
    [report.check.title.to_owned(), report.verdict.name().to_owned(), took, report.finding.clone()]
}
