//! The catalog of types that a pool has looked up, shared by all its connections.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys::sync::RwLock;
use postgres_types::{Oid, Type};

/// The known user-defined types. Descriptions built from them carry the epoch; clearing the catalog begins another.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    known: RwLock<HashMap<Oid, Type>>,
    epoch: AtomicU64,
}

impl Catalog {
    /// Returns the type with this OID, if it is built in or known.
    pub(crate) fn find(&self, oid: Oid) -> Option<Type> {
        Type::from_oid(oid).or_else(|| self.known.read().get(&oid).cloned())
    }

    /// Adds types that were looked up in `epoch`, unless the catalog was cleared meanwhile.
    pub(crate) fn insert(&self, types: impl IntoIterator<Item = Type>, epoch: u64) {
        let mut known = self.known.write();
        if self.epoch() == epoch {
            known.extend(types.into_iter().map(|t| (t.oid(), t)));
        }
    }

    /// Returns the epoch, which changes whenever the catalog is cleared.
    #[inline]
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// Clears the catalog, unless that has happened since `epoch`.
    pub(crate) fn forget_all(&self, epoch: u64) {
        let mut known = self.known.write();
        if self.epoch() == epoch {
            known.clear();
            self.epoch.store(epoch + 1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use postgres_types::Kind;

    use super::*;

    fn mood() -> Type {
        Type::new("mood".into(), 70_000, Kind::Enum(vec!["sad".into()]), "public".into())
    }

    #[test]
    fn built_in_types_need_no_look_up() {
        assert_eq!(Catalog::default().find(23), Some(Type::INT4));
    }

    #[test]
    fn types_are_forgotten_once_for_all_that_suspect_the_same_epoch() {
        let catalog = Catalog::default();
        catalog.insert([mood()], 0);
        assert_eq!(catalog.find(70_000), Some(mood()));
        catalog.forget_all(0);
        assert_eq!((catalog.find(70_000), catalog.epoch()), (None, 1));
        catalog.insert([mood()], 1);
        catalog.forget_all(0);
        assert_eq!(catalog.find(70_000), Some(mood()), "these were looked up after the suspicion arose");
    }

    #[test]
    fn types_looked_up_before_all_were_forgotten_are_not_kept() {
        let catalog = Catalog::default();
        catalog.forget_all(0);
        catalog.insert([mood()], 0);
        assert_eq!(catalog.find(70_000), None);
    }
}
