//! The local door: what the tools of the same user need of a bus whose file another process has open.
//!
//! The process that has the file open listens on a Unix socket beside it, readable for its user alone. A tool that
//! connects there gets the bus as a transport: publishing, consuming, browsing, links, parked keys and
//! the journal. The lines on the
//! socket are JSON, one request or answer each.

mod client;
mod parked_keys;
mod server;
mod stores;
mod transport;
mod visitor;
mod wire;

use std::path::{Path, PathBuf};

pub(super) use server::Door;
pub(super) use transport::DoorTransport;

/// The version of the lines; another one is refused with both named.
const PROTOCOL: u32 = 3;

/// The socket beside the file of a bus.
fn socket(bus: &Path) -> PathBuf {
    let bus = bus.canonicalize().unwrap_or_else(|_| bus.to_owned());
    crate::sqlite::sibling(&bus, "-door")
}
