//! The production bus in process, for tests.

use std::{fmt, ops::Deref, sync::Arc, time::Duration};

use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::recorder::{EventLog, Recorder, Step};
use bloodbank_core::{
    Result,
    correlation::CorrelationTracker,
    envelope::{EventEnvelope, wrap_plain},
    event::{Event, Payload},
    message::{Incoming, Outgoing, Published, names},
    publish::Bus,
    settings::Settings,
    transport::{Publish, Topology},
};

/// The production bus in process, with a record of what was published, consumed, retried and dead-lettered, and a clock
/// that stands still until the test moves it: a retry after an hour takes no time.
///
/// Give its [`Bus`] to the app under test; [`TestBus::idle`] waits until nobody has anything to do, without sleeping.
///
/// ```
/// # use bloodbank_core::App;
/// # use bloodbank_testing::TestBus;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> bloodbank_core::Result<()> {
/// let bus = TestBus::new();
/// let _app = App::new("shipping", bus.bus()).start().await?;
/// bus.idle().await;
/// # Ok(()) }
/// ```
pub struct TestBus {
    bus: Bus,
    transport: Arc<Recorder>,
    log: Arc<EventLog>,
}

/// An event in a dead-letter queue.
#[derive(Debug, Clone)]
pub struct DeadLetter<E> {
    /// The event, as its subscriber got it; `Err`: it cannot be read, and why.
    pub event: Result<EventEnvelope<E>, String>,
    /// The queue of the subscriber that gave it up.
    pub queue: String,
    /// `failed`, `attempts`, `undecodable`, `invalid`, `panicked`, `timed-out`, …
    pub reason: String,
    /// The error of the last attempt.
    pub error: String,
    /// The number of attempts.
    pub attempts: u32,
}

/// Longer than the handlers of any test should take.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

impl TestBus {
    /// A bus on which nothing has happened.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a bus is a resource, not a value")]
    pub fn new() -> Self {
        Self::with(Recorder::new(false))
    }

    /// A bus on which what is published is noted, and goes to nobody.
    pub(crate) fn catching() -> Self {
        Self::with(Recorder::new(true))
    }

    fn with((transport, log): (Recorder, Arc<EventLog>)) -> Self {
        let settings = Settings::default();
        transport
            .embedded
            .declare_now(&Topology::events(&settings.exchange_name.as_str().into()))
            .expect("a new bus has no exchange that could contradict");
        let transport = Arc::new(transport);
        let correlation = CorrelationTracker::in_memory(&settings);
        let bus = Bus::assemble(settings, Arc::clone(&transport) as _, Some(correlation));
        Self { bus, transport, log }
    }

    /// The bus, for [`App::new`](bloodbank_core::App::new).
    #[must_use]
    pub fn bus(&self) -> Bus {
        self.bus.clone()
    }

    /// Waits until every event that somebody subscribes to is settled. Events that wait for a retry stay where they are:
    /// move the clock with [`TestBus::advance`].
    ///
    /// # Panics
    /// After 30 s, naming what is left.
    pub async fn idle(&self) {
        let deadline = Instant::now() + IDLE_TIMEOUT;
        loop {
            let changed = self.log.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.transport.embedded.is_idle() {
                return;
            }
            assert!(
                timeout_at(deadline, changed).await.is_ok(),
                "the bus is still busy after {IDLE_TIMEOUT:?}: {:?}",
                self.transport.embedded
            );
        }
    }

    /// Moves the clock, then waits until nobody has anything to do.
    pub async fn advance(&self, by: Duration) {
        self.transport.embedded.advance(by);
        self.idle().await;
    }

    /// Moves the clock until no retry waits any more. Each retry is handled at its own time.
    ///
    /// # Panics
    /// After 10,000 delays, because a subscriber retries without end.
    pub async fn drain_retries(&self) {
        self.idle().await;
        for _ in 0..10_000 {
            let Some(next) = self.transport.embedded.next_expiry() else {
                return;
            };
            self.advance(next.saturating_sub(self.transport.embedded.now())).await;
        }
        panic!("a subscriber retries without end; give it `retry(max_attempts = …)`");
    }

    /// The events of this type that were published, in order.
    ///
    /// # Panics
    /// When one of them cannot be read as `E`.
    #[must_use]
    pub fn published<E: Event>(&self) -> Vec<EventEnvelope<E>> {
        self.events(|step| *step == Step::Published)
    }

    /// The keys of all events that were published, in order.
    #[must_use]
    pub fn published_keys(&self) -> Vec<String> {
        self.log.select(|(step, message)| (*step == Step::Published).then(|| message.routing_key.to_string()))
    }

    /// The events of this type that a subscriber settled, once for each subscriber and attempt, in order.
    ///
    /// # Panics
    /// When one of them cannot be read as `E`.
    #[must_use]
    pub fn consumed<E: Event>(&self) -> Vec<EventEnvelope<E>> {
        self.events(|step| matches!(step, Step::Consumed(_)))
    }

    /// The events of this type that were put off for another attempt, once for each, in order.
    ///
    /// # Panics
    /// When one of them cannot be read as `E`.
    #[must_use]
    pub fn retried<E: Event>(&self) -> Vec<EventEnvelope<E>> {
        self.events(|step| matches!(step, Step::Retried(_)))
    }

    /// The events of this type that were given up, in order; also messages of that type that cannot be read.
    #[must_use]
    pub fn dead_lettered<E: Event>(&self) -> Vec<DeadLetter<E>> {
        self.log.select(|(step, message)| {
            let Step::DeadLettered(queue) = step else {
                return None;
            };
            let headers = &message.properties.headers;
            is_of::<E>(message).then(|| DeadLetter {
                event: decode(message).map_err(|error| error.to_string()),
                queue: queue.to_string(),
                reason: headers.text(names::REASON).unwrap_or_default().to_owned(),
                error: headers.text(names::ERROR).unwrap_or_default().to_owned(),
                attempts: headers.integer(names::ATTEMPT).and_then(|attempt| attempt.try_into().ok()).unwrap_or(1),
            })
        })
    }

    /// The record of what became of each event.
    pub(crate) fn log(&self) -> &EventLog {
        &self.log
    }

    /// Publishes a message to the subscribers, on a bus that catches what is published too.
    pub(crate) async fn inject(&self, message: Outgoing) -> Result<Published> {
        self.transport.embedded.publish(message).await
    }

    fn events<E: Event>(&self, wanted: impl Fn(&Step) -> bool) -> Vec<EventEnvelope<E>> {
        self.log.select(|(step, message)| {
            (wanted(step) && is_of::<E>(message)).then(|| match decode(message) {
                Ok(envelope) => envelope,
                Err(error) => panic!("`{}` was on the bus, but {error}", E::DECLARATION.routing_key),
            })
        })
    }
}

fn is_of<E: Event>(message: &Incoming) -> bool {
    bloodbank_core::routing::template_matches(E::DECLARATION.routing_key, key(message))
}

fn key(message: &Incoming) -> &str {
    let properties = &message.properties;
    let of_copy = properties.headers.text(names::EVENT_TYPE).or(properties.event_type.as_deref());
    of_copy.unwrap_or(&message.routing_key)
}

/// Reads an event in its envelope, or one that travels as plain JSON.
fn decode<E: Event>(message: &Incoming) -> Result<EventEnvelope<E>> {
    let properties = &message.properties;
    let of_copy = properties.headers.text(names::EVENT_ID).and_then(|id| Uuid::try_parse(id).ok());
    let id = of_copy.or(properties.message_id).unwrap_or_default();
    E::decode(&message.body)
        .or_else(|error| wrap_plain(message, id, key(message)).and_then(|body| E::decode(&body)).map_err(|_| error))
}

impl Deref for TestBus {
    type Target = Bus;

    fn deref(&self) -> &Bus {
        &self.bus
    }
}

impl fmt::Debug for TestBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestBus").field("bus", &self.bus).finish_non_exhaustive()
    }
}
