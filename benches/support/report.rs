//! Results: figures of several subjects beside each other, with the targets Holdfast set itself.

use std::fmt::{self, Write as _};

use super::rounds::{Series, median};
use super::subjects::HOLDFAST;

/// Which end of the scale is good; the other one is "the worst round".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    Less,
    More,
}

#[derive(Debug, Clone, Copy)]
pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }

    pub fn limit(self) -> f64 {
        match self {
            Self::AtMost(limit) | Self::AtLeast(limit) => limit,
        }
    }

    pub fn key(self) -> &'static str {
        match self {
            Self::AtMost(_) => "at_most",
            Self::AtLeast(_) => "at_least",
        }
    }
}

/// The figure of Holdfast that a target is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    Median,
    Worst,
    /// Our figure divided by that subject's.
    RatioTo(&'static str),
}

#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub judged: Judged,
    pub bound: Bound,
}

/// One quantity of all subjects.
pub struct Measurement {
    pub name: String,
    pub title: String,
    pub unit: &'static str,
    /// Digits behind the point that mean something.
    pub digits: usize,
    pub better: Better,
    pub subjects: Vec<Subject>,
    pub targets: Vec<Target>,
}

pub struct Subject {
    pub name: &'static str,
    pub samples: Vec<f64>,
}

impl Subject {
    pub fn least(&self) -> f64 {
        self.samples.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub fn most(&self) -> f64 {
        self.samples.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }
}

impl Measurement {
    pub fn new(
        name: impl Into<String>,
        title: impl Into<String>,
        (unit, digits, better): (&'static str, usize, Better),
    ) -> Self {
        Self {
            name: name.into(),
            title: title.into(),
            unit,
            digits,
            better,
            subjects: Vec::new(),
            targets: Vec::new(),
        }
    }

    /// Takes the quantity with this number from every subject that has it.
    pub fn of(mut self, series: &[Series], quantity: usize) -> Self {
        self.subjects.extend(series.iter().filter_map(|s| {
            let samples = s.quantities.get(quantity)?.clone();
            Some(Subject { name: s.name, samples })
        }));
        self
    }

    /// Sets a target for Holdfast.
    pub fn target(mut self, judged: Judged, bound: Bound) -> Self {
        self.targets.push(Target { judged, bound });
        self
    }

    fn ours(&self) -> Option<&Subject> {
        self.subjects.iter().find(|s| s.name == HOLDFAST)
    }

    /// Our figure divided by that of `peer`, round by round, and of those the median.
    pub fn ratio_to(&self, peer: &Subject) -> Option<f64> {
        if peer.name == HOLDFAST || peer.samples.contains(&0.0) {
            return None;
        }
        let pairs = self.ours()?.samples.iter().zip(&peer.samples);
        Some(median(&pairs.map(|(ours, theirs)| ours / theirs).collect::<Vec<_>>()))
    }

    /// The figure a target is about, if its subjects were measured.
    pub fn judged(&self, target: &Target) -> Option<f64> {
        let ours = self.ours()?;
        match (target.judged, self.better) {
            (Judged::Median, _) => Some(median(&ours.samples)),
            (Judged::Worst, Better::Less) => Some(ours.most()),
            (Judged::Worst, Better::More) => Some(ours.least()),
            (Judged::RatioTo(peer), _) => self.ratio_to(self.subjects.iter().find(|s| s.name == peer)?),
        }
    }

    pub fn is_met(&self, target: &Target) -> Option<bool> {
        self.judged(target).map(|value| target.bound.holds(value))
    }

    /// Targets are shown in the line of the subject they compare with.
    fn verdicts(&self, subject: &Subject) -> String {
        let mut text = String::new();
        for target in &self.targets {
            let (here, words, digits) = match target.judged {
                Judged::Median => (subject.name == HOLDFAST, "", self.digits),
                Judged::Worst => (subject.name == HOLDFAST, " at worst", self.digits),
                Judged::RatioTo(peer) => (subject.name == peer, " of it", 2),
            };
            let Some(met) = self.is_met(target).filter(|_| here) else { continue };
            let relation = if matches!(target.bound, Bound::AtMost(_)) { "<=" } else { ">=" };
            let limit = grouped(target.bound.limit(), digits);
            let verdict = if met { "met" } else { "MISSED" };
            let _ = write!(text, "   target {relation} {limit}{words}: {verdict}");
        }
        text
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounds = self.subjects.first().map_or(0, |s| s.samples.len());
        writeln!(f, "{}  [{}, {rounds} rounds]", self.title, self.name)?;
        writeln!(
            f,
            "  {:<16}{:>12}{:>12}{:>12}{:>15}",
            self.unit, "median", "least", "most", "Holdfast / it"
        )?;
        for subject in &self.subjects {
            let ratio = self.ratio_to(subject).map_or(String::new(), |r| format!("{r:.2}"));
            let line = format!(
                "  {:<16}{:>12}{:>12}{:>12}{ratio:>15}{}",
                subject.name,
                grouped(median(&subject.samples), self.digits),
                grouped(subject.least(), self.digits),
                grouped(subject.most(), self.digits),
                self.verdicts(subject)
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// `12345.6` as `12,345.6`.
fn grouped(value: f64, digits: usize) -> String {
    let plain = format!("{:.digits$}", value.abs());
    let (whole, fraction) = plain.find('.').map_or((plain.as_str(), ""), |at| plain.split_at(at));
    let mut text = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    let is_zero = plain.chars().all(|c| matches!(c, '0' | '.'));
    let sign = if value < 0.0 && !is_zero { "-" } else { "" };
    format!("{sign}{text}{fraction}")
}
