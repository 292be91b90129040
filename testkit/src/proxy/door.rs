//! The proxy's door: who is let in, who is sent away, who gets no answer at all.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use socket2::SockRef;

use super::{Connection, Shared, pipe, waker};

/// The proxy's treatment of new connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    Open,
    Refusing,
    Unanswering,
    /// The proxy is being dropped.
    Gone,
}

/// As many as any test opens at once.
const BACKLOG: i32 = 1024;
/// A connect on this machine takes microseconds, so what has taken this long gets no answer.
const NO_ANSWER: Duration = Duration::from_millis(100);

/// The door's thread: opens and closes the door as requested, and accepts connections while it is open.
pub(super) fn keep(shared: &Arc<Shared>, port: u16, listener: TcpListener, mut woken: &UnixStream) {
    let mut listener = Some(listener);
    let mut fillers = Vec::new();
    loop {
        let wanted = shared.state.lock().door;
        move_to(wanted, shared, port, &mut listener, &mut fillers);
        shared.state.lock().door_is = Some(wanted);
        shared.changed.notify_all();
        if wanted == Door::Gone {
            return;
        }
        let mut events = vec![PollFd::new(&woken, PollFlags::IN)];
        if let (Some(listener), Door::Open) = (&listener, wanted) {
            events.push(PollFd::new(listener, PollFlags::IN));
        }
        poll(&mut events, None).unwrap();
        // Whatever was written, that it was written is the message.
        let _ = woken.read(&mut [0; 64]);
        // A statement of its own: within the `if let` the lock would be held, and letting in takes it again.
        let wanted = shared.state.lock().door;
        if let (Some(listener), Door::Open) = (&listener, wanted) {
            let_in(shared, listener);
        }
    }
}

fn move_to(
    wanted: Door,
    shared: &Shared,
    port: u16,
    listener: &mut Option<TcpListener>,
    fillers: &mut Vec<TcpStream>,
) {
    match wanted {
        Door::Refusing | Door::Gone => {
            *listener = None;
            fillers.clear();
        }
        Door::Open => {
            let listener = listener.get_or_insert_with(|| listen(port));
            listener.set_nonblocking(true).unwrap();
            SockRef::from(&*listener).listen(BACKLOG).unwrap();
            fillers.clear();
        }
        Door::Unanswering if fillers.is_empty() => {
            let listener = listener.get_or_insert_with(|| listen(port));
            // Linux takes a second `listen` as a change of the backlog.
            SockRef::from(&*listener).listen(0).unwrap();
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            while let Ok(filler) = TcpStream::connect_timeout(&address, NO_ANSWER) {
                shared.state.lock().fillers.push(filler.local_addr().unwrap().port());
                fillers.push(filler);
            }
        }
        Door::Unanswering => {}
    }
}

fn listen(port: u16) -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the proxy's port is still its own")
}

fn let_in(shared: &Arc<Shared>, listener: &TcpListener) {
    while let Ok((client, peer)) = listener.accept() {
        let mut state = shared.state.lock();
        if let Some(at) = state.fillers.iter().position(|&port| port == peer.port()) {
            // Not a client: it has only filled the backlog.
            state.fillers.swap_remove(at);
            continue;
        }
        let id = state.next_id;
        let silent = state.silent_to_newcomers;
        state.next_id += 1;
        state.accepted += 1;
        // What a machine without descriptors or threads cannot serve is hung up on.
        let Ok((waker, woken)) = waker() else { continue };
        state.connections.insert(id, Connection { waker, is_half_open: false });
        drop(state);
        let for_pipe = Arc::clone(shared);
        let thread = thread::Builder::new().name(format!("proxy {id}"));
        if thread.spawn(move || pipe::forward(&for_pipe, id, silent, client, &woken)).is_err() {
            shared.state.lock().connections.remove(&id);
        }
    }
}
