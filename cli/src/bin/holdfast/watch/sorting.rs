//! By which column groups of sessions are sorted.

use std::cmp::Reverse;

use super::look::Group;

/// By which column groups of sessions are sorted: figures with the greatest first, names from the first letter.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Sorting {
    /// As in [`GROUPS`](super::tables::GROUPS).
    column: usize,
    upside_down: bool,
}

const COLUMNS: usize = super::tables::GROUPS.len();

impl Sorting {
    pub(super) fn column(self) -> usize {
        self.column
    }

    pub(super) fn next(self) -> Self {
        Self { column: (self.column + 1) % COLUMNS, ..self }
    }

    pub(super) fn previous(self) -> Self {
        Self { column: (self.column + COLUMNS - 1) % COLUMNS, ..self }
    }

    pub(super) fn turned(self) -> Self {
        Self { upside_down: !self.upside_down, ..self }
    }

    pub(super) fn sorted(self, mut groups: Vec<Group>) -> Vec<Group> {
        let name = |group: &Group| (group.application.clone(), group.user.clone());
        groups.sort_by_key(name);
        match self.column {
            0 => groups.sort_by_key(|group| Reverse(group.count)),
            1 => groups.sort_by_key(|group| Reverse(group.active)),
            2 => groups.sort_by_key(|group| Reverse(group.idle)),
            3 => groups.sort_by_key(|group| Reverse(group.idle_in_transaction)),
            4 => groups.sort_by_key(|group| Reverse(group.waiting)),
            5 => groups.sort_by_key(|group| Reverse(group.longest)),
            6 => groups.sort_by_key(|group| group.user.clone()),
            _ => {}
        }
        if self.upside_down {
            groups.reverse();
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(sorting: Sorting) -> Vec<String> {
        let group = |name: &str, count, active| Group {
            application: name.to_owned(),
            count,
            active,
            ..Group::default()
        };
        let groups = vec![group("b", 1, 9), group("a", 5, 0), group("c", 5, 3)];
        sorting.sorted(groups).into_iter().map(|group| group.application).collect()
    }

    #[test]
    fn figures_are_sorted_from_the_greatest_and_names_from_the_first() {
        let by_count = Sorting::default();
        assert_eq!(names(by_count), ["a", "c", "b"]);
        assert_eq!(names(by_count.next()), ["b", "c", "a"], "by active ones");
        assert_eq!(names(by_count.previous()), ["a", "b", "c"], "by application");
        assert_eq!(names(by_count.previous().turned()), ["c", "b", "a"]);
        assert_eq!((0..COLUMNS).fold(by_count, |sorting, _| sorting.next()), by_count);
    }
}
