//! The report for programs. Written by hand: names are ours and plain, figures finite.

use std::fmt::{self, Display};

use super::report::{Judged, Measurement, Subject, Target};
use super::rounds::median;

/// What a figure depends on besides the subject.
pub struct Surroundings {
    pub cpus: usize,
    pub load_before: f64,
    pub postgresql: u32,
    pub transport: &'static str,
    pub quick: bool,
}

/// One JSON object with everything in it.
pub struct Report<'a> {
    pub surroundings: &'a Surroundings,
    pub measurements: &'a [Measurement],
}

impl Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = self.surroundings;
        write!(
            f,
            r#"{{"version":1,"cpus":{},"load_before":{},"postgresql":{},"transport":{},"quick":{},"measurements":"#,
            s.cpus,
            Number(s.load_before),
            s.postgresql,
            Text(s.transport),
            s.quick
        )?;
        list(f, self.measurements.iter().map(One))?;
        f.write_str("}")
    }
}

struct One<'a>(&'a Measurement);

impl Display for One<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let m = self.0;
        write!(
            f,
            r#"{{"name":{},"title":{},"unit":{},"better":"{}","subjects":"#,
            Text(&m.name),
            Text(&m.title),
            Text(m.unit),
            match m.better {
                super::report::Better::Less => "less",
                super::report::Better::More => "more",
            }
        )?;
        list(f, m.subjects.iter().map(|subject| SubjectOf { measurement: m, subject }))?;
        f.write_str(r#","targets":"#)?;
        list(f, m.targets.iter().map(|target| TargetOf { measurement: m, target }))?;
        f.write_str("}")
    }
}

struct SubjectOf<'a> {
    measurement: &'a Measurement,
    subject: &'a Subject,
}

impl Display for SubjectOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = self.subject;
        write!(
            f,
            r#"{{"subject":{},"median":{},"least":{},"most":{},"holdfast_to_it":{},"rounds":"#,
            Text(s.name),
            Number(median(&s.samples)),
            Number(s.least()),
            Number(s.most()),
            Number(self.measurement.ratio_to(s).unwrap_or(f64::NAN))
        )?;
        list(f, s.samples.iter().map(|sample| Number(*sample)))?;
        f.write_str("}")
    }
}

struct TargetOf<'a> {
    measurement: &'a Measurement,
    target: &'a Target,
}

impl Display for TargetOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Target { judged, bound } = self.target;
        let of = match judged {
            Judged::Median => r#""median""#.to_owned(),
            Judged::Worst => r#""worst round""#.to_owned(),
            Judged::RatioTo(peer) => format!(r#""ratio","to":{}"#, Text(peer)),
        };
        let value = Number(self.measurement.judged(self.target).unwrap_or(f64::NAN));
        let met = match self.measurement.is_met(self.target) {
            Some(met) => met.to_string(),
            None => "null".to_owned(),
        };
        write!(f, r#"{{"of":{of},"{}":{},"value":{value},"met":{met}}}"#, bound.key(), Number(bound.limit()))
    }
}

/// JSON knows no infinity and nothing that is not a number.
struct Number(f64);

impl Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_finite() { write!(f, "{}", self.0) } else { f.write_str("null") }
    }
}

struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

fn list(f: &mut fmt::Formatter<'_>, items: impl Iterator<Item = impl Display>) -> fmt::Result {
    f.write_str("[")?;
    for (index, item) in items.enumerate() {
        if index > 0 {
            f.write_str(",")?;
        }
        write!(f, "{item}")?;
    }
    f.write_str("]")
}
