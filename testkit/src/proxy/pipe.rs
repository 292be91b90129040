//! One connection through the proxy: a thread that moves bytes both ways, as far as it may.
//!
//! One thread owns both sockets, so that closing them really closes them: a reset is only sent by the last descriptor.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::SockRef;

use super::{Shared, State, Then};

/// How much is held for a side that does not read, before its sender is made to wait.
const MOST_HELD: usize = 256 * 1024;
const CHUNK: usize = 16 * 1024;

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    ToServer,
    ToClient,
}

/// Bytes that go one way, each chunk with the time at which it may arrive.
struct Flow {
    way: Way,
    held: VecDeque<(Instant, Vec<u8>)>,
    held_bytes: usize,
    source_ended: bool,
    sink_ended: bool,
    /// The sink takes nothing just now.
    sink_full: bool,
}

/// The connection is to be reset on both sides: it was cut, or one of them reset it.
struct Reset;

/// The thread of connection `id`.
pub(super) fn forward(shared: &Shared, id: u64, silent: bool, client: TcpStream, woken: &UnixStream) {
    let mut server = None;
    if let Err(Reset) = converse(shared, id, silent, &client, &mut server, woken) {
        for socket in [Some(&client), server.as_ref()].into_iter().flatten() {
            // Closing with no time to linger sends a reset; a socket that is broken already needs none.
            let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
        }
    }
    // The sockets first: who sees the connection gone from the list may count on its end having been sent.
    drop((client, server));
    shared.state.lock().connections.remove(&id);
    shared.changed.notify_all();
}

/// Forwards until both sides have ended in order, or there is a reset.
fn converse(
    shared: &Shared,
    id: u64,
    silent: bool,
    client: &TcpStream,
    server: &mut Option<TcpStream>,
    woken: &UnixStream,
) -> Result<(), Reset> {
    // A connection that is never heard does not reach the server either.
    while !may_pass(&shared.state.lock(), id, silent)? {
        if id < shared.state.lock().half_open_before {
            client.set_nonblocking(true).map_err(|_| Reset)?;
            return lose_server(shared, id, client, server, woken);
        }
        sleep(&mut [PollFd::new(woken, PollFlags::IN)], None, woken);
    }
    *server = Some(TcpStream::connect(&shared.upstream).map_err(|_| Reset)?);
    for socket in [Some(client), server.as_ref()].into_iter().flatten() {
        socket.set_nonblocking(true).and_then(|()| socket.set_nodelay(true)).map_err(|_| Reset)?;
    }
    let [mut to_server, mut to_client] = [Flow::new(Way::ToServer), Flow::new(Way::ToClient)];
    loop {
        let mut state = shared.state.lock();
        let passes = may_pass(&state, id, silent)?;
        let Some(upstream) = server.as_ref().filter(|_| id >= state.half_open_before) else {
            drop(state);
            return lose_server(shared, id, client, server, woken);
        };
        if id < state.close_before && !to_client.sink_ended {
            to_client.end_sink(client);
        }
        if passes {
            to_server.advance(&mut state, client, upstream)?;
            to_client.advance(&mut state, upstream, client)?;
        }
        drop(state);
        if to_server.is_over() && to_client.is_over() {
            return Ok(());
        }
        let mut events = vec![PollFd::new(woken, PollFlags::IN)];
        let mut due = None;
        if passes {
            events.extend(interest(client, &to_server, &to_client));
            events.extend(interest(upstream, &to_client, &to_server));
            due = [&to_server, &to_client].into_iter().filter_map(Flow::next_due).min();
        }
        sleep(&mut events, due, woken);
    }
}

/// Resets the server's side and swallows what the client sends, until it leaves or is cut.
fn lose_server(
    shared: &Shared,
    id: u64,
    mut client: &TcpStream,
    server: &mut Option<TcpStream>,
    woken: &UnixStream,
) -> Result<(), Reset> {
    if let Some(server) = server.take() {
        let _ = SockRef::from(&server).set_linger(Some(Duration::ZERO));
    }
    if let Some(connection) = shared.state.lock().connections.get_mut(&id) {
        connection.is_half_open = true;
    }
    shared.changed.notify_all();
    let mut chunk = [0; CHUNK];
    loop {
        if id < shared.state.lock().cut_before {
            return Err(Reset);
        }
        match client.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let mut events = [PollFd::new(client, PollFlags::IN), PollFd::new(woken, PollFlags::IN)];
                sleep(&mut events, None, woken);
            }
            Err(_) => return Err(Reset),
        }
    }
}

/// Waits for one of `events`, a control, or the time `due`.
fn sleep(events: &mut [PollFd<'_>], due: Option<Instant>, mut woken: &UnixStream) {
    let wait = due.map(|due| due.saturating_duration_since(Instant::now()));
    let wait = wait.and_then(|wait| Timespec::try_from(wait).ok());
    // An interrupted wait is a wait: everything is looked at again after it.
    let _ = poll(events, wait.as_ref());
    // Whatever was written, that it was written is the message.
    let _ = woken.read(&mut [0; 64]);
}

/// Whether bytes may pass now, or the connection is to be cut.
fn may_pass(state: &State, id: u64, silent: bool) -> Result<bool, Reset> {
    if id < state.cut_before {
        return Err(Reset);
    }
    let unheard = state.deaf || (silent && state.silent_to_newcomers);
    Ok(!unheard)
}

/// What to wait for on `socket`, the source of `from` and the sink of `to`. A socket of which nothing is wanted is left
/// out, since `poll` reports its hang-up all the same, again and again.
fn interest<'a>(socket: &'a TcpStream, from: &Flow, to: &Flow) -> Option<PollFd<'a>> {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN, from.wants_more());
    flags.set(PollFlags::OUT, to.sink_full);
    (!flags.is_empty()).then(|| PollFd::new(socket, flags))
}

impl Flow {
    fn new(way: Way) -> Self {
        Self {
            way,
            held: VecDeque::new(),
            held_bytes: 0,
            source_ended: false,
            sink_ended: false,
            sink_full: false,
        }
    }

    fn wants_more(&self) -> bool {
        !self.source_ended && self.held_bytes < MOST_HELD
    }

    /// When the next chunk arrives, unless it only waits for its sink.
    fn next_due(&self) -> Option<Instant> {
        if self.sink_full { None } else { self.held.front().map(|(due, _)| *due) }
    }

    /// Takes what the source has, and gives the sink what is due.
    fn advance(&mut self, state: &mut State, source: &TcpStream, sink: &TcpStream) -> Result<(), Reset> {
        self.take(state, source)?;
        self.give(state, sink)?;
        if self.source_ended && self.held.is_empty() && !self.sink_ended {
            self.end_sink(sink);
        }
        Ok(())
    }

    /// Tells the sink that nothing more comes.
    fn end_sink(&mut self, sink: &TcpStream) {
        self.sink_ended = true;
        // A socket that is closed already has been told.
        let _ = sink.shutdown(Shutdown::Write);
    }

    fn is_over(&self) -> bool {
        self.source_ended && self.sink_ended
    }

    fn take(&mut self, state: &State, mut source: &TcpStream) -> Result<(), Reset> {
        let mut chunk = [0; CHUNK];
        while self.wants_more() {
            match source.read(&mut chunk) {
                Ok(0) => self.source_ended = true,
                Ok(count) => {
                    self.held.push_back((Instant::now() + state.latency, chunk[..count].to_vec()));
                    self.held_bytes += count;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(Reset),
            }
        }
        Ok(())
    }

    fn give(&mut self, state: &mut State, mut sink: &TcpStream) -> Result<(), Reset> {
        self.sink_full = false;
        while let Some((due, chunk)) = self.held.front_mut() {
            if *due > Instant::now() {
                return Ok(());
            }
            let allowed = match state.budget {
                Some((budget, _)) if self.way == Way::ToClient => budget.min(chunk.len()),
                _ => chunk.len(),
            };
            // A client that was half-closed gets nothing more; the bytes are lost.
            let count = if self.sink_ended { chunk.len() } else { write(&mut sink, &chunk[..allowed])? };
            self.sink_full = count == 0 && allowed > 0;
            self.held_bytes -= count;
            chunk.drain(..count);
            if chunk.is_empty() {
                self.held.pop_front();
            }
            self.account(state, count)?;
            if count == 0 {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Counts what has passed, and makes the outage that was to come after so many bytes.
    fn account(&self, state: &mut State, count: usize) -> Result<(), Reset> {
        if self.way == Way::ToServer {
            state.bytes_from_client += count;
            return Ok(());
        }
        state.bytes_from_server += count;
        let Some((left, then)) = &mut state.budget else {
            return Ok(());
        };
        *left -= count.min(*left);
        match (*left, *then) {
            (0, Then::GoDeaf) => state.deaf = true,
            (0, Then::Cut) => {
                state.budget = None;
                return Err(Reset);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Writes what goes in now; 0 when nothing does.
fn write(sink: &mut &TcpStream, bytes: &[u8]) -> Result<usize, Reset> {
    match sink.write(bytes) {
        Ok(count) => Ok(count),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        Err(_) => Err(Reset),
    }
}
