//! Passwords that change while a pool lives: from the program's callback and from the password file.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use holdfast::{Circuit, ErrorKind, Event, EventKind, PasswordRequest, Pool, PoolConfig};
use holdfast_testkit::embedded::EmbeddedPostgres;

use crate::support::proxy::Proxy;
use crate::support::{own_server, wait_until};
use crate::{config, ms};

/// A server where the role `app` needs a password, checked by `method`.
fn guarded(method: &str) -> EmbeddedPostgres {
    let encryption = if method == "md5" { "md5" } else { "scram-sha-256" };
    let server = own_server(|s| s.sql("create role app login"));
    server.execute(&format!("alter system set password_encryption = '{encryption}'")).unwrap();
    server.execute("select pg_reload_conf()").unwrap();
    server.change_hba(&[&format!("host all app all {method}"), "host all all all trust"]).unwrap();
    server
}

fn of_app(port: u16) -> PoolConfig {
    config(&format!("postgresql://app@127.0.0.1:{port}/postgres?sslmode=disable"))
}

/// A vault that rotates: what it gives is what the server takes at that moment.
#[derive(Default)]
struct Vault {
    current: Mutex<usize>,
    /// Sessions that are being opened, by what the password was when they were begun.
    openings: Mutex<BTreeMap<usize, usize>>,
}

thread_local! {
    /// What the password was when this thread began to open a session.
    static BEGAN: Cell<Option<usize>> = const { Cell::new(None) };
}

impl Vault {
    fn password(&self, session: &PasswordRequest<'_>) -> String {
        let current = self.current.lock().unwrap();
        if !session.was_refused {
            BEGAN.set(Some(*current));
            *self.openings.lock().unwrap().entry(*current).or_default() += 1;
        }
        format!("secret {current}")
    }

    fn note(&self, event: &Event<'_>) {
        if matches!(event.kind, EventKind::Opened | EventKind::OpenFailed)
            && let Some(n) = BEGAN.take()
        {
            *self.openings.lock().unwrap().get_mut(&n).expect("it was begun") -= 1;
        }
    }

    /// Changes the password, once for a session that is being opened: however slow a machine is, not twice.
    fn rotate(&self, admin: &Pool) {
        let mut current = None;
        wait_until("older sessions are open", ms(20_000), || {
            let now = self.current.lock().unwrap();
            // Not held while waiting: an older session may be asking again.
            let is_quiet = self.openings.lock().unwrap().range(..*now).all(|(_, count)| *count == 0);
            current = is_quiet.then_some(now);
            is_quiet
        });
        let mut current = current.expect("it was waited for");
        *current += 1;
        admin.batch_execute(&format!("alter role app password 'secret {current}'")).unwrap();
    }
}

#[test]
fn two_hundred_rotations_under_load_fail_no_call() {
    const ROTATIONS: usize = 200;
    let server = guarded("scram-sha-256");
    let admin = Pool::from_url(&server.url()).unwrap();
    let vault = Arc::new(Vault::default());
    vault.rotate(&admin);
    let (asked, again) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let config = of_app(server.port()).max_size(4).max_lifetime(ms(10)).password_with({
        let (asked, again, vault) = (asked.clone(), again.clone(), vault.clone());
        move |session| {
            asked.fetch_add(1, SeqCst);
            again.fetch_add(usize::from(session.was_refused), SeqCst);
            Ok(vault.password(session))
        }
    });
    let told = vault.clone();
    let pool = Pool::new(config.on_event(move |event| told.note(event))).unwrap();
    let (is_over, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let callers: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    while !is_over.load(SeqCst) {
                        pool.batch_execute("select 1")?;
                        calls.fetch_add(1, SeqCst);
                    }
                    Ok::<(), holdfast::Error>(())
                })
            })
            .collect();
        for _ in 0..ROTATIONS {
            vault.rotate(&admin);
            thread::sleep(ms(10));
        }
        is_over.store(true, SeqCst);
        for caller in callers {
            caller.join().unwrap().expect("no call fails");
        }
    });
    let (asked, again, calls) = (asked.load(SeqCst), again.load(SeqCst), calls.load(SeqCst));
    assert!(asked > ROTATIONS && calls > ROTATIONS, "asked {asked} times, {calls} calls");
    assert!(again > 0, "of {asked} sessions none was opened while its password changed");
}

/// Opens five sessions while the password changes so many times within each, every time as soon as it is out.
fn rotate_while_sessions_are_opened(method: &str, rotations: usize) {
    let server = guarded(method);
    let admin = Arc::new(Pool::from_url(&server.url()).unwrap());
    admin.batch_execute("alter role app password 'secret 0'").unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = asked.clone();
    let (mut version, mut asked_for_session) = (0, 0);
    let vault = Mutex::new(move |was_refused: bool| {
        asked_for_session = if was_refused { asked_for_session + 1 } else { 0 };
        let given = format!("secret {version}");
        if asked_for_session < rotations {
            version += 1;
            // Inside a callback no pool can be waited for, so another thread does it.
            let (admin, sql) = (admin.clone(), format!("alter role app password 'secret {version}'"));
            thread::spawn(move || admin.batch_execute(&sql)).join().unwrap()?;
        }
        Ok(given)
    });
    let pool = Pool::new(of_app(server.port()).max_size(1).password_with(move |session| {
        assert_eq!((session.host, session.user, session.dbname), ("127.0.0.1", "app", "postgres"));
        noted.lock().unwrap().push(session.was_refused);
        (*vault.lock().unwrap())(session.was_refused)
    }))
    .unwrap();
    for n in 1..=5 {
        pool.batch_execute("select 1").unwrap_or_else(|e| panic!("{method}, session {n}: {e}"));
        wait_until("its session is closed", ms(5000), || pool.release_idle() == 1);
    }
    let each = [vec![false], vec![true; rotations]].concat();
    assert_eq!(*asked.lock().unwrap(), each.repeat(5), "{method}");
}

#[test]
fn a_password_that_rotates_between_asking_and_sending_is_asked_for_again() {
    for method in ["scram-sha-256", "md5", "password"] {
        rotate_while_sessions_are_opened(method, 1);
    }
}

#[test]
fn a_password_that_rotates_twice_within_one_opening_is_asked_for_twice_more() {
    rotate_while_sessions_are_opened("scram-sha-256", 2);
}

/// Asks for a password in the clear, refuses what comes, and then does `meanwhile`. Returns the password.
fn refuse(listener: &TcpListener, meanwhile: impl FnOnce()) -> String {
    let mut accepted = None;
    wait_until("a connection", ms(10_000), || {
        accepted = listener.accept().ok();
        accepted.is_some()
    });
    let (mut client, _) = accepted.expect("it was waited for");
    client.set_nonblocking(false).unwrap();
    let mut heard = [0; 1024];
    let _packet = client.read(&mut heard).unwrap();
    client.write_all(b"R\0\0\0\x08\0\0\0\x03").unwrap();
    let length = client.read(&mut heard).unwrap();
    meanwhile();
    let refusal = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user \"app\"\0\0";
    client.write_all(b"E").unwrap();
    client.write_all(&(refusal.len() as u32 + 4).to_be_bytes()).unwrap();
    client.write_all(refusal).unwrap();
    let text = heard.get(5..length).unwrap_or_default();
    String::from_utf8_lossy(text).trim_end_matches('\0').to_owned()
}

#[test]
fn a_password_file_is_read_again_after_a_refusal_and_the_same_password_is_not_sent_twice() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let file = std::env::temp_dir().join(format!("holdfast-refused-{}", std::process::id()));
    let write = |password: &str| {
        std::fs::write(&file, format!("*:*:*:app:{password}\n")).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    };
    write("first");
    let pool =
        Pool::new(of_app(listener.local_addr().unwrap().port()).passfile(file.to_str().unwrap())).unwrap();
    let (sent, error) = thread::scope(|scope| {
        let server = scope.spawn(|| [refuse(&listener, || write("second")), refuse(&listener, || ())]);
        let error = pool.get().unwrap_err();
        (server.join().unwrap(), error)
    });
    assert_eq!(sent, ["first", "second"]);
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Auth, false), "{error}");
    assert!(listener.accept().is_err(), "a third connection");
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn a_refused_pool_tries_again_as_soon_as_its_callback_gives_another_password() {
    let server = guarded("scram-sha-256");
    server.execute("alter role app password 'right'").unwrap();
    let proxy = Proxy::before(&server);
    let (given, asked) = (Arc::new(RwLock::new("wrong".to_owned())), Arc::new(AtomicUsize::new(0)));
    let (source, counted) = (given.clone(), asked.clone());
    let pool = Pool::new(of_app(proxy.port()).password_with(move |_| {
        counted.fetch_add(1, SeqCst);
        Ok(source.read().unwrap().clone())
    }))
    .unwrap();
    assert_eq!(pool.get().unwrap_err().kind(), ErrorKind::Auth);
    *given.write().unwrap() = "right".to_owned();
    pool.get().expect("the next call has it asked at once");
    *given.write().unwrap() = "wrong".to_owned();
    wait_until("its sessions are closed", ms(5000), || {
        pool.release_idle();
        pool.stats().total == 0
    });
    let before = (asked.load(SeqCst), proxy.accepted());
    let start = Instant::now();
    while start.elapsed() < ms(3500) {
        let error = pool.get().unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Auth, false), "{error}");
        assert!(!format!("{error} {error:?}").contains("wrong"), "{error:?}");
        thread::sleep(ms(5));
    }
    let (asked, accepted) = (asked.load(SeqCst) - before.0, proxy.accepted() - before.1);
    assert!(accepted <= 4, "the server was asked {accepted} times");
    assert!((accepted + 2..30).contains(&asked), "the callback was asked {asked} times");
    assert_eq!(pool.stats().circuit, Circuit::Refused);
    // The server would be asked again in about 2 to 4 s.
    *given.write().unwrap() = "right".to_owned();
    wait_until("it is let in", ms(1900), || pool.get().is_ok());
    assert_eq!(pool.stats().circuit, Circuit::Closed);
}

#[test]
fn a_callback_that_gives_a_new_password_each_time_does_not_make_a_refused_pool_ask_for_ever() {
    let server = guarded("scram-sha-256");
    let proxy = Proxy::before(&server);
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let pool = Pool::new(
        of_app(proxy.port()).password_with(move |_| Ok(format!("token {}", counted.fetch_add(1, SeqCst)))),
    )
    .unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(4) {
        let begun = Instant::now();
        assert_eq!(pool.get().unwrap_err().kind(), ErrorKind::Auth);
        assert!(begun.elapsed() < Duration::from_secs(2), "refused after {:?}", begun.elapsed());
        thread::sleep(ms(5));
    }
    // Attempts at about 0, 0, 0.2, 0.6, 1.4, 3 s and the two to four that any refused pool makes, of three passwords each.
    assert!(proxy.accepted() <= 30, "{} connections", proxy.accepted());
    assert!(asked.load(SeqCst) <= 40, "asked {} times", asked.load(SeqCst));
}

#[test]
fn a_callback_that_fails_is_the_cause_and_tried_again_and_no_outage_of_the_server() {
    let server = guarded("scram-sha-256");
    server.execute("alter role app password 'right'").unwrap();
    let failures = Arc::new(AtomicUsize::new(usize::MAX));
    let left = failures.clone();
    let with = move |config: PoolConfig| {
        let left = left.clone();
        Pool::new(config.password_with(
            move |_| match left.fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1)) {
                Ok(n) if n % 2 == 0 => panic!("on purpose"),
                Ok(_) => Err("the vault is sealed".into()),
                Err(_) => Ok("right".to_owned()),
            },
        ))
        .unwrap()
    };
    // With the encryption tried that a server could choose, a failure of the callback is no reason for the other one.
    let pool = with(
        PoolConfig::from_url(&format!("postgresql://app@127.0.0.1:{}/postgres", server.port()))
            .unwrap()
            .retry_max(0),
    );
    let error = pool.get().unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Auth, true), "{error}");
    assert!(error.to_string().contains("the password callback failed: the vault is sealed"), "{error}");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the vault is sealed");
    let error = pool.get().unwrap_err();
    assert!(error.to_string().contains("the password callback panicked"), "{error}");
    assert_eq!(pool.stats().circuit, Circuit::Closed);
    assert_eq!(failures.load(SeqCst), usize::MAX - 2, "asked once for each");

    failures.store(2, SeqCst);
    let retrying = with(of_app(server.port()).retry_max(2).retry_base_delay(ms(1)));
    retrying.batch_execute("select 1").expect("the third attempt has a password");
    assert_eq!(retrying.stats().retries, 2);
}

#[test]
fn in_a_callback_figures_can_be_read_and_no_connection_be_waited_for() {
    static POOL: OnceLock<Pool> = OnceLock::new();
    let server = guarded("scram-sha-256");
    server.execute("alter role app password 'right'").unwrap();
    let pool = Pool::new(of_app(server.port()).password_with(|_| {
        let pool = POOL.get().expect("it is set before it is used");
        assert_eq!(pool.stats().circuit, Circuit::Closed);
        assert_eq!(pool.get().unwrap_err().kind(), ErrorKind::Misuse);
        drop(pool.health().to_string());
        Ok("right".to_owned())
    }))
    .unwrap();
    POOL.get_or_init(|| pool).batch_execute("select 1").unwrap();
    POOL.get().unwrap().close();
}
