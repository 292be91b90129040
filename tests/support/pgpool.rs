//! A real pgpool-II in front of a private server, where it is installed.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use holdfast_testkit::embedded::{EmbeddedPostgres, free_port};

use super::wait_until;

pub struct Pgpool {
    process: Child,
    directory: PathBuf,
    port: u16,
    password: String,
}

impl Pgpool {
    /// Starts one that serves `children` clients at a time; `settings` are lines of its configuration. Returns `None`, and says
    /// so, where it is not installed.
    pub fn start(server: &EmbeddedPostgres, children: u32, settings: &str) -> Option<Self> {
        let Some(program) =
            ["/usr/sbin/pgpool", "/usr/bin/pgpool"].into_iter().find(|p| Path::new(p).exists())
        else {
            // Past the capture of a test that passes.
            let line = "holdfast: left out: pgpool-II, since it is not installed (package pgpool2)\n";
            let _ = std::io::stderr().write_all(line.as_bytes());
            return None;
        };
        let (port, control) = (free_port().unwrap(), free_port().unwrap());
        let directory = std::env::temp_dir().join(format!("holdfast-pgpool-{}-{port}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        // The user that it runs as keeps sockets and a file with its process here.
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).unwrap();
        let place = directory.display();
        let file = directory.join("pgpool.conf");
        let text = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\npcp_port = {control}\nsocket_dir = '{place}'\n\
             pcp_socket_dir = '{place}'\nlogdir = '{place}'\npid_file_name = '{place}/pid'\n\
             backend_clustering_mode = 'raw'\nbackend_hostname0 = '127.0.0.1'\nbackend_port0 = {}\n\
             backend_flag0 = 'DISALLOW_TO_FAILOVER'\nnum_init_children = {children}\nmax_pool = 1\nenable_pool_hba = off\n\
             pool_passwd = ''\nallow_clear_text_frontend_auth = on\nsr_check_period = 0\n{settings}\n",
            server.port(),
        );
        fs::write(&file, text).unwrap();
        let mut command = if rustix::process::getuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups", program]);
            command
        } else {
            Command::new(program)
        };
        let process = command
            .args(["-n", "-f"])
            .arg(&file)
            .current_dir(&directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pgpool-II starts");
        let pgpool = Self { process, directory, port, password: server.password().to_owned() };
        wait_until("pgpool-II accepts", Duration::from_secs(20), || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Some(pgpool)
    }

    pub fn url(&self) -> String {
        self.url_for(&self.password, "postgres")
    }

    pub fn url_for(&self, password: &str, database: &str) -> String {
        format!("postgresql://postgres:{password}@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Pgpool {
    fn drop(&mut self) {
        // SIGINT is its fast shutdown, which ends its children as well.
        if let Some(pid) = rustix::process::Pid::from_raw(self.process.id().cast_signed()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        }
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}
