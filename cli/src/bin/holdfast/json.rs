//! Reports for programs.

mod examination;

use std::time::Duration;

use holdfast::config::OptionInfo;
use holdfast_cli::diagnose::{CheckReport, Pooler, Report, Verdict};
use serde_json::{Map, Value, json};

pub(crate) use examination::examination;

/// Returns the document of a verification.
pub(crate) fn report(report: &Report) -> Value {
    json!({
        "passed": report.passed(),
        "target": report.target,
        "private_server": report.private,
        "pooler": report.pooler.as_ref().map(Pooler::name),
        "took_ms": milliseconds(report.took),
        "counts": {
            "passed": report.count(Verdict::Passed),
            "failed": report.count(Verdict::Failed),
            "skipped": report.count(Verdict::Skipped),
        },
        "checks": report.checks.iter().map(check).collect::<Vec<_>>(),
    })
}

fn check(report: &CheckReport) -> Value {
    let figures: Map<_, _> = report
        .figures
        .iter()
        .map(|figure| (figure.name.to_owned(), json!({ "value": figure.value, "unit": figure.unit })))
        .collect();
    json!({
        "name": report.check.name,
        "title": report.check.title,
        "claim": report.check.claim,
        "verdict": report.verdict.name(),
        "finding": report.finding,
        "complaints": report.complaints,
        "figures": figures,
        "took_ms": milliseconds(report.took),
    })
}

/// A row of the option table.
pub(crate) fn option(info: &OptionInfo) -> Value {
    json!({
        "key": info.key(),
        "kind": info.kind(),
        "default": info.default_text(),
        "environment": info.environment(),
        "allowed": info.allowed(),
        "meaning": info.doc(),
        "secret": info.is_secret(),
    })
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}
