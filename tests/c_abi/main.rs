//! The promises of the C ABI: the programs in `tests/c`, compiled against `include/holdfast.h` by every compiler that is
//! there, run on real servers; and that header, library and tests agree.

mod agreement;
mod dump;
mod foreign;
mod forks;
mod installed;
mod poolers;
mod reload;
mod stability;
mod tables;
mod toolchain;

#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::process::Command;
use std::{env, fs};

use support::{fill, own_server, server};
use toolchain::{Checked, header, library, root, sources, tool_exists};

/// Names that a text mentions, by their beginning.
fn words_beginning<'a>(text: &'a str, beginning: &str) -> BTreeSet<&'a str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|w| w.starts_with(beginning))
        .collect()
}

/// The functions that the header declares.
fn declared(header: &str) -> BTreeSet<&str> {
    let declarations = header.split("HOLDFAST_API").skip(1).filter_map(|d| d.split('(').next());
    let names = declarations.filter_map(|d| d.rsplit([' ', '*', '\n']).next());
    names.filter(|name| name.starts_with("holdfast_")).collect()
}

#[test]
fn the_committed_header_and_descriptions_are_the_generated_ones() {
    let files = [
        ("holdfast.h", env!("HOLDFAST_GENERATED_HEADER")),
        ("holdfast.ffi.h", env!("HOLDFAST_GENERATED_FFI_HEADER")),
        ("holdfast.json", env!("HOLDFAST_GENERATED_JSON")),
    ];
    for (name, generated) in files {
        let generated = fs::read_to_string(generated).unwrap();
        let committed = root().join("include").join(name);
        if env::var_os("HOLDFAST_UPDATE_HEADER").is_some() {
            fs::write(&committed, &generated).unwrap();
        }
        assert!(
            fs::read_to_string(&committed).unwrap_or_default() == generated,
            "include/{name} is out of date: HOLDFAST_UPDATE_HEADER=1 cargo test --all-features --test c_abi header rewrites it"
        );
    }
}

#[test]
fn the_header_compiles_without_a_warning_in_every_version_of_c_and_cxx() {
    let mut commands = vec![];
    for (compilers, language, versions) in [
        (["gcc", "clang"], "c", ["c99", "c11", "c17", "gnu17", "c2x"]),
        (["g++", "clang++"], "c++", ["c++11", "c++14", "c++17", "c++20", "c++2b"]),
    ] {
        for compiler in compilers.into_iter().filter(|c| tool_exists(c)) {
            for version in versions {
                let standard = format!("-std={version}");
                let mut command = Command::new(compiler);
                command
                    .args([standard.as_str(), "-fsyntax-only", "-x", language])
                    .args(toolchain::WARNINGS)
                    .arg(header());
                commands.push(command);
            }
        }
    }
    toolchain::all_checked(commands);
}

#[test]
fn the_programs_compile_without_a_warning_in_every_version_of_c() {
    let mut commands = vec![];
    for compiler in ["gcc", "clang"].into_iter().filter(|c| tool_exists(c)) {
        for version in ["-std=c99", "-std=c11", "-std=c17", "-std=c2x"] {
            let mut command = toolchain::compiler(compiler);
            command.args([version, "-fsyntax-only"]).args(sources());
            commands.push(command);
        }
    }
    toolchain::all_checked(commands);
}

#[test]
fn the_library_exports_what_the_header_declares_and_nothing_else() {
    let header = fs::read_to_string(header()).unwrap();
    let symbols =
        Command::new("nm").args(["-D", "--defined-only"]).arg(library().join("libholdfast.so")).checked();
    let exported: BTreeSet<_> = symbols.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    assert_eq!(exported, declared(&header));
    let dynamic = Command::new("readelf").arg("-d").arg(library().join("libholdfast.so")).checked();
    assert!(dynamic.contains(&format!("[{}]", toolchain::soname())), "{dynamic}");
    assert!(dynamic.contains("NODELETE"), "unloading it would take its code from its threads: {dynamic}");
}

#[test]
fn every_function_is_used_by_a_test_in_c() {
    let header = fs::read_to_string(header()).unwrap();
    let used: String = sources().iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let used = words_beginning(&used, "holdfast_");
    let missed: Vec<_> = declared(&header).into_iter().filter(|name| !used.contains(name)).collect();
    assert!(missed.is_empty(), "no C test uses {missed:?}");
}

#[test]
fn handles_are_made_used_and_freed_in_every_order() {
    toolchain::run_every_way("lifecycle", &server().url());
}

#[test]
fn errors_say_everything_they_know() {
    toolchain::run_every_way("errors", &server().url());
}

#[test]
fn options_are_set_read_back_and_listed() {
    toolchain::run_every_way("configuration", "");
}

#[test]
fn structs_are_read_and_filled_as_far_as_the_caller_knows_them() {
    toolchain::run_every_way("growth", &server().url());
}

#[test]
fn misuse_is_an_error_and_not_a_crash() {
    toolchain::run_every_way("misuse", &server().url());
}

#[test]
fn queries_return_what_the_server_says() {
    toolchain::run_every_way("queries", &server().url());
}

#[test]
fn packs_are_laid_out_as_the_header_says() {
    toolchain::run_every_way("pack", &server().url());
}

#[test]
fn statements_run_wherever_there_is_a_connection() {
    toolchain::run_every_way("statements", &server().url());
}

#[test]
fn streams_carry_large_results_and_may_be_left_at_any_time() {
    toolchain::run_every_way("streams", &server().url());
}

#[test]
fn pipelines_run_many_statements_in_one_call() {
    toolchain::run_every_way("pipelines", &server().url());
}

#[test]
fn copies_carry_rows_both_ways() {
    toolchain::run_every_way("copy", &server().url());
}

#[test]
fn an_echo_pool_answers_without_a_server() {
    toolchain::run_every_way("echo", "");
}

#[test]
fn threads_share_a_pool_and_cancel_and_close_it() {
    toolchain::run_every_way("threads", &server().url());
}

#[test]
fn signals_that_interrupt_system_calls_fail_nothing() {
    toolchain::run_every_way("interrupts", &server().url());
}

#[test]
fn cancel_requests_over_a_unix_socket_are_not_failed_by_signals_either() {
    toolchain::run_every_way("interrupts", &server().socket_url());
}

#[test]
fn log_records_reach_the_callback_of_their_pool() {
    toolchain::run_every_way("logging", &server().url());
}

#[test]
fn events_metrics_health_and_the_dashboard_are_there_for_c() {
    toolchain::run_every_way("observing", &server().url());
}

#[test]
fn passwords_come_from_a_callback_at_each_opening() {
    let server = own_server(|s| s.sql("create role app login"));
    server.change_hba(&["host all app all scram-sha-256", "host all all all trust"]).unwrap();
    toolchain::run_every_way("passwords", &server.url());
}

#[test]
fn no_socket_raises_sigpipe() {
    toolchain::run_every_way("signals", &server().url());
}

#[test]
fn a_difficult_host_loses_nothing() {
    toolchain::run_every_way("host", &server().url());
}

#[test]
fn a_lack_of_threads_costs_no_place() {
    toolchain::run_every_way("thread_limits", &server().url());
}

#[test]
fn no_call_needs_a_larger_stack_than_the_header_says() {
    toolchain::run_every_way("small_stack", &server().url());
}

#[test]
fn a_signal_ends_a_call_that_waits_for_the_server() {
    toolchain::run_every_way("ctrl_c", &server().url());
}

#[test]
fn a_signal_handler_cancels_by_itself() {
    toolchain::run_every_way("cancel_signals", &server().url());
}

#[test]
fn no_callback_runs_once_a_pool_or_a_queue_was_silenced() {
    toolchain::run_every_way("silence", &server().url());
}

#[test]
fn a_callback_sets_up_every_new_session() {
    toolchain::run_every_way("connect", &server().url());
}

#[test]
fn transactions_by_hand_commit_and_roll_back() {
    toolchain::run_every_way("transactions", &server().url());
}

#[test]
fn transactions_that_the_library_runs_commit_roll_back_and_are_run_again() {
    toolchain::run_every_way("transaction_bodies", &server().url());
}

#[test]
fn what_is_submitted_is_answered_through_a_queue() {
    toolchain::run_every_way("queue", &server().url());
}

#[test]
fn connections_checked_out_by_a_queue_do_what_they_are_given_in_order() {
    toolchain::run_every_way("queue_connections", &server().url());
}

#[test]
fn the_laws_of_the_header_hold() {
    toolchain::run_every_way("laws", &server().url());
}

#[test]
fn submissions_that_wait_for_a_connection_are_waiters() {
    toolchain::run_every_way("waiting", &server().url());
}

#[test]
fn prepared_statements_pipelines_and_transactions_by_hand_are_submitted_too() {
    toolchain::run_every_way("submit", &server().url());
}

#[test]
fn transactions_that_the_library_runs_are_submitted_too() {
    toolchain::run_every_way("submit_transactions", &server().url());
}

#[test]
fn streams_are_read_through_a_queue_at_the_programs_pace() {
    toolchain::run_every_way("submit_streams", &server().url());
}

#[test]
fn copies_carry_rows_both_ways_through_a_queue() {
    toolchain::run_every_way("submit_copy", &server().url());
}

#[test]
fn parameters_are_kept_and_a_connection_says_what_is_known_of_it() {
    toolchain::run_every_way("params", &server().url());
}

#[test]
fn pools_are_closed_through_a_queue() {
    toolchain::run_every_way("submit_close", &server().url());
}

#[test]
fn what_the_server_remarks_comes_with_a_completion() {
    toolchain::run_every_way("submit_notices", &server().url());
}

#[test]
fn statements_that_may_be_repeated_outlive_their_connection() {
    toolchain::run_every_way("idempotent", &server().url());
}

#[test]
fn an_event_loop_waits_for_a_queue_and_nothing_else() {
    toolchain::run_every_way("event_loop", &server().url());
}

#[test]
fn frozen_and_crashed_servers_cost_what_they_must() {
    toolchain::run_every_way("outage", &own_server(|s| s).url());
}

#[test]
fn a_server_out_of_reach_opens_the_circuit() {
    toolchain::run_every_way("circuit", &server().url());
}

#[test]
fn a_full_server_is_quoted_attempt_by_attempt() {
    let full = own_server(|s| s.max_connections(5));
    let held = fill(&full.url());
    toolchain::run_every_way("full", &full.url());
    drop(held);
}
