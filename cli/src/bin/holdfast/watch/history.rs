//! The samples so far, for lines over time.

use std::collections::VecDeque;

use super::look::Look;

/// As wide as terminals are.
const KEPT: usize = 400;

/// Figures of every look, the latest last.
#[derive(Default)]
pub(super) struct History {
    /// Slots in use at the server.
    pub(super) used: VecDeque<u64>,
    /// Statements that run there.
    pub(super) active: VecDeque<u64>,
    /// Connections in use, of all pools.
    pub(super) in_use: VecDeque<u64>,
    /// Callers that wait, of all pools.
    pub(super) waiting: VecDeque<u64>,
}

impl History {
    pub(super) fn add(&mut self, look: &Look) {
        let server = look.server.as_ref().and_then(|server| server.as_ref().ok());
        let active = server.map_or(0, |server| server.sessions.iter().filter(|s| s.is_active()).count());
        // Away, it has nothing in use: the gap shows.
        keep(&mut self.used, server.map_or(0, |server| u64::from(server.used())));
        keep(&mut self.active, active as u64);
        let sum = |path: &str| look.pools.iter().map(|pool| pool.figure(path).max(0.0)).sum::<f64>() as u64;
        keep(&mut self.in_use, sum("/connections/in_use"));
        keep(&mut self.waiting, sum("/connections/waiting"));
    }
}

fn keep(figures: &mut VecDeque<u64>, figure: u64) {
    if figures.len() == KEPT {
        figures.pop_front();
    }
    figures.push_back(figure);
}

/// The last that fit into `width`.
pub(super) fn last(figures: &VecDeque<u64>, width: u16) -> Vec<u64> {
    figures.iter().skip(figures.len().saturating_sub(usize::from(width))).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_figures_are_forgotten_and_the_last_are_shown() {
        let mut figures = VecDeque::new();
        (0..1_000).for_each(|figure| keep(&mut figures, figure));
        assert_eq!((figures.len(), last(&figures, 3)), (KEPT, vec![997, 998, 999]));
        assert_eq!(last(&figures, u16::MAX).len(), KEPT);
    }
}
