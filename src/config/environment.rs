//! The surroundings of the process: variables, home directory, user name, default directories.
//!
//! They are read once, when a configuration is begun, and kept with it; tests bring surroundings of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use super::{option_info, users};
use crate::error::{Error, Result};

/// Variables that are read besides those of the option table.
const OTHERS: [&str; 10] = [
    "USER",
    "LOGNAME",
    "PGSYSCONFDIR",
    "PGREQUIRESSL",
    "PGDATESTYLE",
    "PGTZ",
    "PGGEQO",
    "DATABASE_URL",
    "HOLDFAST_ENV",
    "NODE_ENV",
];

/// The folders in which PostgreSQL puts its socket: Debian's and Red Hat's choice, then the built-in default.
const SOCKET_DIRECTORIES: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// The folders of the system-wide service file: `pg_config --sysconfdir` on Debian, on Red Hat, and as built from
/// source.
const SERVICE_DIRECTORIES: [&str; 4] =
    ["/etc/postgresql-common", "/etc/sysconfig/pgsql", "/etc", "/usr/local/pgsql/etc"];

/// The surroundings of one configuration.
#[derive(Clone)]
pub(crate) struct Environment {
    variables: BTreeMap<String, String>,
    /// Variables that are set, but not UTF-8: an error when one of them is needed.
    unreadable: BTreeSet<String>,
    pub(super) home: Option<PathBuf>,
    pub(super) os_user: Option<String>,
    pub(super) socket_directory: String,
    pub(super) service_directories: Vec<PathBuf>,
}

impl Environment {
    /// The surroundings of this process.
    pub(crate) fn of_this_process() -> Self {
        let wanted: BTreeSet<String> = option_info::options()
            .iter()
            .flat_map(option_info::OptionInfo::environment)
            .chain(OTHERS.map(str::to_owned))
            .collect();
        let mut variables = BTreeMap::new();
        let mut unreadable = BTreeSet::new();
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else {
                continue;
            };
            if !wanted.contains(&name) {
                warn_of_misspelling(&name);
            } else if let Ok(value) = value.into_string() {
                variables.insert(name, value);
            } else {
                unreadable.insert(name);
            }
        }
        let set = |name: &str| variables.get(name).filter(|value| !value.is_empty()).cloned();
        Self {
            home: home(),
            os_user: users::own_name().or_else(|| set("USER")).or_else(|| set("LOGNAME")),
            socket_directory: default_socket_directory(),
            service_directories: SERVICE_DIRECTORIES.iter().map(PathBuf::from).collect(),
            variables,
            unreadable,
        }
    }

    /// Surroundings of which nothing is used: no variables, no user and no files, but where the system's socket is.
    pub(super) fn cut_off(&self) -> Self {
        Self {
            variables: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            home: None,
            os_user: None,
            socket_directory: self.socket_directory.clone(),
            service_directories: Vec::new(),
        }
    }

    /// Surroundings in which only these variables are set: no home, no files, and the user is `tester`.
    #[cfg(test)]
    pub(crate) fn with<const N: usize>(variables: [(&str, &str); N]) -> Self {
        Self {
            variables: variables.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            unreadable: BTreeSet::new(),
            home: None,
            os_user: Some("tester".to_owned()),
            socket_directory: "/var/run/postgresql".to_owned(),
            service_directories: Vec::new(),
        }
    }

    /// A variable's value; set but empty counts as not set, since a shell or a compose file has no other way to unset
    /// it.
    pub(super) fn get(&self, name: &str) -> Result<Option<&str>> {
        if self.unreadable.contains(name) {
            return Err(Error::config(format!("the environment variable {name} is not UTF-8")));
        }
        Ok(self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty()))
    }

    /// Returns whether this is production: `HOLDFAST_ENV`, else `NODE_ENV`, is `production`.
    pub(super) fn is_production(&self) -> Result<bool> {
        let named = match self.get("HOLDFAST_ENV")? {
            None => self.get("NODE_ENV")?,
            own => own,
        };
        Ok(named == Some("production"))
    }
}

impl fmt::Debug for Environment {
    /// Names only: values may be passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

/// Other programs may have variables with our prefix (Kubernetes makes some for a service called "holdfast"), so an
/// unknown one is no error; but one letter off an option deserves a word.
fn warn_of_misspelling(name: &str) {
    if let Some(key) = name.strip_prefix("HOLDFAST_") {
        let hint = option_info::hint(&key.to_ascii_lowercase());
        if hint.contains("did you mean") {
            log::warn!("the environment variable {name} is set, but there is no such option{hint}");
        }
    }
}

/// The first that exists, else the last.
fn default_socket_directory() -> String {
    let [preferred, last] = SOCKET_DIRECTORIES;
    if std::path::Path::new(preferred).is_dir() { preferred.to_owned() } else { last.to_owned() }
}

/// The home folder, in which libpq's files of the user are (`pqGetHomeDirectory`): `HOME`, else the one in the password
/// database.
pub(crate) fn home() -> Option<PathBuf> {
    home_or(std::env::var_os("HOME"))
}

fn home_or(variable: Option<OsString>) -> Option<PathBuf> {
    match variable.filter(|home| !home.is_empty()) {
        Some(home) => Some(PathBuf::from(home)),
        // Without the variable the standard library asks `getpwuid_r`, accounts from LDAP and the like included. Where it is
        // set but empty, it would return that.
        None => std::env::home_dir().filter(|home| !home.as_os_str().is_empty()).or_else(users::own_home),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_home_the_password_database_says_where_the_users_files_are() {
        assert_eq!(home_or(Some("/somewhere".into())), Some(PathBuf::from("/somewhere")));
        let home = users::own_home().expect("tests run as a user with an account");
        assert_eq!(home_or(Some("".into())).is_some(), !home.as_os_str().is_empty());
    }
}
