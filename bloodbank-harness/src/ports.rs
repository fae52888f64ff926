use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    ops::Range,
    time::Duration,
};

use crate::HarnessError;

/// The time for a server to accept a connection, and to answer a question whether it is there.
pub(crate) const PROBE_DEADLINE: Duration = Duration::from_secs(2);

pub(crate) fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// A free TCP port on loopback, kept for one server for as long as this value lives.
///
/// The claim is the UDP socket of the same number: no server here uses it, it is exclusive between
/// processes and users, and it disappears with the process.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _claim: UdpSocket,
}

impl Port {
    /// Takes a port that nobody uses, outside of those that the system gives to outgoing connections.
    pub fn free() -> Result<Self, HarnessError> {
        let range = range();
        let mut last = None;
        for _ in 0..500 {
            match claim(fastrand::u16(range.clone())) {
                Ok(port) => return Ok(port),
                Err(error) => last = Some(error),
            }
        }
        Err(HarnessError::Io {
            operation: format!("find a free port in {range:?}"),
            source: last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()),
        })
    }

    /// The number of the port.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }
}

fn claim(number: u16) -> io::Result<Port> {
    let claim = UdpSocket::bind((Ipv4Addr::LOCALHOST, number))?;
    TcpListener::bind((Ipv4Addr::LOCALHOST, number))?;
    Ok(Port { number, _claim: claim })
}

/// The ports below those that the system assigns to outgoing connections. Inside that range, a client that keeps trying to
/// reach a stopped server ends up connected to itself and takes the server's port away.
fn range() -> Range<u16> {
    let lowest_outgoing = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|line| line.split_whitespace().next()?.parse::<u16>().ok())
        .unwrap_or(32_768);
    if lowest_outgoing > 12_000 { 10_000..lowest_outgoing } else { 20_000..32_000 }
}
