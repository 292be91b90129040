//! Prepared statements of the direct lane: prepared at first use, kept by text and parameter types, least recently used
//! first out.

use std::any::Any;
use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};

use lru::LruCache;

use super::block::{Column, LastSize, ResultBlock};
use super::request::{Param, ResultFormat};
use super::statement::Sql;
use crate::link::settings::TextSettings;

/// A statement the server knows by name, with its description.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(super) name: String,
    /// Types of the parameters, as the server settled them.
    pub(crate) parameters: Vec<u32>,
    /// What it returns, as the server described it.
    columns: Box<[Column]>,
    last_size: LastSize,
    /// Made once for each of [`Prepared::SHAPES`], so that an execution copies nothing.
    shapes: [OnceLock<Box<Shape>>; Self::SHAPES],
    /// What the typed API makes of the description, once for all executions.
    pub(crate) typed: OnceLock<Arc<dyn Any + Send + Sync>>,
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
    /// Text, binary, and automatic under each combination of the settings that it depends on.
    const SHAPES: usize = 2 + (1 << 3);

    pub(super) fn new(name: String, parameters: Vec<u32>, columns: &[Column]) -> Self {
        Self {
            name,
            parameters,
            columns: columns.into(),
            last_size: LastSize::default(),
            shapes: Default::default(),
            typed: OnceLock::new(),
        }
    }

    /// What it returns; empty for what returns no rows.
    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Reads a result in the columns of a shape, into room for one as large as the last.
    pub(super) fn read<E>(
        &self,
        columns: &Arc<[Column]>,
        read: impl FnOnce(&mut ResultBlock) -> Result<(), E>,
    ) -> Result<ResultBlock, E> {
        let mut block = ResultBlock::like_the_last(columns.clone(), &self.last_size);
        read(&mut block)?;
        self.last_size.note(&block);
        Ok(block)
    }

    /// Its result in a format, in a session with these settings.
    pub(super) fn shape(&self, format: ResultFormat, settings: TextSettings) -> &Shape {
        let index = match format {
            ResultFormat::Text => 0,
            ResultFormat::Binary => 1,
            ResultFormat::Automatic => {
                2 + usize::from(settings.has_shortest_floats())
                    + 2 * usize::from(settings.has_iso_dates())
                    + 4 * usize::from(settings.is_in_utc())
            }
        };
        self.shapes[index].get_or_init(|| {
            Box::new(Shape {
                columns: format.applied_to(&self.columns, settings),
                codes: format.codes(&self.columns, settings),
            })
        })
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

    /// How many are kept.
    pub(super) fn len(&self) -> usize {
        self.cache.as_ref().map_or(0, LruCache::len)
    }

    pub(super) fn find(&mut self, sql: Sql<'_>, params: &[Param<'_>]) -> Option<Arc<Prepared>> {
        self.cache.as_mut()?.get(sql.key(params, &mut self.key)).cloned()
    }

    pub(super) fn next_name(&mut self) -> String {
        self.named += 1;
        format!("h{}", self.named)
    }

    pub(super) fn keep(&mut self, sql: Sql<'_>, params: &[Param<'_>], prepared: Arc<Prepared>) {
        let key = sql.key(params, &mut self.key);
        if let Some(cache) = &mut self.cache
            && let Some((_, pushed_out)) = cache.push(key.into(), prepared)
        {
            self.to_close.push(pushed_out.name.clone());
        }
    }

    /// The server does not know it any more, or knows it wrongly.
    pub(super) fn forget(&mut self, sql: Sql<'_>, params: &[Param<'_>]) {
        let key = sql.key(params, &mut self.key);
        if let Some(gone) = self.cache.as_mut().and_then(|cache| cache.pop(key)) {
            self.to_close.push(gone.name.clone());
        }
    }

    /// How many statements wait to be closed.
    pub(super) fn to_close(&self) -> usize {
        self.to_close.len()
    }

    /// The first `count` of them.
    pub(super) fn take_to_close(&mut self, count: usize) -> Vec<String> {
        if count == self.to_close.len() {
            return std::mem::take(&mut self.to_close);
        }
        self.to_close.drain(..count).collect()
    }
}
