//! The trait of connections and transactions.

use postgres_types::{BorrowToSql, ToSql, Type};

use super::copy::copy_in::CopyInWriter;
use super::copy::copy_out::CopyOutReader;
use super::rows::row::Row;
use super::rows::row_iter::RowIter;
use super::rows::simple_query::SimpleQueryMessage;
use super::statements::params::Params;
use super::statements::statement::Statement;
use super::statements::to_statement::ToStatement;
use super::transactions::transaction::Transaction;
use crate::error::Result;

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// A connection or a transaction: for functions that run statements on either. Its methods are those of
/// [`PooledConnection`](crate::PooledConnection).
///
/// ```
/// use holdfast::{GenericClient, Pool, PoolConfig};
///
/// fn greet(client: &mut impl GenericClient, name: &str) -> holdfast::Result<String> {
///     Ok(client.query_one("select $1", &[&name])?.get(0))
/// }
///
/// let pool = Pool::echo(PoolConfig::new())?;
/// let mut conn = pool.get()?;
/// assert_eq!(greet(&mut conn, "you")?, "you");
/// assert_eq!(greet(&mut conn.transaction()?, "you two")?, "you two");
/// # Ok::<(), holdfast::Error>(())
/// ```
pub trait GenericClient: sealed::Sealed {
    /// Does the same as [`PooledConnection::execute`](crate::PooledConnection::execute).
    ///
    /// # Errors
    /// The errors of that method.
    fn execute<T>(&mut self, query: &T, params: Params<'_>) -> Result<u64>
    where
        T: ?Sized + ToStatement;

    /// Does the same as [`PooledConnection::execute_typed`](crate::PooledConnection::execute_typed).
    ///
    /// # Errors
    /// The errors of that method.
    fn execute_typed(&mut self, query: &str, params: &[(&(dyn ToSql + Sync), Type)]) -> Result<u64>;

    /// Does the same as [`PooledConnection::query`](crate::PooledConnection::query).
    ///
    /// # Errors
    /// The errors of that method.
    fn query<T>(&mut self, query: &T, params: Params<'_>) -> Result<Vec<Row>>
    where
        T: ?Sized + ToStatement;

    /// Does the same as [`PooledConnection::query_one`](crate::PooledConnection::query_one).
    ///
    /// # Errors
    /// The errors of that method.
    fn query_one<T>(&mut self, query: &T, params: Params<'_>) -> Result<Row>
    where
        T: ?Sized + ToStatement;

    /// Does the same as [`PooledConnection::query_opt`](crate::PooledConnection::query_opt).
    ///
    /// # Errors
    /// The errors of that method.
    fn query_opt<T>(&mut self, query: &T, params: Params<'_>) -> Result<Option<Row>>
    where
        T: ?Sized + ToStatement;

    /// Does the same as [`PooledConnection::query_raw`](crate::PooledConnection::query_raw).
    ///
    /// # Errors
    /// The errors of that method.
    fn query_raw<T, P, I>(&mut self, query: &T, params: I) -> Result<RowIter<'_>>
    where
        T: ?Sized + ToStatement,
        P: BorrowToSql,
        I: IntoIterator<Item = P>,
        I::IntoIter: ExactSizeIterator;

    /// Does the same as [`PooledConnection::query_typed`](crate::PooledConnection::query_typed).
    ///
    /// # Errors
    /// The errors of that method.
    fn query_typed(&mut self, query: &str, params: &[(&(dyn ToSql + Sync), Type)]) -> Result<Vec<Row>>;

    /// Does the same as [`PooledConnection::query_typed_one`](crate::PooledConnection::query_typed_one).
    ///
    /// # Errors
    /// The errors of that method.
    fn query_typed_one(&mut self, query: &str, params: &[(&(dyn ToSql + Sync), Type)]) -> Result<Row>;

    /// Does the same as [`PooledConnection::query_typed_opt`](crate::PooledConnection::query_typed_opt).
    ///
    /// # Errors
    /// The errors of that method.
    fn query_typed_opt(&mut self, query: &str, params: &[(&(dyn ToSql + Sync), Type)])
    -> Result<Option<Row>>;

    /// Does the same as [`PooledConnection::query_typed_raw`](crate::PooledConnection::query_typed_raw).
    ///
    /// # Errors
    /// The errors of that method.
    fn query_typed_raw<P, I>(&mut self, query: &str, params: I) -> Result<RowIter<'_>>
    where
        P: BorrowToSql,
        I: IntoIterator<Item = (P, Type)> + Sync + Send;

    /// Does the same as [`PooledConnection::prepare`](crate::PooledConnection::prepare).
    ///
    /// # Errors
    /// The errors of that method.
    fn prepare(&mut self, query: &str) -> Result<Statement>;

    /// Does the same as [`PooledConnection::prepare_typed`](crate::PooledConnection::prepare_typed).
    ///
    /// # Errors
    /// The errors of that method.
    fn prepare_typed(&mut self, query: &str, types: &[Type]) -> Result<Statement>;

    /// Does the same as [`PooledConnection::copy_in`](crate::PooledConnection::copy_in).
    ///
    /// # Errors
    /// The errors of that method.
    fn copy_in<T>(&mut self, query: &T) -> Result<CopyInWriter<'_>>
    where
        T: ?Sized + ToStatement;

    /// Does the same as [`PooledConnection::copy_out`](crate::PooledConnection::copy_out).
    ///
    /// # Errors
    /// The errors of that method.
    fn copy_out<T>(&mut self, query: &T) -> Result<CopyOutReader<'_>>
    where
        T: ?Sized + ToStatement;

    /// Does the same as [`PooledConnection::simple_query`](crate::PooledConnection::simple_query).
    ///
    /// # Errors
    /// The errors of that method.
    fn simple_query(&mut self, query: &str) -> Result<Vec<SimpleQueryMessage>>;

    /// Does the same as [`PooledConnection::batch_execute`](crate::PooledConnection::batch_execute).
    ///
    /// # Errors
    /// The errors of that method.
    fn batch_execute(&mut self, query: &str) -> Result<()>;

    /// Does the same as [`PooledConnection::transaction`](crate::PooledConnection::transaction).
    ///
    /// # Errors
    /// The errors of that method.
    fn transaction(&mut self) -> Result<Transaction<'_>>;
}

/// Implements [`GenericClient`] for a type by its own methods of the same names.
macro_rules! generic_client {
    ($client:ty) => {
        impl $crate::sql::Sealed for $client {}

        const _: () = {
            use $crate::Result;
            use $crate::sql::*;
            use $crate::types::{BorrowToSql, ToSql, Type};

            impl GenericClient for $client {
                fn execute<T>(&mut self, query: &T, params: Params<'_>) -> Result<u64>
                where
                    T: ?Sized + ToStatement,
                {
                    self.execute(query, params)
                }

                fn execute_typed(
                    &mut self,
                    query: &str,
                    params: &[(&(dyn ToSql + Sync), Type)],
                ) -> Result<u64> {
                    self.execute_typed(query, params)
                }

                fn query<T>(&mut self, query: &T, params: Params<'_>) -> Result<Vec<Row>>
                where
                    T: ?Sized + ToStatement,
                {
                    self.query(query, params)
                }

                fn query_one<T>(&mut self, query: &T, params: Params<'_>) -> Result<Row>
                where
                    T: ?Sized + ToStatement,
                {
                    self.query_one(query, params)
                }

                fn query_opt<T>(&mut self, query: &T, params: Params<'_>) -> Result<Option<Row>>
                where
                    T: ?Sized + ToStatement,
                {
                    self.query_opt(query, params)
                }

                fn query_raw<T, P, I>(&mut self, query: &T, params: I) -> Result<RowIter<'_>>
                where
                    T: ?Sized + ToStatement,
                    P: BorrowToSql,
                    I: IntoIterator<Item = P>,
                    I::IntoIter: ExactSizeIterator,
                {
                    self.query_raw(query, params)
                }

                fn query_typed(
                    &mut self,
                    query: &str,
                    params: &[(&(dyn ToSql + Sync), Type)],
                ) -> Result<Vec<Row>> {
                    self.query_typed(query, params)
                }

                fn query_typed_one(
                    &mut self,
                    query: &str,
                    params: &[(&(dyn ToSql + Sync), Type)],
                ) -> Result<Row> {
                    self.query_typed_one(query, params)
                }

                fn query_typed_opt(
                    &mut self,
                    query: &str,
                    params: &[(&(dyn ToSql + Sync), Type)],
                ) -> Result<Option<Row>> {
                    self.query_typed_opt(query, params)
                }

                fn query_typed_raw<P, I>(&mut self, query: &str, params: I) -> Result<RowIter<'_>>
                where
                    P: BorrowToSql,
                    I: IntoIterator<Item = (P, Type)> + Sync + Send,
                {
                    self.query_typed_raw(query, params)
                }

                fn prepare(&mut self, query: &str) -> Result<Statement> {
                    self.prepare(query)
                }

                fn prepare_typed(&mut self, query: &str, types: &[Type]) -> Result<Statement> {
                    self.prepare_typed(query, types)
                }

                fn copy_in<T>(&mut self, query: &T) -> Result<CopyInWriter<'_>>
                where
                    T: ?Sized + ToStatement,
                {
                    self.copy_in(query)
                }

                fn copy_out<T>(&mut self, query: &T) -> Result<CopyOutReader<'_>>
                where
                    T: ?Sized + ToStatement,
                {
                    self.copy_out(query)
                }

                fn simple_query(&mut self, query: &str) -> Result<Vec<SimpleQueryMessage>> {
                    self.simple_query(query)
                }

                fn batch_execute(&mut self, query: &str) -> Result<()> {
                    self.batch_execute(query)
                }

                fn transaction(&mut self) -> Result<Transaction<'_>> {
                    self.transaction()
                }
            }
        };
    };
}

pub(crate) use generic_client;
