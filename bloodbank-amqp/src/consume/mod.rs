//! Consuming: every consumer has a channel of its own, on which one [`acker::Acker`] settles.

mod acker;
mod caution;
mod fetch;
mod nap;
mod stream;
mod subscription;
mod tracker;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::consume::{caution::Width, stream::AmqpDeliveries, subscription::subscribe};
use crate::{
    declare::{self, Refusal},
    link::Link,
    remembered::Remembered,
    session::Session,
};
use bloodbank_core::{
    Error, ErrorKind, Result,
    transport::{Compared, Deliveries, Fetched, Topology},
};

/// How long declaring and starting to consume wait for a connection.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long acknowledgements may take to be written when the transport is closed.
const FLUSHING: Duration = Duration::from_secs(5);

pub(super) struct Consumers {
    shared: Arc<Shared>,
    remembered: Arc<Remembered>,
}

/// What consumers and their tasks have in common.
struct Shared {
    link: Arc<Link>,
    closed: AtomicBool,
    closing: CancellationToken,
    ackers: TaskTracker,
}

impl Consumers {
    pub(super) fn new(link: &Arc<Link>, remembered: Arc<Remembered>) -> Self {
        let shared = Shared {
            link: Arc::clone(link),
            closed: AtomicBool::new(false),
            closing: CancellationToken::new(),
            ackers: TaskTracker::new(),
        };
        Self { shared: Arc::new(shared), remembered }
    }

    pub(super) async fn declare(&self, topology: Topology) -> Result<()> {
        let topology = Arc::new(topology);
        let declare = |session: Arc<Session>| {
            let topology = Arc::clone(&topology);
            async move { declare::declare(&session, &topology).await }
        };
        self.patiently("declaring", declare).await?;
        self.remembered.add(Arc::unwrap_or_clone(topology));
        Ok(())
    }

    pub(super) async fn consume(&self, queue: Arc<str>, prefetch: u16) -> Result<Deliveries> {
        let subscribe = |session: Arc<Session>| {
            let (shared, queue) = (Arc::clone(&self.shared), Arc::clone(&queue));
            async move { subscribe(&shared, &session, &queue, prefetch, Width::first(&session)).await }
        };
        let subscription = self.patiently("starting to consume", subscribe).await?;
        let shared = Arc::clone(&self.shared);
        Ok(Box::pin(AmqpDeliveries::new(shared, queue, prefetch, subscription)))
    }

    pub(super) async fn fetch(&self, queue: Arc<str>) -> Result<Fetched> {
        let open = |session: Arc<Session>| {
            let queue = Arc::clone(&queue);
            async move { fetch::AmqpFetch::open(&session, &queue).await }
        };
        let fetch = self.patiently("looking into a queue", open).await?;
        Ok(Box::new(fetch))
    }

    pub(super) async fn compare(&self, topology: Topology) -> Result<Vec<Compared>> {
        let topology = Arc::new(topology);
        let compare = |session: Arc<Session>| {
            let topology = Arc::clone(&topology);
            async move { declare::compare(&session, &topology).await }
        };
        self.patiently("comparing", compare).await
    }

    /// Does it on a connection that lives long enough.
    async fn patiently<T, F>(&self, doing: &str, mut attempt: impl FnMut(Arc<Session>) -> F) -> Result<T>
    where
        F: Future<Output = Result<T, Refusal>>,
    {
        let mut last = None;
        let attempts = async {
            loop {
                if self.shared.is_closed() {
                    return Err(closed());
                }
                let session = self.shared.link.session().await.ok_or_else(closed)?;
                match attempt(session).await {
                    Ok(done) => return Ok(done),
                    Err(Refusal::Refused(error)) => return Err(error),
                    Err(Refusal::Lost(fault)) => last = Some(fault),
                }
            }
        };
        match tokio::time::timeout(PATIENCE, attempts).await {
            Ok(done) => done,
            Err(_) => Err(match last {
                Some(fault) => fault.into_error(doing),
                None => Error::new(
                    ErrorKind::Connection,
                    format!("{doing}: RabbitMQ cannot be reached; check that it is up and try again"),
                ),
            }),
        }
    }

    /// Ends every stream, writes the acknowledgements there are and closes the channels.
    pub(super) async fn close(&self) {
        self.shared.close();
        self.shared.ackers.close();
        // One that is late keeps its messages, and they are delivered again.
        let _ = tokio::time::timeout(FLUSHING, self.shared.ackers.wait()).await;
    }
}

impl Drop for Consumers {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Shared {
    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.closing.cancel();
    }
}

fn closed() -> Error {
    Error::new(
        ErrorKind::Closed,
        "the connection to RabbitMQ was closed by this program; declare and consume before closing",
    )
}
