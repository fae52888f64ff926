//! Topology: exchanges, queues and bindings as data, which a transport declares and a tool compares.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{distinct::Distinct, partitions::other_note};
use crate::{
    error::{Error, ErrorKind},
    settings::{QueueArgument, QueueKind},
};

/// The kind of an exchange: how it routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ExchangeKind {
    /// Routes by pattern.
    Topic,
    /// Routes to every bound queue.
    Fanout,
    /// Routes by equality.
    Direct,
}

/// An exchange. All exchanges are durable.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Exchange {
    /// The name of the exchange.
    pub name: Arc<str>,
    /// The kind of the exchange.
    pub kind: ExchangeKind,
}

/// The dead-letter target of a queue: where the messages go that it gives up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DeadLetterTo {
    /// The exchange; empty: the default exchange.
    pub exchange: Arc<str>,
    /// The routing key; `None` keeps the one of the message.
    pub routing_key: Option<Arc<str>>,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Queue {
    /// The name of the queue.
    pub name: Arc<str>,
    /// The kind of the queue.
    pub kind: QueueKind,
    /// The dead-letter target of messages that are rejected, expired, or delivered too often.
    pub dead_letter: Option<DeadLetterTo>,
    /// The number of redeliveries of a message before the queue gives it up.
    pub delivery_limit: Option<u32>,
    /// The time for which a message stays before the queue gives it up.
    pub message_ttl: Option<Duration>,
    /// The number of messages that the queue holds before publishing to it is refused.
    pub max_length: Option<u64>,
    /// The highest priority that the queue knows; messages of a higher one are delivered first. Only for classic queues.
    #[serde(default)]
    pub max_priority: Option<u8>,
    /// The time after which the queue is deleted when nobody consumes from it. The embedded bus keeps the queue:
    /// nothing comes between it and its consumers.
    #[serde(default)]
    pub expires: Option<Duration>,
    /// The subscriber that the queue belongs to, `{app}.{subscriber}`; another one is refused, because each would get half
    /// of the events. `None`: anybody may consume, and what the queue remembers stays.
    #[serde(default)]
    pub subscriber: Option<Arc<str>>,
    /// Whether the queue delivers to one consumer at a time, in order: to the one that has consumed longest. When that one ends, what
    /// it has not settled comes first for the next one.
    #[serde(default)]
    pub single_active: bool,
    /// Further arguments of the queue on RabbitMQ, such as `x-queue-leader-locator`; the embedded bus has none.
    #[serde(default)]
    pub arguments: BTreeMap<Arc<str>, QueueArgument>,
}

impl Queue {
    /// Creates a queue with only a name and a kind.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, kind: QueueKind) -> Self {
        Self {
            name: name.into(),
            kind,
            dead_letter: None,
            delivery_limit: None,
            message_ttl: None,
            max_length: None,
            max_priority: None,
            expires: None,
            subscriber: None,
            single_active: false,
            arguments: BTreeMap::new(),
        }
    }

    /// Sets the kind of the queue.
    #[must_use]
    pub fn kind(mut self, kind: QueueKind) -> Self {
        self.kind = kind;
        self
    }

    /// Sets the dead-letter target.
    #[must_use]
    pub fn dead_letter(mut self, target: impl Into<Option<DeadLetterTo>>) -> Self {
        self.dead_letter = target.into();
        self
    }

    /// Sets the number of redeliveries of a message before the queue gives it up.
    #[must_use]
    pub fn delivery_limit(mut self, redeliveries: impl Into<Option<u32>>) -> Self {
        self.delivery_limit = redeliveries.into();
        self
    }

    /// Sets the time for which a message stays before the queue gives it up.
    #[must_use]
    pub fn message_ttl(mut self, lifetime: impl Into<Option<Duration>>) -> Self {
        self.message_ttl = lifetime.into();
        self
    }

    /// Sets the number of messages that the queue holds before publishing to it is refused.
    #[must_use]
    pub fn max_length(mut self, messages: impl Into<Option<u64>>) -> Self {
        self.max_length = messages.into();
        self
    }

    /// Delivers to one consumer at a time.
    #[must_use]
    pub fn single_active(mut self) -> Self {
        self.single_active = true;
        self
    }

    /// Sets a further argument of the queue on RabbitMQ.
    #[must_use]
    pub fn argument(mut self, name: impl Into<Arc<str>>, value: QueueArgument) -> Self {
        self.arguments.insert(name.into(), value);
        self
    }

    /// Sets the highest priority that the queue knows.
    #[must_use]
    pub fn max_priority(mut self, priority: impl Into<Option<u8>>) -> Self {
        self.max_priority = priority.into();
        self
    }

    /// Sets the subscriber that the queue belongs to.
    #[must_use]
    pub fn subscriber(mut self, subscriber: impl Into<Option<Arc<str>>>) -> Self {
        self.subscriber = subscriber.into();
        self
    }

    /// Sets the time after which the queue is deleted when nobody consumes from it.
    #[must_use]
    pub fn expires(mut self, unused: impl Into<Option<Duration>>) -> Self {
        self.expires = unused.into();
        self
    }
}

/// A binding of a queue to an exchange.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Binding {
    /// The exchange.
    pub exchange: Arc<str>,
    /// The queue.
    pub queue: Arc<str>,
    /// The binding pattern or key.
    pub pattern: Arc<str>,
}

/// A topology: everything that must exist before messages flow, in the order of declaration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Topology {
    /// The exchanges.
    pub exchanges: Vec<Exchange>,
    /// The queues.
    pub queues: Vec<Queue>,
    /// The bindings.
    pub bindings: Vec<Binding>,
    /// The queues that others make: they must exist, and nothing of them is declared.
    #[serde(default)]
    pub foreign: Vec<Arc<str>>,
}

/// The error of declaring a queue that belongs to another subscriber.
#[must_use]
pub fn belongs_to_another(queue: &str, owner: &str, other: &str) -> Error {
    if let Some(text) = other_note(queue, owner) {
        return Error::new(ErrorKind::Topology, text);
    }
    Error::new(
        ErrorKind::Topology,
        format!(
            "queue `{queue}` belongs to the subscriber `{owner}`; `{other}` would take half of its events: name another queue with `queue = \"…\"`, or, where `{other}` takes the place of `{owner}` for good, run `bb topology release {queue}` first"
        ),
    )
}

/// The error of a queue that is to have priorities and is not classic.
#[must_use]
pub fn priorities_need_classic(queue: &str, kind: QueueKind) -> Error {
    Error::new(
        ErrorKind::Topology,
        format!(
            "queue `{queue}` is to have priorities, and is a {kind} queue, which has none: set BLOODBANK_QUEUE_TYPE=classic, or remove `max_priority` and give what is urgent a subscriber of its own"
        ),
    )
}

/// The error of a queue that others make, where they have not made it.
#[must_use]
pub fn foreign_queue_missing(queue: &str) -> Error {
    Error::new(
        ErrorKind::Topology,
        format!(
            "there is no queue `{queue}`, which others make (`foreign`): correct its name, have it made first, or remove `foreign` so that this program makes it"
        ),
    )
}

/// The dead-letter exchange, which leads given-up messages to the dead-letter queue of their queue.
pub const DEAD_LETTER_EXCHANGE: &str = "bloodbank.dlx";

/// The number of redeliveries after which the broker dead-letters a message.
pub const DELIVERY_LIMIT: u32 = 20;

/// The delivery limit of dead-letter queues: a dead letter may be looked at without end. Without a limit RabbitMQ 4
/// takes 20, and drops what is looked at more often; and quorum queues put what comes back to the end instead of to its
/// place.
pub const PARKED_DELIVERY_LIMIT: u32 = i32::MAX.cast_unsigned();

/// The retry ladder, the delays between attempts: few, fixed and shared by all services, because a delay for each
/// message would make short ones wait behind long ones.
pub const LADDER: [Duration; 10] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(15 * 60),
    Duration::from_secs(60 * 60),
    Duration::from_secs(3 * 60 * 60),
    Duration::from_secs(6 * 60 * 60),
];

/// What the names of the queues of the retry ladder begin with.
pub(super) const RETRY_QUEUES: &str = "bloodbank.retry.";

/// The name of a rung of the retry ladder. Services that choose classic queues have a ladder of their own: one broker
/// may serve both, and a queue cannot be of two kinds.
#[must_use]
pub fn rung_name(kind: QueueKind, delay: Duration) -> String {
    match kind {
        QueueKind::Quorum => format!("{RETRY_QUEUES}{}", delay.as_millis()),
        QueueKind::Classic | QueueKind::Transient => format!("{RETRY_QUEUES}classic.{}", delay.as_millis()),
    }
}

/// The name of a partition of a queue; the first one is number 0.
#[must_use]
pub fn partition_name(queue: &str, number: u16) -> String {
    format!("{queue}.p{number}")
}

/// The name of the queue that every process consumes that shares the partitions of a queue; nothing ever comes to it.
#[must_use]
pub fn members_name(queue: &str) -> String {
    format!("{queue}.members")
}

/// The name of a queue's dead-letter queue.
#[must_use]
pub fn dead_letter_queue(queue: &str) -> String {
    format!("{queue}.dlq")
}

/// Adds the parts of other topologies that this one lacks.
impl Extend<Self> for Topology {
    fn extend<I: IntoIterator<Item = Self>>(&mut self, others: I) {
        let mut exchanges = Distinct::new(&mut self.exchanges);
        let mut queues = Distinct::new(&mut self.queues);
        let mut bindings = Distinct::new(&mut self.bindings);
        let mut foreign = Distinct::new(&mut self.foreign);
        for other in others {
            exchanges.add(other.exchanges);
            queues.add(other.queues);
            bindings.add(other.bindings);
            foreign.add(other.foreign);
        }
    }
}

impl Topology {
    /// Adds exchanges.
    #[must_use]
    pub fn exchanges(mut self, exchanges: impl IntoIterator<Item = Exchange>) -> Self {
        self.exchanges.extend(exchanges);
        self
    }

    /// Adds queues.
    #[must_use]
    pub fn queues(mut self, queues: impl IntoIterator<Item = Queue>) -> Self {
        self.queues.extend(queues);
        self
    }

    /// Adds bindings.
    #[must_use]
    pub fn bindings(mut self, bindings: impl IntoIterator<Item = Binding>) -> Self {
        self.bindings.extend(bindings);
        self
    }

    /// Adds queues that others make.
    #[must_use]
    pub fn foreign(mut self, queues: impl IntoIterator<Item = Arc<str>>) -> Self {
        self.foreign.extend(queues);
        self
    }

    /// The topology of a publisher: the exchange for events alone.
    #[must_use]
    pub fn events(exchange: &Arc<str>) -> Self {
        Self { exchanges: vec![Exchange { name: Arc::clone(exchange), kind: ExchangeKind::Topic }], ..Self::default() }
    }

    /// The topology of a subscriber: its queue with its bindings, its dead-letter queue, the retry ladder.
    #[must_use]
    pub fn subscriber(exchange: &Arc<str>, queue: &Arc<str>, kind: QueueKind, patterns: &[Arc<str>]) -> Self {
        let mut topology = Self::events(exchange);
        topology.add_dead_letters(queue, kind);
        topology.queues.push(Queue {
            dead_letter: Some(DeadLetterTo {
                exchange: DEAD_LETTER_EXCHANGE.into(),
                routing_key: Some(Arc::clone(queue)),
            }),
            delivery_limit: Some(DELIVERY_LIMIT),
            ..Queue::new(Arc::clone(queue), kind)
        });
        for pattern in patterns {
            topology.bindings.push(Binding {
                exchange: Arc::clone(exchange),
                queue: Arc::clone(queue),
                pattern: Arc::clone(pattern),
            });
        }
        topology.add_retry_ladder(kind);
        topology
    }

    /// Splits the queue of a subscriber into partitions: each a queue with one consumer at a time, whose dead letters go to the
    /// dead-letter queue of the subscriber. The queue itself then has one consumer at a time too, which spreads its messages, and a queue
    /// beside it counts the processes.
    pub fn partition(&mut self, queue: &Arc<str>, partitions: u16) {
        let Some(whole) = self.queues.iter_mut().find(|known| known.name == *queue) else { return };
        whole.single_active = true;
        let parts: Vec<_> = (0..partitions)
            .map(|number| Queue { name: partition_name(queue, number).into(), ..whole.clone() })
            .collect();
        let members = Queue::new(members_name(queue), whole.kind);
        self.queues.extend(parts);
        self.queues.push(members);
    }

    /// The topology of a subscriber whose queue others make: only its dead-letter queue and the retry ladder.
    #[must_use]
    pub fn foreign_subscriber(exchange: &Arc<str>, queue: &Arc<str>, kind: QueueKind) -> Self {
        let mut topology = Self::events(exchange).foreign([Arc::clone(queue)]);
        topology.add_dead_letters(queue, kind);
        topology.add_retry_ladder(kind);
        topology
    }

    /// Adds the dead-letter exchange and the dead-letter queue of a queue.
    fn add_dead_letters(&mut self, queue: &Arc<str>, kind: QueueKind) {
        let dlx: Arc<str> = DEAD_LETTER_EXCHANGE.into();
        let parked: Arc<str> = dead_letter_queue(queue).into();
        self.exchanges.push(Exchange { name: Arc::clone(&dlx), kind: ExchangeKind::Direct });
        self.queues
            .push(Queue { delivery_limit: Some(PARKED_DELIVERY_LIMIT), ..Queue::new(Arc::clone(&parked), kind) });
        self.bindings.push(Binding { exchange: dlx, queue: parked, pattern: Arc::clone(queue) });
    }

    fn add_retry_ladder(&mut self, kind: QueueKind) {
        for delay in LADDER {
            let name: Arc<str> = rung_name(kind, delay).into();
            self.exchanges.push(Exchange { name: Arc::clone(&name), kind: ExchangeKind::Fanout });
            self.queues.push(Queue {
                dead_letter: Some(DeadLetterTo { exchange: "".into(), routing_key: None }),
                message_ttl: Some(delay),
                ..Queue::new(Arc::clone(&name), kind)
            });
            self.bindings.push(Binding { exchange: Arc::clone(&name), queue: name, pattern: "".into() });
        }
    }

    /// The part that outlives a connection, and the queues of one connection with their bindings.
    #[must_use]
    pub fn split_transient(mut self) -> (Self, Self) {
        let (own, lasting): (Vec<_>, Vec<_>) =
            self.queues.into_iter().partition(|queue| queue.kind == QueueKind::Transient);
        let is_own = |binding: &Binding| own.iter().any(|queue| queue.name == binding.queue);
        let (own_bindings, bindings) = self.bindings.into_iter().partition(is_own);
        (self.queues, self.bindings) = (lasting, bindings);
        let own = Self { queues: own, bindings: own_bindings, ..Self::default() };
        (self, own)
    }

    /// The topology of a requester: a queue for answers.
    #[must_use]
    pub fn replies(queue: &Arc<str>) -> Self {
        Self { queues: vec![Queue::new(Arc::clone(queue), QueueKind::Transient)], ..Self::default() }
    }
}
