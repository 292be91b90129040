//! The statements that a connection knows, kept by text and declared types; least recently used first out.
//!
//! With names, the server keeps them as well. Without, only their descriptions are kept here, and each request brings the text.

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

/// How many descriptions are kept where nothing is prepared by name (`statement_cache=0`). They cost no memory on the server, and
/// without one a statement takes a round trip more where its types have to be known; and the option does not say how many.
const MOST_DESCRIPTIONS: usize = 100;

/// What a name is derived from; statements of both kinds may differ in what the server inferred.
#[derive(Clone, Copy)]
pub(super) enum Origin {
    /// Text and types under which it is kept.
    Kept,
    /// Text and types that were given to be described; it is kept under those that the server settled.
    ToBeDescribed,
}

pub(super) struct Statements {
    cache: LruCache<Arc<[u8]>, Arc<Prepared>>,
    /// Whether those kept have names.
    named: bool,
    mode: Arc<StatementMode>,
    /// Room to write a key into, so that finding one allocates nothing.
    key: Vec<u8>,
    /// Names that are not kept any more; to be closed on the server with the next request.
    to_close: Vec<String>,
    /// How often one was pushed out.
    pushed_out: u64,
}

impl Statements {
    pub(super) fn new(capacity: usize, mode: Arc<StatementMode>) -> Self {
        let mut cache = LruCache::unbounded();
        cache.resize(
            NonZeroUsize::new(capacity).or(NonZeroUsize::new(MOST_DESCRIPTIONS)).unwrap_or(NonZeroUsize::MIN),
        );
        Self { cache, named: capacity > 0, mode, key: Vec::new(), to_close: Vec::new(), pushed_out: 0 }
    }

    /// Whether statements are prepared by name.
    #[inline]
    pub(super) fn is_named(&mut self) -> bool {
        if self.named && self.mode.is_unnamed() {
            // A pooler is in between, behind which nothing can be closed either.
            self.named = false;
            self.cache.clear();
            self.to_close.clear();
        }
        self.named
    }

    /// How many are kept.
    pub(super) fn len(&self) -> usize {
        self.cache.len()
    }

    /// The statement as it is known here.
    #[inline]
    pub(super) fn find<V: BindValues + ?Sized>(&mut self, sql: Sql<'_>, values: &V) -> Option<Arc<Prepared>> {
        self.is_named();
        self.cache.get(sql.key(values, &mut self.key)).cloned()
    }

    /// The key under which a statement is to be kept.
    pub(super) fn key_of<V: BindValues + ?Sized>(&mut self, sql: Sql<'_>, values: &V) -> Arc<[u8]> {
        sql.key(values, &mut self.key).into()
    }

    /// The name for a key: never another statement's, whatever connection of whatever program it is on, since poolers and servers
    /// of one session pass sessions on between clients. Empty where nothing is prepared by name.
    ///
    /// Text and types decide what a statement means, together with the session it runs in (`search_path` above all): when that
    /// has changed, the server analyses the statement anew before it is bound (`RevalidateCachedQuery`).
    pub(super) fn name_for(&mut self, key: &[u8], origin: Origin) -> String {
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

    pub(super) fn keep(&mut self, prepared: Arc<Prepared>) {
        if prepared.is_named() != self.is_named() {
            return;
        }
        // It was closed and prepared anew.
        self.to_close.retain(|name| *name != prepared.name);
        let name = prepared.name.clone();
        if let Some((_, gone)) = self.cache.push(prepared.key.clone(), prepared)
            && gone.name != name
        {
            self.pushed_out += 1;
            self.to_close.push(gone.name.clone());
        }
    }

    /// Keeps a statement that was described under a name of its own. Another one that had this name is not known any more.
    pub(super) fn keep_described(&mut self, prepared: Arc<Prepared>) {
        let others = |(_, other): &(&Arc<[u8]>, &Arc<Prepared>)| {
            prepared.is_named() && other.name == prepared.name && other.key != prepared.key
        };
        if let Some((key, _)) = self.cache.iter().find(others) {
            let key = key.clone();
            self.cache.pop(&key);
        }
        self.keep(prepared);
    }

    /// How often a statement was pushed out by another so far.
    pub(super) fn pushed_out(&self) -> u64 {
        self.pushed_out
    }

    /// It is to be prepared anew when it is used the next time.
    pub(super) fn forget(&mut self, prepared: &Prepared) {
        if let Some(gone) = self.cache.pop(&prepared.key)
            && gone.is_named()
        {
            self.to_close.push(gone.name.clone());
        }
    }

    /// A command took statements away on the server.
    #[cold]
    pub(super) fn were_lost(&mut self, lost: LostStatements) {
        if !self.is_named() {
            return;
        }
        match lost {
            LostStatements::One => self.to_close.extend(self.cache.iter().map(|(_, p)| p.name.clone())),
            LostStatements::All => self.to_close.clear(),
        }
        self.cache.clear();
    }

    /// What the server's error says about a statement that was to be bound; `fresh` if it was prepared in this very call, `lost`
    /// if a command was seen that takes statements away. `true` if it was stale: it is forgotten, and may be run again.
    #[cold]
    pub(super) fn judge(
        &mut self,
        said: &ServerMessage,
        prepared: &Prepared,
        fresh: bool,
        lost: Option<LostStatements>,
    ) -> bool {
        let staleness = Staleness::of(said);
        match staleness {
            Staleness::Unknown if !prepared.is_named() => return false,
            Staleness::Unknown => {
                // One that is not kept any more was pushed out, or went with the others.
                let kept = self
                    .cache
                    .peek(&prepared.key)
                    .is_some_and(|kept| std::ptr::eq(&raw const **kept, prepared));
                if kept && lost.is_none() {
                    self.mode.name_did_not_last(sqlstate::INVALID_SQL_STATEMENT_NAME);
                }
                self.were_lost(LostStatements::All);
            }
            Staleness::Outdated | Staleness::Suspect if !fresh => self.forget(prepared),
            _ => return false,
        }
        staleness.is_stale()
    }

    /// A name stood that had been closed in the same request.
    #[cold]
    pub(super) fn name_was_taken(&mut self) {
        self.mode.name_did_not_last(sqlstate::DUPLICATE_PREPARED_STATEMENT);
    }

    /// Statements that others have prepared, to be closed on the server too.
    #[cold]
    pub(super) fn close_later(&mut self, names: Vec<String>) {
        self.to_close.extend(names);
    }

    /// The names to close on the server.
    pub(super) fn take_to_close(&mut self) -> Vec<String> {
        std::mem::take(&mut self.to_close)
    }

    #[inline]
    pub(super) fn has_to_close(&self) -> bool {
        !self.to_close.is_empty()
    }

    /// Gives back what was needed for one unusually long text.
    pub(super) fn trim(&mut self) {
        if self.key.capacity() > LONGEST_KEY_KEPT {
            self.key = Vec::new();
        }
    }
}

/// 192 bits: far beyond what could be found twice, or made to.
const NAME_BYTES: usize = 24;

const LONGEST_KEY_KEPT: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::request::Param;

    fn statements(capacity: usize) -> Statements {
        Statements::new(capacity, Arc::default())
    }

    fn kept(statements: &mut Statements, text: &str, types: &[u32]) -> Arc<Prepared> {
        let params: Vec<_> = types.iter().map(|t| Param { type_oid: *t, ..Param::text("1") }).collect();
        let key = statements.key_of(Sql::from(text), &params[..]);
        let name = statements.name_for(&key, Origin::Kept);
        let prepared = Arc::new(Prepared::new(key, name, types.to_vec(), &[]));
        statements.keep(prepared.clone());
        prepared
    }

    #[test]
    fn a_name_says_text_and_types_on_every_connection() {
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
        mode.name_did_not_last(sqlstate::INVALID_SQL_STATEMENT_NAME);
        assert!(named.find(Sql::from("select 2"), &[] as &[Param<'_>]).is_none() && !named.has_to_close());
        let unnamed = kept(&mut named, "select 3", &[]);
        kept(&mut named, "select 4", &[]);
        assert!(!unnamed.is_named() && named.to_close.is_empty());
    }
}
