//! A real PgBouncer in front of a private server.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use holdfast_testkit::embedded::{EmbeddedPostgres, free_port};

use super::wait_until;

pub struct PgBouncer {
    process: Child,
    directory: PathBuf,
    port: u16,
}

impl PgBouncer {
    /// Starts one in transaction mode; `settings` are lines of its `[pgbouncer]` section.
    pub fn start(server: &EmbeddedPostgres, settings: &str) -> Self {
        Self::start_with(server, "*", settings, "")
    }

    /// The same for one database, or `*` for all, and with a file of users and their passwords, named `users` there.
    pub fn start_with(server: &EmbeddedPostgres, database: &str, settings: &str, users: &str) -> Self {
        let port = free_port().unwrap();
        let directory =
            std::env::temp_dir().join(format!("holdfast-pgbouncer-{}-{port}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        // It refuses to be root and drops to another user, who has to read this.
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        let file = directory.join("pgbouncer.ini");
        // With auth_type=any every user is let in as the one named for the database.
        let text = format!(
            "[databases]\n{database} = host=127.0.0.1 port={} user=postgres password={}\n[pgbouncer]\nlisten_addr=127.0.0.1\n\
             listen_port={port}\nauth_type=any\nunix_socket_dir=\npool_mode=transaction\n\
             ignore_startup_parameters=extra_float_digits\n{settings}\n",
            server.port(),
            server.password()
        );
        fs::File::create(&file).unwrap().write_all(text.as_bytes()).unwrap();
        fs::write(directory.join("users"), users).unwrap();
        let mut command = Command::new("pgbouncer");
        if rustix::process::getuid().is_root() {
            command.args(["-u", "postgres"]);
        }
        let process = command
            .arg(&file)
            .current_dir(&directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pgbouncer is installed (package pgbouncer)");
        let bouncer = Self { process, directory, port };
        wait_until("PgBouncer accepts", Duration::from_secs(10), || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        std::thread::sleep(Duration::from_millis(20));
        bouncer
    }

    pub fn url(&self) -> String {
        self.url_for("postgres", "postgres")
    }

    pub fn url_for(&self, user: &str, database: &str) -> String {
        format!("postgresql://{user}@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// The installed version, as in `(1, 21)`.
    pub fn version() -> (u32, u32) {
        let output = Command::new("pgbouncer").arg("--version").output().expect("pgbouncer is installed");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut numbers = said.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok());
        (numbers.next().expect(&said), numbers.next().expect(&said))
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}
