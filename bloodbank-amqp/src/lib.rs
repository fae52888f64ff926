//! Bloodbank's transport for RabbitMQ, through lapin.
//!
//! One connection publishes and one consumes, because a broker that is short of memory or disk stops reading what a
//! publishing connection sends, acknowledgements included. A `supervisor` keeps each connection up: when a connection
//! fails or does not answer, it makes a new one and declares the topology again, and the publisher and the consumers go on there.
//! lapin's own recovery stays off.
//!
//! - `publish`: one task owns the publishing channel, keeps a window of messages in flight and awaits every confirm.
//! - `consume`: every consumer has a channel, and one task per channel sends its acknowledgements.
//! - `declare`: exchanges, queues and bindings, declared and compared.
//! - `definitions`: the same as documents, which operators import.
//! - `exchange_switch`: moving services from one exchange to another while they run.
//! - `journal`: a stream that keeps every event, where one is switched on.

#![forbid(unsafe_code)]

mod address;
mod backoff;
mod broker_fault;
mod cached_text;
mod consume;
mod declare;
mod declare_error;
mod declared_topology;
mod definitions;
mod dial;
mod exchange_switch;
mod incoming;
mod journal;
mod journal_sign;
mod limit;
mod liveness_probe;
mod outgoing;
mod publish;
mod queue_arguments;
mod queue_removal;
mod session;
mod subscriber_mark;
mod supervisor;
mod timeout;

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

pub use crate::exchange_switch::ExchangeSwitch;
pub use crate::journal::{JournalRetention, JournalStatus, JournalSwitch};
use crate::{
    address::Address,
    consume::{Consumers, Prefetch},
    declared_topology::DeclaredTopology,
    journal::StreamJournal,
    journal_sign::JournalSign,
    publish::{Publisher, RouteMemory},
    supervisor::{Role, SupervisedConnection},
};
use bloodbank_core::{
    Result,
    message::{Outgoing, Published},
    settings::{JournalKind, QueueArguments, QueueKind, Settings},
    store::Stores,
    transport::{
        BoxQueueBrowser, Connection, ConnectionState, Consume, Deliveries, Publish, QueueStatus, Topology,
        TopologyDiff, Transport, TransportProvider,
    },
};

pub use crate::{
    definitions::{definitions, manifests},
    queue_removal::remove_queues,
};

/// A bus on RabbitMQ: a transport with one connection that publishes and one that consumes.
pub struct Amqp {
    publisher: Publisher,
    consumers: Consumers,
    publishing: Arc<SupervisedConnection>,
    consuming: Arc<SupervisedConnection>,
    sign: Arc<JournalSign>,
    /// Further arguments of queues.
    arguments: QueueArguments,
    journal: Arc<StreamJournal>,
    closing: CancellationToken,
}

impl Amqp {
    /// Connects to the broker of `RABBIT_URL`. A connection that is lost later is replaced, without end.
    ///
    /// # Errors
    /// [`bloodbank_core::ErrorKind::Settings`] when the URL is missing or wrong, or the broker refuses the user or the virtual
    /// host; [`bloodbank_core::ErrorKind::Connection`] when the broker does not answer within a few seconds.
    pub async fn connect(settings: &Settings) -> Result<Self> {
        let address = Arc::new(Address::from_settings(settings)?);
        let declared = Arc::new(DeclaredTopology::default());
        let sign = Arc::new(JournalSign::new(&settings.exchange_name));
        let open =
            |role| SupervisedConnection::open(Arc::clone(&address), Arc::clone(&declared), Arc::clone(&sign), role);
        let (publishing, consuming) = tokio::try_join!(open(Role::Publishing), open(Role::Consuming))?;
        let routes = match has_classic_queues_on_a_cluster(settings, &address) {
            true => RouteMemory::of(&settings.exchange_name),
            false => RouteMemory::off(),
        };
        let closing = CancellationToken::new();
        tokio::spawn(journal::watch_sign(Arc::clone(&sign), Arc::clone(&publishing), closing.clone()));
        Ok(Self {
            publisher: Publisher::start(&publishing, settings.publish_window, &sign, routes),
            journal: Arc::new(StreamJournal::new(&address, &settings.exchange_name)),
            closing,
            consumers: Consumers::new(&consuming, address, declared, Arc::clone(&sign)),
            sign,
            arguments: settings.queue_arguments.clone(),
            publishing,
            consuming,
        })
    }

    /// The state of the connection that publishes.
    #[must_use]
    pub fn publishing(&self) -> watch::Receiver<ConnectionState> {
        self.publishing.state()
    }

    /// The state of the connection that consumes and declares.
    #[must_use]
    pub fn consuming(&self) -> watch::Receiver<ConnectionState> {
        self.consuming.state()
    }
}

/// Whether queues live on one node of several each, which is worth a warning. That there are several nodes, only their addresses tell.
fn has_classic_queues_on_a_cluster(settings: &Settings, address: &Address) -> bool {
    let has = settings.queue_kind == QueueKind::Classic && address.nodes() > 1;
    if has {
        warn!(
            "BLOODBANK_QUEUE_TYPE is `classic`, and RABBIT_URL names {} nodes: each classic queue lives on one of them, and gets no \
             event while that one is down; use `quorum` on a cluster",
            address.nodes()
        );
    }
    has
}

impl Publish for Amqp {
    fn publish(&self, message: Outgoing) -> BoxFuture<'_, Result<Published>> {
        self.publisher.publish(message)
    }
}

impl Consume for Amqp {
    fn declare(&self, topology: Topology) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { self.consumers.declare(topology.with_arguments(&self.arguments)?).await })
    }

    fn consume(&self, queue: Arc<str>, prefetch: u16) -> BoxFuture<'_, Result<Deliveries>> {
        self.consume_ahead(queue, prefetch, prefetch)
    }

    fn consume_ahead(&self, queue: Arc<str>, prefetch: u16, most: u16) -> BoxFuture<'_, Result<Deliveries>> {
        Box::pin(self.consumers.consume(queue, Prefetch { first: prefetch, most }))
    }

    fn settled(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.consumers.settled())
    }

    fn browse(&self, queue: Arc<str>) -> BoxFuture<'_, Result<BoxQueueBrowser>> {
        Box::pin(self.consumers.browse(queue))
    }

    fn compare(&self, topology: Topology) -> BoxFuture<'_, Result<Vec<TopologyDiff>>> {
        Box::pin(async { self.consumers.compare(topology.with_arguments(&self.arguments)?).await })
    }

    fn release(&self, queue: Arc<str>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.consumers.release(queue))
    }

    fn queue(&self, queue: Arc<str>) -> BoxFuture<'_, Result<Option<QueueStatus>>> {
        Box::pin(self.consumers.queue(queue))
    }

    fn queues(&self) -> BoxFuture<'_, Result<Option<Vec<QueueStatus>>>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

inventory::submit! {
    TransportProvider {
        system: "rabbitmq",
        connect: |settings| Box::pin(async move { Ok(Arc::new(Amqp::connect(settings).await?) as Arc<dyn Transport>) }),
        attach: None,
        in_memory: None,
    }
}

impl Transport for Amqp {
    fn system(&self) -> &'static str {
        "rabbitmq"
    }

    /// The journal, where one is switched on: otherwise RabbitMQ keeps nothing of a message once it is consumed.
    fn stores(&self, settings: &Settings) -> Stores {
        match settings.journal {
            JournalKind::Stream if self.sign.is_up() => Stores::none().with_journal(Arc::clone(&self.journal) as _),
            _ => Stores::none(),
        }
    }

    fn connections(&self) -> Vec<Connection> {
        vec![self.publishing.connection(), self.consuming.connection()]
    }

    fn troubles(&self) -> Vec<String> {
        self.consumers.troubles()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.closing.cancel();
            tokio::join!(
                self.journal.close(),
                async {
                    self.publisher.close().await;
                    self.publishing.close().await;
                },
                async {
                    self.consumers.close().await;
                    self.consuming.close().await;
                },
            );
        })
    }
}

impl Drop for Amqp {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

impl fmt::Debug for Amqp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Amqp")
            .field("publishing", &*self.publishing.state().borrow())
            .field("consuming", &*self.consuming.state().borrow())
            .finish_non_exhaustive()
    }
}
