//! The folder in which this process keeps its private servers, and the watcher that clears it away when the process ends,
//! however it ends.
//!
//! A process that is killed runs no destructor, and statics are never dropped at all, so another process must clean up. That
//! is a small shell script with one end of a pipe as its standard input. Nothing is ever written to the other end: it closes
//! when this process ends, since the kernel closes every descriptor of a process that died of anything, and the script's
//! `read` returns. No descriptor of this process reaches a server or any other program it starts (the standard library opens
//! all of them close-on-exec), so no other process can hold the pipe open.
//!
//! The folder also holds the template: `initdb` takes 0.7 s and a copy of what it made 0.1 s, on a machine at rest, so it runs once
//! per process. All copies share one system identifier, which matters to nobody but a standby of the wrong primary, and one
//! password.
//!
//! For a server with the number 1 there is the folder `1`, which is the server user's and holds the data and the socket; beside
//! it, and nobody's but ours, `1.conf` with what configures it, its log `1.log`, and `1.pid` with the number of its postmaster.

use std::collections::HashMap;
use std::env;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;

use super::binaries::Binaries;
use super::error::Error;
use super::files;
use super::scram;
use super::user::ServerUser;

/// Waits for the owner's end, then ends every cluster below `$1` and removes it.
///
/// The clusters' processes are those of `processes.rs`. Each is told to go on, in case it was frozen, and the postmaster to quit
/// at once, so that it gives its shared memory back; what is left after 5 s is killed. Nothing below a server's own folder is
/// opened, and where a process stands is read from the kernel, never from a path that a link could lead elsewhere.
const WATCHER: &str = r#"
trap '' HUP INT QUIT TERM
read -r _
processes() {
    if [ -e /proc/self/stat ]; then
        own=' '
        grown=1
        while [ -n "$grown" ]; do
            grown=
            for process in /proc/[0-9]*; do
                pid=${process#/proc/}
                [ "$process/cwd" -ef "$1" ] || continue
                case $own in *" $pid "*) continue ;; esac
                [ "$(readlink "$process/cwd")" = "$1" ] || continue
                program=$(readlink "$process/exe")
                read -r stat < "$process/stat" || continue
                set -- "$1" "$2" ${stat##*)}
                case ${program##*/} in
                    *postgres*) ;;
                    *) case $own in *" $4 "*) ;; *) continue ;; esac ;;
                esac
                own="$own$pid "
                grown=1
            done
        done
        echo $own
    else
        ps -A -o pid= -o ppid= | while read -r pid parent; do
            if [ "$pid" = "$2" ] || [ "$parent" = "$2" ]; then echo "$pid"; fi
        done
    fi
}
for file in "$1"/*.pid; do
    [ -f "$file" ] || continue
    read -r postmaster < "$file"
    data=${file%.pid}/data
    running=$(processes "$data" "$postmaster")
    [ -n "$running" ] || continue
    kill -CONT $running
    case " $(echo $running) " in *" $postmaster "*) kill -QUIT "$postmaster" ;; esac
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do
        [ -n "$(processes "$data" "$postmaster")" ] || break
        sleep 0.2
    done
    running=$(processes "$data" "$postmaster")
    [ -z "$running" ] || kill -KILL $running
done
rm -rf "$1"
"#;

/// The longest path of a Unix-domain socket is 104 bytes on macOS (108 on Linux); below our folder follow a number and
/// `/.s.PGSQL.65535.lock`.
const LONGEST_FOLDER: usize = 104 - 30;

/// This process' folder. It lives as long as the process: statics are not dropped, the watcher sees to it.
static WORKSPACE: Mutex<Option<Arc<Workspace>>> = Mutex::new(None);

#[derive(Debug)]
pub(super) struct Workspace {
    dir: PathBuf,
    user: ServerUser,
    next: AtomicU32,
    templates: Mutex<HashMap<Binaries, PathBuf>>,
    /// The password of `postgres`, over TCP: other users of the machine can reach the port.
    password: String,
    /// Our end of the watcher's pipe. Held, never used.
    _lifeline: ChildStdin,
    /// The process that made this; a forked child must neither share it nor clear it away.
    owner: u32,
}

impl Workspace {
    /// The folder of this process, made when first asked for.
    pub(super) fn of_this_process() -> Result<Arc<Self>, Error> {
        let mut workspace = WORKSPACE.lock();
        if let Some(existing) = &*workspace
            // After a fork without exec, parent and child would count on in the same folder.
            && existing.is_ours()
            // Somebody's cleaner of temporary folders may have been here.
            && existing.dir.is_dir()
        {
            return Ok(Arc::clone(existing));
        }
        let made = Arc::new(Self::make()?);
        *workspace = Some(Arc::clone(&made));
        Ok(made)
    }

    fn make() -> Result<Self, Error> {
        let user = ServerUser::choose();
        let base = base_for(user);
        let name = format!("holdfast-pg-{}-{:06x}", process::id(), fastrand::u32(..0x100_0000));
        let dir = base.join(name);
        // Fails if it exists, so that nothing can have been put there in advance.
        DirBuilder::new().mode(0o700).create(&dir).map_err(Error::io(format!("create {}", dir.display())))?;
        // The watcher comes before anything that needs cleaning up.
        let lifeline = watch(&dir).inspect_err(|_| drop(fs::remove_dir(&dir)))?;
        if user != ServerUser::Myself {
            // The server's user passes through to its own folders, and cannot look around or add anything.
            fs::set_permissions(&dir, fs::Permissions::from_mode(0o711))
                .map_err(Error::io(format!("open {} to the server's user", dir.display())))?;
        }
        let (next, templates) = (AtomicU32::new(1), Mutex::new(HashMap::new()));
        let password = random_password()?;
        Ok(Self { dir, user, next, templates, password, _lifeline: lifeline, owner: process::id() })
    }

    /// The password of `postgres` in a new cluster.
    pub(super) fn password(&self) -> &str {
        &self.password
    }

    /// Whether this very process made it, and not one from which it was forked.
    pub(super) fn is_ours(&self) -> bool {
        self.owner == process::id()
    }

    pub(super) fn user(&self) -> ServerUser {
        self.user
    }

    /// A new empty folder that belongs to the server's user.
    pub(super) fn new_folder(&self) -> Result<PathBuf, Error> {
        let dir = self.dir.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        DirBuilder::new()
            .mode(0o700)
            .create(&dir)
            .and_then(|()| files::own_folder(&dir, self.user))
            .map_err(Error::io(format!("create {}", dir.display())))?;
        Ok(dir)
    }

    /// Makes `data` a fresh cluster.
    pub(super) fn new_cluster(&self, binaries: &Binaries, data: &Path) -> Result<(), Error> {
        // Held while `initdb` runs: another thread that wants a cluster now needs that very template.
        let mut templates = self.templates.lock();
        let template = match templates.get(binaries) {
            Some(template) => template.clone(),
            None => {
                let template = self.new_folder()?;
                self.initdb(binaries, &template)?;
                templates.insert(binaries.clone(), template.clone());
                template
            }
        };
        drop(templates);
        // By a program that runs as the server's user: whatever is in the template, this user may have and read already.
        let mut copy = self.command_of(PathBuf::from("cp"));
        copy.arg("-Rp").arg(&template).arg(data);
        run(copy)
    }

    fn initdb(&self, binaries: &Binaries, dir: &Path) -> Result<(), Error> {
        let password_file = dir.with_extension("pw");
        files::write(&password_file, self.password.as_bytes(), self.user)
            .map_err(Error::io(format!("write {}", password_file.display())))?;
        let mut initdb = self.command(binaries, "initdb");
        initdb.args(["--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        // With SCRAM for TCP, initdb sets `password_encryption` to it as well, which before 14 is not the default: for passwords
        // that statements give.
        initdb.args(["--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile"]).arg(&password_file);
        // 1 MB instead of 16 MB per segment makes the template, and so every copy, a good deal smaller.
        initdb.args(["--wal-segsize=1", "-D"]).arg(dir);
        let made = run(initdb);
        fs::remove_file(&password_file).map_err(Error::io(format!("remove {}", password_file.display())))?;
        made?;
        // Not through the file: before 14 initdb reads no more than 99 bytes of it.
        let verifier = scram::stored(&self.password);
        let mut postgres = self.command(binaries, "postgres");
        postgres.args(["--single", "-c", "fsync=off", "-D"]).arg(dir).arg("postgres");
        let statement = files::pipe_with(format!("ALTER ROLE postgres PASSWORD '{verifier}'\n").as_bytes());
        postgres.stdin(statement.map_err(Error::io("make a pipe"))?);
        run(postgres)
    }

    /// One of PostgreSQL's programs, to be run as the server's user and without anything of ours that could sway it.
    pub(super) fn command(&self, binaries: &Binaries, program: &str) -> Command {
        self.command_of(binaries.program(program))
    }

    fn command_of(&self, program: PathBuf) -> Command {
        let mut command = Command::new(program);
        self.user.apply(&mut command);
        for (name, _) in env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG")) {
            command.env_remove(name);
        }
        command
            .env("LC_ALL", "C") // messages in the one language that we read
            .current_dir(&self.dir) // ours may be closed to the server's user
            .stdin(Stdio::null())
            .process_group(0); // Ctrl-C in a terminal is for the owner alone; the server ends in the owner's time
        command
    }
}

/// Runs a program to its end; what it printed becomes the error.
pub(super) fn run(mut command: Command) -> Result<(), Error> {
    let program = PathBuf::from(command.get_program());
    let output = command.output().map_err(Error::io(format!("run {}", program.display())))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stderr, output.stdout].concat();
    Err(Error::Initialise {
        program,
        output: format!("{}\n{}", output.status, String::from_utf8_lossy(&said).trim()),
    })
}

/// The temporary folder, unless its path is too long for a socket or the server's user cannot get there.
fn base_for(user: ServerUser) -> PathBuf {
    let fits = |dir: &PathBuf| dir.as_os_str().len() + "/holdfast-pg-4194304-ffffff".len() <= LONGEST_FOLDER;
    let usual = [env::temp_dir(), PathBuf::from("/tmp"), PathBuf::from("/var/tmp")];
    // Without symbolic links, since a process' own idea of where it stands has none, and we compare with that.
    let real = usual.iter().filter_map(|dir| fs::canonicalize(dir).ok());
    real.filter(fits).find(|dir| user.can_reach(dir)).unwrap_or_else(env::temp_dir)
}

fn watch(dir: &Path) -> Result<ChildStdin, Error> {
    let mut watcher = Command::new("/bin/sh");
    watcher.args(["-c", WATCHER, "holdfast-watcher"]).arg(dir);
    // In a group of its own, so that Ctrl-C or a runner's signal to our group does not end it before its work is done; and
    // without our output, so that no reader of that has to wait for it.
    watcher
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .current_dir("/");
    let mut child = watcher.spawn().map_err(Error::io("start the watcher with /bin/sh"))?;
    child.stdin.take().ok_or_else(|| Error::Misuse("the watcher has no standard input".to_owned()))
}

/// 32 letters and digits, of 128 random bits.
fn random_password() -> Result<String, Error> {
    let mut random = [0; 16];
    openssl::rand::rand_bytes(&mut random)
        .map_err(|error| Error::Misuse(format!("no random numbers for a password: {error}")))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}
