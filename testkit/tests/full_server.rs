//! A full server turns everybody away until slots are freed, and is full again when it is told to.

use std::time::{Duration, Instant};

use holdfast_testkit::embedded::Error;
use holdfast_testkit::full_server::FullServer;
use postgres::{Client, NoTls};

fn refused(server: &FullServer) -> bool {
    match Client::connect(&server.url(), NoTls) {
        Ok(_) => false,
        Err(error) => {
            assert_eq!(error.code().map(|code| code.code()), Some("53300"), "{error}");
            true
        }
    }
}

/// Gets in within 20 s: clients that were refused just now may not have left yet.
fn enter(server: &FullServer) -> Client {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match Client::connect(&server.url(), NoTls) {
            Ok(client) => return client,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    }
}

#[test]
fn as_many_get_in_as_slots_were_freed_until_it_is_filled_again() {
    let server = FullServer::start(3).unwrap();
    assert!(refused(&server));
    assert_eq!((server.slots(), server.held()), (3, 3));
    assert_eq!(server.free(1).unwrap(), 1);
    let mut guest = enter(&server);
    assert!(refused(&server));
    assert_eq!(server.fill().unwrap(), 0, "the guest keeps its slot");
    guest.batch_execute("CREATE TABLE mine (id int)").unwrap();
    assert_eq!(server.free(usize::MAX).unwrap(), 2);
    let others = [(); 2].map(|()| enter(&server));
    assert!(refused(&server));
    drop(others);
    assert_eq!(server.free(1).unwrap(), 0, "nothing is held any more");
}

#[test]
fn a_full_server_without_slots_is_a_misuse() {
    assert!(matches!(FullServer::start(0), Err(Error::Misuse(_))));
}
