//! A transport with one fault, on the embedded bus.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use bloodbank_core::{
    Error, ErrorKind, Result,
    message::{Outgoing, Published},
    settings::{QueueKind, Settings},
    store::Stores,
    transport::{
        BoxQueueBrowser, Connection, Consume, Deliveries, Delivery, Publish, QueueStatus, Settle, Settlement, Topology,
        TopologyDiff, Transport, topology::ExchangeKind,
    },
};
use bloodbank_embedded::Embedded;
use bloodbank_testing::conformance::Fixture;
use futures_util::{FutureExt, Stream, StreamExt, future::BoxFuture};
use parking_lot::{Mutex, MutexGuard};

/// The fault of a transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// What is published.
    LosesHeaders,
    InventsAProperty,
    CutsBodies,
    LosesSome,
    PublishesSomeTwice,
    ReordersSome,
    SaysNothingOfUnrouted,
    SaysAlwaysUnrouted,
    ConfirmsWhatIsRefused,
    FallsOverAMissingExchange,
    LosesExpiration,
    LosesEverythingAfterARestart,
    /// What is delivered.
    DeliversTwice,
    IgnoresPrefetch,
    NeverSaysRedelivered,
    EndsAfterARejection,
    /// What is settled.
    RequeueAcknowledges,
    RejectAcknowledges,
    RejectRequeues,
    AcknowledgesAllBefore,
    ForgetsAcks,
    SettlesNothingAfterTheSubscription,
    PanicsAfterClosing,
    /// What is declared.
    BindsByEquality,
    BindsEverything,
    ReadsHashAsStar,
    ReplacesWhatExists,
    RefusesWhatExists,
    KeepsTransientQueues,
    IgnoresDeadLetters,
    IgnoresLimits,
    DelaysTooShort,
    IgnoresForeignQueues,
    IgnoresPriorities,
    IgnoresSingleActive,
    /// Browsing and comparing.
    BrowsingConsumes,
    ComparingDeclares,
    /// The end.
    DoesNotClose,
    NeverEndsDeliveries,
}

/// The embedded bus with a fault.
pub(crate) struct Faulty {
    fault: Fault,
    restarted: Arc<AtomicBool>,
}

impl Faulty {
    pub(crate) fn new(fault: Fault) -> Self {
        Self { fault, restarted: Arc::default() }
    }
}

impl Fixture for Faulty {
    fn connect(&self) -> BoxFuture<'_, Result<Arc<dyn Transport>>> {
        Box::pin(async {
            Ok(Arc::new(FaultyTransport {
                inner: Embedded::in_memory(),
                fault: self.fault,
                count: AtomicUsize::new(0),
                broken: AtomicBool::new(false),
                closed: Arc::default(),
                restarted: Arc::clone(&self.restarted),
            }) as _)
        })
    }

    fn restart(&self) -> BoxFuture<'_, ()> {
        self.restarted.store(true, SeqCst);
        std::future::ready(()).boxed()
    }

    fn timeout(&self) -> Duration {
        // Some faults show only in what does not come.
        Duration::from_secs(2)
    }
}

struct FaultyTransport {
    inner: Embedded,
    fault: Fault,
    count: AtomicUsize,
    broken: AtomicBool,
    closed: Arc<AtomicBool>,
    restarted: Arc<AtomicBool>,
}

impl FaultyTransport {
    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }
}

impl Publish for FaultyTransport {
    fn publish(&self, mut message: Outgoing) -> BoxFuture<'_, Result<Published>> {
        let place = self.count.fetch_add(1, SeqCst);
        let some = place % 21 == 7;
        let lost = Ok(Published { unrouted: Some(false) });
        match self.fault {
            Fault::LosesHeaders => message.properties.headers.remove_all(|name| name == "unicode"),
            Fault::InventsAProperty => message.properties.app_id = Some("somebody".into()),
            Fault::CutsBodies => message.body.truncate(4 * 1024 * 1024),
            Fault::LosesExpiration => message.properties.expiration = None,
            Fault::LosesSome if some => return std::future::ready(lost).boxed(),
            Fault::LosesEverythingAfterARestart if self.restarted.load(SeqCst) => {
                return std::future::ready(lost).boxed();
            }
            _ => {}
        }
        async move {
            if self.has(Fault::ReordersSome) && some {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            if self.has(Fault::PublishesSomeTwice) && some {
                self.inner.publish(message.clone()).await?;
            }
            if self.broken.load(SeqCst) {
                return Err(Error::new(ErrorKind::Connection, "fell over"));
            }
            let published = self.inner.publish(message).await;
            match (self.fault, published) {
                (Fault::SaysNothingOfUnrouted, Ok(_)) => Ok(Published { unrouted: Some(false) }),
                (Fault::SaysAlwaysUnrouted, Ok(_)) => Ok(Published { unrouted: Some(true) }),
                (Fault::ConfirmsWhatIsRefused, Err(error)) if error.kind() == ErrorKind::Refused => {
                    Ok(Published { unrouted: Some(false) })
                }
                (Fault::FallsOverAMissingExchange, Err(error)) if error.kind() == ErrorKind::Topology => {
                    self.broken.store(true, SeqCst);
                    Err(error)
                }
                (_, published) => published,
            }
        }
        .boxed()
    }
}

impl Consume for FaultyTransport {
    fn declare(&self, mut topology: Topology) -> BoxFuture<'_, Result<()>> {
        for binding in &mut topology.bindings {
            match self.fault {
                Fault::BindsByEquality => binding.pattern = binding.pattern.replace(['*', '#'], "x").into(),
                Fault::BindsEverything => binding.pattern = "#".into(),
                Fault::ReadsHashAsStar => binding.pattern = binding.pattern.replace('#', "*").into(),
                _ => {}
            }
        }
        if self.has(Fault::IgnoresForeignQueues) {
            topology.foreign.clear();
        }
        for queue in &mut topology.queues {
            match self.fault {
                Fault::IgnoresPriorities => queue.max_priority = None,
                Fault::IgnoresSingleActive => queue.single_active = false,
                Fault::KeepsTransientQueues => {
                    queue.kind = QueueKind::Classic;
                }
                Fault::IgnoresDeadLetters => queue.dead_letter = None,
                Fault::IgnoresLimits => {
                    queue.max_length = None;
                    queue.delivery_limit = None;
                }
                Fault::DelaysTooShort => queue.message_ttl = queue.message_ttl.map(|ttl| ttl / 10),
                _ => {}
            }
        }
        let rejects = self.has(Fault::RefusesWhatExists) && self.count.fetch_add(1, SeqCst) > 10;
        let forgives = self.has(Fault::ReplacesWhatExists);
        if self.has(Fault::BindsEverything) {
            for exchange in &mut topology.exchanges {
                exchange.kind = ExchangeKind::Topic;
            }
        }
        async move {
            if rejects {
                return Err(Error::new(ErrorKind::Topology, "exists"));
            }
            match self.inner.declare(topology).await {
                Err(error) if forgives && error.kind() == ErrorKind::Topology => Ok(()),
                declared => declared,
            }
        }
        .boxed()
    }

    fn consume(&self, queue: Arc<str>, prefetch: u16) -> BoxFuture<'_, Result<Deliveries>> {
        async move {
            let prefetch = if self.has(Fault::IgnoresPrefetch) { 100 } else { prefetch };
            let inner = match self.inner.consume(Arc::clone(&queue), prefetch).await {
                Err(_) if self.has(Fault::ReplacesWhatExists) => {
                    return Ok(Box::pin(futures_util::stream::pending()) as Deliveries);
                }
                consuming => consuming?,
            };
            let settler = Arc::new(FaultySettler {
                fault: self.fault,
                held: Mutex::default(),
                next: AtomicUsize::new(0),
                rejected: AtomicBool::new(false),
                dropped: AtomicBool::new(false),
                closed: Arc::clone(&self.closed),
            });
            Ok(Box::pin(FaultyDeliveries { inner, settler, again: None }) as Deliveries)
        }
        .boxed()
    }

    fn settled(&self) -> BoxFuture<'_, ()> {
        self.inner.settled()
    }

    fn browse(&self, queue: Arc<str>) -> BoxFuture<'_, Result<BoxQueueBrowser>> {
        async move {
            let mut browser = self.inner.browse(Arc::clone(&queue)).await?;
            if self.has(Fault::BrowsingConsumes)
                && let Some(delivery) = browser.next().await?
            {
                delivery.ack();
                browser = self.inner.browse(queue).await?;
            }
            Ok(browser)
        }
        .boxed()
    }

    fn release(&self, queue: Arc<str>) -> BoxFuture<'_, Result<()>> {
        self.inner.release(queue)
    }

    fn queue(&self, queue: Arc<str>) -> BoxFuture<'_, Result<Option<QueueStatus>>> {
        self.inner.queue(queue)
    }

    fn queues(&self) -> BoxFuture<'_, Result<Option<Vec<QueueStatus>>>> {
        self.inner.queues()
    }

    fn compare(&self, topology: Topology) -> BoxFuture<'_, Result<Vec<TopologyDiff>>> {
        async move {
            if self.has(Fault::ComparingDeclares) {
                for queue in &topology.queues {
                    let queues = vec![queue.clone()];
                    // The one that differs is refused.
                    let _ = self.inner.declare(Topology::default().queues(queues)).await;
                }
            }
            self.inner.compare(topology).await
        }
        .boxed()
    }
}

impl Transport for FaultyTransport {
    fn system(&self) -> &'static str {
        "faulty"
    }

    fn stores(&self, settings: &Settings) -> Stores {
        self.inner.stores(settings)
    }

    fn connections(&self) -> Vec<Connection> {
        self.inner.connections()
    }

    fn troubles(&self) -> Vec<String> {
        self.inner.troubles()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.closed.store(true, SeqCst);
        if self.has(Fault::DoesNotClose) {
            return std::future::ready(()).boxed();
        }
        self.inner.close()
    }
}

struct FaultyDeliveries {
    inner: Deliveries,
    settler: Arc<FaultySettler>,
    again: Option<Delivery>,
}

impl Stream for FaultyDeliveries {
    type Item = Delivery;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Delivery>> {
        if let Some(again) = self.again.take() {
            return Poll::Ready(Some(again));
        }
        if self.settler.is(Fault::EndsAfterARejection) && self.settler.rejected.load(SeqCst) {
            return Poll::Pending;
        }
        match self.inner.poll_next_unpin(context) {
            Poll::Ready(None) if self.settler.is(Fault::NeverEndsDeliveries) => Poll::Pending,
            Poll::Ready(Some(delivery)) => {
                let tag = self.settler.next.fetch_add(1, SeqCst) as u64;
                let redelivered = delivery.redelivered && !self.settler.is(Fault::NeverSaysRedelivered);
                let settler = Arc::clone(&self.settler) as Arc<dyn Settle>;
                if self.settler.is(Fault::DeliversTwice) && tag % 10 == 3 {
                    let settler = Arc::clone(&settler);
                    self.again = Some(Delivery::new(delivery.message.clone(), false, settler, u64::MAX));
                }
                self.settler.held().insert(tag, delivery.settlement);
                Poll::Ready(Some(Delivery::new(delivery.message, redelivered, settler, tag)))
            }
            other => other,
        }
    }
}

impl Drop for FaultyDeliveries {
    fn drop(&mut self) {
        self.settler.dropped.store(true, SeqCst);
    }
}

/// Settles deliveries, with a fault.
struct FaultySettler {
    fault: Fault,
    held: Mutex<BTreeMap<u64, Settlement>>,
    next: AtomicUsize,
    rejected: AtomicBool,
    dropped: AtomicBool,
    closed: Arc<AtomicBool>,
}

impl FaultySettler {
    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<u64, Settlement>> {
        self.held.lock()
    }

    fn take(&self, tag: u64) -> Option<Settlement> {
        let panics = self.is(Fault::PanicsAfterClosing) && self.closed.load(SeqCst);
        // A second panic, while the first drops what is left, would end the process.
        assert!(!panics || std::thread::panicking(), "settled after closing");
        let settlement = self.held().remove(&tag);
        if self.is(Fault::SettlesNothingAfterTheSubscription) && self.dropped.load(SeqCst) {
            std::mem::forget(settlement);
            return None;
        }
        settlement
    }
}

impl Settle for FaultySettler {
    fn ack(&self, tag: u64) {
        if self.is(Fault::ForgetsAcks) && tag % 20 == 7 {
            return;
        }
        if self.is(Fault::AcknowledgesAllBefore) {
            let mut held = self.held();
            let after = held.split_off(&(tag + 1));
            for (_, settlement) in std::mem::replace(&mut *held, after) {
                settlement.ack();
            }
            return;
        }
        if let Some(settlement) = self.take(tag) {
            settlement.ack();
        }
    }

    fn reject(&self, tag: u64, requeue: bool) {
        self.rejected.store(true, SeqCst);
        let Some(settlement) = self.take(tag) else { return };
        match (self.fault, requeue) {
            (Fault::RequeueAcknowledges, true) | (Fault::RejectAcknowledges, false) => settlement.ack(),
            (Fault::RejectRequeues, _) => settlement.reject(true),
            (_, requeue) => settlement.reject(requeue),
        }
    }
}
