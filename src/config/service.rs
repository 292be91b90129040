//! The service file: sections of options under a name, read by libpq's rules (`parseServiceInfo`).

use std::fs;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::option_info;
use super::option_info::OptionInfo;
use crate::error::{Error, Result};

/// An option in a service's section.
pub(super) struct ServiceValue {
    pub(super) row: &'static OptionInfo,
    pub(super) value: String,
    /// `file, line 7`, for messages.
    pub(super) place: String,
}

/// The options of the section `[service]`: from the user's file (`named`, else `~/.pg_service.conf`), or, when that has no such
/// section, from the system's. Of an option given twice the first counts.
pub(super) fn look_up(
    service: &str,
    named: Option<PathBuf>,
    environment: &Environment,
) -> Result<Vec<ServiceValue>> {
    let mut looked_in = Vec::new();
    for path in candidates(named, environment)? {
        if let Some(found) = section(&path, service)? {
            return Ok(found);
        }
        looked_in.push(path.display().to_string());
    }
    let looked_in = if looked_in.is_empty() {
        "there is no service file".to_owned()
    } else {
        format!("looked in {}", looked_in.join(", "))
    };
    Err(Error::config(format!(
        "the definition of service \"{}\" was not found: {looked_in}",
        service.escape_debug()
    )))
}

/// The files to search. A file that was named must exist; the others may be missing.
fn candidates(named: Option<PathBuf>, environment: &Environment) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    match named {
        Some(path) => files.push(path),
        None => {
            let own = environment.home.as_ref().map(|home| home.join(".pg_service.conf"));
            files.extend(own.filter(|path| path.exists()));
        }
    }
    let directories = match environment.get("PGSYSCONFDIR")? {
        Some(directory) => vec![PathBuf::from(directory)],
        None => environment.service_directories.clone(),
    };
    let system =
        directories.into_iter().map(|directory| directory.join("pg_service.conf")).find(|path| path.exists());
    files.extend(system);
    Ok(files)
}

fn section(path: &Path, service: &str) -> Result<Option<Vec<ServiceValue>>> {
    let file = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| Error::config(format!("the service file {file} cannot be read: {error}")))?;
    let mut found: Option<Vec<ServiceValue>> = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        let place = format!("{file}, line {}", index + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(heading) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            let named = heading.strip_prefix(service).is_some_and(|rest| rest.starts_with(']'));
            found = named.then(Vec::new);
            continue;
        }
        let Some(values) = &mut found else { continue };
        let value = service_line(line, place)?;
        if values.iter().all(|earlier| earlier.row.key() != value.row.key()) {
            values.push(value);
        }
    }
    Ok(found)
}

fn service_line(line: &str, place: String) -> Result<ServiceValue> {
    if line.starts_with("ldap://") {
        return Err(Error::config(format!("LDAP look-ups are not supported ({place})")));
    }
    let Some((key, value)) = line.split_once('=') else {
        return Err(Error::config(format!("missing \"=\" in the service file ({place})")));
    };
    if key == "service" || key == "servicefile" {
        return Err(Error::config(format!("a service cannot refer to another service ({place})")));
    }
    if key == option_info::ENVIRONMENT {
        return Err(Error::config(format!("a service cannot say what else is read ({place})")));
    }
    let row = option_info::option(key).ok_or_else(|| {
        Error::config(format!("unknown option in the service file ({place}){}", option_info::hint(key)))
    })?;
    Ok(ServiceValue { row, value: value.to_owned(), place })
}
