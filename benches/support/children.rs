//! Measuring in a process of its own: memory once touched by one subject would count for nobody else, and a peak never
//! comes down again.

use std::env;
use std::process::{Command, Stdio};

use super::Outcome;

/// The argument that makes this program a child; not for users, hence not in `--help`.
pub const FLAG: &str = "--child";

/// Runs this program again as `--child MEASUREMENT SUBJECT URL` and returns the figures it prints, one per line.
pub fn measure(measurement: &str, subject: &str, url: &str) -> Outcome<Vec<f64>> {
    let output = Command::new(env::current_exe()?)
        .args([FLAG, measurement, subject, url])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("the child for {measurement} of {subject} failed: {}", output.status).into());
    }
    let text = String::from_utf8(output.stdout)?;
    text.lines().map(|line| line.parse().map_err(Into::into)).collect()
}

/// In the child: hands the figures to the parent.
pub fn hand_over(figures: &[f64]) {
    for figure in figures {
        println!("{figure}");
    }
}
