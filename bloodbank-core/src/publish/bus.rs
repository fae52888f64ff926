//! The bus: what services hold to publish, and what an app consumes from.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    consume::Context,
    correlation::{CorrelationTracker, Link, check_metadata},
    dispatch::Replies,
    envelope::{self, Source, TriggerType, WrittenSource},
    error::{Error, ErrorKind, Result},
    event::Event,
    health::Health,
    publish::{Draft, Publish, PublishOptions, Rare, Receipt, keys::Keys, measure::Measured},
    settings::Settings,
    transport::{Outgoing, Properties, Published, Topology, Transport, embedded::Embedded, names},
};

/// A connection to the bus. Cheap to clone; all clones share it.
#[derive(Clone)]
pub struct Bus(Arc<Inner>);

struct Inner {
    transport: Arc<dyn Transport>,
    settings: Settings,
    exchange: Arc<str>,
    service: Arc<str>,
    /// The source of what this service publishes, as it stands in envelopes.
    source: WrittenSource,
    correlation: Option<CorrelationTracker>,
    replies: Replies,
    keys: Keys,
    closed: AtomicBool,
}

impl Bus {
    /// The bus that the environment, `.env` and `bloodbank.toml` describe: RabbitMQ where `RABBIT_URL` is set,
    /// otherwise the embedded bus.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] naming the variable, its value and what is allowed; [`ErrorKind::Connection`] when
    /// RabbitMQ does not answer.
    pub async fn from_env() -> Result<Self> {
        Self::connect(Settings::load()?).await
    }

    /// The bus that these settings describe.
    ///
    /// # Errors
    /// Like [`Bus::from_env`].
    pub async fn connect(settings: Settings) -> Result<Self> {
        BusBuilder::new(settings).connect().await
    }

    /// A bus in this process and in memory, for tests and for trying things out.
    #[must_use]
    pub fn embedded() -> Self {
        let settings = Settings::default();
        let correlation = Some(CorrelationTracker::in_memory(&settings));
        let transport = Embedded::in_memory();
        transport
            .declare_now(&Topology::events(&settings.exchange_name.as_str().into()))
            .expect("a new bus has no exchange that could contradict");
        Self::assemble(settings, Arc::new(transport), correlation)
    }

    pub(crate) fn assemble(
        settings: Settings,
        transport: Arc<dyn Transport>,
        correlation: Option<CorrelationTracker>,
    ) -> Self {
        let service: Arc<str> = settings.service_name.as_str().into();
        Self(Arc::new(Inner {
            transport,
            exchange: settings.exchange_name.as_str().into(),
            source: Source::new(TriggerType::Hook, &*service).into(),
            service,
            correlation,
            replies: Replies::default(),
            keys: Keys::default(),
            closed: AtomicBool::new(false),
            settings,
        }))
    }

    /// Publishes an event; await the result for the confirm.
    pub fn publish<E: Event>(&self, event: E) -> Publish<'_, E> {
        Publish::new(self, event)
    }

    pub(crate) fn publish_follow_up<'a, E: Event>(&'a self, event: E, cause: &'a Context) -> Publish<'a, E> {
        Publish::follow_up(self, event, cause)
    }

    /// The settings it was made from.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The correlation index, unless it is switched off.
    #[must_use]
    pub fn correlation(&self) -> Option<&CorrelationTracker> {
        self.0.correlation.as_ref()
    }

    /// The transport underneath.
    #[must_use]
    pub fn transport(&self) -> &dyn Transport {
        &*self.0.transport
    }

    /// The exchange of all events.
    #[must_use]
    pub fn exchange(&self) -> &Arc<str> {
        &self.0.exchange
    }

    pub(crate) fn replies(&self) -> &Replies {
        &self.0.replies
    }

    pub(crate) fn window(&self) -> usize {
        self.0.settings.publish_window
    }

    /// Whether it works: for probes.
    #[must_use]
    pub fn health(&self) -> Health {
        Health::of(self)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Relaxed)
    }

    /// Waits for what is in flight and disconnects.
    pub async fn close(&self) {
        self.0.closed.store(true, Ordering::Relaxed);
        self.0.transport.close().await;
        if let Some(correlation) = &self.0.correlation {
            correlation.flush().await;
        }
    }

    /// Writes an event into the message that will carry it.
    pub(crate) fn draft<T: Serialize>(&self, key: &str, payload: &T, options: PublishOptions) -> Result<Draft> {
        let inner = &*self.0;
        let PublishOptions { event_id, timestamp, causes, mandatory, source, rare } = options;
        let Rare { agent_context, trace, mut headers, metadata, expires_in, reply_to } =
            rare.map_or_else(Rare::default, |rare| *rare);
        if !headers.is_empty() {
            headers.check_foreign()?;
        }
        if let Some(metadata) = &metadata {
            check_metadata(metadata)?;
        }
        let event_id = event_id.unwrap_or_else(Uuid::new_v4);
        let parents = merge_parents(event_id, causes)?;
        let timestamp = timestamp.unwrap_or_else(envelope::now);
        let source = source.as_ref().unwrap_or(&inner.source);
        let head = envelope::Head {
            event_id,
            event_type: key,
            timestamp,
            source: source.json(),
            correlation_ids: &parents,
            agent_context: agent_context.as_ref(),
        };
        let body = envelope::encode(&head, payload)?;
        let limit = inner.settings.max_body_bytes;
        if body.len() > limit {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!(
                    "`{key}` is {} bytes, over the limit of {limit}; send a reference, or raise BLOODBANK_MAX_BODY_BYTES",
                    body.len()
                ),
            ));
        }
        if let Some(trace) = trace {
            headers.set(names::TRACEPARENT, trace.parent);
            if let Some(state) = trace.state {
                headers.set(names::TRACESTATE, state);
            }
        }
        let event_type = inner.keys.share(key);
        let correlation_id = parents.first().copied();
        let link = inner.correlation.is_some().then(|| Link {
            child: event_id,
            event_type: Some(Arc::clone(&event_type)),
            created_at: timestamp,
            app: source.app().cloned(),
            metadata,
            parents,
        });
        Ok(Draft {
            receipt: Receipt { event_id, event_type: Arc::clone(&event_type), timestamp, unrouted: false },
            message: Outgoing {
                exchange: Arc::clone(&inner.exchange),
                routing_key: Arc::clone(&event_type),
                properties: Properties {
                    message_id: Some(event_id),
                    correlation_id,
                    event_type: Some(event_type),
                    timestamp: Some(timestamp),
                    app_id: Some(Arc::clone(&inner.service)),
                    reply_to,
                    expiration: expires_in,
                    headers,
                },
                body: Bytes::from(body),
                mandatory: true,
            },
            link,
            mandatory,
        })
    }

    /// Publishes what is written: hands it over now, resolves when it is confirmed. The correlation is recorded beside
    /// the confirm and never fails the publish.
    pub(crate) fn send(&self, draft: Draft) -> impl Future<Output = Result<Receipt>> + Send + '_ {
        let Draft { mut receipt, message, link, mandatory } = draft;
        let recorded = match (&self.0.correlation, link) {
            (Some(correlation), Some(link)) => correlation.record(link),
            _ => None,
        };
        let measured = Measured::begin(&receipt.event_type);
        let published = self.publish_message(message);
        async move {
            let published = published.await;
            measured.end(&published);
            if let Some(recorded) = recorded {
                recorded.await;
            }
            receipt.unrouted = published?.unrouted;
            if receipt.unrouted && mandatory {
                return Err(Error::new(
                    ErrorKind::Unrouted,
                    format!(
                        "no queue receives `{}`; start a subscriber of it, or publish without `mandatory`",
                        receipt.event_type
                    ),
                ));
            }
            Ok(receipt)
        }
    }

    /// Publishes a message as it is, within the deadline.
    pub(crate) fn publish_message(&self, message: Outgoing) -> impl Future<Output = Result<Published>> + Send + '_ {
        let deadline = self.0.settings.publish_timeout;
        let published = tokio::time::timeout(deadline, self.0.transport.publish(message));
        async move {
            match published.await {
                Ok(published) => published,
                Err(_) => Err(Error::new(
                    ErrorKind::Deadline,
                    format!(
                        "no confirm within {deadline:?}; the broker is slow, blocked or gone, and the event may yet \
                         arrive"
                    ),
                )),
            }
        }
    }

    /// Makes sure that something exists on the broker.
    pub(crate) async fn declare(&self, topology: Topology) -> Result<()> {
        self.0.transport.declare(topology).await
    }
}

/// Parents once each, in order; an event is not its own parent, and no event has the nil id.
fn merge_parents(child: Uuid, causes: Vec<Uuid>) -> Result<Vec<Uuid>> {
    let mut parents: Vec<Uuid> = Vec::with_capacity(causes.len());
    for cause in causes {
        if cause.is_nil() || cause == child {
            let what = if cause.is_nil() { "the nil id" } else { "its own id" };
            return Err(Error::new(
                ErrorKind::InvalidEnvelope,
                format!("event {child} has {what} as a parent; pass the id of the event that caused it"),
            ));
        }
        if !parents.contains(&cause) {
            parents.push(cause);
        }
    }
    Ok(parents)
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus")
            .field("system", &self.0.transport.system())
            .field("exchange", &self.0.exchange)
            .field("service", &self.0.service)
            .finish_non_exhaustive()
    }
}

/// Assembles a bus from settings, or from parts of one's own.
pub struct BusBuilder {
    settings: Settings,
    transport: Option<Arc<dyn Transport>>,
    /// `Some(None)`: switched off.
    correlation: Option<Option<CorrelationTracker>>,
}

impl BusBuilder {
    /// Everything as these settings say.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, transport: None, correlation: None }
    }

    /// Another transport than the settings say.
    #[must_use]
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Another correlation index than the settings say.
    #[must_use]
    pub fn correlation(mut self, correlation: CorrelationTracker) -> Self {
        self.correlation = Some(Some(correlation));
        self
    }

    /// No correlation index; the envelopes hold the parents all the same.
    #[must_use]
    pub fn without_correlation(mut self) -> Self {
        self.correlation = Some(None);
        self
    }

    /// Connects.
    ///
    /// # Errors
    /// Like [`Bus::from_env`].
    pub async fn connect(self) -> Result<Bus> {
        let Self { settings, transport, correlation } = self;
        let transport = match transport {
            Some(transport) => transport,
            None => open_transport(&settings).await?,
        };
        let correlation = match correlation {
            Some(correlation) => correlation,
            None => open_correlation(&settings, &*transport).await?,
        };
        let bus = Bus::assemble(settings, transport, correlation);
        bus.declare(Topology::events(bus.exchange())).await?;
        Ok(bus)
    }
}

/// Redis where the settings name one, otherwise where the transport keeps its events, otherwise memory.
async fn open_correlation(settings: &Settings, transport: &dyn Transport) -> Result<Option<CorrelationTracker>> {
    if settings.redis_url.is_none()
        && let Some(correlation) = transport.correlation(settings.correlation_ttl)
    {
        return Ok(Some(correlation));
    }
    CorrelationTracker::open(settings).await
}

async fn open_transport(settings: &Settings) -> Result<Arc<dyn Transport>> {
    if settings.rabbit_url.is_some() {
        #[cfg(feature = "amqp")]
        return Ok(Arc::new(crate::transport::amqp::Amqp::connect(settings).await?));
        #[cfg(not(feature = "amqp"))]
        return Err(Error::new(
            ErrorKind::Settings,
            "RABBIT_URL is set, but this program was built without the feature `amqp`; add it, or unset RABBIT_URL",
        ));
    }
    match &settings.embedded_path {
        None => Ok(Arc::new(Embedded::in_memory())),
        #[cfg(feature = "sqlite")]
        Some(path) => Ok(Arc::new(Embedded::open(path).await?)),
        #[cfg(not(feature = "sqlite"))]
        Some(_) => Err(Error::new(
            ErrorKind::Settings,
            "BLOODBANK_EMBEDDED_PATH is set, but this program was built without the feature `sqlite`; add it, or unset BLOODBANK_EMBEDDED_PATH",
        )),
    }
}
