//! The description of a private server, before it is started.

use std::fmt::{self, Write as _};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::binaries::Binaries;
use super::error::Error;
use super::launch::Launch;
use super::port::free_port;
use super::scram;
use super::server::EmbeddedPostgres;
use super::settings::Settings;
use super::workspace::{Workspace, run};

/// How often another process may snatch the port between our look at it and the server's start.
const PORT_TRIES: u32 = 8;

/// Settings for a server whose data need not survive a failure of the machine. Each can be overridden with
/// [`Builder::setting`]. `synchronous_commit` stays on: what was acknowledged must survive the death of the server, which
/// is among the faults to be made, and costs next to nothing without `fsync`.
const DEFAULTS: [(&str, &str); 8] = [
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("shared_buffers", "16MB"),
    ("autovacuum", "off"), // its workers would come and go in lists of backends
    ("jit", "off"),        // loads a compiler into the first backend that meets a big plan
    ("timezone", "UTC"),
    // Shared memory of parallel queries in the data folder, which gets removed; in /dev/shm it would survive a kill.
    ("dynamic_shared_memory_type", "mmap"),
    ("log_line_prefix", "%m [%p] %q%u@%d %a "),
];

/// A server's certificate and key, and the authority whose client certificates it accepts. The files are copied.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate (chain), PEM.
    pub cert: PathBuf,
    /// Its private key, PEM. Any mode will do: the copy gets the one on which the server insists.
    pub key: PathBuf,
    /// The authority that client certificates must come from, PEM.
    pub client_ca: Option<PathBuf>,
}

/// Describes a private server; [`start`](Builder::start) starts it.
#[derive(Clone, Default)]
#[must_use = "nothing happens until `start` is called"]
pub struct Builder {
    binaries: Option<PathBuf>,
    listen: Option<String>,
    port: Option<u16>,
    settings: Vec<(String, String)>,
    hba: Vec<String>,
    tls: Option<TlsFiles>,
    password: Option<String>,
    roles: Vec<(String, String)>,
    setup: Vec<String>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the password, nor the statements, which may hold others.
        f.debug_struct("Builder")
            .field("binaries", &self.binaries)
            .field("listen", &self.listen)
            .field("port", &self.port)
            .field("settings", &self.settings)
            .field("hba", &self.hba)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// Sets the folder with `initdb` and `postgres`, instead of searching for one.
    pub fn binaries(mut self, dir: impl Into<PathBuf>) -> Self {
        self.binaries = Some(dir.into());
        self
    }

    /// Sets the addresses to listen on, as in `listen_addresses`. Default: `127.0.0.1`.
    pub fn listen(mut self, addresses: impl Into<String>) -> Self {
        self.listen = Some(addresses.into());
        self
    }

    /// Sets the port to listen on. Default: a free one, outside of the system's range for outgoing connections.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Sets the number of connections that the server takes, those it keeps for superusers included (3, unless the setting
    /// `superuser_reserved_connections` says otherwise; none where there would be nothing left).
    pub fn max_connections(self, count: u32) -> Self {
        let builder = self.setting("max_connections", &count.to_string());
        if count <= 3 { builder.setting("superuser_reserved_connections", "0") } else { builder }
    }

    /// Adds a line to `postgresql.conf`. Of several with one name the last counts.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a line to `pg_hba.conf`, such as `"hostssl all all all scram-sha-256"`. The first of them replaces the default: over
    /// TCP a password from this machine, over the Unix-domain socket, whose folder is closed to other users, none. `postgres`
    /// itself is always let in over the socket, for administration.
    pub fn hba(mut self, line: &str) -> Self {
        self.hba.push(line.to_owned());
        self
    }

    /// Switches TLS on.
    pub fn tls(mut self, files: TlsFiles) -> Self {
        self.tls = Some(files);
        self
    }

    /// Sets the password of `postgres`. Default: a random one. [`url`](EmbeddedPostgres::url) carries it.
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        let password = quote_literal(&scram::stored(password));
        self.sql(format!("ALTER ROLE postgres PASSWORD {password}"))
    }

    /// Makes a role that may log in, with this password, which [`url_for`](EmbeddedPostgres::url_for) then carries. With an empty
    /// one it gets that of `postgres`, as does every role that is made here by a statement and has none.
    pub fn role(mut self, name: &str, password: &str) -> Self {
        let role = quote_name(name);
        if password.is_empty() {
            return self.sql(format!("CREATE ROLE {role} LOGIN"));
        }
        self.roles.push((name.to_owned(), password.to_owned()));
        let password = quote_literal(&scram::stored(password));
        self.sql(format!("CREATE ROLE {role} LOGIN PASSWORD {password}"))
    }

    /// Makes a database.
    pub fn database(self, name: &str) -> Self {
        let name = quote_name(name);
        self.sql(format!("CREATE DATABASE {name}"))
    }

    /// Adds a statement that is run once the server has started, as `postgres` in the database `postgres`.
    pub fn sql(mut self, statement: impl Into<String>) -> Self {
        self.setup.push(statement.into());
        self
    }

    /// Makes the cluster, starts the server and waits until it takes connections.
    ///
    /// # Errors
    /// [`NotInstalled`](Error::NotInstalled), [`Initialise`](Error::Initialise) or [`NotReady`](Error::NotReady), each with the
    /// reason; [`Sql`](Error::Sql) when a statement of [`sql`](Self::sql) fails; [`Io`](Error::Io).
    pub fn start(self) -> Result<EmbeddedPostgres, Error> {
        let (workspace, binaries) = self.prepare()?;
        let folder = workspace.new_folder()?;
        let data = folder.join("data");
        let password = self.password.clone().unwrap_or_else(|| workspace.password().to_owned());
        let server = workspace
            .new_cluster(&binaries, &data)
            .and_then(|()| self.launch(workspace, binaries, &folder, (password, self.roles.clone())))
            // Without a server there is no drop that would remove its files.
            .inspect_err(|_| clear_away(&folder))?;
        self.setup.iter().try_for_each(|statement| server.execute(statement))?;
        if !self.setup.is_empty() {
            server.execute(&give_passwords(server.password()))?;
        }
        Ok(server)
    }

    /// Starts a hot standby of `primary` that follows it by streaming. Roles, their passwords and databases are the primary's.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub fn start_standby_of(self, primary: &EmbeddedPostgres) -> Result<EmbeddedPostgres, Error> {
        let (workspace, binaries) = self.prepare()?;
        let folder = workspace.new_folder()?;
        let mut copy = workspace.command(&binaries, "pg_basebackup");
        copy.args(["--checkpoint=fast", "--wal-method=stream", "--no-sync", "-d"]);
        copy.arg(primary.socket_url()).arg("-D").arg(folder.join("data"));
        let passwords = (primary.launch.password.clone(), primary.launch.roles.clone());
        // Not by --write-recovery-conf: a newer pg_basebackup writes options that an older server's libpq does not know.
        let upstream = primary.socket_url();
        run(copy)
            .and_then(|()| make_standby(&folder, &workspace))
            .and_then(|()| {
                self.setting("primary_conninfo", &upstream).launch(workspace, binaries, &folder, passwords)
            })
            .inspect_err(|_| clear_away(&folder))
    }

    fn prepare(&self) -> Result<(Arc<Workspace>, Binaries), Error> {
        let binaries = self.binaries.as_deref().map_or_else(Binaries::find, Binaries::at)?;
        Ok((Workspace::of_this_process()?, binaries))
    }

    /// Configures the cluster in `folder` and starts a server on it, on another port while other processes take ours.
    fn launch(
        &self,
        workspace: Arc<Workspace>,
        binaries: Binaries,
        folder: &Path,
        (password, roles): (String, Vec<(String, String)>),
    ) -> Result<EmbeddedPostgres, Error> {
        let settings = Settings::make(folder, workspace.user(), self.postgresql_conf(folder))?;
        settings.write_hba(&self.hba_lines())?;
        if let Some(files) = &self.tls {
            settings.install_tls(files)?;
        }
        let settings = Arc::new(settings);
        let mut tries_left = PORT_TRIES;
        loop {
            let port = self.port.map_or_else(free_port, Ok).map_err(Error::io("find a free port"))?;
            let launch = Launch {
                workspace: Arc::clone(&workspace),
                binaries: binaries.clone(),
                folder: folder.to_owned(),
                port,
                host: self.host(),
                settings: Arc::clone(&settings),
                password: password.clone(),
                roles: roles.clone(),
            };
            tries_left -= 1;
            match EmbeddedPostgres::launch(launch) {
                Err(error) if error.is_port_taken() && self.port.is_none() && tries_left > 0 => {
                    log::debug!("port {port} was taken by somebody else; trying another");
                    // Or the next failure would look like this one.
                    fs::remove_file(folder.with_extension("log")).map_err(Error::io("start a new log"))?;
                }
                other => return other,
            }
        }
    }

    /// The address under which a client on this machine finds the server.
    fn host(&self) -> String {
        let first = self.listen.as_deref().and_then(|list| list.split(',').next()).map_or("", str::trim);
        match first {
            "" | "*" | "0.0.0.0" | "::" => "127.0.0.1".to_owned(),
            address => address.to_owned(),
        }
    }

    fn postgresql_conf(&self, folder: &Path) -> String {
        let mut conf = String::new();
        let socket_dir = folder.display().to_string();
        let listen = self.listen.as_deref().unwrap_or("127.0.0.1");
        let ours = DEFAULTS.into_iter().chain([
            ("listen_addresses", listen),
            ("unix_socket_directories", socket_dir.as_str()),
            ("ssl", if self.tls.is_some() { "on" } else { "off" }),
        ]);
        let asked = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in ours.chain(asked) {
            // Writing into a String cannot fail.
            let _ = writeln!(conf, "{name} = '{}'", value.replace('\'', "''"));
        }
        conf
    }

    fn hba_lines(&self) -> Vec<String> {
        if !self.hba.is_empty() {
            return self.hba.clone();
        }
        // Every user of this machine can reach the port; the socket's folder is closed to others.
        [
            "local all all trust",
            "local replication all trust",
            "host all all 127.0.0.0/8 scram-sha-256",
            "host all all ::1/128 scram-sha-256",
            "host all all samehost scram-sha-256",
        ]
        .map(str::to_owned)
        .into()
    }
}

/// Has the server on a copied cluster follow the one that it was copied from.
fn make_standby(folder: &Path, workspace: &Workspace) -> Result<(), Error> {
    let signal = folder.join("data/standby.signal");
    fs::File::create(&signal)
        .and_then(|file| workspace.user().own(&file))
        .map_err(Error::io(format!("create {}", signal.display())))
}

/// Removes what there is of a server that did not start.
fn clear_away(folder: &Path) {
    for dir in [folder.to_owned(), folder.with_extension("conf")] {
        let _ = fs::remove_dir_all(dir);
    }
    for file in ["log", "pid"] {
        let _ = fs::remove_file(folder.with_extension(file));
    }
}

/// A statement that gives `password` to every role that may log in and has none, or it could not over TCP.
fn give_passwords(password: &str) -> String {
    let password = quote_literal(&scram::stored(password));
    format!(
        "DO $do$ DECLARE role name; BEGIN \
         FOR role IN SELECT rolname FROM pg_catalog.pg_authid WHERE rolcanlogin AND rolpassword IS NULL LOOP \
         EXECUTE format('ALTER ROLE %I PASSWORD %L', role, {password}); END LOOP; END $do$"
    )
}

pub(super) fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
