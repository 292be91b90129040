//! Failures that are about the password itself.

use super::Error;

/// The fault of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PasswordFault {
    /// The server refused the one that it was sent.
    Refused,
    /// The program's callback gave none.
    NotObtained,
}

impl Error {
    pub(crate) fn of_password(mut self, fault: PasswordFault) -> Self {
        self.0.password_fault = Some(fault);
        self
    }

    /// Returns whether the server refused a password that it was sent.
    pub(crate) fn is_of_refused_password(&self) -> bool {
        self.0.password_fault == Some(PasswordFault::Refused)
    }

    /// Returns whether no password could be had from the program's callback: the server has refused nothing.
    pub(crate) fn is_of_password_callback(&self) -> bool {
        self.0.password_fault == Some(PasswordFault::NotObtained)
    }
}
