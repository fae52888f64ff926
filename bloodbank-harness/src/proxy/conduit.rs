use std::{
    io::{self, ErrorKind, Read},
    net::{Shutdown, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use rustix::net::sockopt::set_socket_linger;

use super::{Direction, Ending, Shared, gate::Passage};

/// The time after which a pump that waits for bytes notices that its connection was cut.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// A client's connection and the proxy's connection to the server for it. Both close with the last of the
/// two pumps.
#[derive(Debug)]
pub(crate) struct Conduit {
    client: TcpStream,
    server: TcpStream,
    over: AtomicBool,
}

impl Conduit {
    pub(crate) fn new(client: TcpStream, server: TcpStream) -> io::Result<Self> {
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(TICK))?;
        }
        Ok(Self { client, server, over: AtomicBool::new(false) })
    }

    pub(crate) fn sink(&self, direction: Direction) -> &TcpStream {
        match direction {
            Direction::ToServer => &self.server,
            Direction::ToClient => &self.client,
        }
    }

    fn source(&self, direction: Direction) -> &TcpStream {
        match direction {
            Direction::ToServer => &self.client,
            Direction::ToClient => &self.server,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Ends both connections in the way of the first call; the pumps notice and close the sockets.
    pub(crate) fn end(&self, ending: Ending) {
        if self.over.swap(true, Ordering::SeqCst) {
            return;
        }
        for stream in [&self.client, &self.server] {
            // A socket that is gone already needs neither.
            let _ = match ending {
                Ending::Reset => no_linger(stream),
                Ending::Close => stream.shutdown(Shutdown::Both),
            };
        }
    }
}

/// Sets the linger time to zero, so that closing the socket sends RST instead of FIN.
fn no_linger(stream: &TcpStream) -> io::Result<()> {
    set_socket_linger(stream, Some(Duration::ZERO)).map_err(Into::into)
}

pub(crate) fn drop_with_reset(stream: TcpStream) {
    // A client that has gone meanwhile needs no reset.
    let _ = no_linger(&stream);
}

/// Carries one direction of a connection until it ends or is cut.
pub(crate) fn pump(shared: &Shared, conduit: &Conduit, direction: Direction) {
    let gate = shared.gate(direction);
    let mut buffer = vec![0; 16 * 1024];
    while !conduit.is_over() {
        match conduit.source(direction).read(&mut buffer) {
            Ok(0) => {
                while gate.is_stalled() && !conduit.is_over() {
                    gate.pause();
                }
                if !conduit.is_over() {
                    // Fails when the other side is gone, which is what it would have learned.
                    let _ = conduit.sink(direction).shutdown(Shutdown::Write);
                }
                return;
            }
            Ok(read) => carry(shared, conduit, direction, &buffer[..read]),
            Err(error) if is_temporary(&error) => {}
            Err(_) => conduit.end(Ending::Reset),
        }
    }
}

fn carry(shared: &Shared, conduit: &Conduit, direction: Direction, mut bytes: &[u8]) {
    let gate = shared.gate(direction);
    while !bytes.is_empty() && !conduit.is_over() {
        match gate.pass(conduit.sink(direction), bytes) {
            Ok(Passage::Some(written)) => bytes = &bytes[written..],
            Ok(Passage::None) => gate.pause(),
            Ok(Passage::Last(ending)) => conduit.end(ending),
            Err(_) => conduit.end(Ending::Reset),
        }
    }
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
