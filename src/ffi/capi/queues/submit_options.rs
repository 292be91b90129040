//! The options of a request, read and checked.

use std::time::Duration;

use super::submit::holdfast_submit_options;
use crate::ffi::capi::boundary::growable;
use crate::ffi::capi::boundary::guard::{Failure, Outcome, milliseconds};
use crate::ffi::capi::pools::pool::{count, flag};
use crate::ffi::capi::statements::query::result_format;
use crate::queue::{Kind, Submission, Task};
use crate::session::ResultFormat;

/// Options as the core knows them.
pub(in crate::ffi::capi) struct Options {
    retries: Option<u32>,
    timeout: Option<Duration>,
    pub(super) deadline: Option<Duration>,
    pub(in crate::ffi::capi) format: ResultFormat,
    pub(in crate::ffi::capi) pack: bool,
    pub(super) idempotent: bool,
    deadline_covers_wait: bool,
    pub(super) in_parts: bool,
    notices: bool,
}

impl Options {
    /// # Safety
    /// `options` is NULL or as large as its `struct_size` says.
    pub(in crate::ffi::capi) unsafe fn read(options: *const holdfast_submit_options) -> Outcome<Self> {
        const NAME: &str = "holdfast_submit_options";
        if options.is_null() {
            return Ok(Self {
                retries: None,
                timeout: None,
                deadline: None,
                format: ResultFormat::Text,
                pack: false,
                idempotent: false,
                deadline_covers_wait: false,
                in_parts: false,
                notices: false,
            });
        }
        // SAFETY: as promised.
        let options = unsafe { growable::read(options, NAME)? };
        let limit = |ms: u64| (ms != 0).then(|| milliseconds(ms));
        Ok(Self {
            retries: count(options.retries, "holdfast_submit_options: retries")?,
            timeout: limit(options.timeout_ms),
            deadline: limit(options.deadline_ms),
            format: result_format(options.result_format)?,
            pack: flag(options.pack, NAME, "pack")?,
            idempotent: flag(options.idempotent, NAME, "idempotent")?,
            deadline_covers_wait: flag(options.deadline_covers_wait, NAME, "deadline_covers_wait")?,
            in_parts: flag(options.in_parts, NAME, "in_parts")?,
            notices: flag(options.notices, NAME, "notices")?,
        })
    }

    /// The same for what is no pipeline.
    ///
    /// # Safety
    /// As for [`read`](Self::read).
    pub(in crate::ffi::capi) unsafe fn read_whole(options: *const holdfast_submit_options) -> Outcome<Self> {
        // SAFETY: as promised.
        let options = unsafe { Self::read(options)? };
        if options.in_parts {
            let words = "holdfast_submit_options: in_parts can be 1 for a pipeline only";
            return Err(Failure::argument(words));
        }
        Ok(options)
    }

    /// The same for a statement on a connection in hand; its loss is for the program to handle.
    ///
    /// # Safety
    /// As for [`read`](Self::read).
    pub(in crate::ffi::capi) unsafe fn read_in_hand(
        options: *const holdfast_submit_options,
    ) -> Outcome<Self> {
        // SAFETY: as promised.
        unsafe { Self::read_whole(options)? }.once()
    }

    /// The same, where there is no single statement.
    ///
    /// # Safety
    /// As for [`read`](Self::read).
    pub(in crate::ffi::capi) unsafe fn read_unpacked(
        options: *const holdfast_submit_options,
    ) -> Outcome<Self> {
        // SAFETY: as promised.
        unsafe { Self::read_in_hand(options)? }.unpacked()
    }

    /// The same for what runs no statement by itself.
    ///
    /// # Safety
    /// As for [`read`](Self::read).
    pub(super) unsafe fn read_without_statement(options: *const holdfast_submit_options) -> Outcome<Self> {
        // SAFETY: as promised.
        let options = unsafe { Self::read_unpacked(options)? };
        if options.notices {
            let words = "holdfast_submit_options: notices can be 1 for statements only, not for a connection or a transaction";
            return Err(Failure::argument(words));
        }
        Ok(options)
    }

    /// The same for a pipeline.
    ///
    /// # Safety
    /// As for [`read`](Self::read).
    pub(in crate::ffi::capi) unsafe fn read_for_pipeline(
        options: *const holdfast_submit_options,
    ) -> Outcome<Self> {
        // SAFETY: as promised.
        unsafe { Self::read(options)? }.once()?.unpacked()
    }

    fn once(self) -> Outcome<Self> {
        if self.idempotent {
            let words = "holdfast_submit_options: idempotent can be 1 for a single statement of a pool only";
            return Err(Failure::argument(words));
        }
        Ok(self)
    }

    fn unpacked(self) -> Outcome<Self> {
        if self.pack {
            let words = "holdfast_submit_options: pack can be 1 for a single statement only";
            return Err(Failure::argument(words));
        }
        Ok(self)
    }

    pub(in crate::ffi::capi) fn submission(self, tag: u64, kind: Kind, task: Task) -> Submission {
        let Self { retries, timeout, deadline, deadline_covers_wait, notices, .. } = self;
        Submission { tag, kind, task, timeout, retries, deadline, deadline_covers_wait, notices }
    }
}
