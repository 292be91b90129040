//! A process of its own for a test of what a process has only one of: its limits, its memory, its descriptors, its first pool.

use std::env;
use std::process::Command;

/// Set in the process of its own: where the server is.
const URL: &str = "HOLDFAST_TEST_ALONE";

/// Returns the server's URL in the process that `test` has for itself. Elsewhere runs it there, panics unless it passes, and
/// returns `None`. `test` is the name of the test that asks, as its program lists it.
pub fn alone(test: &str) -> Option<String> {
    if let Ok(url) = env::var(URL) {
        return Some(url);
    }
    let output = Command::new(env::current_exe().expect("this program's own path"))
        .args([test, "--exact", "--nocapture"])
        .env(URL, super::server().url())
        // What is large is taken from the system and given back to it, so that limits and figures mean what they say.
        .env("MALLOC_ARENA_MAX", "1")
        .env("MALLOC_MMAP_THRESHOLD_", "1048576")
        .output()
        .expect("this program starts once more");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let passed = output.status.success() && said.contains("1 passed") && !said.contains("panicked");
    assert!(passed, "{:?}\n{said}", output.status);
    None
}
