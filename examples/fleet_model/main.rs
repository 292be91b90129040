//! How whole fleets of pools behave, by simulation of the library's own decisions: the figures of `docs/fleet.md`.
//!
//! `cargo run --release --example fleet_model`

#[allow(dead_code)]
mod error {
    pub(crate) use holdfast::{ErrorKind, LimitedBy};
}
#[allow(dead_code)]
#[path = "../../src/resilience/mod.rs"]
mod resilience;
#[allow(dead_code)]
mod scenes;
mod simulation;

fn main() {
    println!(
        "| fleet | rate, of what the slots allow | failed | p99 / longest ms | worst process / median | refused connects, of which after 2 s | opened | censuses a second |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let wanted = std::env::args().nth(1);
    for (name, scene) in scenes::all() {
        if wanted.as_ref().is_some_and(|wanted| !name.contains(wanted.as_str())) {
            continue;
        }
        let outcome = simulation::play(&scene);
        let seconds = scene.span as f64 / simulation::SECOND as f64;
        let most = f64::from(scene.slots - scene.others) * 50.0 * seconds;
        if wanted.is_some() {
            for (index, process) in outcome.processes.iter().enumerate().take(30) {
                let held: String = process
                    .held
                    .iter()
                    .map(|held| char::from_digit(*held.min(&35), 36).unwrap_or('?'))
                    .collect();
                println!("{index:3} {:5} {held}", process.served);
            }
        }
        println!(
            "| {name} | {:.1} % | {} | {} / {} | {:.2} | {}, {} | {} | {:.1} |",
            100.0 * f64::from(outcome.served()) / most,
            outcome.failed,
            outcome.percentile(99),
            outcome.percentile(100),
            outcome.fairness(),
            outcome.refused,
            outcome.refused_later,
            outcome.opens,
            f64::from(outcome.censuses) / seconds,
        );
    }
}
