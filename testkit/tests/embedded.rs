//! Promises of the private server.

use std::env;
use std::error::Error as StdError;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use holdfast_testkit::embedded::{EmbeddedPostgres, Error, StopMode};
use postgres::{Client, NoTls};

type TestResult = Result<(), Box<dyn StdError>>;

/// Set for a copy of this test program that is to start a server and then be killed.
const VICTIM: &str = "HOLDFAST_TEST_VICTIM";

fn connect(server: &EmbeddedPostgres) -> Client {
    Client::connect(&server.url(), NoTls).unwrap()
}

fn pid_of(client: &mut Client) -> i32 {
    client.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0)
}

/// The SQLSTATE with which the server refused a session.
fn refusal(url: &str) -> String {
    let error = Client::connect(url, NoTls).err().expect("the server let us in");
    error.code().map_or_else(|| error.to_string(), |code| code.code().to_owned())
}

/// Looks again and again, for 20 s at the most, which is far more than any of these things takes.
fn soon(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether any process on this machine stands in `data`.
fn anybody_in(data: &Path) -> bool {
    let here =
        |entry: fs::DirEntry| fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(data));
    fs::read_dir("/proc").unwrap().flatten().any(here)
}

#[test]
fn a_server_answers_over_tcp_and_over_its_socket() -> TestResult {
    let server = EmbeddedPostgres::start()?;
    for url in [server.url(), server.socket_url(), server.url_for("postgres", "template1")] {
        let row = Client::connect(&url, NoTls)?.query_one("SELECT current_setting('port')", &[])?;
        assert_eq!(row.get::<_, String>(0), server.port().to_string());
    }
    Ok(())
}

#[test]
fn settings_roles_databases_and_statements_are_in_place_once_it_has_started() -> TestResult {
    let server = EmbeddedPostgres::builder()
        .setting("work_mem", "5MB")
        .setting("cluster_name", "it's ours")
        .role("an \"app\"", "it's secret")
        .database("orders & more")
        .sql("CREATE TABLE made_at_start (id int)")
        .start()?;
    let mut client = connect(&server);
    assert_eq!(client.query_one("SHOW work_mem", &[])?.get::<_, String>(0), "5MB");
    assert_eq!(client.query_one("SHOW cluster_name", &[])?.get::<_, String>(0), "it's ours");
    client.execute("INSERT INTO made_at_start VALUES (1)", &[])?;
    let url = server.url_with_password("an \"app\"", "it's secret", "orders & more");
    let row = Client::connect(&url, NoTls)?
        .query_one("SELECT current_user || ' in ' || current_database()", &[])?;
    assert_eq!(row.get::<_, String>(0), "an \"app\" in orders & more");
    Ok(())
}

#[test]
fn other_users_of_the_machine_do_not_get_in() -> TestResult {
    let server = EmbeddedPostgres::builder()
        .role("app", "its own")
        .role("plain", "")
        .sql("CREATE ROLE \"o'dd\" LOGIN")
        .start()?;
    for user in ["postgres", "app", "plain", "o'dd"] {
        let row = Client::connect(&server.url_for(user, "postgres"), NoTls)?.query_one("SELECT user", &[])?;
        assert_eq!(row.get::<_, &str>(0), user);
        // No password at all is refused by the client.
        let bare =
            format!("host={} port={} user='{}'", server.host(), server.port(), user.replace('\'', "\\'"));
        assert!(Client::connect(&bare, NoTls).is_err(), "{user}");
        assert_eq!(refusal(&server.url_with_password(user, "guessed", "postgres")), "28P01", "{user}");
    }
    assert!(server.password().len() >= 32, "as long as cannot be guessed");
    assert_eq!(fs::metadata(server.socket_dir())?.mode() & 0o077, 0, "the socket's folder is closed");
    let hashes = server.connect()?.query("SELECT rolpassword FROM pg_authid WHERE rolcanlogin", &[])?;
    assert!(hashes.iter().all(|row| row.get::<_, &str>(0).starts_with("SCRAM-SHA-256$")));
    Ok(())
}

#[test]
fn links_in_the_servers_folder_lead_nowhere() -> TestResult {
    let server = EmbeddedPostgres::start()?;
    let victim = env::temp_dir().join(format!("holdfast-victim-{}", std::process::id()));
    fs::write(&victim, "untouched")?;
    let owner = fs::metadata(&victim)?.uid();
    let (folder, data) = (server.socket_dir().to_owned(), server.data_dir());
    for link in [folder.join("log"), data.join("pg_hba.conf"), data.join("server.key")] {
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(&victim, &link)?;
    }
    server.change_hba(&["host all all all trust"])?;
    server.change_settings(&[("work_mem", "7MB")])?;
    server.restart()?;
    assert_eq!(connect(&server).query_one("SHOW work_mem", &[])?.get::<_, String>(0), "7MB");
    drop(server);
    let (text, now) = (fs::read_to_string(&victim)?, fs::metadata(&victim)?.uid());
    fs::remove_file(&victim)?;
    assert_eq!((text.as_str(), now), ("untouched", owner));
    Ok(())
}

#[test]
fn a_process_that_only_stands_in_the_folder_is_not_ended_with_the_server() -> TestResult {
    let server = EmbeddedPostgres::start()?;
    let mut visitor = Command::new("sleep").arg("600").current_dir(server.data_dir()).spawn()?;
    assert!(!server.pids().contains(&i32::try_from(visitor.id())?));
    // What a backend has started is the server's own, and so goes with it.
    let started = "COPY (SELECT 1) TO PROGRAM 'sleep 601'";
    let mut client = server.connect()?;
    let copying = thread::spawn(move || client.batch_execute(started));
    soon("the program runs", || server.pids().iter().any(|pid| is_sleep(*pid)));
    drop(server);
    assert!(copying.join().unwrap().is_err());
    let lives = visitor.try_wait()?.is_none();
    visitor.kill()?;
    visitor.wait()?;
    assert!(lives);
    Ok(())
}

fn is_sleep(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("sleep 601"))
}

#[test]
fn with_a_password_nobody_gets_in_without_it() -> TestResult {
    let server = EmbeddedPostgres::builder().password("s e/cret").start()?;
    Client::connect(&server.url(), NoTls)?;
    assert_eq!(refusal(&server.url_with_password("postgres", "another", "postgres")), "28P01");
    Ok(())
}

#[test]
fn a_full_server_turns_newcomers_away_and_lets_the_administrator_in() -> TestResult {
    let server = EmbeddedPostgres::builder().max_connections(5).role("app", "").start()?;
    let url = server.url_for("app", "postgres");
    let _held: Vec<Client> = (0..2).map(|_| Client::connect(&url, NoTls)).collect::<Result<_, _>>()?;
    assert_eq!(refusal(&url), "53300");
    server.execute("SELECT 1")?;
    Ok(())
}

#[test]
fn even_a_server_with_two_connections_starts_and_gives_both_of_them() -> TestResult {
    let server = EmbeddedPostgres::builder().max_connections(2).start()?;
    let _held = (connect(&server), connect(&server));
    assert_eq!(refusal(&server.url()), "53300");
    Ok(())
}

#[test]
fn a_dropped_server_leaves_neither_process_nor_folder_even_when_it_was_frozen() -> TestResult {
    let server = EmbeddedPostgres::start()?;
    let (data, folder) = (server.data_dir(), server.socket_dir().to_owned());
    let _client = connect(&server);
    server.freeze()?;
    drop(server);
    assert!(!anybody_in(&data));
    assert!(!folder.exists());
    Ok(())
}

/// Not a promise by itself: what the test below runs as another process, in order to kill it.
#[test]
fn victim_of_the_next_test() {
    if env::var_os(VICTIM).is_some() {
        let server = EmbeddedPostgres::start().unwrap();
        let _client = connect(&server);
        if env::var(VICTIM).unwrap() == "frozen" {
            server.freeze().unwrap();
        }
        println!("\nDATA {}", server.data_dir().display());
        thread::sleep(Duration::from_secs(60));
    }
}

#[test]
fn when_its_owner_is_killed_a_server_ends_and_its_folder_goes_running_or_frozen() -> TestResult {
    for state in ["running", "frozen"] {
        let mut owner = Command::new(env::current_exe()?)
            .args(["--exact", "victim_of_the_next_test", "--nocapture"])
            .env(VICTIM, state)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines();
        let data = lines.find_map(|line| line.unwrap().strip_prefix("DATA ").map(PathBuf::from)).unwrap();
        // <owner's folder>/<number>/data: all of the owner's folder must go, the template included.
        let owners_folder = data.ancestors().nth(2).unwrap();
        assert!(anybody_in(&data));
        let mut visitor = Command::new("sleep").arg("600").current_dir(&data).spawn()?;
        owner.kill()?; // SIGKILL: no destructor runs
        owner.wait()?;
        soon("no folder is left", || !owners_folder.exists());
        soon("no process is left", || !anybody_in(&data));
        let lives = visitor.try_wait()?.is_none();
        visitor.kill()?;
        visitor.wait()?;
        assert!(lives, "what only stands there is not the server's");
    }
    Ok(())
}

#[test]
fn it_does_not_run_as_root_and_its_files_are_closed_to_others() -> TestResult {
    let server = EmbeddedPostgres::start()?;
    let data = fs::metadata(server.data_dir())?;
    assert_eq!(data.mode() & 0o777, 0o700);
    for pid in server.pids() {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        assert_eq!(field("Uid:").split_whitespace().next(), Some(data.uid().to_string().as_str()));
        assert_ne!(data.uid(), 0);
        if rustix::process::geteuid().is_root() {
            assert_eq!(field("Groups:").trim(), "", "root's supplementary groups are left behind");
        }
    }
    Ok(())
}

#[test]
fn several_started_at_once_get_a_port_each() -> TestResult {
    let servers: Vec<EmbeddedPostgres> = thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(EmbeddedPostgres::start)).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect::<Result<_, _>>()
    })?;
    for server in &servers {
        let row = connect(server).query_one("SELECT current_setting('data_directory')", &[])?;
        assert_eq!(row.get::<_, String>(0), server.data_dir().display().to_string());
    }
    Ok(())
}

#[test]
fn a_frozen_server_accepts_and_says_nothing_until_it_thaws() -> TestResult {
    let server = EmbeddedPostgres::start()?;
    let mut client = connect(&server);
    server.freeze()?;
    let answer = thread::spawn(move || client.query_one("SELECT 1", &[]).map(|row| row.get::<_, i32>(0)));
    let url = server.url();
    let newcomer = thread::spawn(move || Client::connect(&url, NoTls).map(drop));
    thread::sleep(Duration::from_millis(100));
    assert!(!answer.is_finished() && !newcomer.is_finished());
    server.thaw()?;
    assert_eq!(answer.join().unwrap()?, 1);
    newcomer.join().unwrap()?;
    Ok(())
}

#[test]
fn one_frozen_backend_leaves_the_others_alone() -> TestResult {
    let server = EmbeddedPostgres::start()?;
    let (mut frozen, mut other) = (connect(&server), connect(&server));
    let pid = pid_of(&mut frozen);
    server.freeze_backend(pid)?;
    let answer = thread::spawn(move || frozen.query_one("SELECT 1", &[]).map(|row| row.get::<_, i32>(0)));
    other.query_one("SELECT 1", &[])?;
    thread::sleep(Duration::from_millis(50));
    assert!(!answer.is_finished());
    server.thaw_backend(pid)?;
    assert_eq!(answer.join().unwrap()?, 1);
    Ok(())
}

#[test]
fn a_terminated_backend_ends_alone_and_a_killed_one_takes_all_others_with_it() -> TestResult {
    let server = EmbeddedPostgres::start()?;
    let (mut first, mut second, mut third) = (connect(&server), connect(&server), connect(&server));
    server.terminate_backend(pid_of(&mut first))?;
    soon("the first session has ended", || first.simple_query("").is_err());
    second.query_one("SELECT 1", &[])?;
    server.kill_backend(pid_of(&mut second))?;
    soon("the third session has ended", || third.simple_query("").is_err());
    soon("the server has recovered", || Client::connect(&server.url(), NoTls).is_ok());
    Ok(())
}

#[test]
fn only_the_server_s_own_backends_can_be_signalled() -> TestResult {
    let server = EmbeddedPostgres::start()?;
    let ourselves = std::process::id().try_into()?;
    for pid in [ourselves, 0, -1, 1, server.postmaster_pid().unwrap()] {
        assert!(matches!(server.kill_backend(pid), Err(Error::Misuse(_))), "{pid}");
    }
    Ok(())
}

#[test]
fn a_stopped_server_refuses_and_comes_back_on_the_same_port_with_its_data() -> TestResult {
    let server = EmbeddedPostgres::builder().sql("CREATE TABLE kept (id int)").start()?;
    let mut client = connect(&server);
    for mode in [StopMode::Fast, StopMode::Immediate] {
        server.stop(mode)?;
        assert!(client.query_one("SELECT 1", &[]).is_err());
        assert!(!server.is_running());
        assert!(std::net::TcpStream::connect((server.host(), server.port())).is_err());
        server.start_again()?;
        client = connect(&server);
        client.execute("SELECT FROM kept", &[])?;
    }
    server.restart()?;
    connect(&server).execute("SELECT FROM kept", &[])?;
    assert!(matches!(server.start_again(), Err(Error::Misuse(_))));
    Ok(())
}

#[test]
fn a_crashed_server_recovers_when_it_is_started_again_and_has_kept_what_was_committed() -> TestResult {
    let server = EmbeddedPostgres::builder().sql("CREATE TABLE kept (id int)").start()?;
    server.crash()?;
    assert!(server.pids().is_empty());
    server.start_again()?;
    connect(&server).execute("SELECT FROM kept", &[])?;
    assert!(server.log().contains("not properly shut down"), "{}", server.log());
    Ok(())
}

#[test]
fn while_a_smart_stop_waits_for_a_client_newcomers_are_told_that_the_server_shuts_down() -> TestResult {
    let server = EmbeddedPostgres::start()?;
    let mut client = connect(&server);
    server.begin_stop(StopMode::Smart)?;
    soon("newcomers are refused", || Client::connect(&server.url(), NoTls).is_err());
    assert_eq!(refusal(&server.url()), "57P03");
    assert!(matches!(
        server.stop_within(StopMode::Smart, Duration::from_millis(50)),
        Err(Error::NotStopped { .. })
    ));
    client.query_one("SELECT 1", &[])?;
    drop(client);
    server.stop(StopMode::Smart)?;
    Ok(())
}

#[test]
fn changed_settings_and_access_rules_take_effect_without_a_restart() -> TestResult {
    let server = EmbeddedPostgres::start()?;
    server.change_settings(&[("work_mem", "7MB")])?;
    soon("the setting has been read", || {
        connect(&server).query_one("SHOW work_mem", &[]).unwrap().get::<_, String>(0) == "7MB"
    });
    server.change_hba(&["host all all all reject"])?;
    soon("the rules have been read", || Client::connect(&server.url(), NoTls).is_err());
    assert_eq!(refusal(&server.url()), "28000");
    server.execute("SELECT 1")?;
    Ok(())
}

#[test]
fn a_standby_follows_its_primary_until_it_is_promoted() -> TestResult {
    let primary = EmbeddedPostgres::builder().role("app", "").start()?;
    let standby = EmbeddedPostgres::builder().start_standby_of(&primary)?;
    let mut on_standby = connect(&standby);
    let mut in_recovery =
        || on_standby.query_one("SELECT pg_is_in_recovery()", &[]).unwrap().get::<_, bool>(0);
    assert!(in_recovery());
    primary.execute("CREATE TABLE shared (id int)")?;
    soon("the table has arrived", || connect(&standby).execute("SELECT FROM shared", &[]).is_ok());
    primary.stop(StopMode::Immediate)?;
    standby.promote()?;
    assert!(!in_recovery());
    connect(&standby).execute("INSERT INTO shared VALUES (1)", &[])?;
    Ok(())
}

#[test]
fn a_setting_that_the_server_rejects_fails_the_start_with_the_server_s_own_words() {
    let error = EmbeddedPostgres::builder().setting("work_mem", "plenty").start().unwrap_err().to_string();
    assert!(error.contains("invalid value for parameter \"work_mem\""), "{error}");
}

#[test]
fn a_port_that_is_taken_is_reported_when_it_was_asked_for() {
    let first = EmbeddedPostgres::start().unwrap();
    let error = EmbeddedPostgres::builder().port(first.port()).start().unwrap_err().to_string();
    assert!(error.contains("Address already in use"), "{error}");
}

#[test]
fn without_binaries_the_error_says_what_was_looked_at_and_what_to_install() {
    let error = EmbeddedPostgres::builder().binaries("/nowhere/bin").start().unwrap_err();
    assert!(matches!(error, Error::NotInstalled { .. }));
    let text = error.to_string();
    assert!(
        text.contains("/nowhere/bin: no such folder") && text.contains("apt-get install postgresql"),
        "{text}"
    );
}

#[test]
fn passwords_appear_neither_in_debug_output_nor_in_errors() {
    let builder =
        EmbeddedPostgres::builder().password("hunter2").role("app", "hunter3").role("app", "hunter4");
    assert!(!format!("{builder:?}").contains("hunter"));
    let error = builder.start().unwrap_err();
    assert!(error.to_string().contains("already exists"), "{error}");
    assert!(!error.to_string().contains("hunter"), "{error}");
}
