//! The workload that pools are sized for.

use std::time::Duration;

use holdfast::{Error, Result};

/// The workload that pools are sized for, and the number of pools.
#[must_use = "a workload changes nothing until `tune` is called with it"]
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    pub(super) processes: u32,
    pub(super) rate: Option<f64>,
    pub(super) statements: u32,
    pub(super) statement: Option<String>,
    pub(super) service_time: Option<Duration>,
    pub(super) overlap: f64,
    pub(super) overlap_processes: Option<u32>,
    pub(super) reserve: Option<u32>,
    pub(super) database_cores: Option<u32>,
    pub(super) timeout: Duration,
}

/// More processes, or a higher rate, would be a typing error.
const MOST_PROCESSES: u32 = 1_000_000;
const MOST_REQUESTS: f64 = 1e9;
const MOST_OVERLAP: f64 = 100.0;
const LONGEST_SERVICE: Duration = Duration::from_secs(86_400);

impl Workload {
    /// Returns the defaults: one process, an unknown rate, one trivial statement a request, twice the processes during a deploy, 10
    /// s for each question.
    pub fn new() -> Self {
        Self {
            processes: 1,
            rate: None,
            statements: 1,
            statement: None,
            service_time: None,
            overlap: 2.0,
            overlap_processes: None,
            reserve: None,
            database_cores: None,
            timeout: Duration::from_secs(10),
        }
    }

    /// Sets the number of processes that have a pool of this configuration. Default: 1.
    pub fn processes(self, processes: u32) -> Self {
        Self { processes, ..self }
    }

    /// Sets the requests a second of all processes together, at the busiest time. Default: unknown; the size then does not
    /// depend on it.
    pub fn rate(self, rate: f64) -> Self {
        Self { rate: Some(rate), ..self }
    }

    /// Sets the number of statements that a request runs, one after the other, on the connection it holds. Default: 1.
    pub fn statements(self, statements: u32) -> Self {
        Self { statements, ..self }
    }

    /// Sets the statement to measure: one, without parameters. It is run in read-only transactions. Default: `select 1`.
    pub fn statement(self, statement: impl Into<String>) -> Self {
        Self { statement: Some(statement.into()), ..self }
    }

    /// Sets the server's time for a statement, without the network; none is measured then.
    pub fn service_time(self, service_time: Duration) -> Self {
        Self { service_time: Some(service_time), ..self }
    }

    /// Sets the factor by which there are more processes during a deploy. Default: 2, all old ones beside all new ones.
    pub fn overlap(self, overlap: f64) -> Self {
        Self { overlap, ..self }
    }

    /// Sets the number of further processes during a deploy, in place of [`overlap`](Self::overlap).
    pub fn overlap_processes(self, more: u32) -> Self {
        Self { overlap_processes: Some(more), ..self }
    }

    /// Sets the connections kept free for people and jobs, of the server's and the database's. Default: a tenth, and at least 3.
    pub fn reserve(self, connections: u32) -> Self {
        Self { reserve: Some(connections), ..self }
    }

    /// Sets the cores of the database's machine, for a note on how many statements can run at once. SQL does not report them.
    pub fn database_cores(self, cores: u32) -> Self {
        Self { database_cores: Some(cores), ..self }
    }

    /// Sets the time limit of each opening and each question. Default: 10 s.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Returns the number of processes that there may be at once.
    pub(super) fn holders(&self) -> u32 {
        match self.overlap_processes {
            Some(more) => self.processes.saturating_add(more),
            // A float-to-int cast saturates.
            None => (f64::from(self.processes) * self.overlap).ceil() as u32,
        }
    }

    pub(super) fn validate(&self) -> Result<()> {
        let fault = |what: &str| Err(Error::config(format!("the workload cannot be: {what}")));
        match self {
            Self { processes: 0, .. } => fault("give at least one process"),
            Self { processes, .. } if *processes > MOST_PROCESSES => fault("give at most 1000000 processes"),
            Self { rate: Some(rate), .. } if !(*rate > 0.0 && *rate <= MOST_REQUESTS) => {
                fault("give a rate above 0 and up to 1e9 requests a second")
            }
            Self { statements, .. } if !(1..=100_000).contains(statements) => {
                fault("give between 1 and 100000 statements a request")
            }
            Self { overlap, .. } if !(1.0..=MOST_OVERLAP).contains(overlap) => {
                fault("give an overlap between 1 (no deploys) and 100")
            }
            Self { service_time: Some(time), .. } if *time > LONGEST_SERVICE => {
                fault("give a service time of at most a day")
            }
            Self { statement: Some(_), service_time: Some(_), .. } => {
                fault("give a statement to measure or a service time, not both")
            }
            _ => Ok(()),
        }
    }
}

impl Default for Workload {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deploy_has_all_processes_twice_unless_it_is_said_how_many_more_there_are() {
        let twelve = Workload::new().processes(12);
        assert_eq!(twelve.holders(), 24);
        assert_eq!(twelve.clone().overlap(1.25).holders(), 15);
        assert_eq!(Workload::new().processes(3).overlap(1.5).holders(), 5, "rounded up");
        assert_eq!(twelve.overlap_processes(1).holders(), 13);
        assert_eq!(Workload::new().processes(u32::MAX).overlap(2.0).holders(), u32::MAX, "no overflow");
    }

    #[test]
    fn a_workload_that_cannot_be_is_refused_with_what_may_be_given() {
        let refused = [
            (Workload::new().processes(0), "at least one process"),
            (Workload::new().rate(0.0), "above 0"),
            (Workload::new().rate(f64::NAN), "above 0"),
            (Workload::new().rate(f64::INFINITY), "above 0"),
            (Workload::new().overlap(0.5), "between 1"),
            (Workload::new().overlap(f64::NAN), "between 1"),
            (Workload::new().statements(0), "between 1 and 100000"),
            (Workload::new().statement("select 1").service_time(Duration::ZERO), "not both"),
        ];
        for (workload, words) in refused {
            let said = workload.validate().unwrap_err().to_string();
            assert!(said.contains(words), "{workload:?}: {said}");
        }
        assert!(Workload::new().rate(0.001).validate().is_ok());
    }
}
