//! Test bench of a property: a transport, names of its own, and calls that end by a deadline.

use std::{
    fmt::Display,
    future::{Future, poll_fn},
    ops::Range,
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{
    FutureExt, StreamExt,
    future::{join_all, maybe_done},
};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::conformance::{Feature, Fixture};
use bloodbank_core::{
    Result,
    message::{Outgoing, Properties, Published},
    settings::QueueKind,
    transport::{
        Deliveries, Delivery, Topology, Transport,
        topology::{Binding, Exchange, ExchangeKind, Queue},
    },
};

/// The test bench of a property: a transport, names of its own, and calls that end by a deadline.
pub struct Bench {
    fixture: Arc<dyn Fixture>,
    transport: Arc<dyn Transport>,
    kind: QueueKind,
    features: Vec<Feature>,
    prefix: String,
    declared: Topology,
    timeout: WaitTimeout,
}

/// The longest wait for one thing.
#[derive(Clone, Copy)]
pub(super) struct WaitTimeout(Duration);

impl WaitTimeout {
    /// Waits for a future, and panics when the deadline has passed.
    pub(super) async fn wait<T>(self, what: impl Display, future: impl Future<Output = T>) -> T {
        match tokio::time::timeout(self.0, future).await {
            Ok(value) => value,
            Err(_) => panic!("{what}: not within {:?}", self.0),
        }
    }
}

impl Bench {
    pub(super) async fn open(fixture: Arc<dyn Fixture>, kind: QueueKind, features: &[Feature], name: &str) -> Self {
        let timeout = WaitTimeout(fixture.timeout());
        let id = Uuid::new_v4().simple().to_string();
        Self {
            transport: connect(&*fixture, timeout).await,
            fixture,
            kind,
            features: features.to_vec(),
            prefix: format!("conformance.{name}.{}", &id[..12]),
            declared: Topology::default(),
            timeout,
        }
    }

    /// Closes the transport and removes what was declared.
    pub(super) async fn finish(self) {
        self.within("closing", self.transport.close()).await;
        let mut declared = self.declared;
        declared.exchanges.retain(|exchange| exchange.name.starts_with(&self.prefix));
        declared.queues.retain(|queue| queue.name.starts_with(&self.prefix));
        declared.bindings.clear();
        self.timeout.wait("removing what was declared", self.fixture.discard(declared)).await;
    }

    /// The transport under test.
    #[must_use]
    pub fn transport(&self) -> Arc<dyn Transport> {
        Arc::clone(&self.transport)
    }

    /// Tells whether the transport has a feature.
    #[must_use]
    pub fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }

    /// The kind of queue under test.
    #[must_use]
    pub fn kind(&self) -> QueueKind {
        self.kind
    }

    /// A name that no other test uses.
    #[must_use]
    pub fn name(&self, name: &str) -> Arc<str> {
        format!("{}.{name}", self.prefix).into()
    }

    pub(super) fn timeout(&self) -> WaitTimeout {
        self.timeout
    }

    pub(super) async fn within<T>(&self, what: impl Display, future: impl Future<Output = T>) -> T {
        self.timeout.wait(what, future).await
    }

    /// Checks a condition again and again until it holds.
    pub(super) async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let begun = Instant::now();
        while !self.within(what, holds()).await {
            assert!(begun.elapsed() < self.timeout.0, "{what}: not within {:?}", self.timeout.0);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Kills the broker and starts it again.
    pub(super) async fn restart_broker(&self) {
        self.within("the broker starts again", self.fixture.restart()).await;
    }

    /// Closes the transport and connects again, so that what was settled is settled; where a transport does not
    /// outlive its closing, it settles at once, and nothing is done.
    pub(super) async fn reopen(&mut self) {
        if self.has(Feature::Durable) {
            self.within("closing", self.transport.close()).await;
            self.transport = connect(&*self.fixture, self.timeout).await;
        }
    }

    pub(super) async fn try_declare(&mut self, topology: Topology) -> Result<()> {
        self.declared.exchanges.extend(topology.exchanges.iter().cloned());
        self.declared.queues.extend(topology.queues.iter().cloned());
        self.within("declaring", self.transport.declare(topology)).await
    }

    pub(super) async fn declare(&mut self, topology: Topology) {
        self.try_declare(topology).await.expect("the topology can be declared");
    }

    /// A queue of the kind under test.
    pub(super) fn queue(&self, name: &Arc<str>) -> Queue {
        Queue::new(Arc::clone(name), self.kind)
    }

    /// Declares an exchange.
    pub(super) async fn exchange(&mut self, name: &str, kind: ExchangeKind) -> Arc<str> {
        let name = self.name(name);
        self.declare(Topology::default().exchanges([exchange(&name, kind)])).await;
        name
    }

    /// Declares a queue, bound to an exchange that exists.
    pub(super) async fn bound(&mut self, exchange: &Arc<str>, queue: Queue, patterns: &[&str]) -> Arc<str> {
        let name = Arc::clone(&queue.name);
        self.declare(
            Topology::default()
                .bindings(patterns.iter().map(|pattern| binding(exchange, &name, pattern)))
                .queues([queue]),
        )
        .await;
        name
    }

    /// An exchange for events and a queue that receives all of them.
    pub(super) async fn events(&mut self) -> (Arc<str>, Arc<str>) {
        let exchange = self.exchange("events", ExchangeKind::Topic).await;
        let queue = self.queue(&self.name("all"));
        let queue = self.bound(&exchange, queue, &["#"]).await;
        (exchange, queue)
    }

    pub(super) async fn subscribe(&self, queue: &Arc<str>, prefetch: u16) -> Subscription {
        let consuming = self.transport.consume(Arc::clone(queue), prefetch);
        let deliveries = self.within(format!("consuming `{queue}`"), consuming).await;
        Subscription {
            queue: Arc::clone(queue),
            deliveries: deliveries.expect("the queue can be consumed"),
            timeout: self.timeout,
        }
    }

    /// Publishes one message, which some queue receives.
    pub(super) async fn publish(&self, message: Outgoing) {
        let key = Arc::clone(&message.routing_key);
        let published = self.within("a confirm", self.transport.publish(message)).await;
        let published = published.unwrap_or_else(|error| panic!("`{key}` is confirmed, not: {error:?}"));
        assert_eq!(published.unrouted, Some(false), "`{key}` reaches a queue");
    }

    /// Publishes numbers one after the other, without waiting for their confirms in between.
    pub(super) async fn publish_numbers(&self, exchange: &Arc<str>, key: &str, numbers: Range<usize>) {
        let messages = numbers.map(|number| numbered(exchange, key, number)).collect();
        for published in publish_all(&*self.transport, messages, self.timeout).await {
            let published = published.expect("the broker confirms");
            assert_eq!(published.unrouted, Some(false), "`{key}` reaches a queue");
        }
    }

    /// Sees that a queue holds nothing: what is published now is what is delivered first.
    pub(super) async fn assert_empty(&self, queue: &Arc<str>) {
        let last = numbered(&"".into(), queue, usize::MAX);
        self.publish(last).await;
        let mut subscription = self.subscribe(queue, 1).await;
        let first = subscription.next().await;
        assert_eq!(number(&first), usize::MAX, "`{queue}` is empty, but delivers {first:?}");
        first.ack();
    }
}

async fn connect(fixture: &dyn Fixture, timeout: WaitTimeout) -> Arc<dyn Transport> {
    let connected = timeout.wait("connecting", fixture.connect()).await;
    connected.expect("the transport connects")
}

pub(super) fn exchange(name: &Arc<str>, kind: ExchangeKind) -> Exchange {
    Exchange { name: Arc::clone(name), kind }
}

pub(super) fn binding(exchange: &Arc<str>, queue: &Arc<str>, pattern: &str) -> Binding {
    Binding { exchange: Arc::clone(exchange), queue: Arc::clone(queue), pattern: pattern.into() }
}

/// Random choices, and the seed that makes them again: the one in `BLOODBANK_CONFORMANCE_SEED`, otherwise a new one.
pub(super) fn seeded() -> (fastrand::Rng, u64) {
    let given = std::env::var("BLOODBANK_CONFORMANCE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    (fastrand::Rng::with_seed(seed), seed)
}

/// A message whose body is a number.
pub(super) fn numbered(exchange: &Arc<str>, key: &str, number: usize) -> Outgoing {
    Outgoing::new(Arc::clone(exchange), key, Bytes::from(number.to_string()))
        .properties(Properties::default().message_id(Uuid::new_v4()).event_type(key))
        .mandatory()
}

/// The number in the body.
pub(super) fn number(delivery: &Delivery) -> usize {
    let text = std::str::from_utf8(&delivery.message.body).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("the body of {delivery:?} is a number"))
}

/// Hands messages over one after the other, then waits for all answers.
pub(super) async fn publish_all(
    transport: &dyn Transport,
    messages: Vec<Outgoing>,
    timeout: WaitTimeout,
) -> Vec<Result<Published>> {
    let count = messages.len();
    let mut publishing = Vec::with_capacity(count);
    for message in messages {
        let mut answer = maybe_done(transport.publish(message));
        poll_once(&mut answer).await;
        publishing.push(answer);
    }
    timeout.wait(format!("{count} confirms"), join_all(&mut publishing)).await;
    let answers = publishing.iter_mut().map(|answer| Pin::new(answer).take_output());
    answers.map(|answer| answer.expect("all are done")).collect()
}

/// Polls a future once: the message is handed over.
pub(super) async fn poll_once(future: &mut (impl Future + Unpin)) {
    poll_fn(|context| {
        let _ = future.poll_unpin(context);
        Poll::Ready(())
    })
    .await;
}

/// The value that a task returned; its panic becomes ours.
pub(super) async fn joined<T>(task: JoinHandle<T>) -> T {
    match task.await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// The deliveries of a queue.
pub(super) struct Subscription {
    queue: Arc<str>,
    deliveries: Deliveries,
    timeout: WaitTimeout,
}

impl Subscription {
    /// The next delivery.
    pub(super) async fn next(&mut self) -> Delivery {
        let next = self.next_or_end().await;
        next.unwrap_or_else(|| panic!("`{}` goes on while its transport is open", self.queue))
    }

    /// The next delivery, or the end.
    pub(super) async fn next_or_end(&mut self) -> Option<Delivery> {
        // A transport that always has something would keep the deadline of the property from being looked at.
        tokio::task::coop::consume_budget().await;
        let next = self.deliveries.next();
        self.timeout.wait(format!("a message of `{}`", self.queue), next).await
    }

    /// The delivery that is there right now, if any.
    pub(super) fn now(&mut self) -> Option<Delivery> {
        self.deliveries.next().now_or_never().flatten()
    }

    /// Takes and acknowledges so many.
    pub(super) async fn take(&mut self, count: usize) -> Vec<usize> {
        let mut numbers = Vec::with_capacity(count);
        while numbers.len() < count {
            let delivery = self.next().await;
            numbers.push(number(&delivery));
            delivery.ack();
        }
        numbers
    }

    /// Takes and acknowledges one, and says what it is.
    pub(super) async fn take_one(&mut self) -> usize {
        self.take(1).await[0]
    }
}
