//! That what several languages repeat of the tables in Rust (events, kinds of error, states, counters) is complete everywhere. The
//! enums of C++ and the names for TypeScript are written here; a counter that was forgotten elsewhere fails, with its place.

use std::{env, fs};

use holdfast::exposition::METRICS;
use holdfast::{Circuit, CloseReason, ErrorKind, EventKind, HealthStatus, LimitedBy, Pool, PoolConfig};

use crate::toolchain::root;

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The header as it was just made of the sources, which the committed one equals.
fn generated_header() -> String {
    fs::read_to_string(env!("HOLDFAST_GENERATED_HEADER")).unwrap()
}

#[track_caller]
fn assert_has(path: &str, text: &str, what: &str) {
    assert!(text.contains(what), "{path} lacks {what:?}");
}

/// Asserts that a file has this text between these two, or writes it there if the header is written anew as well.
#[track_caller]
fn assert_generated(path: &str, after: &str, text: &str, before: &str) {
    let committed = read(path);
    let begin = committed.find(after).unwrap_or_else(|| panic!("{path} lacks {after:?}")) + after.len();
    let length = committed[begin..].find(before).unwrap_or_else(|| panic!("{path} lacks {before:?}"));
    if &committed[begin..begin + length] == text {
        return;
    }
    assert!(
        env::var_os("HOLDFAST_UPDATE_HEADER").is_some(),
        "{path} is out of date: HOLDFAST_UPDATE_HEADER=1 cargo test --workspace --all-features --test c_abi writes it"
    );
    let updated = committed[..begin].to_owned() + text + &committed[begin + length..];
    fs::write(root().join(path), updated).unwrap_or_else(|e| panic!("{path}: {e}"));
}

/// The names of the header's constants with this prefix, without it.
fn constants<'a>(header: &'a str, prefix: &str) -> Vec<&'a str> {
    let defined = header.lines().filter_map(|line| line.strip_prefix("#define HOLDFAST_"));
    let names = defined.filter_map(|line| line.split(' ').next()?.strip_prefix(prefix)?.strip_prefix('_'));
    names.collect()
}

#[test]
fn every_enum_of_cxx_has_a_value_for_each_constant() {
    let header = generated_header();
    for (name, prefix, path) in [
        ("event_kind", "EVENT", "pools/event.hpp"),
        ("status", "STATUS", "library/status.hpp"),
        ("health_status", "HEALTH", "pools/health.hpp"),
    ] {
        let values = constants(&header, prefix)
            .into_iter()
            .map(|constant| format!("    {} = HOLDFAST_{prefix}_{constant},\n", constant.to_lowercase()));
        let begin = format!("enum class {name} : std::int32_t {{\n");
        assert_generated(
            &format!("bindings/cpp/holdfast/{path}"),
            &begin,
            &values.collect::<String>(),
            "};\n",
        );
    }
}

#[test]
fn every_name_of_a_table_is_a_type_of_node() {
    // Every checkout makes these, and JavaScript knows of its checkouts itself.
    let frequent = ["acquired", "released", "waited"];
    let events = EventKind::ALL.iter().map(|kind| kind.name()).filter(|name| !frequent.contains(name));
    let types = [
        ("EventName", "The kind of an event.", events.map(str::to_owned).collect::<Vec<_>>()),
        ("CircuitName", "The state of a pool's circuit.", names(Circuit::ALL, |state| state.name())),
        (
            "LimitName",
            "What keeps a pool from having more connections.",
            names(LimitedBy::ALL, |by| by.name()),
        ),
        ("HealthName", "The health of a pool in one word.", names(HealthStatus::ALL, |status| status.name())),
        ("CloseReasonName", "The reason why a connection was closed.", {
            CloseReason::ALL.iter().map(|reason| camel(reason.name())).collect()
        }),
    ];
    let declared = types.map(|(name, about, values)| {
        let values = values.iter().map(|value| format!("\n  | '{value}'")).collect::<String>();
        format!("\n/** {about} */\nexport type {name} ={values}\n")
    });
    let note = "// Written by tests/c_abi/tables.rs, from the tables in src/.\n";
    assert_generated("bindings/node/types/names.d.ts", note, &declared.concat(), "\n// End.\n");
}

fn names<T: Copy>(all: &[T], name: fn(T) -> &'static str) -> Vec<String> {
    all.iter().map(|value| name(*value).to_owned()).collect()
}

#[test]
fn a_constant_of_c_has_the_number_that_stands_in_its_row() {
    let header = generated_header();
    let rows = [
        ("EVENT", EventKind::ALL.iter().map(|kind| (kind.name(), *kind as i32)).collect::<Vec<_>>()),
        ("STATUS", ErrorKind::ALL.iter().map(|kind| (kind.name(), *kind as i32)).collect()),
        ("CIRCUIT", Circuit::ALL.iter().map(|state| (state.name(), *state as i32)).collect()),
        ("LIMITED_BY", LimitedBy::ALL.iter().map(|by| (by.name(), *by as i32)).collect()),
        ("HEALTH", HealthStatus::ALL.iter().map(|status| (status.name(), *status as i32)).collect()),
    ];
    for (prefix, values) in rows {
        for (name, number) in values {
            let constant = format!("#define HOLDFAST_{prefix}_{} {number}\n", name.to_uppercase());
            assert_has("the header", &header, &constant);
        }
    }
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
    let header = generated_header();
    let (addon, types) =
        (read("bindings/node/src/pool/metrics.cc"), read("bindings/node/types/metrics.d.ts"));
    let fields = fields(&header);
    assert!(fields.len() > 30, "{fields:?}");
    for &field in &fields {
        let reason = field.strip_prefix("closed_");
        let name =
            if field == "circuit_ms" { "circuitMillis".to_owned() } else { camel(reason.unwrap_or(field)) };
        assert_has("bindings/node/src/pool/metrics.cc", &addon, &format!("(\"{name}\", "));
        if reason.is_none() {
            assert_has("bindings/node/types/metrics.d.ts", &types, &format!("{name}: "));
        }
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
