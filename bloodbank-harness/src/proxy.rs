mod conduit;
mod gate;

use std::{
    io,
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use parking_lot::Mutex;

use self::{
    conduit::{Conduit, drop_with_reset, pump},
    gate::Gate,
};
use crate::{HarnessError, ports::loopback, until};

const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
const CUT_DEADLINE: Duration = Duration::from_secs(5);

/// A direction through the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The direction from the client to the server.
    ToServer,
    /// The direction from the server to the client.
    ToClient,
}

/// The way in which a connection is cut; client and server see the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Cut by RST: “connection reset by peer”.
    Reset,
    /// Cut by FIN: the end of the stream, as from a process that exits.
    Close,
}

/// A TCP proxy on loopback that passes everything through until a method makes it misbehave.
///
/// The methods concern present and future connections alike. Once [`stall`](Self::stall) has returned, not a
/// byte passes; once [`cut`](Self::cut) has returned, the connections are gone. Dropping the proxy resets
/// its connections.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    port: u16,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    target: u16,
    over: AtomicBool,
    refusing: AtomicBool,
    conduits: Mutex<Vec<Weak<Conduit>>>,
    to_server: Gate,
    to_client: Gate,
}

impl Proxy {
    /// Opens a proxy to `127.0.0.1:target`. The target need not listen yet: while it does not, clients
    /// are reset.
    pub fn to(target: u16) -> Result<Self, HarnessError> {
        let error = || HarnessError::io("open a listener on loopback");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(error())?;
        let port = listener.local_addr().map_err(error())?.port();
        let shared = Arc::new(Shared {
            target,
            over: AtomicBool::new(false),
            refusing: AtomicBool::new(false),
            conduits: Mutex::default(),
            to_server: Gate::default(),
            to_client: Gate::default(),
        });
        let acceptor = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.accept(&listener)
        });
        Ok(Self { shared, port, acceptor: Some(acceptor) })
    }

    /// The port that clients connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The number of open connections.
    pub fn connections(&self) -> usize {
        self.shared.open().len()
    }

    /// The number of bytes passed in one direction since the proxy was opened, over all connections.
    pub fn passed(&self, direction: Direction) -> u64 {
        self.shared.gate(direction).passed()
    }

    /// Passes everything through again, in both directions and for new clients. A pending
    /// [`cut_after`](Self::cut_after) is called off.
    pub fn resume(&self) {
        self.shared.refusing.store(false, Ordering::SeqCst);
        self.shared.to_server.open();
        self.shared.to_client.open();
    }

    /// Holds back everything in one direction, ends of streams included; call it for both directions for a
    /// connection that is half open. Connections are still accepted.
    pub fn stall(&self, direction: Direction) {
        self.shared.gate(direction).stall();
    }

    /// Lets at most this many bytes a second through in one direction, over all connections.
    pub fn throttle(&self, direction: Direction, bytes_per_second: u32) {
        self.shared.gate(direction).throttle(bytes_per_second);
    }

    /// Cuts all connections and waits until they are gone. New ones are accepted, unless
    /// [`refuse`](Self::refuse) was called.
    pub fn cut(&self, ending: Ending) -> Result<(), HarnessError> {
        self.shared.cut(ending)
    }

    /// Lets `bytes` more bytes pass in one direction and then cuts the connection that carried the last of
    /// them, once: five bytes into an AMQP frame is inside its header.
    pub fn cut_after(&self, direction: Direction, bytes: u64, ending: Ending) {
        self.shared.gate(direction).cut_after(bytes, ending);
    }

    /// Resets new clients from now on; open connections stay.
    pub fn refuse(&self) {
        self.shared.refusing.store(true, Ordering::SeqCst);
    }

    /// Writes these bytes into every open connection, between the bytes that pass.
    pub fn inject(&self, direction: Direction, bytes: &[u8]) -> Result<(), HarnessError> {
        for conduit in self.shared.open() {
            self.shared
                .gate(direction)
                .inject(conduit.sink(direction), bytes)
                .map_err(HarnessError::io("inject bytes"))?;
        }
        Ok(())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // Wakes the acceptor; if that fails, it has ended already.
        let woken = TcpStream::connect_timeout(&loopback(self.port), CONNECT_DEADLINE);
        if let (Ok(_), Some(acceptor)) = (woken, self.acceptor.take()) {
            let _ = acceptor.join();
        }
        // Nobody to report to; the pumps end by themselves.
        let _ = self.shared.cut(Ending::Reset);
    }
}

impl Shared {
    pub(crate) fn gate(&self, direction: Direction) -> &Gate {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }

    fn open(&self) -> Vec<Arc<Conduit>> {
        let mut conduits = self.conduits.lock();
        conduits.retain(|conduit| conduit.strong_count() > 0);
        conduits.iter().filter_map(Weak::upgrade).filter(|conduit| !conduit.is_over()).collect()
    }

    fn cut(&self, ending: Ending) -> Result<(), HarnessError> {
        let ended: Vec<Weak<Conduit>> = {
            let conduits = self.conduits.lock();
            for conduit in conduits.iter().filter_map(Weak::upgrade) {
                conduit.end(ending);
            }
            conduits.clone()
        };
        self.to_server.wake();
        self.to_client.wake();
        until("the proxy's connections end", CUT_DEADLINE, || ended.iter().all(|conduit| conduit.strong_count() == 0))
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.over.load(Ordering::SeqCst) {
                return;
            }
            let Ok(client) = client else { continue };
            if self.refusing.load(Ordering::SeqCst) {
                drop_with_reset(client);
                continue;
            }
            match TcpStream::connect_timeout(&loopback(self.target), CONNECT_DEADLINE) {
                Ok(server) => {
                    // An error here is one of the sockets', which the client then sees as a reset.
                    let _ = self.join(client, server);
                }
                Err(_) => drop_with_reset(client),
            }
        }
    }

    fn join(self: &Arc<Self>, client: TcpStream, server: TcpStream) -> io::Result<()> {
        let conduit = Arc::new(Conduit::new(client, server)?);
        self.conduits.lock().push(Arc::downgrade(&conduit));
        for direction in [Direction::ToServer, Direction::ToClient] {
            let (shared, conduit) = (Arc::clone(self), Arc::clone(&conduit));
            thread::spawn(move || pump(&shared, &conduit, direction));
        }
        Ok(())
    }
}
