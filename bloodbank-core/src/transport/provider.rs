//! Providers of the transports that are linked into a program.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;

use super::{Topology, Transport};
use crate::{error::Result, settings::Settings};

/// The provider of a transport that is linked into this program. The crate of a transport submits it with
/// `inventory::submit!`, so that a setting alone chooses between those that are linked.
pub struct TransportProvider {
    /// The messaging system of the transport, like [`Transport::system`].
    pub system: &'static str,
    /// Connects a transport as the settings say.
    pub connect: for<'a> fn(&'a Settings) -> BoxFuture<'a, Connected>,
    /// Connects through the process that has the bus of the settings open, where only one can have it.
    pub attach: Option<Attach>,
    /// Creates a transport in memory with this topology, where there is such a thing.
    pub in_memory: Option<InMemory>,
}

/// A transport, or why there is none.
pub type Connected = Result<Arc<dyn Transport>>;

/// Connects through the process that has a bus open; `None`: there is none.
pub type Attach = for<'a> fn(&'a Settings) -> BoxFuture<'a, Result<Option<Arc<dyn Transport>>>>;

/// Makes a transport in memory with a topology.
pub type InMemory = fn(&Topology) -> Arc<dyn Transport>;

inventory::collect!(TransportProvider);

impl TransportProvider {
    /// The provider for this messaging system, if it is linked into this program.
    #[must_use]
    pub fn named(system: &str) -> Option<&'static Self> {
        inventory::iter::<Self>.into_iter().find(|provider| provider.system == system)
    }
}

impl fmt::Debug for TransportProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportProvider").field("system", &self.system).finish_non_exhaustive()
    }
}
