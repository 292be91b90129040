//! Tests with a server that answers what the pool asks for itself as no PostgreSQL does.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::{env, panic, thread};

use super::core::Core;
use super::handle::{Handle, Pool};
use super::whole_tests::{SIZE, assert_whole, ms, soon, use_one};
use crate::config::PoolConfig;
use crate::config::settings::TargetSessionAttrs;
use crate::connect::Connector;
use crate::link::dial::in_process::InProcess;
use crate::resilience::fleet::census::Id;
use crate::sys::sync::Mutex;

/// The process id that every session of the server has, by which a census finds its own.
const PROCESS: &str = "7";

/// Values for any column.
const VALUES: [Option<&str>; 18] = [
    None,
    Some(""),
    Some(PROCESS),
    Some("0"),
    Some("1"),
    Some("-1"),
    Some("97"),
    Some("2147483647"),
    Some("2147483648"),
    Some("4294967295"),
    Some("9223372036854775807"),
    Some("18446744073709551616"),
    Some("1e19"),
    Some("NaN"),
    Some("-inf"),
    Some("idle in transaction"),
    Some("0000000a"),
    Some("on"),
];

/// The parts of a message: its kind and its body.
fn message(out: &mut Vec<u8>, kind: u8, body: &[u8]) {
    out.push(kind);
    out.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    out.extend_from_slice(body);
}

fn result(out: &mut Vec<u8>, rows: &[Row]) {
    let columns = rows.first().map_or(0, Vec::len);
    let column = [&b"c\0"[..], &[0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 255, 255, 255, 255, 255, 255, 0, 0]].concat();
    message(out, b'T', &[&(columns as u16).to_be_bytes()[..], &column.repeat(columns)].concat());
    for row in rows {
        let mut body = (columns as u16).to_be_bytes().to_vec();
        for value in row {
            let length = value.as_ref().map_or(-1, |value| value.len() as i32);
            body.extend_from_slice(&length.to_be_bytes());
            body.extend_from_slice(value.as_deref().unwrap_or_default().as_bytes());
        }
        message(out, b'D', &body);
    }
    message(out, b'C', b"SELECT 1\0");
}

type Row = Vec<Option<String>>;

/// Rows of equal width: mostly of the kind that was asked for, with numbers beyond belief and now and then anything at all.
fn odd_rows(is_census: bool, random: &mut fastrand::Rng) -> Vec<Row> {
    let columns = if random.u8(..4) > 0 { if is_census { 9 } else { 11 } } else { random.usize(..13) };
    let most_rows = random.choice([1, 5, 600]).unwrap_or(1);
    let odd_share = random.choice([0, 0, 4, 60]).unwrap_or(0);
    let number = |random: &mut fastrand::Rng| {
        random.choice(["3", "97", "65536", "2147483647", "4294967295", "9223372036854775807"])
    };
    let limit = number(random);
    let all_are_small = random.bool();
    let row = |random: &mut fastrand::Rng| {
        let value = |column: usize, random: &mut fastrand::Rng| match column {
            _ if random.u8(..) < odd_share => VALUES[random.usize(..VALUES.len())].map(str::to_owned),
            0 if is_census => Some(PROCESS.to_owned()),
            1 if is_census => Some("1700000000.5".to_owned()),
            5 if is_census => random.bool().then(|| format!("{:08x}", random.u32(..))),
            0..4 => limit.map(str::to_owned),
            4 if is_census => limit.map(str::to_owned),
            4..6 => Some("app".to_owned()),
            6 if !is_census => random.choice(["active", "idle in transaction"]).map(str::to_owned),
            _ if all_are_small => Some("3".to_owned()),
            _ => number(random).map(str::to_owned),
        };
        (0..columns).map(|column| value(column, random)).collect()
    };
    (0..random.usize(..=most_rows)).map(|_| row(random)).collect()
}

/// Answers by the simple protocol on one connection.
fn serve(mut stream: UnixStream, random: &Mutex<fastrand::Rng>, asked: &AtomicU32) -> io::Result<()> {
    let mut length = [0; 4];
    let mut read = |stream: &mut UnixStream| -> io::Result<Vec<u8>> {
        stream.read_exact(&mut length)?;
        let mut body = vec![0; (u32::from_be_bytes(length) as usize).saturating_sub(4)];
        stream.read_exact(&mut body).map(|()| body)
    };
    read(&mut stream)?;
    let mut out = Vec::new();
    message(&mut out, b'R', &[0; 4]);
    message(&mut out, b'S', b"server_version\x0017.0\0");
    message(&mut out, b'K', &[0, 0, 0, 7, 1, 2, 3, 4]);
    loop {
        message(&mut out, b'Z', b"I");
        stream.write_all(&out)?;
        out.clear();
        let mut kind = [0];
        stream.read_exact(&mut kind)?;
        let text = read(&mut stream)?;
        match (kind[0], text.as_slice()) {
            (b'Q', b"\0") => message(&mut out, b'I', b""),
            (b'Q', b"select 1\0") => result(&mut out, &[vec![Some("1".to_owned())]]),
            (b'Q', text) => {
                asked.fetch_add(1, Relaxed);
                let is_census = text.windows(3).any(|window| window == b"hf:");
                result(&mut out, &odd_rows(is_census, &mut random.lock()));
            }
            _ => return Ok(()),
        }
    }
}

/// Notes panics in the sources of the library, whichever thread they are on.
fn note_panics() -> Arc<Mutex<Vec<String>>> {
    let noted: Arc<Mutex<Vec<String>>> = Arc::default();
    let (keep, tell) = (noted.clone(), panic::take_hook());
    panic::set_hook(Box::new(move |panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        if at.starts_with("src/") && !at.contains("tests.rs") {
            keep.lock().push(panic.to_string());
        }
        tell(panic);
    }));
    noted
}

fn pool(fleet: bool, role: TargetSessionAttrs, asked: Arc<AtomicU32>) -> Pool {
    let random = Arc::new(Mutex::new(fastrand::Rng::with_seed(5)));
    let server = InProcess::new("odd", move |stream| {
        let (random, asked) = (random.clone(), asked.clone());
        thread::spawn(move || serve(stream, &random, &asked));
        Ok(())
    });
    let config =
        PoolConfig::new().max_size(SIZE).retry_base_delay(ms(1)).retry_max_delay(ms(2)).breaker_after(None);
    let (settings, mut server_settings) = config.settings_within_process().unwrap();
    server_settings.target_session_attrs = role;
    let connector = Connector::in_process(server_settings, server);
    let core = Core::with(&config, settings, connector, fleet.then_some(Id(10))).unwrap();
    Pool { _handle: Arc::new(Handle(core.clone())), core }
}

/// Set in the process that the test has for itself: other tests panic on purpose.
const ALONE: &str = "HOLDFAST_TEST_ODD_ANSWERS";

#[test]
fn whatever_a_server_answers_about_itself_panics_nobody_and_costs_no_place() {
    const NAME: &str =
        "pool::odd_answers_tests::whatever_a_server_answers_about_itself_panics_nobody_and_costs_no_place";
    if env::var_os(ALONE).is_none() {
        let mut command = Command::new(env::current_exe().unwrap());
        let output = command.args([NAME, "--exact", "--nocapture"]).env(ALONE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let failure = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("1 passed"), "{said}{failure}");
        return;
    }
    let panics = note_panics();
    let asked = Arc::new(AtomicU32::new(0));
    let subject = pool(true, TargetSessionAttrs::Any, asked.clone());
    use_one(&subject, ms(2_000), drop);
    for _ in 0..400 {
        // What the server says is read, judged and told.
        let _ = subject.explain_exhaustion().to_string();
    }
    for _ in 0..1_000 {
        let core = &subject.core;
        let Ok(mut conn) = subject.get_timeout(ms(2_000)) else { continue };
        let census = super::fleet::census::query_census(conn.conn_mut(), ms(2_000));
        drop(conn);
        core.admission.census_ended(census.ok().flatten().as_ref());
        let _ = (subject.stats(), subject.health().to_string());
        use_one(&subject, ms(50), drop);
    }
    assert!(asked.load(Relaxed) >= 1_400, "{asked:?}");
    // Nothing is believed any longer: the pool may have all of its places.
    subject.core.admission.census_ended(None);
    assert_whole(&subject, "an odd answer");

    let doubtful = pool(false, TargetSessionAttrs::Primary, asked.clone());
    for _ in 0..200 {
        use_one(&doubtful, ms(20), drop);
    }
    soon("rest", || doubtful.stats().in_use == 0 && doubtful.stats().opening == 0);
    assert_eq!(*panics.lock(), Vec::<String>::new());
}
