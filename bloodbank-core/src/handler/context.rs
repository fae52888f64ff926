//! The context of the event that a handler handles.

use std::{
    any::Any,
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    dedupe::DedupeMark,
    envelope::{AgentContext, EnvelopeHead, RawEnvelope},
    error::Error,
    event::Declaration,
    event_id,
    handler::{Attempts, Committed, HandlerError, Line, Lines, States, plain::PlainEvent},
    message::{Headers, Incoming, names},
    publish::{Bus, Cause, FollowUp, TraceContext},
    telemetry::Handled,
};

/// The context of the event that a handler handles: attempt, headers, deadline, cancellation, the bus.
#[derive(Clone)]
pub struct Context(Arc<Inner>);

struct Inner {
    target: Arc<Target>,
    delivered: Delivered,
    /// The event of a message without an envelope.
    plain: Option<PlainEvent>,
    head: OnceLock<EnvelopeHead>,
    position: AtomicU32,
    unchecked: AtomicBool,
    begun: OnceLock<Instant>,
    mark: OnceLock<DedupeMark>,
    /// The trace that this attempt belongs to, where there is a tracer.
    trace: OnceLock<TraceContext>,
    /// The other events of a batch that this one is the first of.
    others: OnceLock<Vec<Context>>,
    /// Why the event of a batch cannot be read.
    unreadable: OnceLock<HandlerError>,
    transaction: Mutex<TransactionState>,
    /// The line of its key, once somebody has asked.
    line: OnceLock<Option<Line>>,
}

/// The transaction of a transactional subscriber, on its way to the handler and back.
#[derive(Default)]
struct TransactionState {
    handle: Option<Box<dyn Any + Send>>,
    committed: Option<Committed>,
}

/// The part of the context that all deliveries of a subscriber share.
pub(crate) struct Target {
    pub(crate) bus: Bus,
    pub(crate) subscriber: Arc<str>,
    pub(crate) queue: Arc<str>,
    pub(crate) states: States,
    pub(crate) cancellation: CancellationToken,
    pub(crate) timeout: Duration,
    pub(crate) dedupe_within: Option<Duration>,
    /// The event that a message without an envelope is; `None` where messages have envelopes.
    pub(crate) plain: Option<&'static Declaration>,
    /// The lines of parked keys (`park_key`).
    pub(crate) lines: Option<Lines>,
    /// The attempts that run now.
    pub(crate) attempts: Attempts,
}

/// The part of the context that belongs to one delivery.
pub(crate) struct Delivered {
    pub(crate) message: Incoming,
    pub(crate) redelivered: bool,
}

impl Context {
    pub(crate) fn new(target: Arc<Target>, delivered: Delivered) -> Self {
        let plain = target.plain.map(|declaration| PlainEvent::new(&delivered.message, declaration));
        Self(Arc::new(Inner {
            target,
            delivered,
            plain,
            head: OnceLock::new(),
            position: AtomicU32::new(0),
            unchecked: AtomicBool::new(false),
            begun: OnceLock::new(),
            mark: OnceLock::new(),
            trace: OnceLock::new(),
            others: OnceLock::new(),
            unreadable: OnceLock::new(),
            transaction: Mutex::default(),
            line: OnceLock::new(),
        }))
    }

    /// The context of another attempt at the same delivery, whose message says which one it is.
    pub(crate) fn next_attempt(&self, message: Incoming) -> Self {
        let redelivered = self.0.delivered.redelivered;
        let next = Self::new(Arc::clone(&self.0.target), Delivered { message, redelivered });
        next.0.unchecked.store(self.may_be_duplicate(), Ordering::Relaxed);
        next
    }

    /// The id of the event; the nil id if it could not be read.
    #[must_use]
    pub fn event_id(&self) -> Uuid {
        let known = self.0.head.get().map(|head| head.event_id);
        let known = known.or(self.0.plain.as_ref().map(|plain| plain.event_id));
        known.or(self.message().properties.message_id).unwrap_or_default()
    }

    /// The envelope without its payload; `None` where the message is no envelope. A layer that asks before the handler has
    /// decoded the message pays for reading it.
    #[must_use]
    pub fn head(&self) -> Option<&EnvelopeHead> {
        if self.0.head.get().is_none() {
            let (head, _payload) = RawEnvelope::read(self.envelope().ok()?).ok()?.split();
            self.set_head(head);
        }
        self.0.head.get()
    }

    pub(crate) fn set_head(&self, head: EnvelopeHead) {
        // A layer that retries reads the same message again: the first head is as good as the second.
        let _ = self.0.head.set(head);
    }

    /// The id of the replay that the event belongs to: it was replayed to this subscriber, or a replayed event led to it.
    /// `None`: it is handled for the first time, or again for another reason.
    ///
    /// A handler whose effect must not be repeated, such as a letter to a customer, asks for it.
    #[must_use]
    pub fn replay(&self) -> Option<Uuid> {
        let headers = self.headers();
        let id = headers.text(names::REPLAYED).or_else(|| headers.text(names::REPLAY))?;
        id.parse().ok()
    }

    /// The id under which the event is remembered as handled: that of the event, or for a replayed one an id of both it and
    /// the replay, so that it is handled once more for each replay. `None`: the message has no id that could be read.
    #[must_use]
    pub fn handled_id(&self) -> Option<Uuid> {
        let event_id = self.own_id()?;
        let replayed = self.headers().text(names::REPLAYED).and_then(|id| id.parse::<Uuid>().ok());
        Some(replayed.map_or(event_id, |replay| Uuid::new_v5(&replay, event_id.as_bytes())))
    }

    /// The id of the event, read where nothing names it; `None`: it cannot be read.
    pub(super) fn own_id(&self) -> Option<Uuid> {
        let named = Some(self.event_id()).filter(|id| !id.is_nil());
        named.or_else(|| Some(RawEnvelope::read(self.envelope().ok()?).ok()?.event_id))
    }

    /// The line of the event; `None`: the subscriber parks no keys, or the event cannot be read.
    pub(crate) fn line(&self) -> Option<&Line> {
        let lines = self.0.target.lines.as_ref()?;
        self.0.line.get_or_init(|| Line::of(self, lines)).as_ref()
    }

    /// The number of this attempt, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        let attempt = self.headers().integer(names::ATTEMPT);
        attempt.and_then(|attempt| u32::try_from(attempt).ok()).unwrap_or(1).max(1)
    }

    /// Whether the broker has delivered this message before without receiving an answer, or the one that it is a copy of.
    #[must_use]
    pub fn redelivered(&self) -> bool {
        self.deaths() > 0
    }

    /// How often it was delivered without an answer, as far as is known: the consumer died, or its connection was lost.
    pub(crate) fn deaths(&self) -> i64 {
        self.headers().integer(names::RETURNED).unwrap_or(0) + i64::from(self.0.delivered.redelivered)
    }

    /// Whether the event may have been handled before: the subscriber uses `dedupe`, but the lease store did not
    /// answer.
    #[must_use]
    pub fn may_be_duplicate(&self) -> bool {
        self.0.unchecked.load(Ordering::Relaxed)
    }

    pub(crate) fn set_unchecked(&self) {
        self.0.unchecked.store(true, Ordering::Relaxed);
    }

    /// The mark that says that this event was handled, where the subscriber asks for `dedupe` and holds the lease: a handler
    /// may set it in the transaction of its effect.
    #[must_use]
    pub fn dedupe_mark(&self) -> Option<&DedupeMark> {
        self.0.mark.get()
    }

    pub(crate) fn set_dedupe_mark(&self, mark: DedupeMark) {
        // An event is begun once.
        let _ = self.0.mark.set(mark);
    }

    /// The key of the event; the routing key of a message that does not say its type.
    pub(crate) fn key(&self) -> &str {
        if let Some(plain) = &self.0.plain {
            return &plain.event_type;
        }
        self.message().properties.event_type.as_ref().unwrap_or(&self.message().routing_key)
    }

    /// The event, as spans and log lines name it.
    pub(crate) fn handled(&self) -> Handled<'_> {
        Handled {
            system: self.bus().transport().system(),
            queue: self.queue(),
            event_id: self.event_id(),
            key: self.key(),
            attempt: self.attempt(),
            message: self.message(),
            redelivered: self.redelivered(),
        }
    }

    /// Says which trace this attempt belongs to, and so what it publishes.
    pub(crate) fn set_trace(&self, trace: TraceContext) {
        // An attempt is begun once.
        let _ = self.0.trace.set(trace);
    }

    /// Takes the transaction of a transactional subscriber, where it has this type: an extractor that stands for a
    /// transaction calls it. `None`: there is none, or it was taken before.
    #[must_use]
    pub fn take_transaction<T: 'static>(&self) -> Option<T> {
        let mut state = self.0.transaction.lock();
        match state.handle.take()?.downcast::<T>() {
            Ok(handle) => Some(*handle),
            Err(other) => {
                state.handle = Some(other);
                None
            }
        }
    }

    pub(super) fn begin_transaction(&self, handle: Box<dyn Any + Send>) {
        // The handler may run again: its follow-ups have the same ids then.
        self.0.position.store(0, Ordering::Relaxed);
        self.0.transaction.lock().handle = Some(handle);
    }

    pub(super) fn end_transaction(&self) {
        let unused = self.0.transaction.lock().handle.take();
        drop(unused);
    }

    pub(super) fn set_committed(&self, committed: Committed) {
        self.0.transaction.lock().committed = Some(committed);
    }

    pub(crate) fn take_committed(&self) -> Option<Committed> {
        self.0.transaction.lock().committed.take()
    }

    /// The contexts of all events of a batch, this one first. Without a batch, this one alone.
    pub fn batch(&self) -> impl Iterator<Item = &Context> {
        std::iter::once(self).chain(self.0.others.get().into_iter().flatten())
    }

    pub(crate) fn set_batch(&self, others: Vec<Context>) {
        // A batch is made once.
        let _ = self.0.others.set(others);
    }

    /// Why the event of a batch cannot be read: it is settled by itself.
    pub(crate) fn unreadable(&self) -> Option<&HandlerError> {
        self.0.unreadable.get()
    }

    pub(super) fn set_unreadable(&self, error: HandlerError) {
        // A layer that retries finds the same error.
        let _ = self.0.unreadable.set(error);
    }

    /// The events that what the handler publishes is caused by.
    pub(super) fn causes(&self) -> impl Iterator<Item = &Context> {
        self.batch().filter(|context| context.unreadable().is_none())
    }

    pub(super) fn attempts(&self) -> &Attempts {
        &self.0.target.attempts
    }

    /// The queue that the event came from.
    #[must_use]
    pub fn queue(&self) -> &str {
        &self.0.target.queue
    }

    /// The name of the subscriber.
    #[must_use]
    pub fn subscriber(&self) -> &str {
        &self.0.target.subscriber
    }

    /// The headers of the message.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.message().properties.headers
    }

    /// The time limit of one attempt.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.0.target.timeout
    }

    /// Whether the time to live of the event is over.
    pub(crate) fn has_expired(&self) -> bool {
        let end = self.headers().text(names::EXPIRES_AT).and_then(|end| DateTime::parse_from_rfc3339(end).ok());
        end.is_some_and(|end| end < Utc::now())
    }

    /// The time for which the subscriber wants an event to be remembered (`dedupe(within = …)`).
    #[must_use]
    pub fn dedupe_within(&self) -> Option<Duration> {
        self.0.target.dedupe_within
    }

    /// Starts the attempt, unless it has started, and returns the time of its start. An event that waits for its lane
    /// or its lease has not started.
    pub(crate) fn begin(&self) -> Instant {
        *self.0.begun.get_or_init(Instant::now)
    }

    /// The deadline of this attempt.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.begin() + self.timeout()
    }

    /// The cancellation token, set when the app shuts down: finish soon.
    #[must_use]
    pub fn cancellation(&self) -> &CancellationToken {
        &self.0.target.cancellation
    }

    /// The bus that the event came from.
    #[must_use]
    pub fn bus(&self) -> &Bus {
        &self.0.target.bus
    }

    /// The message as it was delivered. One that came back from a retry has its first exchange and routing key.
    #[must_use]
    pub fn message(&self) -> &Incoming {
        &self.0.delivered.message
    }

    /// The envelope: the body, or what was made around it.
    pub(crate) fn envelope(&self) -> Result<&[u8], &Error> {
        match &self.0.plain {
            None => Ok(&self.message().body),
            Some(plain) => plain.envelope.as_deref(),
        }
    }

    /// Whether the message came without an envelope.
    pub(crate) fn is_plain(&self) -> bool {
        self.0.plain.is_some()
    }

    pub(crate) fn states(&self) -> &States {
        &self.0.target.states
    }

    /// The position of the next follow-up event, from which its id is derived, and the id of all its causes.
    pub(crate) fn next_follow_up(&self) -> FollowUp {
        let cause = match self.0.others.get().is_none_or(Vec::is_empty) {
            true => self.event_id(),
            false => {
                let ids: Vec<_> = self.causes().map(|context| context.event_id().into_bytes()).collect();
                event_id::of_parts(&ids.iter().map(<[u8; 16]>::as_slice).collect::<Vec<_>>())
            }
        };
        FollowUp {
            cause,
            subscriber: Arc::clone(&self.0.target.subscriber),
            position: self.0.position.fetch_add(1, Ordering::Relaxed),
        }
    }
}

impl Cause for Context {
    fn event_id(&self) -> Uuid {
        Context::event_id(self)
    }

    fn agent_context(&self) -> Option<&AgentContext> {
        self.head()?.agent_context.as_deref()
    }

    fn trace(&self) -> Option<TraceContext> {
        self.0.trace.get().cloned().or_else(|| TraceContext::from_headers(&self.message().properties.headers))
    }

    fn replay(&self) -> Option<Uuid> {
        Context::replay(self)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("event_id", &self.event_id())
            .field("subscriber", &self.subscriber())
            .field("attempt", &self.attempt())
            .finish_non_exhaustive()
    }
}
