//! A process that may have no more descriptors.

use std::process::Command;
use std::time::Duration;

use holdfast::Pool;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::{server, wait_until};

const URL: &str = "HOLDFAST_TEST_OF_LIMITS";

/// The limit is a process's, so this has one of its own: it runs this test with the URL in its environment.
#[test]
fn out_of_descriptors_is_an_error_and_passes() {
    if let Ok(url) = std::env::var(URL) {
        return run_out(&url);
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["limits::out_of_descriptors_is_an_error_and_passes", "--exact", "--nocapture"])
        .env(URL, server().url())
        .output()
        .unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(said.matches("panicked").count(), 0, "{said}");
}

fn run_out(url: &str) {
    let usual = getrlimit(Resource::Nofile);
    let mut failed = 0;
    for more in 0..16 {
        let pool = Pool::from_url(&format!("{url}?retry_max=0&connection_timeout=2s")).unwrap();
        let open = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
        // One of those was for counting. The limit is on numbers, of which lower ones may be free: at first none is left.
        let current = if more == 0 { 3 } else { open - 1 + more };
        setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: usual.maximum }).unwrap();
        let got = pool.get();
        setrlimit(Resource::Nofile, usual).unwrap();
        if let Err(error) = got {
            failed += 1;
            assert!(error.is_retryable(), "{error}");
            assert!(error.to_string().contains("Too many open files"), "{error}");
        }
        // What failed a moment ago may be taken for an outage, which is asked about again at once.
        wait_until("the pool works as before", Duration::from_secs(5), || {
            pool.batch_execute("select 1").is_ok()
        });
    }
    assert!((1..16).contains(&failed), "{failed} of 16");
}
