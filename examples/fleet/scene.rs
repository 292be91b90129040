//! What is tried, and what it has to come to.

use std::time::Duration;

/// One process: when it begins and how it ends, in shares of the span.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process {
    pub(crate) starts: f64,
    pub(crate) ends: Option<(f64, End)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Stopped,
    Killed,
}

pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) words: &'static str,
    pub(crate) processes: Vec<Process>,
    /// Of what the slots allow.
    pub(crate) least_rate: f64,
    pub(crate) longest_p99: Option<u32>,
    pub(crate) least_fairness: Option<f64>,
    /// Refused connects in a second, after the first two.
    pub(crate) most_refused: Option<f64>,
    /// A process that joins later is served within this.
    pub(crate) joins_within: Option<Duration>,
}

impl Scene {
    fn of(name: &'static str, words: &'static str, count: usize) -> Self {
        let processes = vec![Process { starts: 0.0, ends: None }; count];
        Self {
            name,
            words,
            processes,
            least_rate: 0.0,
            longest_p99: None,
            least_fairness: None,
            most_refused: None,
            joins_within: None,
        }
    }

    /// Processes that are there from beginning to end.
    pub(crate) fn is_there_throughout(&self, index: usize) -> bool {
        self.processes[index].starts == 0.0 && self.processes[index].ends.is_none()
    }
}

pub(crate) fn all() -> Vec<Scene> {
    let mut late = Scene::of("late", "10 processes, an eleventh joins half-way", 10);
    late.processes.push(Process { starts: 0.5, ends: None });
    let mut killed = Scene::of("killed", "10 processes, one is killed half-way", 10);
    killed.processes[0].ends = Some((0.5, End::Killed));
    let mut deploy = Scene::of("deploy", "10 processes, replaced one by one, the new one starting first", 10);
    for index in 0..10 {
        let at = 0.15 + 0.07 * index as f64;
        deploy.processes[index].ends = Some((at + 0.03, End::Stopped));
        deploy.processes.push(Process { starts: at, ends: None });
    }
    let within = Some(Duration::from_secs(2));
    vec![
        Scene {
            least_rate: 0.9,
            longest_p99: Some(500),
            least_fairness: Some(0.7),
            most_refused: Some(10.0),
            ..Scene::of("n10", "10 processes", 10)
        },
        Scene {
            least_rate: 0.8,
            longest_p99: Some(500),
            least_fairness: Some(0.7),
            most_refused: Some(10.0),
            ..Scene::of("n2", "2 processes, who may have 16 of the 17 slots", 2)
        },
        Scene {
            least_rate: 0.8,
            ..Scene::of("n30", "30 processes, more than there are slots: they take turns", 30)
        },
        Scene { least_rate: 0.75, joins_within: within, ..late },
        Scene { least_rate: 0.75, ..killed },
        Scene { least_rate: 0.75, joins_within: within, ..deploy },
    ]
}
