//! The promises of fleets of pools, by simulation of the library's own decisions: see `docs/fleet.md`.

#[allow(dead_code)]
mod error {
    pub(crate) use holdfast::{ErrorKind, LimitedBy};
}
#[allow(dead_code)]
#[path = "../src/resilience/mod.rs"]
mod resilience;
#[allow(dead_code)]
#[path = "../examples/fleet_model/scenes.rs"]
mod scenes;
#[allow(dead_code)]
#[path = "../examples/fleet_model/simulation/mod.rs"]
mod simulation;

use simulation::{Outcomes, SECOND, Scene, play};

/// Of what the slots allow.
fn rate(scene: &Scene, outcomes: &Outcomes) -> f64 {
    let seconds = scene.span as f64 / SECOND as f64;
    f64::from(outcomes.served()) / (f64::from(scene.slots - scene.others) * 50.0 * seconds)
}

#[test]
fn learned_limits_alone_leave_most_processes_with_nothing() {
    let outcomes = play(&Scene { share: false, ..Scene::of(10, 17, 20 * SECOND) });
    assert!(outcomes.processes.iter().filter(|process| process.served == 0).count() >= 5);
}

#[test]
fn ten_processes_on_seventeen_slots_all_get_their_share() {
    let scene = Scene::of(10, 17, 20 * SECOND);
    let outcomes = play(&scene);
    assert_eq!(outcomes.failed, 0);
    assert!(rate(&scene, &outcomes) > 0.9, "{}", rate(&scene, &outcomes));
    assert!(outcomes.fairness() > 0.7, "{}", outcomes.fairness());
    assert!(outcomes.percentile(99) <= 500, "{} ms", outcomes.percentile(99));
    assert!(outcomes.refused_later < 180, "{}", outcomes.refused_later);
    assert!(outcomes.censuses < 20 * 15, "{} censuses", outcomes.censuses);
}

#[test]
fn more_processes_than_slots_take_turns_and_nobody_fails() {
    for count in [17, 18, 30, 60] {
        let scene = Scene::of(count, 17, 20 * SECOND);
        let outcomes = play(&scene);
        assert_eq!(outcomes.failed, 0, "{count}");
        assert!(rate(&scene, &outcomes) > 0.85, "{count}: {}", rate(&scene, &outcomes));
        assert!(outcomes.fairness() > 0.3, "{count}: {}", outcomes.fairness());
    }
}

#[test]
fn a_pool_that_joins_a_full_fleet_is_served_within_two_seconds() {
    for scene in [scenes::late(), scenes::deploy()] {
        let outcomes = play(&scene);
        assert_eq!(outcomes.failed, 0);
        for (process, outcome) in scene.processes.iter().zip(&outcomes.processes).skip(10) {
            let first = outcome.first_served.expect("it was served");
            assert!(first - process.starts < 2 * SECOND, "{} ms", (first - process.starts) / simulation::MS);
        }
    }
}

#[test]
fn what_the_dead_had_goes_to_the_living() {
    let outcomes = play(&scenes::killed());
    let held: u32 = outcomes.processes[2..].iter().map(|process| process.held[150]).sum();
    assert_eq!((outcomes.failed, held), (0, 16), "five seconds later");
}

#[test]
fn what_some_do_not_want_goes_to_those_who_do() {
    let outcomes = play(&scenes::unequal());
    // From 5 s to 12 s two of three are nearly quiet, and their idle connections are closed.
    assert!(outcomes.processes[2].held[119] >= 10, "{:?}", outcomes.processes[2].held);
    assert!(outcomes.processes[..2].iter().all(|process| process.held[150] >= 4), "and back again");
}

#[test]
fn once_settled_ten_processes_do_not_oscillate() {
    let outcomes = play(&Scene::of(10, 17, 20 * SECOND));
    for process in &outcomes.processes {
        let changes = process.held[60..200].windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(changes <= 14, "no more than the turns of epochs bring: {:?}", process.held);
    }
}

#[test]
fn a_large_server_is_shared_by_a_hundred() {
    let scene = Scene::of(100, 497, 8 * SECOND);
    let outcomes = play(&scene);
    assert_eq!(outcomes.failed, 0);
    assert!(rate(&scene, &outcomes) > 0.9 && outcomes.fairness() > 0.6, "{}", outcomes.fairness());
}
