//! A session of a client that was let in: every statement succeeds and returns no row, up to the one that is to fail.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};

use super::packets::{message, read_message, take_text, take_u16, take_u32};
use super::refusal::Refusal;

/// The type `text`, for parameters whose type the client left open.
const TEXT: u32 = 25;

/// Parameters that clients want to know of a server.
const PARAMETERS: [(&str, &str); 9] = [
    ("server_version", "16.0 (holdfast test kit)"),
    ("server_encoding", "UTF8"),
    ("client_encoding", "UTF8"),
    ("DateStyle", "ISO, MDY"),
    ("TimeZone", "UTC"),
    ("integer_datetimes", "on"),
    ("standard_conforming_strings", "on"),
    ("in_hot_standby", "off"),
    ("default_transaction_read_only", "off"),
];

/// The state of one client's session.
struct Session<'a> {
    /// The statement that fails, counted from 1, and how.
    fault: Option<(u32, &'a Refusal)>,
    statements: u32,
    /// As in `ReadyForQuery`: idle, in a transaction, in a failed one.
    status: u8,
    /// What was prepared, with its parameters' types.
    prepared: HashMap<String, (String, Vec<u32>)>,
    portals: HashMap<String, String>,
    /// After an error, until `Sync`.
    skips: bool,
}

/// What follows an answer.
#[derive(PartialEq, Eq)]
enum Next {
    GoOn,
    HangUp,
}

/// Lets the client in and answers it, until it leaves or an error has ended the session. `heard` gets every statement.
pub(super) fn serve(
    client: &mut TcpStream,
    fault: Option<(u32, &Refusal)>,
    mut heard: impl FnMut(&str),
) -> io::Result<()> {
    client.write_all(&greeting())?;
    let mut session = Session {
        fault,
        statements: 0,
        status: b'I',
        prepared: HashMap::new(),
        portals: HashMap::new(),
        skips: false,
    };
    while let Some((kind, body)) = read_message(client)? {
        let (answer, next) = session.answer(kind, &body, &mut heard);
        client.write_all(&answer)?;
        if next == Next::HangUp {
            return client.shutdown(Shutdown::Both);
        }
    }
    Ok(())
}

/// The end of authentication, before `ReadyForQuery`: where a server may still refuse.
pub(super) fn authenticated() -> Vec<u8> {
    message(b'R', &[0; 4])
}

fn greeting() -> Vec<u8> {
    let mut greeting = authenticated();
    for (name, value) in PARAMETERS {
        greeting.extend(message(b'S', format!("{name}\0{value}\0").as_bytes()));
    }
    greeting.extend(message(b'K', &[0, 0, 0, 1, 0, 0, 0, 1]));
    greeting.extend(message(b'Z', b"I"));
    greeting
}

impl Session<'_> {
    fn answer(&mut self, kind: u8, mut body: &[u8], heard: &mut impl FnMut(&str)) -> (Vec<u8>, Next) {
        if self.skips && !matches!(kind, b'S' | b'X') {
            return (Vec::new(), Next::GoOn);
        }
        let answer = match kind {
            b'Q' => return self.simple(&take_text(&mut body), heard),
            b'P' => self.parse(&mut body),
            b'B' => self.bind(&mut body),
            b'D' => self.describe(&mut body),
            b'E' => {
                let sql = self.portals.get(&take_text(&mut body)).cloned().unwrap_or_default();
                return match self.run(&sql, heard) {
                    Ok(tag) => (complete(&tag), Next::GoOn),
                    Err(refusal) => self.fail(&refusal),
                };
            }
            b'C' => {
                let is_statement = body.first() == Some(&b'S');
                body = body.get(1..).unwrap_or_default();
                let name = take_text(&mut body);
                if is_statement {
                    self.prepared.remove(&name);
                } else {
                    self.portals.remove(&name);
                }
                Ok(message(b'3', &[]))
            }
            b'S' => {
                self.skips = false;
                Ok(self.ready())
            }
            b'X' => return (Vec::new(), Next::HangUp),
            b'F' => Err(Refusal::error("0A000", "the fake server calls no functions")),
            // Flush, and what belongs to a COPY that was refused.
            _ => Ok(Vec::new()),
        };
        match answer {
            Ok(answer) => (answer, Next::GoOn),
            Err(refusal) => self.fail(&refusal),
        }
    }

    /// Answers `Query`, which has no `Sync` behind it.
    fn simple(&mut self, sql: &str, heard: &mut impl FnMut(&str)) -> (Vec<u8>, Next) {
        let (mut answer, next) = match self.run(sql, heard) {
            Ok(tag) if returns_rows(sql) => ([no_columns(), complete(&tag)].concat(), Next::GoOn),
            Ok(tag) => (complete(&tag), Next::GoOn),
            Err(refusal) => self.fail(&refusal),
        };
        self.skips = false;
        if next == Next::GoOn {
            answer.extend(self.ready());
        }
        (answer, next)
    }

    fn parse(&mut self, body: &mut &[u8]) -> Result<Vec<u8>, Refusal> {
        let (name, sql) = (take_text(body), take_text(body));
        let mut types: Vec<u32> = (0..take_u16(body)).map(|_| take_u32(body)).collect();
        types.resize(types.len().max(parameters_of(&sql)), 0);
        types.iter_mut().filter(|oid| **oid == 0).for_each(|oid| *oid = TEXT);
        self.prepared.insert(name, (sql, types));
        Ok(message(b'1', &[]))
    }

    fn bind(&mut self, body: &mut &[u8]) -> Result<Vec<u8>, Refusal> {
        let (portal, name) = (take_text(body), take_text(body));
        let (sql, _) = self.prepared.get(&name).ok_or_else(|| unknown(&name))?;
        self.portals.insert(portal, sql.clone());
        Ok(message(b'2', &[]))
    }

    fn describe(&mut self, body: &mut &[u8]) -> Result<Vec<u8>, Refusal> {
        let is_statement = body.first() == Some(&b'S');
        *body = body.get(1..).unwrap_or_default();
        let name = take_text(body);
        let mut answer = Vec::new();
        let sql = if is_statement {
            let (sql, types) = self.prepared.get(&name).ok_or_else(|| unknown(&name))?;
            let count = u16::try_from(types.len()).unwrap_or(u16::MAX);
            let types = types.iter().flat_map(|oid| oid.to_be_bytes());
            let described: Vec<u8> = count.to_be_bytes().into_iter().chain(types).collect();
            answer.extend(message(b't', &described));
            sql.as_str()
        } else {
            self.portals.get(&name).map(String::as_str).unwrap_or_default()
        };
        answer.extend(if returns_rows(sql) { no_columns() } else { message(b'n', &[]) });
        Ok(answer)
    }

    /// Counts a statement and returns its command tag (empty for an empty statement), or its error.
    fn run(&mut self, sql: &str, heard: &mut impl FnMut(&str)) -> Result<String, Refusal> {
        let word = first_word(sql);
        if word.is_empty() {
            return Ok(String::new());
        }
        heard(sql);
        self.statements += 1;
        if let Some((_, refusal)) = self.fault.filter(|(at, _)| *at == self.statements) {
            return Err(refusal.clone());
        }
        let ends = matches!(word.as_str(), "COMMIT" | "END" | "ROLLBACK" | "ABORT");
        if self.status == b'E' && !ends {
            let text = "current transaction is aborted, commands ignored until end of transaction block";
            return Err(Refusal::error("25P02", text));
        }
        let failed = self.status == b'E';
        let to_savepoint = word == "ROLLBACK" && sql.to_ascii_uppercase().contains(" TO ");
        match word.as_str() {
            "BEGIN" | "START" => self.status = b'T',
            _ if to_savepoint => self.status = b'T',
            _ if ends => self.status = b'I',
            "COPY" => return Err(Refusal::error("0A000", "the fake server has nothing to copy")),
            _ => {}
        }
        Ok(match word.as_str() {
            "START" => "START TRANSACTION".to_owned(),
            "COMMIT" | "END" if failed => "ROLLBACK".to_owned(),
            "END" => "COMMIT".to_owned(),
            "ABORT" => "ROLLBACK".to_owned(),
            "INSERT" => "INSERT 0 0".to_owned(),
            "UPDATE" | "DELETE" | "MERGE" => format!("{word} 0"),
            _ if returns_rows(sql) => "SELECT 0".to_owned(),
            _ => word,
        })
    }

    /// The answer to what has failed.
    fn fail(&mut self, refusal: &Refusal) -> (Vec<u8>, Next) {
        self.skips = true;
        if self.status == b'T' {
            self.status = b'E';
        }
        (refusal.encode(), if refusal.leaves_session() { Next::GoOn } else { Next::HangUp })
    }

    fn ready(&self) -> Vec<u8> {
        message(b'Z', &[self.status])
    }
}

fn unknown(name: &str) -> Refusal {
    Refusal::error("26000", &format!("prepared statement \"{name}\" does not exist"))
}

fn complete(tag: &str) -> Vec<u8> {
    if tag.is_empty() { message(b'I', &[]) } else { message(b'C', format!("{tag}\0").as_bytes()) }
}

fn no_columns() -> Vec<u8> {
    message(b'T', &[0, 0])
}

fn first_word(sql: &str) -> String {
    let sql = sql.trim_start_matches(|c: char| c.is_whitespace() || c == ';' || c == '(');
    sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .next()
        .unwrap_or_default()
        .to_ascii_uppercase()
}

fn returns_rows(sql: &str) -> bool {
    matches!(first_word(sql).as_str(), "SELECT" | "WITH" | "VALUES" | "TABLE" | "SHOW" | "EXPLAIN" | "FETCH")
}

/// The highest number of a parameter in a statement, as in `$2`.
fn parameters_of(sql: &str) -> usize {
    let number = |rest: &str| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..end].parse::<u16>().unwrap_or(0)
    };
    sql.split('$').skip(1).map(number).max().unwrap_or(0).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_counted_by_the_highest_number() {
        assert_eq!(parameters_of("SELECT $1, $12 + $2"), 12);
        assert_eq!(parameters_of("SELECT '$', 1"), 0);
    }

    #[test]
    fn the_first_word_tells_the_kind_of_a_statement() {
        assert_eq!(first_word("  ;insert into t values (1)"), "INSERT");
        assert!(returns_rows("(select 1)") && !returns_rows("select_into") && !returns_rows(""));
    }
}
