//! A statement that was given more or fewer parameters than it has.

use super::{Error, Phase};

/// The parameters a statement has, and those it was given, where the two differ: the reason for a call that failed as
/// [`Misuse`](super::ErrorKind::Misuse). The server was not asked to run it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParameterCount {
    /// The number of parameters the statement has.
    pub wanted: usize,
    /// The number of parameters given.
    pub given: usize,
}

impl Error {
    pub(crate) fn wrong_parameter_count(wanted: usize, given: usize) -> Self {
        let plural = if wanted == 1 { "" } else { "s" };
        let verb = if given == 1 { "was" } else { "were" };
        let mut error =
            Self::misuse(format!("the statement has {wanted} parameter{plural}, but {given} {verb} given"))
                .in_phase(Phase::Query);
        error.0.parameter_count = Some(ParameterCount { wanted, given });
        error
    }

    /// Returns the number of parameters wanted and given, if they differed.
    ///
    /// ```
    /// # let pool = holdfast::Pool::echo(holdfast::PoolConfig::new())?;
    /// let error = pool.query("select $1, $2", &[&"a value"]).unwrap_err();
    /// let count = error.parameter_count().unwrap();
    /// assert_eq!((count.wanted, count.given), (2, 1));
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn parameter_count(&self) -> Option<ParameterCount> {
        self.0.parameter_count
    }
}
