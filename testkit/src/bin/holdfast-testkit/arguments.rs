//! The program's arguments.

use std::ffi::OsString;

use holdfast_testkit::fake_server::{Refusal, Script, Severity};

use crate::help;
use crate::target::Target;

/// What the arguments ask for.
pub(crate) enum Command {
    /// A text to print.
    Help(&'static str),
    Version,
    /// A server or proxy, and whether to print JSON.
    Run(What, bool),
}

/// What is to be started.
pub(crate) enum What {
    Server { max_connections: u32 },
    FullServer { slots: u32 },
    Proxy { to: Target, port: Option<u16>, faults: Vec<String> },
    Refuse { script: Script, port: Option<u16>, times: Option<usize> },
}

/// The options of one command, as they were given.
struct Options {
    command: &'static str,
    given: Vec<(&'static str, String)>,
    json: bool,
}

pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Command, String> {
    let mut words = Vec::new();
    for argument in arguments {
        words.push(argument.into_string().map_err(|word| format!("{} is not UTF-8", word.display()))?);
    }
    let Some((command, rest)) = words.split_first() else {
        return Err("a command is missing: server, full-server, proxy or refuse (see --help)".to_owned());
    };
    let (command, known, help): (_, &[&str], _) = match command.as_str() {
        "-h" | "--help" | "help" => return Ok(Command::Help(help::PROGRAM)),
        "-V" | "--version" => return Ok(Command::Version),
        "server" => ("server", &["--max-connections"], help::SERVER),
        "full-server" => ("full-server", &["--slots"], help::FULL_SERVER),
        "proxy" => ("proxy", &["--to", "--port", "--fault"], help::PROXY),
        "refuse" => {
            ("refuse", &["--sqlstate", "--severity", "--message", "--at", "--times", "--port"], help::REFUSE)
        }
        other => {
            return Err(format!(
                "there is no command `{other}`: server, full-server, proxy or refuse (see --help)"
            ));
        }
    };
    let Some(options) = Options::read(command, known, rest)? else {
        return Ok(Command::Help(help));
    };
    let what = match command {
        "server" => What::Server { max_connections: options.number("--max-connections")?.unwrap_or(20) },
        "full-server" => What::FullServer { slots: options.number("--slots")?.unwrap_or(3) },
        "proxy" => What::Proxy {
            to: Target::read(options.needed("--to", "the server behind it, as in 127.0.0.1:5432")?)?,
            port: options.number("--port")?,
            faults: options.all("--fault"),
        },
        _ => What::Refuse {
            script: script(&options)?,
            port: options.number("--port")?,
            times: options.number("--times")?,
        },
    };
    Ok(Command::Run(what, options.json))
}

impl Options {
    /// Reads `--name value` and `--name=value`. `None` when help is asked for.
    fn read(command: &'static str, known: &[&'static str], words: &[String]) -> Result<Option<Self>, String> {
        let mut options = Self { command, given: Vec::new(), json: false };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            match name {
                "-h" | "--help" => return Ok(None),
                "--json" if value.is_none() => options.json = true,
                _ => {
                    let Some(name) = known.iter().find(|known| **known == name) else {
                        let known = known.join(", ");
                        return Err(format!(
                            "{command} has no option `{word}`, but {known} and --json (see {command} --help)"
                        ));
                    };
                    let value = value.or_else(|| words.next().cloned());
                    let value =
                        value.ok_or_else(|| format!("`{name}` needs a value (see {command} --help)"))?;
                    options.given.push((name, value));
                }
            }
        }
        Ok(Some(options))
    }

    /// The last value of an option.
    fn get(&self, name: &str) -> Option<&str> {
        self.given.iter().rev().find(|(given, _)| *given == name).map(|(_, value)| value.as_str())
    }

    fn all(&self, name: &str) -> Vec<String> {
        self.given.iter().filter(|(given, _)| *given == name).map(|(_, value)| value.clone()).collect()
    }

    fn needed(&self, name: &str, what: &str) -> Result<&str, String> {
        self.get(name).ok_or_else(|| format!("{} needs `{name}`: {what}", self.command))
    }

    /// A number from 1 on.
    fn number<T: TryFrom<u64>>(&self, name: &str) -> Result<Option<T>, String> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let number = text.parse::<u64>().ok().filter(|number| *number > 0);
        let number = number.and_then(|number| T::try_from(number).ok());
        number.map(Some).ok_or_else(|| format!("`{name}` takes a number from 1 on, not `{text}`"))
    }
}

/// What `refuse` says, and when.
fn script(options: &Options) -> Result<Script, String> {
    let sqlstate = options.needed("--sqlstate", "the code to report, as in 53300")?;
    let is_code = |b: u8| b.is_ascii_digit() || b.is_ascii_uppercase();
    if sqlstate.len() != 5 || !sqlstate.bytes().all(is_code) {
        return Err(format!("`--sqlstate` takes five digits and capitals, as in 57P03, not `{sqlstate}`"));
    }
    let point = options.get("--at").unwrap_or("start-up");
    let statement = match point.split_once(':') {
        Some(("statement", number)) => number.parse::<u32>().ok().filter(|number| *number > 0),
        _ => None,
    };
    let severity = match options.get("--severity") {
        None if statement.is_some() => Severity::Error,
        None | Some("FATAL") => Severity::Fatal,
        Some("ERROR") => Severity::Error,
        Some("PANIC") => Severity::Panic,
        Some(other) => return Err(format!("`--severity` takes ERROR, FATAL or PANIC, not `{other}`")),
    };
    let message = options.get("--message").unwrap_or_else(|| usual_message(sqlstate));
    let refusal = Refusal::with(severity, sqlstate, message);
    match (point, statement) {
        ("start-up", _) => Ok(Script::SayAtStartUp(refusal)),
        ("after-authentication", _) => Ok(Script::SayAfterAuthentication(refusal)),
        (_, Some(number)) => Ok(Script::SayAtStatement(number, refusal)),
        _ => Err(format!("`--at` takes start-up, after-authentication or statement:N, not `{point}`")),
    }
}

/// PostgreSQL's message for the codes that the help names.
fn usual_message(sqlstate: &str) -> &'static str {
    match sqlstate {
        "53300" => "sorry, too many clients already",
        "57P03" => "the database system is starting up",
        "57P01" => "terminating connection due to administrator command",
        "25006" => "cannot execute INSERT in a read-only transaction",
        _ => "reported by the test kit",
    }
}
