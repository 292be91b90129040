//! Indexes of columns: by number or by name.

mod sealed {
    pub trait Sealed {}

    /// A column with a name.
    pub trait Named {
        fn name(&self) -> &str;
    }
}

pub(in crate::sql) use sealed::Named;

/// The index of a column: its number from 0 (`usize`), or its name (`str`). A name is matched exactly, then without regard to
/// the case of ASCII letters; the first match counts.
pub trait RowIndex: sealed::Sealed {
    #[doc(hidden)]
    fn __index<T: Named>(&self, columns: &[T]) -> Option<usize>;
}

impl sealed::Sealed for usize {}

impl RowIndex for usize {
    #[inline]
    fn __index<T: Named>(&self, columns: &[T]) -> Option<usize> {
        (*self < columns.len()).then_some(*self)
    }
}

impl sealed::Sealed for str {}

impl RowIndex for str {
    #[inline]
    fn __index<T: Named>(&self, columns: &[T]) -> Option<usize> {
        let exactly = columns.iter().position(|column| column.name() == self);
        exactly.or_else(|| columns.iter().position(|column| column.name().eq_ignore_ascii_case(self)))
    }
}

impl<T: ?Sized + sealed::Sealed> sealed::Sealed for &T {}

impl<T: ?Sized + RowIndex> RowIndex for &T {
    #[inline]
    fn __index<U: Named>(&self, columns: &[U]) -> Option<usize> {
        T::__index(*self, columns)
    }
}
