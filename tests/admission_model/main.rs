//! The pool's queue under many schedules: the library's own code on locks that let shuttle choose who runs next. A waiter
//! that no thread wakes is a deadlock there, and an assertion fails together with the schedule that led to it.
//!
//! It has no test harness: the tests within the queue's own files would come along, and they need real locks.

mod error;
#[path = "../../src/named_enum.rs"]
mod named_enum;
#[allow(dead_code, unused_imports)]
mod pool;
#[allow(dead_code, unused_imports)]
#[path = "../../src/resilience/mod.rs"]
mod resilience;
#[allow(dead_code, unused_imports)]
mod sys;

use std::panic::catch_unwind;

use pool::scenes;

/// Schedules tried for each scene; a schedule takes some 700 us.
const SCHEDULES: usize = 1_000;

const SCENES: [(&str, fn()); 8] = [
    ("everybody_who_waits_is_served", scenes::everybody_who_waits_is_served),
    ("one_who_gives_up_loses_nothing", scenes::one_who_gives_up_loses_nothing),
    (
        "with_one_opening_at_a_time_every_caller_gets_a_turn",
        scenes::with_one_opening_at_a_time_every_caller_gets_a_turn,
    ),
    ("two_who_keep_what_they_opened_both_open", scenes::two_who_keep_what_they_opened_both_open),
    (
        "the_servers_return_reaches_everybody_who_backs_off",
        scenes::the_servers_return_reaches_everybody_who_backs_off,
    ),
    ("a_refusal_for_good_leaves_nobody_waiting", scenes::a_refusal_for_good_leaves_nobody_waiting),
    ("sizes_that_change_leave_nobody_waiting", scenes::sizes_that_change_leave_nobody_waiting),
    ("closing_wakes_everybody", scenes::closing_wakes_everybody),
];

fn main() {
    let filters: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted =
        |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()));
    let (mut passed, mut failed) = (0, 0);
    for (name, scene) in SCENES.into_iter().filter(|(name, _)| wanted(name)) {
        // Random schedules, and those of few but well-placed switches (PCT, Burckhardt et al. 2010).
        let outcome = catch_unwind(|| {
            shuttle::check_random(scene, SCHEDULES);
            shuttle::check_pct(scene, SCHEDULES, 3);
        });
        println!("test {name} ... {}", if outcome.is_ok() { "ok" } else { "FAILED" });
        if outcome.is_ok() { passed += 1 } else { failed += 1 }
    }
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    let left_out = SCENES.len() - passed - failed;
    println!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {left_out} filtered out\n"
    );
    std::process::exit(i32::from(failed > 0));
}
