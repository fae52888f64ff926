//! Consuming: every consumer has a channel of its own, and an [`acker::Acker`] that sends its settlements.

mod acker;
mod delivery_tracker;
mod queue_browser;
mod slow_start;
mod stream;
mod subscription;
mod wakeup_throttle;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::consume::{slow_start::PrefetchLevel, stream::AmqpDeliveries, subscription::subscribe};
use crate::{
    declare::{self, AttemptError},
    declared_topology::DeclaredTopology,
    session::Session,
    supervisor::SupervisedConnection,
};
use bloodbank_core::{
    Error, ErrorKind, Result,
    transport::{BoxQueueBrowser, Deliveries, QueueStatus, Topology, TopologyDiff},
};

/// The time for which declaring, browsing and starting to consume wait for a connection.
const CONNECTION_WAIT_TIMEOUT: Duration = Duration::from_secs(30);
/// The time for sending acknowledgements when the transport is closed.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// The consuming side of the transport.
pub(super) struct Consumers {
    shared: Arc<Shared>,
    declared: Arc<DeclaredTopology>,
}

/// The state that consumers and their tasks share.
struct Shared {
    connection: Arc<SupervisedConnection>,
    closed: AtomicBool,
    closing: CancellationToken,
    ackers: TaskTracker,
}

impl Consumers {
    pub(super) fn new(connection: &Arc<SupervisedConnection>, declared: Arc<DeclaredTopology>) -> Self {
        let shared = Shared {
            connection: Arc::clone(connection),
            closed: AtomicBool::new(false),
            closing: CancellationToken::new(),
            ackers: TaskTracker::new(),
        };
        Self { shared: Arc::new(shared), declared }
    }

    pub(super) async fn declare(&self, topology: Topology) -> Result<()> {
        let topology = Arc::new(topology);
        let declare = |session: Arc<Session>| {
            let topology = Arc::clone(&topology);
            async move { declare::declare(&session, &topology).await }
        };
        self.retry_until_timeout("declaring", declare).await?;
        self.declared.add(Arc::unwrap_or_clone(topology));
        Ok(())
    }

    pub(super) async fn consume(&self, queue: Arc<str>, prefetch: u16) -> Result<Deliveries> {
        let subscribe = |session: Arc<Session>| {
            let (shared, queue) = (Arc::clone(&self.shared), Arc::clone(&queue));
            async move { subscribe(&shared, &session, &queue, prefetch, PrefetchLevel::first(&session)).await }
        };
        let subscription = self.retry_until_timeout("starting to consume", subscribe).await?;
        let shared = Arc::clone(&self.shared);
        Ok(Box::pin(AmqpDeliveries::new(shared, queue, prefetch, subscription)))
    }

    pub(super) async fn browse(&self, queue: Arc<str>) -> Result<BoxQueueBrowser> {
        let open = |session: Arc<Session>| {
            let queue = Arc::clone(&queue);
            async move { queue_browser::AmqpQueueBrowser::open(&session, &queue).await }
        };
        let browser = self.retry_until_timeout("looking into a queue", open).await?;
        Ok(Box::new(browser))
    }

    pub(super) async fn compare(&self, topology: Topology) -> Result<Vec<TopologyDiff>> {
        let topology = Arc::new(topology);
        let compare = |session: Arc<Session>| {
            let topology = Arc::clone(&topology);
            async move { declare::compare(&session, &topology).await }
        };
        self.retry_until_timeout("comparing", compare).await
    }

    pub(super) async fn release(&self, queue: Arc<str>) -> Result<()> {
        let release = |session: Arc<Session>| {
            let queue = Arc::clone(&queue);
            async move { declare::release(&session, &queue).await }
        };
        self.retry_until_timeout("releasing a queue", release).await?;
        self.declared.release(&queue);
        Ok(())
    }

    pub(super) async fn queue(&self, queue: Arc<str>) -> Result<Option<QueueStatus>> {
        let look = |session: Arc<Session>| {
            let queue = Arc::clone(&queue);
            async move { declare::queue_status(&session, &queue).await }
        };
        self.retry_until_timeout("looking at a queue", look).await
    }

    /// Repeats an attempt in one session after the other, until one succeeds or is refused; `doing` names it in errors.
    async fn retry_until_timeout<T, F>(&self, doing: &str, mut attempt: impl FnMut(Arc<Session>) -> F) -> Result<T>
    where
        F: Future<Output = Result<T, AttemptError>>,
    {
        let mut last = None;
        let attempts = async {
            loop {
                if self.shared.is_closed() {
                    return Err(closed());
                }
                let session = self.shared.connection.session().await.ok_or_else(closed)?;
                match attempt(session).await {
                    Ok(done) => return Ok(done),
                    Err(AttemptError::Refused(error)) => return Err(error),
                    Err(AttemptError::ConnectionLost(fault)) => last = Some(fault),
                }
            }
        };
        match tokio::time::timeout(CONNECTION_WAIT_TIMEOUT, attempts).await {
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

    /// Ends every stream, sends the outstanding acknowledgements and closes the channels.
    pub(super) async fn close(&self) {
        self.shared.close();
        self.shared.ackers.close();
        // The messages of a channel that is late are delivered again.
        let _ = tokio::time::timeout(FLUSH_TIMEOUT, self.shared.ackers.wait()).await;
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
