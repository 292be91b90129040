//! The plan of a pipeline: which statements are parsed with it, under which names, and the request written from that.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::BytesMut;

use super::pipeline::PipelineMode;
use super::prepared::Prepared;
use super::statement::check_count;
use super::statement_cache::Origin;
use crate::error::{Error, Phase, Result};
use crate::protocol::session_parameters::TextSettings;
use crate::session::exchange::request;
use crate::session::exchange::request::{Request, ResultFormat};
use crate::session::raw_session::RawSession;

/// The parse state of one statement of a pipeline.
pub(super) enum Parsing {
    /// Described before; `fresh` if by this pipeline.
    Known { prepared: Arc<Prepared>, fresh: bool },
    /// Parsed with this request under this name; unnamed if that is empty.
    Parsed { name: String, key: Arc<[u8]> },
    /// Parsed with the request of this index.
    ParsedBy(usize),
}

/// One statement of a pipeline.
pub(super) struct Step {
    pub(super) parsing: Parsing,
    pub(super) format: ResultFormat,
}

impl RawSession<'_> {
    /// Decides for each request how the server gets its statement; prepares those that need it beforehand.
    pub(super) fn plan(&mut self, requests: &[Request<'_>]) -> Result<Vec<Step>> {
        let mut steps: Vec<Step> = Vec::with_capacity(requests.len());
        let mut parsed = HashMap::new();
        for (index, request) in requests.iter().enumerate() {
            let step = match index.checked_sub(1).map(|before| (before, &requests[before])) {
                // A statement that is repeated is looked up once.
                Some((before, same))
                    if request.sql.is_certainly_same(request.params, same.sql, same.params) =>
                {
                    Step::again(&steps[before], before, request)
                }
                _ => self.plan_one(request, index, &mut parsed).map_err(|e| at(e, index))?,
            };
            if let Parsing::Known { prepared, .. } = &step.parsing {
                check_count(prepared.parameters().len(), request.params.len()).map_err(|e| at(e, index))?;
            }
            steps.push(step);
        }
        Ok(steps)
    }

    fn plan_one(
        &mut self,
        request: &Request<'_>,
        index: usize,
        parsed: &mut HashMap<Arc<[u8]>, usize>,
    ) -> Result<Step> {
        request.sql.check(request.params)?;
        if is_copy_from_stdin(request.sql.text()) {
            let message = "COPY FROM STDIN has no place in a pipeline: use copy_in";
            return Err(Error::misuse(message).in_phase(Phase::Query));
        }
        let unsettled = request.format.unless_automatic();
        if let Some(prepared) = self.statements().find(request.sql, request.params) {
            return Ok(Step { parsing: Parsing::Known { prepared, fresh: false }, format: request.format });
        }
        let key = self.statements().key_of(request.sql, request.params);
        if !self.statements().is_named() {
            return Ok(Step { parsing: Parsing::Parsed { name: String::new(), key }, format: unsettled });
        }
        if let Some(earlier) = parsed.get(&key) {
            return Ok(Step { parsing: Parsing::ParsedBy(*earlier), format: unsettled });
        }
        if request.format == ResultFormat::Automatic {
            // The buffer's contents are sent with it.
            match self.prepare_now(request.sql, request.params) {
                Ok(prepared) => {
                    return Ok(Step {
                        parsing: Parsing::Known { prepared, fresh: true },
                        format: request.format,
                    });
                }
                Err(e) if e.server().is_none() || self.link().fault().is_some() => return Err(e),
                // The error is reported in its turn, if it still occurs then.
                Err(_) => {}
            }
        }
        parsed.insert(key.clone(), index);
        let name = self.statements().name_for(&key, Origin::Kept);
        Ok(Step { parsing: Parsing::Parsed { name, key }, format: unsettled })
    }
}

/// Adds the index of the request to its error.
fn at(error: Error, index: usize) -> Error {
    error.with_note(format!("requests[{index}]"))
}

/// Returns whether a statement is a COPY that waits for data. The server would read the rest of the pipeline as its data, and
/// end the session.
fn is_copy_from_stdin(text: &str) -> bool {
    let text = text.trim_start().as_bytes();
    let is_copy = text.get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"copy"));
    is_copy && text.windows(5).any(|word| word.eq_ignore_ascii_case(b"stdin"))
}

impl Step {
    /// The step of a request for the same statement as that before it, whose index is `before`.
    fn again(last: &Self, before: usize, request: &Request<'_>) -> Self {
        let unsettled = request.format.unless_automatic();
        match &last.parsing {
            Parsing::Known { prepared, fresh } => Self {
                parsing: Parsing::Known { prepared: prepared.clone(), fresh: *fresh },
                format: request.format,
            },
            // The next statement may run on another server connection.
            Parsing::Parsed { name, key } if name.is_empty() => {
                Self { parsing: Parsing::Parsed { name: String::new(), key: key.clone() }, format: unsettled }
            }
            Parsing::Parsed { .. } => Self { parsing: Parsing::ParsedBy(before), format: unsettled },
            Parsing::ParsedBy(earlier) => Self { parsing: Parsing::ParsedBy(*earlier), format: unsettled },
        }
    }
}

/// Returns the name under which the server has the statement of a step.
fn name<'s>(steps: &'s [Step], step: &'s Step) -> &'s str {
    match &step.parsing {
        Parsing::Known { prepared, .. } => &prepared.name,
        Parsing::Parsed { name, .. } => name,
        Parsing::ParsedBy(earlier) => match &steps[*earlier].parsing {
            Parsing::Parsed { name, .. } => name,
            Parsing::Known { prepared, .. } => &prepared.name,
            Parsing::ParsedBy(_) => unreachable!("it leads to the request that parses"),
        },
    }
}

/// Writes all requests and their `Sync`.
pub(super) fn write(
    requests: &[Request<'_>],
    steps: &[Step],
    settings: TextSettings,
    mode: PipelineMode,
    out: &mut BytesMut,
) -> Result<()> {
    for (index, (request, step)) in requests.iter().zip(steps).enumerate() {
        write_one(request, step, name(steps, step), settings, out).map_err(|e| at(e, index))?;
        if mode == PipelineMode::Separate {
            request::sync(out);
        }
    }
    if mode == PipelineMode::Together {
        request::sync(out);
    }
    Ok(())
}

fn write_one(
    request: &Request<'_>,
    step: &Step,
    name: &str,
    settings: TextSettings,
    out: &mut BytesMut,
) -> Result<()> {
    match &step.parsing {
        Parsing::Known { prepared, .. } => {
            let codes = &prepared.shape(step.format, settings).codes;
            request::bind_values("", request.sql, prepared, request.params, codes, out)?;
        }
        Parsing::Parsed { .. } => {
            request::parse_named(name, request.sql.text(), &request.sql.types(request.params), out)?;
            request::describe_statement(name, out)?;
            request::bind(name, request.params, &step.format.codes(&[], settings), out)?;
        }
        Parsing::ParsedBy(_) => {
            request::bind(name, request.params, &step.format.codes(&[], settings), out)?;
        }
    }
    request::execute(out);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_waits_for_data_is_recognised_by_its_words() {
        for text in ["copy t from stdin", "  COPY t (a)\nFROM STDIN with (format csv)"] {
            assert!(is_copy_from_stdin(text), "{text}");
        }
        for text in ["copy t to stdout", "copy t from '/tmp/x'", "select 'copy from stdin'", "cop", ""] {
            assert!(!is_copy_from_stdin(text), "{text}");
        }
    }
}
