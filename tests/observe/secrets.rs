//! A password that is marked, put everywhere a password can be: no output may have it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

use holdfast::exposition::MetricsFormat;
use holdfast::{LogLevel, Pool, PoolConfig};

use crate::ms;
use crate::support::own_server;
use crate::support::proxy::Proxy;

const MARK: &str = "S3cr3tMark";

/// Everything that anybody can see of a pool, whatever has happened to it.
fn all_outputs(config: PoolConfig, seen: &mut Vec<String>) {
    let told: Arc<Mutex<Vec<String>>> = Default::default();
    let (logs, events) = (told.clone(), told.clone());
    seen.push(format!("{config:?}"));
    let config = config
        .log_sink(LogLevel::Trace, move |record| logs.lock().unwrap().push(format!("{record:?}")))
        .on_event(move |event| events.lock().unwrap().push(format!("{event:?}")))
        .leak_backtrace(true)
        .retry_base_delay(ms(1))
        .max_size(1);
    let pool = match Pool::new(config) {
        Ok(pool) => pool,
        Err(error) => return seen.push(format!("{error} {error:?}")),
    };
    match pool.get() {
        Ok(mut held) => {
            let error = held.batch_execute("select nothing from nowhere").unwrap_err();
            seen.push(format!("{error} {error:?}"));
            let error = pool.get_timeout(ms(20)).unwrap_err();
            seen.push(format!("{error} {error:?}"));
        }
        Err(error) => seen.push(format!("{error} {error:?}")),
    }
    let story = pool.explain_exhaustion();
    seen.push(format!("{story} {story:?}"));
    let health = pool.health();
    seen.push(format!("{health} {health:?} {:?} {pool:?} {:?}", pool.alerts(), pool.stats()));
    seen.push(pool.metrics_text());
    seen.push(pool.metrics_text_as(MetricsFormat::OpenMetrics));
    seen.push(pool.stats_json());
    pool.close();
    drop(pool);
    seen.append(&mut told.lock().unwrap());
}

#[test]
fn no_output_has_the_password() {
    let server = own_server(|s| {
        s.role("app", MARK).hba("host all app 127.0.0.1/32 scram-sha-256").hba("local all app scram-sha-256")
    });
    let proxy = Proxy::before(&server);
    let (host, port) = (server.host().to_owned(), server.port());
    let folder = std::env::temp_dir().join(format!("holdfast-secrets-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let passfile = folder.join("pgpass");
    fs::write(&passfile, format!("*:*:*:app:{MARK}\n")).unwrap();
    fs::set_permissions(&passfile, fs::Permissions::from_mode(0o600)).unwrap();
    let plain = format!("host={host} port={port} user=app dbname=postgres");
    let texts = [
        format!("postgresql://app:{MARK}@{host}:{port}/postgres"),
        format!("postgresql://app@{host}:{port}/postgres?password={MARK}"),
        format!("{plain} password={MARK}"),
        format!("{plain} passfile={}", passfile.display()),
        // Wrong ones, and places where nobody or nothing answers.
        format!("{plain} password={MARK}wrong"),
        format!("postgresql://app:{MARK}@127.0.0.1:1/postgres"),
        format!("postgresql://app:{MARK}@{}/postgres?connection_timeout=200", proxy.address()),
        format!("postgresql://app:{MARK}@{host}:{port}/nowhere"),
        format!("{plain} password={MARK} sslpassword={MARK} sslmode=require"),
        // What cannot be read.
        format!("postgresql://app:{MARK}@{host}:{port}/postgres?max_size=many"),
        format!("{plain} password={MARK} pasword={MARK}"),
        format!("{plain} password='{MARK}"),
        format!("postgresql://app:{MARK}@{host}:{port}:77/postgres"),
    ];
    let mut seen = Vec::new();
    for (number, text) in texts.iter().enumerate() {
        if number == 6 {
            proxy.go_deaf();
        }
        match PoolConfig::from_url(text) {
            Ok(config) => all_outputs(config, &mut seen),
            Err(error) => seen.push(format!("{error} {error:?}")),
        }
    }
    let set = PoolConfig::new().host(&host).port(port).user("app").dbname("postgres").password(MARK);
    all_outputs(set, &mut seen);
    assert!(seen.len() > 100, "only {} outputs were looked at", seen.len());
    for output in &seen {
        assert!(!output.contains(MARK), "{output}");
    }
    fs::remove_dir_all(&folder).unwrap();
}
