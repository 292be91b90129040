//! A statement as the server described it.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use crate::protocol::session_parameters::TextSettings;
use crate::session::exchange::request::ResultFormat;
use crate::session::transfer::result::{Column, LastSize, ResultBlock};

/// A statement with its description. The server has it by name, or each request carries its text.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The key in the cache; see [`Sql::key`](super::statement::Sql).
    pub(in crate::session) key: Arc<[u8]>,
    /// Empty if each request carries the text.
    pub(in crate::session) name: String,
    /// The types of the parameters, as the server settled them.
    parameters: Vec<u32>,
    /// The columns of the result, as the server described them.
    columns: Box<[Column]>,
    last_size: LastSize,
    typed: OnceLock<Box<dyn Any + Send + Sync>>,
    /// One for each of [`Prepared::SHAPES`], made once, so that an execution copies nothing.
    shapes: [OnceLock<Box<ResultShape>>; Self::SHAPES],
}

/// The columns and format codes of a statement's result in one format.
#[derive(Debug)]
pub(in crate::session) struct ResultShape {
    /// Empty for statements that return no rows.
    pub(in crate::session) columns: Arc<[Column]>,
    /// The format codes for `Bind`: one for all columns, or one each.
    pub(in crate::session) codes: Vec<i16>,
}

impl Prepared {
    /// The number of shapes: text, binary, and automatic under each combination of the settings that it depends on.
    const SHAPES: usize = 2 + (1 << 3);

    pub(in crate::session) fn new(
        key: Arc<[u8]>,
        name: String,
        parameters: Vec<u32>,
        columns: &[Column],
    ) -> Self {
        Self {
            key,
            name,
            parameters,
            columns: columns.into(),
            last_size: LastSize::default(),
            typed: OnceLock::new(),
            shapes: Default::default(),
        }
    }

    /// Returns the statement with another cache key.
    pub(in crate::session) fn under(self, key: Arc<[u8]>) -> Self {
        Self { key, ..self }
    }

    /// Returns whether the server has it by name.
    #[inline]
    pub(crate) fn is_named(&self) -> bool {
        !self.name.is_empty()
    }

    /// Returns the types of the parameters, as in `pg_type`.
    #[inline]
    pub(crate) fn parameters(&self) -> &[u32] {
        &self.parameters
    }

    /// Returns the columns as the server described them; their formats are those of the description, not of a result. A result
    /// has its own columns, which differ if a table has changed since and the statement has no name.
    #[inline]
    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Returns the place for the typed API's view of the description. It lasts as long as the description.
    #[inline]
    pub(crate) fn typed(&self) -> &OnceLock<Box<dyn Any + Send + Sync>> {
        &self.typed
    }

    /// Reads a result with the columns of a shape into a block sized like the last result.
    #[inline]
    pub(in crate::session) fn read<E>(
        &self,
        columns: &Arc<[Column]>,
        read: impl FnOnce(&mut ResultBlock) -> Result<(), E>,
    ) -> Result<ResultBlock, E> {
        let mut block = ResultBlock::with_room_like(columns.clone(), &self.last_size);
        read(&mut block)?;
        self.last_size.note(&block);
        Ok(block)
    }

    /// Returns the shape of the result in a format, in a session with these settings.
    #[inline]
    pub(in crate::session) fn shape(&self, format: ResultFormat, settings: TextSettings) -> &ResultShape {
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
            Box::new(ResultShape {
                columns: format.applied_to(&self.columns, settings),
                codes: format.codes(&self.columns, settings),
            })
        })
    }
}
