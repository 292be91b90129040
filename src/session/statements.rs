//! Prepared statements of the direct lane: prepared at first use, kept by text and parameter types, least recently used
//! first out.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;

use super::block::Column;
use super::request::{Param, ResultFormat};

/// A statement the server knows by name, with its description.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) name: String,
    /// Types of the parameters, as the server settled them.
    pub(super) parameters: Vec<u32>,
    /// Once for each [`ResultFormat`], so that an execution copies nothing.
    shapes: [Shape; 3],
}

/// The result of a statement in one format.
#[derive(Debug)]
pub(super) struct Shape {
    /// Empty for what returns no rows.
    pub(super) columns: Arc<[Column]>,
    /// The format codes of a `Bind`: one for all columns, or one each.
    pub(super) codes: Vec<i16>,
}

impl Prepared {
    pub(super) fn new(name: String, parameters: Vec<u32>, columns: &[Column]) -> Self {
        let shape = |format: ResultFormat| Shape {
            columns: format.applied_to(columns),
            codes: format.codes(columns),
        };
        let shapes = [ResultFormat::Text, ResultFormat::Binary, ResultFormat::Automatic].map(shape);
        Self { name, parameters, shapes }
    }

    pub(super) fn shape(&self, format: ResultFormat) -> &Shape {
        &self.shapes[format as usize]
    }
}

pub(super) struct Statements {
    /// `None`: nothing is prepared by name (`statement_cache=0`).
    cache: Option<LruCache<Box<[u8]>, Arc<Prepared>>>,
    /// Room to write a key into, so that finding one allocates nothing.
    key: Vec<u8>,
    named: u64,
    /// Pushed out; to be closed on the server with the next request.
    to_close: Vec<String>,
}

impl Statements {
    pub(super) fn new(capacity: usize) -> Self {
        let cache = NonZeroUsize::new(capacity).map(|capacity| {
            let mut cache = LruCache::unbounded();
            cache.resize(capacity);
            cache
        });
        Self { cache, key: Vec::new(), named: 0, to_close: Vec::new() }
    }

    pub(super) fn is_on(&self) -> bool {
        self.cache.is_some()
    }

    /// The key is the text, which holds no NUL, then a NUL, then the types.
    fn write_key(&mut self, sql: &str, params: &[Param<'_>]) {
        self.key.clear();
        self.key.extend_from_slice(sql.as_bytes());
        self.key.push(0);
        for param in params {
            self.key.extend_from_slice(&param.type_oid.to_be_bytes());
        }
    }

    pub(super) fn find(&mut self, sql: &str, params: &[Param<'_>]) -> Option<Arc<Prepared>> {
        self.write_key(sql, params);
        self.cache.as_mut()?.get(self.key.as_slice()).cloned()
    }

    pub(super) fn next_name(&mut self) -> String {
        self.named += 1;
        format!("h{}", self.named)
    }

    pub(super) fn keep(&mut self, sql: &str, params: &[Param<'_>], prepared: Arc<Prepared>) {
        self.write_key(sql, params);
        if let Some(cache) = &mut self.cache
            && let Some((_, pushed_out)) = cache.push(self.key.as_slice().into(), prepared)
        {
            self.to_close.push(pushed_out.name.clone());
        }
    }

    /// The server does not know it any more, or knows it wrongly.
    pub(super) fn forget(&mut self, sql: &str, params: &[Param<'_>]) {
        self.write_key(sql, params);
        if let Some(gone) = self.cache.as_mut().and_then(|cache| cache.pop(self.key.as_slice())) {
            self.to_close.push(gone.name.clone());
        }
    }

    pub(super) fn take_to_close(&mut self) -> Vec<String> {
        std::mem::take(&mut self.to_close)
    }
}
