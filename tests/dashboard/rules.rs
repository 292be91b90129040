//! The files that Prometheus and Grafana load.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use holdfast::exposition::{ALERT_RULES, GRAFANA_DASHBOARD, METRICS};

fn promtool(arguments: &[&str], folder: &std::path::Path) {
    let done = Command::new("promtool").args(arguments).current_dir(folder).output();
    let done = done.expect("promtool, which `make test` installs with Prometheus");
    let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
}

/// Each rule, with figures under which it must be silent and others under which it must not.
#[test]
fn promtool_accepts_the_rules_and_each_fires_when_it_should() {
    let folder = std::env::temp_dir().join(format!("holdfast-rules-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("alerts.yml"), ALERT_RULES).unwrap();
    promtool(&["check", "rules", "alerts.yml"], &folder);
    let pool = r#"db_client_connection_pool_name="p",job="j",instance="i""#;
    // What fires, the series under which it does, and under which it does not.
    let cases = [
        (
            "HoldfastPoolUseHigh",
            vec![
                (r#"db_client_connection_count{db_client_connection_state="used",POOL}"#, "9x40", "8x40"),
                ("holdfast_connection_limit{POOL}", "10x40", "10x40"),
            ],
        ),
        ("HoldfastRetriesFrequent", vec![("holdfast_retries_total{POOL}", "0+1x40", "0+0x40")]),
        (
            "HoldfastConnectTimeouts",
            vec![(
                r#"holdfast_connect_errors_total{kind="connect_timeout",phase="connect",POOL}"#,
                "0+1x40",
                "0+0x40",
            )],
        ),
        (
            "HoldfastPoolExhausted",
            vec![
                ("db_client_connection_timeouts_total{POOL}", "0+1x40", "0+0x40"),
                ("holdfast_shed_total{POOL}", "0+0x40", "0+0x40"),
            ],
        ),
        (
            "HoldfastErrorRateHigh",
            vec![
                (
                    r#"holdfast_statement_errors_total{db_response_status_code="57014",POOL}"#,
                    "0+10x40",
                    "0+1x40",
                ),
                (
                    r#"holdfast_statement_errors_total{db_response_status_code="23505",POOL}"#,
                    "0+90x40",
                    "0+90x40",
                ),
                ("holdfast_checkouts_total{POOL}", "0+50x40", "0+50x40"),
                ("holdfast_statements_total{POOL}", "0+50x40", "0+50x40"),
            ],
        ),
        ("HoldfastOldestWaiter", vec![("holdfast_oldest_waiter_age_seconds{POOL}", "5x40", "3x40")]),
        ("HoldfastCircuitOpen", vec![(r#"holdfast_circuit_state{state="open",POOL}"#, "1x40", "0x40")]),
    ];
    assert_eq!(cases.len(), ALERT_RULES.matches("- alert: ").count(), "every rule has a case");
    let mut tests = String::from("rule_files: [alerts.yml]\nevaluation_interval: 5s\ntests:\n");
    for (alert, series) in &cases {
        for fires in [true, false] {
            tests += "  - interval: 5s\n    input_series:\n";
            for (name, loud, calm) in series {
                let values = if fires { loud } else { calm };
                tests += &format!(
                    "      - series: '{}'\n        values: '{values}'\n",
                    name.replace("POOL", pool)
                );
            }
            tests += &format!(
                "    promql_expr_test:\n      - expr: 'count(ALERTS{{alertname=\"{alert}\",alertstate=\"firing\"}}) or vector(0)'\n        eval_time: 3m\n        exp_samples: [{{labels: '{{}}', value: {}}}]\n",
                u8::from(fires)
            );
        }
    }
    fs::write(folder.join("tests.yml"), tests).unwrap();
    promtool(&["test", "rules", "tests.yml"], &folder);
    fs::remove_dir_all(&folder).unwrap();
}

/// Names of metrics in a text: words with one of our beginnings.
fn named_in(text: &str) -> BTreeSet<String> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let ours = |word: &&str| {
        word.starts_with("holdfast_")
            || word.starts_with("db_client_connection_")
            || word.starts_with("db_client_operation_")
    };
    let labels = ["db_client_connection_pool_name", "db_client_connection_state"];
    let names = text.split(word).filter(ours).filter(|word| !labels.contains(word));
    names.map(|name| name.trim_end_matches("_bucket").to_owned()).collect()
}

#[test]
fn rules_and_dashboard_name_metrics_that_there_are_and_the_dashboard_leaves_none_out() {
    let all: BTreeSet<String> = METRICS.iter().map(|metric| metric.name.to_owned()).collect();
    let shown = named_in(GRAFANA_DASHBOARD);
    assert!(named_in(ALERT_RULES).is_subset(&all), "{:?}", named_in(ALERT_RULES).difference(&all));
    assert_eq!(shown, all);
    let dashboard: serde_json::Value = serde_json::from_str(GRAFANA_DASHBOARD).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(!panel["targets"].as_array().unwrap().is_empty(), "{}", panel["title"]);
    }
}

/// With numbers for Grafana's variables, every expression of the dashboard is one that Prometheus understands.
#[test]
fn every_expression_of_the_dashboard_can_be_evaluated() {
    let folder = std::env::temp_dir().join(format!("holdfast-grafana-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(GRAFANA_DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let expressions = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap()).map(|target| {
        target["expr"]
            .as_str()
            .unwrap()
            .replace("$__rate_interval", "1m")
            .replace("$pool", ".*")
            .replace("$job", ".*")
    });
    let mut rules = String::from("groups: [{name: dashboard, rules: [\n");
    for (number, expression) in expressions.enumerate() {
        rules += &format!("{{record: \"dashboard:{number}\", expr: {}}},\n", serde_json::json!(expression));
    }
    fs::write(folder.join("dashboard.yml"), rules + "]}]\n").unwrap();
    promtool(&["check", "rules", "dashboard.yml"], &folder);
    fs::remove_dir_all(&folder).unwrap();
}
