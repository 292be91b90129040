//! A fake server breaks the conversation at the word it was told to, and reports the error of one's choice at the chosen point.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use holdfast_testkit::fake_server::{FakeServer, Refusal, Script, Severity};
use postgres::{Client, NoTls};

/// Long enough for a byte to pass on a loaded machine, short enough to wait for nothing.
const A_MOMENT: Duration = Duration::from_millis(150);
const LIMIT: Duration = Duration::from_secs(20);

fn hear(mut client: &TcpStream, count: usize) -> String {
    let mut answer = vec![0; count];
    client.read_exact(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

/// Nothing comes, not even an end.
fn assert_silent(mut client: &TcpStream) {
    client.set_read_timeout(Some(A_MOMENT)).unwrap();
    let read = client.read(&mut [0; 16]);
    client.set_read_timeout(Some(LIMIT)).unwrap();
    assert_eq!(read.unwrap_err().kind(), ErrorKind::WouldBlock);
}

fn refusal(url: &str) -> (String, String) {
    let error = Client::connect(url, NoTls).err().expect("nobody gets in");
    let answer = error.as_db_error().unwrap_or_else(|| panic!("no answer of a server: {error}"));
    (answer.code().code().to_owned(), answer.message().to_owned())
}

fn code(error: &postgres::Error) -> &str {
    error.code().map_or("no code", |code| code.code())
}

#[test]
fn a_fake_server_refuses_in_the_words_it_was_given() {
    for (said, sqlstate, message) in [
        (Refusal::too_many_clients(), "53300", "sorry, too many clients already"),
        (Refusal::starting_up(), "57P03", "the database system is starting up"),
        (Refusal::pgbouncer_full(), "08P01", "no more connections allowed (max_client_conn)"),
    ] {
        for script in [Script::SayAtStartUp(said.clone()), Script::SayAfterAuthentication(said)] {
            let server = FakeServer::start(script);
            // `prefer` asks for TLS first, as most clients do.
            let url = server.url() + "?sslmode=prefer&application_name=guest";
            assert_eq!(refusal(&url), (sqlstate.to_owned(), message.to_owned()));
            assert_eq!(server.accepted(), 1);
            assert_eq!(server.startups()[0]["application_name"], "guest");
        }
    }
}

#[test]
fn an_error_at_a_statement_hits_that_one_and_the_session_goes_on() {
    let server = FakeServer::start(Script::SayAtStatement(2, Refusal::read_only()));
    let mut client = Client::connect(&server.url(), NoTls).unwrap();
    client.batch_execute("SET work_mem = '1MB'").unwrap();
    assert_eq!(code(&client.execute("INSERT INTO orders VALUES ($1)", &[&"rope"]).unwrap_err()), "25006");
    assert_eq!(client.execute("INSERT INTO orders VALUES ($1)", &[&"rope"]).unwrap(), 0);
    assert!(client.query("SELECT * FROM orders WHERE id = $1", &[&"1"]).unwrap().is_empty());
    assert_eq!(server.statements().len(), 4);
    // It is counted in each session anew.
    let mut other = Client::connect(&server.url(), NoTls).unwrap();
    other.batch_execute("VACUUM").unwrap();
    assert_eq!(code(&other.batch_execute("VACUUM").unwrap_err()), "25006");
}

#[test]
fn an_error_in_a_transaction_aborts_it_until_its_end() {
    let server = FakeServer::start(Script::SayAtStatement(2, Refusal::error("40001", "try again")));
    let mut client = Client::connect(&server.url(), NoTls).unwrap();
    let mut transaction = client.transaction().unwrap();
    assert_eq!(code(&transaction.batch_execute("UPDATE t SET n = 1").unwrap_err()), "40001");
    assert_eq!(code(&transaction.execute("UPDATE t SET n = 1", &[]).unwrap_err()), "25P02");
    transaction.rollback().unwrap();
    assert!(client.query("SELECT 1", &[]).unwrap().is_empty());
}

/// Read as bytes: the `postgres` crate may report the end of the session only.
#[test]
fn a_fatal_error_at_a_statement_ends_the_session() {
    for severity in [Severity::Fatal, Severity::Panic] {
        let said = Refusal::with(severity, "57P01", "gone");
        let server = FakeServer::start(Script::SayAtStatement(1, said));
        let mut client = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        client.set_read_timeout(Some(LIMIT)).unwrap();
        client.write_all(b"\0\0\0\x14\0\x03\0\0user\0guest\0\0").unwrap();
        client.write_all(b"Q\0\0\0\x0dselect 1\0").unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        let error = format!("S{severity}\0V{severity}\0C57P01\0Mgone\0\0");
        assert!(answer.ends_with(error.as_bytes()), "{answer:?}");
    }
}

#[test]
fn another_script_counts_for_clients_that_come_later() {
    let server = FakeServer::start(Script::LetIn);
    let mut early = Client::connect(&server.url(), NoTls).unwrap();
    server.follow(Script::SayAtStartUp(Refusal::too_many_clients()));
    assert_eq!(refusal(&server.url()).0, "53300");
    early.batch_execute("SELECT 1").unwrap();
    // Slots come free after two more have been refused.
    server.follow_after(2, Script::LetIn);
    assert_eq!(refusal(&server.url()).0, "53300");
    assert_eq!(refusal(&server.url()).0, "53300");
    Client::connect(&server.url(), NoTls).unwrap();
    Client::connect(&server.url(), NoTls).unwrap();
}

#[test]
fn silent_servers_are_silent_at_the_word_their_script_names() {
    let ssl_request = [0, 0, 0, 8, 4, 210, 22, 47];
    let startup = b"\0\0\0\x13\0\x03\0\0user\0guest\0\0";
    let scripts: [(Script, &[u8], &str); 4] = [
        (Script::SilentAfterAccept, &ssl_request, ""),
        (Script::SilentInTls, &ssl_request, "S"),
        (Script::SilentInAuthentication, &ssl_request, "N"),
        (Script::StuffBehindTlsAnswer(b"more".to_vec()), &ssl_request, "Smore"),
    ];
    for (script, said, answer) in scripts {
        let server = FakeServer::start(script);
        let mut client = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        client.write_all(said).unwrap();
        assert_eq!(hear(&client, answer.len()), answer);
        assert_silent(&client);
        client.write_all(startup).unwrap();
        assert_silent(&client);
        drop(server);
        // An end or a reset, but not silence: the server is gone.
        let gone = client.read(&mut [0; 16]);
        assert!(
            matches!(&gone, Ok(0)) || gone.as_ref().is_err_and(|e| e.kind() == ErrorKind::ConnectionReset)
        );
    }
}

#[test]
fn a_server_of_something_else_says_its_own_and_hangs_up() {
    let server = FakeServer::start(Script::SayBytes(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()));
    let error = Client::connect(&server.url(), NoTls).err().unwrap();
    assert!(error.as_db_error().is_none(), "{error}");
    let server = FakeServer::start(Script::HangUp);
    assert!(Client::connect(&server.url(), NoTls).err().unwrap().is_closed());
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let first = FakeServer::start(Script::HangUp);
    let error = FakeServer::start_on(Some(first.port()), Script::HangUp).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}
