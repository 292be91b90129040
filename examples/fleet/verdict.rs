//! What came of a scene, and whether that is enough.

use crate::run::{Outcomes, PER_SLOT, SLOTS};
use crate::scene::Scene;

pub(crate) const HEAD: &str = "            answers/s  of slots   failed  p50 ms  p99 ms  max ms  worst/median process  refused/s after 2 s";

pub(crate) fn row(scene: &Scene, contender: &str, outcomes: &Outcomes) -> String {
    let (worst, median) = outcomes.worst_and_median(scene);
    let mut row = format!(
        "  {contender:<9} {:9.0}  {:6.1} %  {:7}  {:6}  {:6}  {:6}  {:>20}  {:19.1}",
        outcomes.rate(),
        100.0 * outcomes.share(),
        outcomes.failed(),
        outcomes.percentile(50),
        outcomes.percentile(99),
        outcomes.percentile(100),
        format!("{worst} / {median}"),
        outcomes.refused,
    );
    if scene.processes.iter().any(|process| process.starts > 0.0) {
        row += &match outcomes.slowest_to_join(scene) {
            Some(millis) => format!("\n            who joined was served within {millis} ms"),
            None => "\n            somebody who joined was never served".to_owned(),
        };
    }
    row
}

/// What Holdfast promises and did not keep, in words.
pub(crate) fn missed(scene: &Scene, outcomes: &Outcomes) -> Vec<String> {
    let mut missed = Vec::new();
    let mut check = |met: bool, words: String| {
        if !met {
            missed.push(words);
        }
    };
    let first = outcomes.processes.iter().find_map(|told| told.failure.clone()).unwrap_or_default();
    check(outcomes.failed() == 0, format!("{} requests failed: {first}", outcomes.failed()));
    let least = scene.least_rate * f64::from(SLOTS) * PER_SLOT;
    check(outcomes.rate() >= least, format!("{:.0} answers a second, less than {least:.0}", outcomes.rate()));
    if let Some(longest) = scene.longest_p99 {
        let p99 = outcomes.percentile(99);
        check(p99 <= longest, format!("p99 of {p99} ms, more than {longest}"));
    }
    if let Some(least) = scene.least_fairness {
        let (worst, median) = outcomes.worst_and_median(scene);
        let words = format!("the worst process got {worst}, less than {least} of the median one's {median}");
        check(worst as f64 >= least * median as f64, words);
    }
    if let Some(most) = scene.most_refused {
        check(
            outcomes.refused < most,
            format!("{:.1} refused connects a second, not below {most}", outcomes.refused),
        );
    }
    if let Some(limit) = scene.joins_within {
        let slowest = outcomes.slowest_to_join(scene);
        let words = format!("who joined was served after {slowest:?} ms, not within {limit:?}");
        check(slowest.is_some_and(|millis| u128::from(millis) <= limit.as_millis()), words);
    }
    missed
}

/// One line.
pub(crate) fn json(scene: &Scene, contender: &str, outcomes: &Outcomes, missed: &[String]) -> String {
    let (worst, median) = outcomes.worst_and_median(scene);
    let joined = outcomes.slowest_to_join(scene).map_or("null".to_owned(), |millis| millis.to_string());
    let missed: Vec<String> = missed.iter().map(|text| format!("{text:?}")).collect();
    format!(
        r#"{{"scene":"{}","contender":"{contender}","seconds":{},"answers_per_second":{:.1},"of_slots":{:.4},"failed":{},"p50_ms":{},"p99_ms":{},"max_ms":{},"worst":{worst},"median":{median},"refused_per_second":{:.2},"joined_within_ms":{joined},"missed":[{}]}}"#,
        scene.name,
        outcomes.span.as_secs_f64(),
        outcomes.rate(),
        outcomes.share(),
        outcomes.failed(),
        outcomes.percentile(50),
        outcomes.percentile(99),
        outcomes.percentile(100),
        outcomes.refused,
        missed.join(","),
    )
}
