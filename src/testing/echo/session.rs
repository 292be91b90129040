//! The conversation with one client, by both protocols ("Message Flow" in PostgreSQL's documentation).

use std::collections::HashMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use super::convert::{MAJOR_VERSION, TEXT, convert};
use super::run::{Portal, Runner, Stop};
use super::statement::{Action, Shown, Statement};
use super::transaction::Transaction;
use super::wire::{Fields, Refusal, Wire};
use super::{Registered, Server, sql};

/// The codes in the place of a protocol version, from PostgreSQL's `pqcomm.h`.
const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;

/// Serves a client until it leaves.
pub(super) fn serve(server: &Arc<Server>, stream: UnixStream) -> io::Result<()> {
    let mut wire = Wire::new(stream);
    loop {
        let (code, rest) = wire.read_first()?;
        let mut fields = Fields(&rest);
        match code {
            SSL_REQUEST | GSS_REQUEST => wire.decline()?,
            CANCEL_REQUEST => {
                server.cancel(fields.int4()?, fields.int4()?);
                return Ok(());
            }
            _ if code >> 16 == 3 => {
                let mut conversation = Conversation::begin(server, wire, fields)?;
                return conversation.run();
            }
            _ => {
                wire.put_report(b'E', "FATAL", "0A000", "unsupported frontend protocol");
                return wire.flush();
            }
        }
    }
}

struct Conversation {
    wire: Wire,
    registered: Registered,
    transaction: Transaction,
    statements: HashMap<String, Arc<Statement>>,
    portals: HashMap<String, Portal>,
    /// Set after an error, until the next `Sync`.
    skips_to_sync: bool,
    notifications: Vec<(String, String)>,
}

impl Conversation {
    /// Starts a session: no authentication, then settings and the key for cancel requests.
    fn begin(server: &Arc<Server>, wire: Wire, mut fields: Fields<'_>) -> io::Result<Self> {
        let mut application_name = "";
        loop {
            match fields.text()? {
                "" => break,
                "application_name" => application_name = fields.text()?,
                _ => {
                    fields.text()?;
                }
            }
        }
        let mut conversation = Self {
            wire,
            registered: server.begin_session(),
            transaction: Transaction::default(),
            statements: HashMap::new(),
            portals: HashMap::new(),
            skips_to_sync: false,
            notifications: Vec::new(),
        };
        conversation.wire.put(b'R', |body| body.int4(0));
        let version = format!("{MAJOR_VERSION}.0 (echo)");
        for (name, value) in [
            ("application_name", application_name),
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO, MDY"),
            ("default_transaction_read_only", "off"),
            ("in_hot_standby", "off"),
            ("integer_datetimes", "on"),
            ("IntervalStyle", "postgres"),
            ("server_encoding", "UTF8"),
            ("server_version", version.as_str()),
            ("standard_conforming_strings", "on"),
            ("TimeZone", "UTC"),
        ] {
            conversation.wire.put(b'S', |body| {
                body.text(name);
                body.text(value);
            });
        }
        let session = &conversation.registered.session;
        conversation.wire.put(b'K', |body| {
            body.int4(session.number);
            body.int4(session.secret);
        });
        conversation.ready()?;
        Ok(conversation)
    }

    /// Sends the pending notifications and `ReadyForQuery`.
    fn ready(&mut self) -> io::Result<()> {
        for (channel, payload) in self.notifications.drain(..) {
            let number = self.registered.session.number;
            self.wire.put(b'A', |body| {
                body.int4(number);
                body.text(&channel);
                body.text(&payload);
            });
        }
        let letter = self.transaction.letter();
        self.wire.put(b'Z', |body| body.byte(letter));
        self.wire.flush()
    }

    fn run(&mut self) -> io::Result<()> {
        loop {
            let (kind, body) = self.wire.read()?;
            let fields = Fields(&body);
            match kind {
                b'X' => return Ok(()),
                b'Q' => self.simple(fields)?,
                b'S' => self.sync()?,
                _ if self.skips_to_sync => {}
                b'H' => self.wire.flush()?,
                b'P' | b'B' | b'D' | b'E' | b'C' => match self.extended(kind, fields) {
                    Ok(()) => {}
                    Err(Stop::Refused(refusal)) => {
                        self.refuse(&refusal);
                        self.skips_to_sync = true;
                    }
                    Err(Stop::Ended(error)) => return Err(error),
                },
                // The rest of a COPY that never began.
                b'd' | b'c' | b'f' => {}
                _ => {
                    self.wire.put_report(
                        b'E',
                        "FATAL",
                        "08P01",
                        "a message of a kind that echo does not know",
                    );
                    return self.wire.flush();
                }
            }
            self.wire.flush_if_much()?;
        }
    }

    fn refuse(&mut self, refusal: &Refusal) {
        self.wire.put_report(b'E', "ERROR", &refusal.code, &refusal.message);
        self.transaction.fail();
    }

    fn sync(&mut self) -> io::Result<()> {
        self.skips_to_sync = false;
        if self.transaction.is_idle() {
            self.portals.clear();
        }
        self.ready()
    }

    /// Runs a text of any number of statements, up to the first error.
    fn simple(&mut self, mut fields: Fields<'_>) -> io::Result<()> {
        let text = fields.text()?;
        self.skips_to_sync = false;
        let statements = sql::scan(text).statements;
        if statements.is_empty() {
            self.wire.put(b'I', |_| {});
        }
        for statement in statements {
            match self.run_script_statement(statement) {
                Ok(()) => {}
                Err(Stop::Refused(refusal)) => {
                    self.refuse(&refusal);
                    break;
                }
                Err(Stop::Ended(error)) => return Err(error),
            }
        }
        self.ready()
    }

    fn run_script_statement(&mut self, statement: &str) -> Result<(), Stop> {
        let mut portal = Portal::as_text(Statement::of_script(statement)?);
        self.transaction.admit(&portal.statement.action)?;
        if let Some(columns) = portal.statement.columns()
            && portal.statement.rows() > 0
        {
            self.describe(&columns, &portal.formats);
        }
        self.runner().run(&mut portal, 0)
    }

    fn runner(&mut self) -> Runner<'_> {
        Runner {
            wire: &mut self.wire,
            session: &self.registered.session,
            transaction: &mut self.transaction,
            notifications: &mut self.notifications,
        }
    }

    fn extended(&mut self, kind: u8, fields: Fields<'_>) -> Result<(), Stop> {
        match kind {
            b'P' => self.parse(fields),
            b'B' => self.bind(fields),
            b'D' => self.describe_named(fields),
            b'E' => self.execute(fields),
            _ => self.close(fields),
        }
    }

    fn parse(&mut self, mut fields: Fields<'_>) -> Result<(), Stop> {
        let (name, text) = (fields.text()?, fields.text()?);
        let types: Vec<u32> = (0..fields.int2()?).map(|_| fields.int4()).collect::<io::Result<_>>()?;
        if !name.is_empty() && self.statements.contains_key(name) {
            let message = format!("prepared statement \"{name}\" already exists");
            return Err(Refusal::error("42P05", message).into());
        }
        self.statements.insert(name.to_owned(), Arc::new(Statement::prepare(text, &types)?));
        self.wire.put(b'1', |_| {});
        Ok(())
    }

    fn statement(&self, name: &str) -> Result<Arc<Statement>, Refusal> {
        self.statements
            .get(name)
            .cloned()
            .ok_or_else(|| Refusal::error("26000", format!("prepared statement \"{name}\" does not exist")))
    }

    fn bind(&mut self, mut fields: Fields<'_>) -> Result<(), Stop> {
        let (portal, name) = (fields.text()?, fields.text()?);
        let statement = self.statement(name)?;
        let given = fields.codes()?;
        let count = fields.int2()?.into();
        if count != statement.parameters.len() {
            let needed = statement.parameters.len();
            let message =
                format!("bind message supplies {count} parameters, but the statement requires {needed}");
            return Err(Refusal::error("08P01", message).into());
        }
        let values: Vec<_> = (0..count).map(|_| fields.value()).collect::<io::Result<_>>()?;
        let wanted = fields.codes()?;
        let columns = statement.columns().map_or(0, |columns| columns.len());
        let given = format_of_each(&given, count)?;
        let formats = format_of_each(&wanted, columns)?;
        // Commands accept parameters, but do not return them.
        let echoes = statement.action == Action::Echo;
        let converted = values.iter().enumerate().map(|(n, value)| {
            let to = if echoes { formats[n] } else { given[n] };
            value.map(|value| convert(statement.parameters[n], value, given[n], to)).transpose()
        });
        let values = converted.collect::<Result<_, _>>()?;
        self.portals.insert(portal.to_owned(), Portal { statement, values, formats, returned: None });
        self.wire.put(b'2', |_| {});
        Ok(())
    }

    fn describe_named(&mut self, mut fields: Fields<'_>) -> Result<(), Stop> {
        let (of_portal, name) = (fields.byte()? == b'P', fields.text()?);
        let (statement, formats) = if of_portal {
            let portal = self.portals.get(name).ok_or_else(|| no_portal(name))?;
            (portal.statement.clone(), portal.formats.clone())
        } else {
            (self.statement(name)?, Vec::new())
        };
        if !of_portal {
            self.wire.put(b't', |body| {
                body.int2(statement.parameters.len());
                statement.parameters.iter().for_each(|type_oid| body.int4(*type_oid));
            });
        }
        match statement.columns() {
            Some(columns) => self.describe(&columns, &formats),
            None => self.wire.put(b'n', |_| {}),
        }
        Ok(())
    }

    /// Sends a `RowDescription`.
    fn describe(&mut self, columns: &[Shown], formats: &[u16]) {
        self.wire.put(b'T', |body| {
            body.int2(columns.len());
            for (n, column) in columns.iter().enumerate() {
                body.text(&column.name);
                // The column is not in a table.
                body.int4(0);
                body.int2(0);
                body.int4(column.type_oid);
                body.int2(usize::from(column.type_size() as u16));
                body.int4(u32::MAX);
                body.int2(formats.get(n).copied().unwrap_or(TEXT).into());
            }
        });
    }

    fn execute(&mut self, mut fields: Fields<'_>) -> Result<(), Stop> {
        let (name, limit) = (fields.text()?, fields.int4()?);
        let mut portal = self.portals.remove(name).ok_or_else(|| no_portal(name))?;
        let done = self.runner().run(&mut portal, limit);
        self.portals.insert(name.to_owned(), portal);
        done
    }

    fn close(&mut self, mut fields: Fields<'_>) -> Result<(), Stop> {
        let (of_portal, name) = (fields.byte()? == b'P', fields.text()?);
        if of_portal {
            self.portals.remove(name);
        } else {
            self.statements.remove(name);
        }
        self.wire.put(b'3', |_| {});
        Ok(())
    }
}

fn no_portal(name: &str) -> Refusal {
    Refusal::error("34000", format!("portal \"{name}\" does not exist"))
}

/// Returns the format of each of `count` values: none given means text, one is for all.
fn format_of_each(codes: &[u16], count: usize) -> Result<Vec<u16>, Refusal> {
    if let Some(code) = codes.iter().find(|code| **code > 1) {
        return Err(Refusal::error("22023", format!("unsupported format code: {code}")));
    }
    match codes {
        [] => Ok(vec![TEXT; count]),
        [code] => Ok(vec![*code; count]),
        _ if codes.len() == count => Ok(codes.to_vec()),
        _ => {
            let message = format!("bind message has {} formats for {count} values", codes.len());
            Err(Refusal::error("08P01", message))
        }
    }
}
