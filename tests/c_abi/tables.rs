//! That what several languages repeat of the tables in Rust (events, kinds of error, states, counters) is complete everywhere: a
//! row that was added to a table and forgotten elsewhere fails here, with the place where it is missing.

use std::fs;

use holdfast::exposition::METRICS;
use holdfast::{Circuit, CloseReason, ErrorKind, EventKind, HealthStatus, LimitedBy, Pool, PoolConfig};

use crate::toolchain::{header, root};

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[track_caller]
fn assert_has(path: &str, text: &str, what: &str) {
    assert!(text.contains(what), "{path} lacks {what:?}");
}

/// Asserts that the header has a constant for each name, and that the type declarations of Node have each name.
fn assert_named(prefix: &str, names: impl Iterator<Item = &'static str>, is_for_node: impl Fn(&str) -> bool) {
    let (header, types) = (fs::read_to_string(header()).unwrap(), read("bindings/node/types/metrics.d.ts"));
    for name in names {
        assert_has("the header", &header, &format!("#define HOLDFAST_{prefix}_{} ", name.to_uppercase()));
        if is_for_node(name) {
            assert_has("bindings/node/types/metrics.d.ts", &types, &format!("'{name}'"));
        }
    }
}

/// Asserts that the wrapper for C++ has an enumerator for each constant of a kind.
fn assert_in_cxx(prefix: &str, path: &str) {
    let (header, wrapper) = (fs::read_to_string(header()).unwrap(), read(path));
    let constants =
        header.lines().filter_map(|line| line.strip_prefix("#define HOLDFAST_")?.split(' ').next());
    let names: Vec<_> = constants.filter_map(|name| name.strip_prefix(prefix)?.strip_prefix('_')).collect();
    assert!(names.len() > 2, "{prefix}: {names:?}");
    for name in names {
        assert_has(path, &wrapper, &format!("    {} = HOLDFAST_{prefix}_{name},\n", name.to_lowercase()));
    }
}

#[test]
fn every_event_is_known_in_every_language() {
    // Every checkout makes these, and JavaScript knows of its checkouts itself.
    let frequent = ["acquired", "released", "waited"];
    assert_named("EVENT", EventKind::ALL.iter().map(|kind| kind.name()), |name| !frequent.contains(&name));
    assert_in_cxx("EVENT", "bindings/cpp/holdfast/pools/event.hpp");
    let header = fs::read_to_string(header()).unwrap();
    for &kind in EventKind::ALL {
        let constant = format!("#define HOLDFAST_EVENT_{} {}\n", kind.name().to_uppercase(), kind as i32);
        assert_has("the header", &header, &constant);
    }
}

#[test]
fn every_kind_of_error_is_a_status_in_every_language() {
    assert_named("STATUS", ErrorKind::ALL.iter().map(|kind| kind.name()), |_| false);
    assert_in_cxx("STATUS", "bindings/cpp/holdfast/library/status.hpp");
}

#[test]
fn every_state_is_known_in_every_language() {
    assert_named("CIRCUIT", Circuit::ALL.iter().map(|state| state.name()), |_| true);
    assert_named("LIMITED_BY", LimitedBy::ALL.iter().map(|by| by.name()), |_| true);
    assert_named("HEALTH", HealthStatus::ALL.iter().map(|status| status.name()), |_| true);
    assert_in_cxx("HEALTH", "bindings/cpp/holdfast/pools/health.hpp");
}

/// The fields of `holdfast_stats`, without its size.
fn fields(header: &str) -> Vec<&str> {
    let end = header.find("} holdfast_stats;").expect("the struct");
    let body = &header[header[..end].rfind("typedef struct").expect("its beginning")..end];
    let declarations = body.lines().filter_map(|line| line.trim().strip_suffix(';'));
    let names = declarations.filter_map(|line| line.rsplit(' ').next()?.split('[').next());
    names.filter(|name| *name != "struct_size").collect()
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |text, word| text + &word[..1].to_uppercase() + &word[1..])
}

#[test]
fn every_statistic_of_c_is_one_of_node_and_every_reason_for_closing_has_its_count() {
    let header = fs::read_to_string(header()).unwrap();
    let (addon, types) =
        (read("bindings/node/src/pool/metrics.cc"), read("bindings/node/types/metrics.d.ts"));
    let fields = fields(&header);
    assert!(fields.len() > 30, "{fields:?}");
    for &field in &fields {
        let reason = field.strip_prefix("closed_");
        let name =
            if field == "circuit_ms" { "circuitMillis".to_owned() } else { camel(reason.unwrap_or(field)) };
        let typed = if reason.is_some() { format!("'{name}'") } else { format!("{name}: ") };
        assert_has("bindings/node/src/pool/metrics.cc", &addon, &format!("(\"{name}\", "));
        assert_has("bindings/node/types/metrics.d.ts", &types, &typed);
    }
    for reason in CloseReason::ALL {
        let field = format!("closed_{}", reason.name());
        assert!(fields.contains(&field.as_str()), "holdfast_stats lacks {field}");
    }
}

#[test]
fn every_counter_of_the_metrics_is_one_of_the_json_document_and_of_its_schema() {
    let pool = Pool::echo(PoolConfig::new()).unwrap();
    let document: serde_json::Value = serde_json::from_str(&pool.stats_json()).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&read("docs/stats.schema.json")).unwrap();
    let counters = document["counters"].as_object().unwrap();
    let plain = METRICS.iter().filter(|metric| metric.kind.name() == "counter" && metric.labels.is_empty());
    assert_eq!(counters.len(), plain.count(), "a counter without labels has a key for JSON: {counters:?}");
    let described = schema["properties"]["counters"]["properties"].as_object().unwrap();
    assert_eq!(counters.keys().collect::<Vec<_>>(), described.keys().collect::<Vec<_>>());
    let page = read("src/exposition/http/page/page.js");
    for used in page
        .split("counters.")
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next())
    {
        assert!(counters.contains_key(used), "the dashboard shows counters.{used}, which there is not");
    }
}
