//! What fuzzers run, without a fuzzer: over the seeds, over every input that ever found something, and over changes of both
//! that are the same each time. So it keeps working, and what was found stays fixed.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use holdfast::fuzzing;

/// The variable that says for how many seconds changed inputs are run, of each kind; 2 without it.
const SECONDS: &str = "HOLDFAST_FUZZ_SECONDS";
/// The most of them in a second.
const MOST: usize = 2_500;

/// The inputs in a directory, in the order of their names; none if there is no directory.
fn inputs(kind: &str, target: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(kind).join(target);
    let mut paths: Vec<_> =
        fs::read_dir(directory).into_iter().flatten().map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// A few bytes changed, dropped, repeated, or taken from another input.
fn changed(all: &[Vec<u8>], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut input = all[random.usize(..all.len())].clone();
    for _ in 0..random.usize(1..6) {
        let at = random.usize(..=input.len());
        match random.u8(..6) {
            0 => input.insert(at, random.u8(..)),
            1 => input.truncate(at),
            2 => {
                let from = &all[random.usize(..all.len())];
                input.extend_from_slice(&from[random.usize(..=from.len())..]);
            }
            3 => {
                let end = (at + random.usize(..8)).min(input.len());
                input.drain(at..end);
            }
            _ if at < input.len() => input[at] = random.u8(..),
            _ => input.push(random.u8(..)),
        }
    }
    input
}

fn run(target: &str, harness: fn(&[u8])) {
    let seeds = inputs("seeds", target);
    assert!(!seeds.is_empty(), "fuzz/seeds/{target} is empty");
    let all: Vec<_> = seeds.into_iter().chain(inputs("found", target)).chain([Vec::new()]).collect();
    all.iter().for_each(|input| harness(input));
    let mut random = fastrand::Rng::with_seed(20_261_124);
    let begun = Instant::now();
    let seconds = std::env::var(SECONDS).map_or(2, |text| text.parse().expect(SECONDS));
    for _ in 0..MOST * seconds {
        if begun.elapsed() > Duration::from_secs(seconds as u64) {
            return;
        }
        let input = changed(&all, &mut random);
        let held = std::panic::catch_unwind(|| harness(&input));
        assert!(held.is_ok(), "this input finds something: {}", input.escape_ascii());
    }
}

#[test]
fn a_server_that_says_anything_gets_errors_and_loses_its_connection() {
    run("hostile_server", fuzzing::hostile_server);
}

#[test]
fn a_server_that_says_anything_at_the_start_is_never_believed_without_proof() {
    run("startup", fuzzing::startup);
}

#[test]
fn values_of_any_bytes_are_read_or_refused() {
    run("binary_values", fuzzing::binary_values);
}

#[test]
fn a_client_that_says_anything_over_http_gets_an_answer_or_an_end() {
    run("http", fuzzing::http);
}

#[test]
fn texts_of_others_forge_no_line_where_they_are_shown() {
    run("rendering", fuzzing::rendering);
}

#[test]
fn c_may_give_any_text() {
    run("c_texts", fuzzing::c_texts);
}

#[test]
fn c_may_call_anything_in_any_order() {
    run("c_calls", fuzzing::c_calls);
}

#[test]
fn a_pool_survives_any_answer_to_its_own_questions() {
    run("own_questions", fuzzing::own_questions);
}

#[test]
fn a_cancel_request_carries_the_key_whole_and_never_in_the_clear() {
    run("cancel", fuzzing::cancel);
}
