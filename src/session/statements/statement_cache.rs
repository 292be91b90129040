//! The statement cache of a connection, keyed by text and declared types; the least recently used is evicted first.
//!
//! With names, the server keeps the statements as well. Without, only their descriptions are cached, and each request carries
//! the text.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use openssl::sha::Sha256;

use super::mode::StatementMode;
use super::prepared::Prepared;
use super::statement::Sql;
use super::values::BindValues;
use crate::error::{ServerMessage, Staleness, sqlstate};
use crate::link::LostStatements;

/// The number of descriptions cached where nothing is prepared by name (`statement_cache=0`, which sets no number). They cost
/// no memory on the server, and without one a statement takes another round trip where its types have to be known.
const MAX_DESCRIPTIONS: usize = 100;

/// The source of a statement name. Statements of both kinds may differ in the types that the server inferred.
#[derive(Clone, Copy)]
pub(in crate::session) enum Origin {
    /// The text and types that are its cache key.
    Kept,
    /// The text and types given for a description; the cache key has the types that the server settled.
    ToBeDescribed,
}

pub(in crate::session) struct Statements {
    cache: LruCache<Arc<[u8]>, Arc<Prepared>>,
    /// True if the cached statements have names.
    named: bool,
    mode: Arc<StatementMode>,
    /// A buffer for keys, so that a look-up allocates nothing.
    key: Vec<u8>,
    /// The names of evicted statements, to be closed on the server with the next request.
    to_close: Vec<String>,
    /// The number of evictions.
    evictions: u64,
}

impl Statements {
    pub(in crate::session) fn new(capacity: usize, mode: Arc<StatementMode>) -> Self {
        let mut cache = LruCache::unbounded();
        cache.resize(
            NonZeroUsize::new(capacity).or(NonZeroUsize::new(MAX_DESCRIPTIONS)).unwrap_or(NonZeroUsize::MIN),
        );
        Self { cache, named: capacity > 0, mode, key: Vec::new(), to_close: Vec::new(), evictions: 0 }
    }

    /// Returns whether statements are prepared by name.
    #[inline]
    pub(in crate::session) fn is_named(&mut self) -> bool {
        if self.named && self.mode.is_unnamed() {
            // Behind such a pooler statements cannot be closed either.
            self.named = false;
            self.cache.clear();
            self.to_close.clear();
        }
        self.named
    }

    /// Returns the number of cached statements.
    pub(in crate::session) fn len(&self) -> usize {
        self.cache.len()
    }

    /// Finds a statement in the cache.
    #[inline]
    pub(in crate::session) fn find<V: BindValues + ?Sized>(
        &mut self,
        sql: Sql<'_>,
        values: &V,
    ) -> Option<Arc<Prepared>> {
        self.is_named();
        self.cache.get(sql.key(values, &mut self.key)).cloned()
    }

    /// Returns the cache key of a statement.
    pub(in crate::session) fn key_of<V: BindValues + ?Sized>(
        &mut self,
        sql: Sql<'_>,
        values: &V,
    ) -> Arc<[u8]> {
        sql.key(values, &mut self.key).into()
    }

    /// Returns the name for a key. It is unique across statements, connections and programs, since poolers share server
    /// sessions between clients. Empty where nothing is prepared by name.
    ///
    /// Text and types determine the meaning of a statement, together with its session (`search_path` above all). When that has
    /// changed, the server analyses the statement anew before it is bound (`RevalidateCachedQuery`).
    pub(in crate::session) fn name_for(&mut self, key: &[u8], origin: Origin) -> String {
        if !self.is_named() {
            return String::new();
        }
        let mut hash = Sha256::new();
        hash.update(match origin {
            Origin::Kept => b"holdfast statement 1\0",
            Origin::ToBeDescribed => b"holdfast described 1\0",
        });
        hash.update(key);
        let mut name = String::with_capacity(3 + 2 * NAME_BYTES);
        name.push_str("hf_");
        for byte in &hash.finish()[..NAME_BYTES] {
            name.extend(
                [byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])),
            );
        }
        name
    }

    pub(in crate::session) fn insert(&mut self, prepared: Arc<Prepared>) {
        if prepared.is_named() != self.is_named() {
            return;
        }
        // The same name was closed and prepared anew.
        self.to_close.retain(|name| *name != prepared.name);
        let name = prepared.name.clone();
        if let Some((_, gone)) = self.cache.push(prepared.key.clone(), prepared)
            && gone.name != name
        {
            self.evictions += 1;
            self.to_close.push(gone.name.clone());
        }
    }

    /// Inserts a statement that was described under a separate name, and removes another one that had this name.
    pub(in crate::session) fn insert_described(&mut self, prepared: Arc<Prepared>) {
        let others = |(_, other): &(&Arc<[u8]>, &Arc<Prepared>)| {
            prepared.is_named() && other.name == prepared.name && other.key != prepared.key
        };
        if let Some((key, _)) = self.cache.iter().find(others) {
            let key = key.clone();
            self.cache.pop(&key);
        }
        self.insert(prepared);
    }

    /// Returns the number of evictions so far.
    pub(in crate::session) fn evictions(&self) -> u64 {
        self.evictions
    }

    /// Removes a statement, which is prepared anew at its next use.
    pub(in crate::session) fn forget(&mut self, prepared: &Prepared) {
        if let Some(gone) = self.cache.pop(&prepared.key)
            && gone.is_named()
        {
            self.to_close.push(gone.name.clone());
        }
    }

    /// Removes statements that a command deallocated on the server.
    #[cold]
    pub(in crate::session) fn forget_lost(&mut self, lost: LostStatements) {
        if !self.is_named() {
            return;
        }
        match lost {
            LostStatements::One => self.to_close.extend(self.cache.iter().map(|(_, p)| p.name.clone())),
            LostStatements::All => self.to_close.clear(),
        }
        self.cache.clear();
    }

    /// Checks whether the server's error at `Bind` means that the statement was stale; then it is removed, and may be run
    /// again. `fresh`: it was prepared in this very call. `lost`: a command was seen that deallocates statements.
    #[cold]
    pub(in crate::session) fn check_stale(
        &mut self,
        reported: &ServerMessage,
        prepared: &Prepared,
        fresh: bool,
        lost: Option<LostStatements>,
    ) -> bool {
        let staleness = Staleness::of(reported);
        match staleness {
            Staleness::Unknown if !prepared.is_named() => return false,
            Staleness::Unknown => {
                // A statement no longer cached was evicted, or removed with the others.
                let kept = self
                    .cache
                    .peek(&prepared.key)
                    .is_some_and(|kept| std::ptr::eq(&raw const **kept, prepared));
                if kept && lost.is_none() {
                    self.mode.stop_using_names(sqlstate::INVALID_SQL_STATEMENT_NAME);
                }
                self.forget_lost(LostStatements::All);
            }
            Staleness::Outdated | Staleness::Suspect if !fresh => self.forget(prepared),
            _ => return false,
        }
        staleness.is_stale()
    }

    /// Notes that other sessions have the same prepared statements.
    pub(in crate::session) fn note_shared_backend(&self) {
        self.mode.note_shared_backend();
    }

    /// Handles a duplicate name (42P05), although the same request had closed it.
    #[cold]
    pub(in crate::session) fn note_duplicate_name(&mut self) {
        self.mode.stop_using_names(sqlstate::DUPLICATE_PREPARED_STATEMENT);
    }

    /// Adds names of statements that other clients prepared, to be closed on the server too.
    #[cold]
    pub(in crate::session) fn close_later(&mut self, names: Vec<String>) {
        self.to_close.extend(names);
    }

    /// Takes the names to close on the server.
    pub(in crate::session) fn take_to_close(&mut self) -> Vec<String> {
        std::mem::take(&mut self.to_close)
    }

    #[inline]
    pub(in crate::session) fn has_names_to_close(&self) -> bool {
        !self.to_close.is_empty()
    }

    /// Frees the memory of an unusually long key.
    pub(in crate::session) fn trim(&mut self) {
        if self.key.capacity() > MAX_KEPT_KEY_BYTES {
            self.key = Vec::new();
        }
    }
}

/// The bytes of the hash in a name: 192 bits, beyond accidental and deliberate collisions.
const NAME_BYTES: usize = 24;

const MAX_KEPT_KEY_BYTES: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::exchange::request::Param;

    fn statements(capacity: usize) -> Statements {
        Statements::new(capacity, Arc::default())
    }

    fn kept(statements: &mut Statements, text: &str, types: &[u32]) -> Arc<Prepared> {
        let params: Vec<_> = types.iter().map(|t| Param { type_oid: *t, ..Param::text("1") }).collect();
        let key = statements.key_of(Sql::from(text), &params[..]);
        let name = statements.name_for(&key, Origin::Kept);
        let prepared = Arc::new(Prepared::new(key, name, types.to_vec(), &[]));
        statements.insert(prepared.clone());
        prepared
    }

    #[test]
    fn a_name_depends_on_text_and_types_only() {
        let (mut one, mut other) = (statements(10), statements(10));
        let name = kept(&mut one, "select $1", &[23]).name.clone();
        kept(&mut other, "select 'in between'", &[]);
        assert_eq!(kept(&mut other, "select $1", &[23]).name, name);
        assert_ne!(kept(&mut other, "select $1", &[20]).name, name);
        assert_ne!(kept(&mut other, "select $1 ", &[23]).name, name);
        let key = one.key_of(Sql::from("select $1"), &[] as &[Param<'_>]);
        assert_ne!(one.name_for(&key, Origin::Kept), one.name_for(&key, Origin::ToBeDescribed));
        assert!(name.len() < 63 && name.starts_with("hf_"), "{name}");
    }

    #[test]
    fn what_is_pushed_out_is_closed_unless_it_is_prepared_again() {
        let mut statements = statements(1);
        let first = kept(&mut statements, "select 1", &[]);
        let second = kept(&mut statements, "select 2", &[]);
        assert!(statements.to_close.iter().eq([&first.name]));
        kept(&mut statements, "select 1", &[]);
        assert!(statements.to_close.iter().eq([&second.name]));
        kept(&mut statements, "select 1", &[]);
        assert!(statements.to_close.iter().eq([&second.name]), "it was prepared once more, under its name");
    }

    #[test]
    fn without_names_there_is_nothing_to_close_and_a_pool_that_turns_them_off_forgets_those_it_had() {
        let mode: Arc<StatementMode> = Arc::default();
        let mut named = Statements::new(1, mode.clone());
        kept(&mut named, "select 1", &[]);
        kept(&mut named, "select 2", &[]);
        mode.stop_using_names(sqlstate::INVALID_SQL_STATEMENT_NAME);
        assert!(
            named.find(Sql::from("select 2"), &[] as &[Param<'_>]).is_none() && !named.has_names_to_close()
        );
        let unnamed = kept(&mut named, "select 3", &[]);
        kept(&mut named, "select 4", &[]);
        assert!(!unnamed.is_named() && named.to_close.is_empty());
    }
}
