//! Consuming: every consumer has a channel of its own, and an [`acker::Acker`] that sends its settlements.

mod acker;
mod delivery_tracker;
mod prefetch;
mod queue_browser;
mod retry;
mod starter;
mod stream;
mod subscription;
mod waiting;
mod wakeup_throttle;

pub(super) use prefetch::Prefetch;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::OnceCell;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;

use crate::consume::{
    retry::{Retry, closed},
    starter::Starter,
    stream::AmqpDeliveries,
    waiting::WaitingQueues,
};
use crate::{
    address::Address,
    declare::{self, AttemptError},
    declared_topology::DeclaredTopology,
    journal_sign::JournalSign,
    session::Session,
    supervisor::{Role, SupervisedConnection},
};
use bloodbank_core::{
    Result,
    transport::{BoxQueueBrowser, Deliveries, QueueStatus, Topology, TopologyDiff},
};

/// The time for sending acknowledgements when the transport is closed.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// The consuming side of the transport.
pub(super) struct Consumers {
    shared: Arc<Shared>,
}

/// The state that consumers and their tasks share.
struct Shared {
    connection: Arc<SupervisedConnection>,
    address: Arc<Address>,
    declared: Arc<DeclaredTopology>,
    sign: Arc<JournalSign>,
    /// Held by who starts to consume on the connection of all and may end it.
    turn: tokio::sync::Mutex<()>,
    /// The connections of queues that ended the one of all.
    apart: Mutex<HashMap<Arc<str>, Arc<SupervisedConnection>>>,
    browsing: OnceCell<Arc<SupervisedConnection>>,
    waiting: WaitingQueues,
    closed: AtomicBool,
    closing: CancellationToken,
    ackers: TaskTracker,
    /// The ackers of streams that are dropped.
    retiring: TaskTracker,
}

impl Consumers {
    pub(super) fn new(
        connection: &Arc<SupervisedConnection>,
        address: Arc<Address>,
        declared: Arc<DeclaredTopology>,
        sign: Arc<JournalSign>,
    ) -> Self {
        let retiring = TaskTracker::new();
        // Waiting ends when there is none, and there may be others later.
        retiring.close();
        let shared = Shared {
            connection: Arc::clone(connection),
            address,
            declared,
            sign,
            turn: tokio::sync::Mutex::default(),
            apart: Mutex::default(),
            browsing: OnceCell::new(),
            waiting: WaitingQueues::default(),
            closed: AtomicBool::new(false),
            closing: CancellationToken::new(),
            ackers: TaskTracker::new(),
            retiring,
        };
        Self { shared: Arc::new(shared) }
    }

    pub(super) async fn declare(&self, topology: Topology) -> Result<()> {
        let topology = Arc::new(topology);
        let declare = |session: Arc<Session>| {
            let topology = Arc::clone(&topology);
            async move { declare::declare(&session, &topology).await }
        };
        self.retry_until_timeout("declaring", declare).await?;
        self.shared.declared.add(Arc::unwrap_or_clone(topology));
        Ok(())
    }

    pub(super) async fn consume(&self, queue: Arc<str>, prefetch: Prefetch) -> Result<Deliveries> {
        let mut starter = Starter::new(&self.shared, &queue, prefetch);
        let mut retry = Retry::new("starting to consume");
        loop {
            let start = async {
                Some(match starter.start(None).await? {
                    Ok(subscription) => Ok(Some(subscription)),
                    // The other subscribers of the program must not wait for this queue.
                    Err(AttemptError::Unavailable(error)) => {
                        warn!(%queue, "cannot consume, trying again and again: {error}");
                        Ok(None)
                    }
                    Err(error) => Err(error),
                })
            };
            if let Some(started) = retry.attempt(start).await? {
                return Ok(Box::pin(match started {
                    Some(subscription) => AmqpDeliveries::new(starter, subscription),
                    None => AmqpDeliveries::later(starter),
                }));
            }
        }
    }

    /// The queues that cannot be consumed for now, a sentence each.
    pub(super) fn troubles(&self) -> Vec<String> {
        self.shared.waiting.troubles()
    }

    pub(super) async fn browse(&self, queue: Arc<str>) -> Result<BoxQueueBrowser> {
        let open = |session: Arc<Session>| {
            let queue = Arc::clone(&queue);
            async move { queue_browser::AmqpQueueBrowser::open(&session, &queue).await }
        };
        let connection = self.shared.browsing().await?;
        let browser = Self::retry_on(&connection, "looking into a queue", open).await?;
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
        self.shared.declared.release(&queue);
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
    async fn retry_until_timeout<T, F>(&self, doing: &str, attempt: impl FnMut(Arc<Session>) -> F) -> Result<T>
    where
        F: Future<Output = Result<T, AttemptError>>,
    {
        Self::retry_on(&self.shared.connection, doing, attempt).await
    }

    async fn retry_on<T, F>(
        connection: &SupervisedConnection,
        doing: &str,
        mut attempt: impl FnMut(Arc<Session>) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T, AttemptError>>,
    {
        let mut retry = Retry::new(doing);
        loop {
            let attempt = async { Some(attempt(connection.session().await?).await) };
            if let Some(done) = retry.attempt(attempt).await? {
                return Ok(done);
            }
        }
    }

    /// Waits until the settlements of streams that are dropped are sent.
    pub(super) async fn settled(&self) {
        let _ = tokio::time::timeout(FLUSH_TIMEOUT, self.shared.retiring.wait()).await;
    }

    /// Ends every stream, sends the outstanding acknowledgements and closes the channels.
    pub(super) async fn close(&self) {
        self.shared.close();
        self.shared.ackers.close();
        // The messages of a channel that is late are delivered again.
        let _ = tokio::time::timeout(FLUSH_TIMEOUT, self.shared.ackers.wait()).await;
        let apart: Vec<_> = self.shared.apart.lock().drain().map(|(_, connection)| connection).collect();
        join_all(apart.iter().chain(self.shared.browsing.get()).map(|connection| connection.close())).await;
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

    /// The connection of a queue that has its own.
    fn apart(&self, queue: &str) -> Option<Arc<SupervisedConnection>> {
        self.apart.lock().get(queue).cloned()
    }

    /// The connection that looks into queues, made when it is first needed: a queue whose nodes are down ends it.
    async fn browsing(&self) -> Result<Arc<SupervisedConnection>> {
        self.browsing.get_or_try_init(|| self.open(Role::Browsing)).await.cloned()
    }

    async fn open(&self, role: Role) -> Result<Arc<SupervisedConnection>> {
        if self.is_closed() {
            return Err(closed());
        }
        let (address, declared) = (Arc::clone(&self.address), Arc::clone(&self.declared));
        SupervisedConnection::open(address, declared, Arc::clone(&self.sign), role).await
    }

    /// Gives a queue a connection of its own.
    async fn open_apart(&self, queue: &Arc<str>) -> Result<Arc<SupervisedConnection>> {
        let opened = self.open(Role::Apart).await?;
        warn!(%queue, "RabbitMQ ends the connection when this queue is consumed; it gets a connection of its own");
        Ok(Arc::clone(self.apart.lock().entry(Arc::clone(queue)).or_insert(opened)))
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.closing.cancel();
    }
}
