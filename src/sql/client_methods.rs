//! The methods common to connections and transactions.

/// Statements, COPY and scripts, for a type with `fn handle(&mut self) -> Result<Handle<'_>>`.
macro_rules! client_methods {
    () => {
        /// Runs a statement and returns all its rows.
        ///
        /// A text is prepared when the connection first runs it, and cached, so that later runs take one round trip. A
        /// statement that is stale because a table or a type changed is prepared anew without an error, except inside a
        /// transaction, which such an error fails. With `statement_cache=0` no prepared statement stays on the server.
        ///
        /// Blocks until the last row has come, or up to the deadline.
        ///
        /// ```
        /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
        /// let rows = conn.query("select $1", &[&"a value"])?;
        /// assert_eq!(rows[0].get::<_, &str>(0), "a value");
        /// assert_eq!(conn.query_one("echo:rows 1", &[])?.get::<_, i32>("n"), 1);
        /// assert!(conn.query_opt("echo:rows 0", &[])?.is_none());
        /// # Ok::<(), holdfast::Error>(())
        /// ```
        ///
        /// # Errors
        /// The server's error; [`Misuse`](crate::ErrorKind::Misuse) where the number of parameters or their Rust types do not
        /// match the statement, or the text contains a NUL; [`QueryTimeout`](crate::ErrorKind::QueryTimeout) past the deadline.
        pub fn query<T: ?Sized + $crate::sql::ToStatement>(
            &mut self,
            query: &T,
            params: $crate::Params<'_>,
        ) -> $crate::Result<Vec<$crate::sql::Row>> {
            self.handle()?.query(query.__convert(), &params).map(|rows| rows.into_vec())
        }

        /// Like [`query`](Self::query), for exactly one row.
        ///
        /// # Errors
        /// The same; also [`Misuse`](crate::ErrorKind::Misuse) when there is no row or more than one.
        pub fn query_one<T: ?Sized + $crate::sql::ToStatement>(
            &mut self,
            query: &T,
            params: $crate::Params<'_>,
        ) -> $crate::Result<$crate::sql::Row> {
            self.handle()?.query(query.__convert(), &params)?.exactly_one()
        }

        /// Like [`query`](Self::query), for one row or none.
        ///
        /// # Errors
        /// The same; also [`Misuse`](crate::ErrorKind::Misuse) when there is more than one row.
        pub fn query_opt<T: ?Sized + $crate::sql::ToStatement>(
            &mut self,
            query: &T,
            params: $crate::Params<'_>,
        ) -> $crate::Result<Option<$crate::sql::Row>> {
            self.handle()?.query(query.__convert(), &params)?.at_most_one()
        }

        /// Runs a statement whose rows are read one by one, for results larger than memory; parameters come from an iterator.
        /// Blocks until the server has begun.
        ///
        /// # Errors
        /// As for [`query`](Self::query), where the statement cannot be begun.
        ///
        /// ```
        /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
        /// use holdfast::fallible_iterator::FallibleIterator;
        ///
        /// let mut rows = conn.query_raw::<_, &str, _>("echo:rows 2500", [])?;
        /// while let Some(row) = rows.next()? {
        ///     assert_eq!(row.get::<_, String>("word"), format!("row {}", row.get::<_, i32>("n")));
        /// }
        /// assert_eq!(rows.rows_affected(), Some(2500));
        /// # Ok::<(), holdfast::Error>(())
        /// ```
        pub fn query_raw<T, P, I>(&mut self, query: &T, params: I) -> $crate::Result<$crate::sql::RowIter<'_>>
        where
            T: ?Sized + $crate::sql::ToStatement,
            P: $crate::types::BorrowToSql,
            I: IntoIterator<Item = P>,
            I::IntoIter: ExactSizeIterator,
        {
            let params = $crate::sql::Collected::new(params);
            $crate::sql::RowIter::open(self.handle()?, query.__convert(), &params)
        }

        /// Runs an unnamed statement, with parameters of the given types, in one request: nothing is prepared beforehand, and
        /// nothing is cached. For statements that are run once.
        ///
        /// # Errors
        /// As for [`query`](Self::query).
        ///
        /// ```
        /// use holdfast::types::Type;
        /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
        /// let rows = conn.query_typed("select $1 + 1", &[(&41i32, Type::INT4)])?;
        /// assert_eq!(rows[0].columns()[0].type_(), &Type::INT4);
        /// assert_eq!(conn.query_typed_one("select $1", &[(&7i32, Type::INT4)])?.get::<_, i32>(0), 7);
        /// assert_eq!(conn.execute_typed("delete from item where id = $1", &[(&7i32, Type::INT4)])?, 1);
        /// # Ok::<(), holdfast::Error>(())
        /// ```
        pub fn query_typed(
            &mut self,
            query: &str,
            params: &[(&(dyn $crate::types::ToSql + Sync), $crate::types::Type)],
        ) -> $crate::Result<Vec<$crate::sql::Row>> {
            self.handle()?.query_typed(query, params).map(|rows| rows.into_vec())
        }

        /// Like [`query_typed`](Self::query_typed), for exactly one row.
        ///
        /// # Errors
        /// As for [`query_one`](Self::query_one).
        pub fn query_typed_one(
            &mut self,
            query: &str,
            params: &[(&(dyn $crate::types::ToSql + Sync), $crate::types::Type)],
        ) -> $crate::Result<$crate::sql::Row> {
            self.handle()?.query_typed(query, params)?.exactly_one()
        }

        /// Like [`query_typed`](Self::query_typed), for one row or none.
        ///
        /// # Errors
        /// As for [`query_opt`](Self::query_opt).
        ///
        /// ```
        /// use holdfast::types::Type;
        /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
        /// let row = conn.query_typed_opt("select $1", &[(&7i32, Type::INT4)])?;
        /// assert_eq!(row.map(|row| row.get::<_, i32>(0)), Some(7));
        /// # Ok::<(), holdfast::Error>(())
        /// ```
        pub fn query_typed_opt(
            &mut self,
            query: &str,
            params: &[(&(dyn $crate::types::ToSql + Sync), $crate::types::Type)],
        ) -> $crate::Result<Option<$crate::sql::Row>> {
            self.handle()?.query_typed(query, params)?.at_most_one()
        }

        /// Like [`query_typed`](Self::query_typed), for rows that are read one by one.
        ///
        /// # Errors
        /// As for [`query_raw`](Self::query_raw).
        ///
        /// ```
        /// use fallible_iterator::FallibleIterator;
        /// use holdfast::types::Type;
        /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
        /// let mut rows = conn.query_typed_raw("select $1", [(7i32, Type::INT4)])?;
        /// while let Some(row) = rows.next()? {
        ///     assert_eq!(row.get::<_, i32>(0), 7);
        /// }
        /// # Ok::<(), holdfast::Error>(())
        /// ```
        pub fn query_typed_raw<P, I>(
            &mut self,
            query: &str,
            params: I,
        ) -> $crate::Result<$crate::sql::RowIter<'_>>
        where
            P: $crate::types::BorrowToSql,
            I: IntoIterator<Item = (P, $crate::types::Type)>,
        {
            let (params, types) = $crate::sql::Collected::with_types(params);
            $crate::sql::RowIter::open_typed(self.handle()?, query, &params, &types)
        }

        /// Runs a statement and returns the number of rows it changed or returned, 0 for commands that count none. Prepared as
        /// for [`query`](Self::query).
        ///
        /// # Errors
        /// As for [`query`](Self::query).
        ///
        /// ```
        /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
        /// assert_eq!(conn.execute("update item set price = $1", &[&"2.50"])?, 1);
        /// assert_eq!(conn.execute_raw("update item set price = $1", ["2.50"])?, 1);
        /// # Ok::<(), holdfast::Error>(())
        /// ```
        pub fn execute<T: ?Sized + $crate::sql::ToStatement>(
            &mut self,
            query: &T,
            params: $crate::Params<'_>,
        ) -> $crate::Result<u64> {
            self.handle()?.execute(query.__convert(), &params)
        }

        /// Like [`execute`](Self::execute), for parameters from an iterator.
        ///
        /// # Errors
        /// As for [`query`](Self::query).
        pub fn execute_raw<T, P, I>(&mut self, query: &T, params: I) -> $crate::Result<u64>
        where
            T: ?Sized + $crate::sql::ToStatement,
            P: $crate::types::BorrowToSql,
            I: IntoIterator<Item = P>,
            I::IntoIter: ExactSizeIterator,
        {
            let params = $crate::sql::Collected::new(params);
            self.handle()?.execute(query.__convert(), &params)
        }

        /// Like [`execute`](Self::execute), unnamed and in one request as [`query_typed`](Self::query_typed).
        ///
        /// # Errors
        /// As for [`query`](Self::query).
        pub fn execute_typed(
            &mut self,
            query: &str,
            params: &[(&(dyn $crate::types::ToSql + Sync), $crate::types::Type)],
        ) -> $crate::Result<u64> {
            self.handle()?.execute_typed(query, params)
        }

        /// Prepares a statement that any connection can run, with the types of its parameters and columns. Takes no round trip
        /// where the connection has prepared the text before.
        ///
        /// # Errors
        /// The server's error about the text.
        ///
        /// ```
        /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
        /// let statement = conn.prepare("select $1")?;
        /// assert_eq!(conn.query_one(&statement, &[&"a value"])?.get::<_, &str>(0), "a value");
        /// let statement = conn.prepare_typed("select $1", &[holdfast::types::Type::INT4])?;
        /// assert_eq!(statement.params(), [holdfast::types::Type::INT4]);
        /// # Ok::<(), holdfast::Error>(())
        /// ```
        pub fn prepare(&mut self, query: &str) -> $crate::Result<$crate::sql::Statement> {
            self.handle()?.prepare(query, &[])
        }

        /// Like [`prepare`](Self::prepare), with the types of the first parameters; those of the others are inferred.
        ///
        /// # Errors
        /// The server's error about the text.
        pub fn prepare_typed(
            &mut self,
            query: &str,
            types: &[$crate::types::Type],
        ) -> $crate::Result<$crate::sql::Statement> {
            self.handle()?.prepare(query, types)
        }

        /// Runs a text of any number of statements without parameters, and skips their rows. They form one transaction unless
        /// the text contains transaction commands; the first error ends the text.
        ///
        /// # Errors
        /// The server's error; [`Misuse`](crate::ErrorKind::Misuse) for a COPY.
        ///
        /// ```
        /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
        /// conn.batch_execute("create table item (id int); insert into item values (7)")?;
        /// # Ok::<(), holdfast::Error>(())
        /// ```
        pub fn batch_execute(&mut self, query: &str) -> $crate::Result<()> {
            self.handle()?.batch_execute(query)
        }

        /// Like [`batch_execute`](Self::batch_execute), and returns all rows, values as text.
        ///
        /// # Errors
        /// As for [`batch_execute`](Self::batch_execute).
        ///
        /// ```
        /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
        /// for message in conn.simple_query("echo:rows 2")? {
        ///     if let holdfast::SimpleQueryMessage::Row(row) = message {
        ///         println!("{:?}", row.get("word"));
        ///     }
        /// }
        /// # Ok::<(), holdfast::Error>(())
        /// ```
        pub fn simple_query(&mut self, query: &str) -> $crate::Result<Vec<$crate::sql::SimpleQueryMessage>> {
            self.handle()?.simple_query(query)
        }

        /// Begins a `COPY ... FROM STDIN`. Its data is written and then [finished](crate::sql::CopyInWriter::finish).
        ///
        /// # Errors
        /// The server's error; the connection stays usable. [`Misuse`](crate::ErrorKind::Misuse) for another statement.
        ///
        /// ```no_run
        /// # let mut conn = holdfast::Pool::from_url("postgresql://app@db/orders")?.get()?;
        /// use std::io::Write;
        ///
        /// let mut writer = conn.copy_in("copy item (id, name) from stdin")?;
        /// writer.write_all(b"1\tapple\n2\tpear\n")?;
        /// assert_eq!(writer.finish()?, 2);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        pub fn copy_in<T: ?Sized + $crate::sql::ToStatement>(
            &mut self,
            query: &T,
        ) -> $crate::Result<$crate::sql::CopyInWriter<'_>> {
            $crate::sql::CopyInWriter::open(self.handle()?, query.__convert().text())
        }

        /// Begins a `COPY ... TO STDOUT` and returns a reader of its data.
        ///
        /// # Errors
        /// The server's error; the connection stays usable. [`Misuse`](crate::ErrorKind::Misuse) for another statement.
        ///
        /// ```no_run
        /// use std::io::Read;
        ///
        /// # let mut conn = holdfast::Pool::from_url("postgresql://app@db/orders")?.get()?;
        /// let mut data = String::new();
        /// conn.copy_out("copy item to stdout")?.read_to_string(&mut data)?;
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        pub fn copy_out<T: ?Sized + $crate::sql::ToStatement>(
            &mut self,
            query: &T,
        ) -> $crate::Result<$crate::sql::CopyOutReader<'_>> {
            $crate::sql::CopyOutReader::open(self.handle()?, query.__convert().text())
        }
    };
}

pub(crate) use client_methods;
