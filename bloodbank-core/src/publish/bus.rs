//! The bus: the handle that services publish with, and that an app consumes from.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use chrono::{SecondsFormat, TimeDelta, Utc};
use futures_util::future::Either;
use parking_lot::{Mutex, RwLock};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    correlation::{CorrelationTracker, check_metadata},
    envelope::{self, Source, TriggerType, WrittenSource},
    error::{Error, ErrorKind, Result},
    event::Event,
    message::{Format, Outgoing, Properties, Published, names},
    publish::{
        Prepared, Publish, PublishOptions, Receipt, Replies, StuckSubscribers, Uncommon, keys::Keys, measure::Measured,
    },
    settings::{Settings, TopologyMode},
    store::{ArchivedJournal, CausationLink, Journal, Stores},
    telemetry,
    transport::{Topology, Transport},
};

/// A connection to the bus. Cheap to clone; all clones share it.
#[derive(Clone)]
pub struct Bus(Arc<Inner>);

struct Inner {
    transport: Arc<dyn Transport>,
    settings: Settings,
    exchange: Arc<str>,
    /// The service that publishes: that of the settings, or else the first app on this bus.
    service: OnceLock<Service>,
    unnamed: Service,
    correlation: Option<CorrelationTracker>,
    replies: Replies,
    keys: Keys,
    closed: AtomicBool,
    /// Ends the journal that is read in place of the transport's.
    closing: CancellationToken,
    /// Read in place of the transport's.
    journal: OnceLock<Arc<dyn Journal>>,
    /// Read where the journal does not reach back.
    archive: OnceLock<Arc<dyn Journal>>,
    troubles: RwLock<Vec<Trouble>>,
    /// What lasts of what was declared.
    declared: Mutex<Vec<Topology>>,
    stuck: StuckSubscribers,
}

/// A service as a publisher.
struct Service {
    name: Arc<str>,
    /// The source of its events, serialised as in envelopes.
    source: WrittenSource,
}

impl Service {
    fn named(name: &str) -> Self {
        Self { name: name.into(), source: Source::new(TriggerType::Hook, name).into() }
    }
}

/// The name of a service that has none: neither `SERVICE_NAME` is set, nor does an app run.
const UNNAMED: &str = "bloodbank";

/// Says what is wrong with a part of the program, while something is.
type Trouble = Box<dyn Fn() -> Option<String> + Send + Sync>;

impl Bus {
    /// Assembles a bus from parts that are connected already; nothing is declared on the transport.
    #[must_use]
    pub fn assemble(
        settings: Settings,
        transport: Arc<dyn Transport>,
        correlation: Option<CorrelationTracker>,
    ) -> Self {
        let service = settings.service_name.as_deref().map(Service::named);
        Self(Arc::new(Inner {
            transport,
            exchange: settings.exchange_name.as_str().into(),
            service: service.map_or_else(OnceLock::new, OnceLock::from),
            unnamed: Service::named(UNNAMED),
            correlation,
            replies: Replies::default(),
            keys: Keys::default(),
            closed: AtomicBool::new(false),
            closing: CancellationToken::new(),
            journal: OnceLock::new(),
            archive: OnceLock::new(),
            troubles: RwLock::default(),
            declared: Mutex::default(),
            stuck: StuckSubscribers::default(),
            settings,
        }))
    }

    /// Publishes an event; await the result for the confirm.
    pub fn publish<E: Event>(&self, event: E) -> Publish<'_, E> {
        Publish::new(self, event)
    }

    /// The name of this service as a publisher: `SERVICE_NAME`, or else that of the first app on this bus.
    #[must_use]
    pub fn service_name(&self) -> &str {
        &self.service().name
    }

    fn service(&self) -> &Service {
        self.0.service.get().unwrap_or(&self.0.unnamed)
    }

    /// Gives the service the name of its app, unless it has a name.
    pub(crate) fn name_service(&self, app: &str) {
        self.0.service.get_or_init(|| Service::named(app));
    }

    /// The settings that the bus was made from.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The correlation index, unless it is switched off.
    #[must_use]
    pub fn correlation(&self) -> Option<&CorrelationTracker> {
        self.0.correlation.as_ref()
    }

    /// The transport that the bus publishes to and consumes from.
    #[must_use]
    pub fn transport(&self) -> &dyn Transport {
        &*self.0.transport
    }

    /// The stores that the transport keeps together with published events; the journal is the one that the settings choose,
    /// with its archive where they name one.
    #[must_use]
    pub fn stores(&self) -> Stores {
        let mut stores = self.0.transport.stores(&self.0.settings);
        if let Some(journal) = self.0.journal.get() {
            stores.journal = Some(Arc::clone(journal));
        }
        if let Some(archive) = self.0.archive.get() {
            stores.journal = Some(Arc::new(ArchivedJournal::new(Arc::clone(archive), stores.journal)));
        }
        stores
    }

    /// The journal that the settings choose, without its archive; `None`: the bus keeps none.
    #[must_use]
    pub fn live_journal(&self) -> Option<Arc<dyn Journal>> {
        let chosen = self.0.journal.get().cloned();
        chosen.or_else(|| self.0.transport.stores(&self.0.settings).journal)
    }

    /// Reads another journal than that of the transport, opened with a token that is cancelled when this bus is closed.
    pub(crate) fn read_journal(&self, open: impl FnOnce(CancellationToken) -> Option<Arc<dyn Journal>>) -> bool {
        let journal = open(self.0.closing.clone());
        journal.is_some_and(|journal| self.0.journal.set(journal).is_ok())
    }

    /// Reads an archive where the journal does not reach back.
    pub(crate) fn read_archive(
        &self,
        open: impl FnOnce(CancellationToken) -> Result<Option<Arc<dyn Journal>>>,
    ) -> Result<()> {
        if let Some(archive) = open(self.0.closing.clone())? {
            self.0.archive.get_or_init(|| archive);
        }
        Ok(())
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

    pub(crate) fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Relaxed)
    }

    /// Adds a part of the program to the [health](crate::Bus::health) of the bus: while the function returns a sentence, the
    /// program is degraded for this reason.
    pub fn watch_health(&self, trouble: impl Fn() -> Option<String> + Send + Sync + 'static) {
        self.0.troubles.write().push(Box::new(trouble));
    }

    pub(crate) fn troubles(&self) -> Vec<String> {
        let others = self.0.stuck.troubles().into_iter().chain(self.transport().troubles());
        self.0.troubles.read().iter().filter_map(|trouble| trouble()).chain(others).collect()
    }

    /// The subscribers that cannot settle what they hold.
    pub(crate) fn stuck(&self) -> &StuckSubscribers {
        &self.0.stuck
    }

    /// Waits for the publishes in flight and disconnects.
    pub async fn close(&self) {
        self.0.closed.store(true, Ordering::Relaxed);
        self.0.closing.cancel();
        self.0.transport.close().await;
        if let Some(correlation) = &self.0.correlation {
            correlation.flush().await;
        }
    }

    /// Serialises an event into the message that will carry it.
    pub(crate) fn prepare<T: Serialize>(&self, key: &str, payload: &T, options: PublishOptions) -> Result<Prepared> {
        let (inner, service) = (&*self.0, self.service());
        let PublishOptions { event_id, timestamp, causes, mandatory, source, follow_up, uncommon } = options;
        let Uncommon {
            agent_context,
            trace,
            replay,
            mut headers,
            metadata,
            expires_in,
            reply_to,
            exchange,
            routing_key,
            format,
            priority,
        } = uncommon.map_or_else(Uncommon::default, |uncommon| *uncommon);
        if !headers.is_empty() {
            headers.check_foreign()?;
        }
        if let Some(metadata) = &metadata {
            check_metadata(metadata)?;
        }
        let event_id =
            event_id.or_else(|| follow_up.map(|follow_up| follow_up.event_id(key))).unwrap_or_else(Uuid::new_v4);
        let parents = merge_parents(event_id, causes)?;
        let timestamp = timestamp.unwrap_or_else(envelope::now);
        let source = source.as_ref().unwrap_or(&service.source);
        let body = match format {
            Format::Envelope => {
                let head = envelope::Head {
                    event_id,
                    event_type: key,
                    timestamp,
                    source: source.json(),
                    correlation_ids: &parents,
                    agent_context: agent_context.as_ref(),
                };
                envelope::encode(&head, payload)?
            }
            Format::Json => envelope::encode_plain(key, payload)?,
        };
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
        // An event that is sent later, out of an outbox, belongs to the trace that it was prepared in.
        if let Some(trace) = trace.or_else(telemetry::current_trace) {
            trace.write(&mut headers);
        }
        if let Some(replay) = replay {
            headers.set(names::REPLAY, replay.to_string());
        }
        if let Some(lifetime) = expires_in {
            // From now on, whatever time the envelope names. Beyond the end of the calendar it never expires.
            let end = TimeDelta::from_std(lifetime).ok().and_then(|lifetime| Utc::now().checked_add_signed(lifetime));
            if let Some(end) = end {
                headers.set(names::EXPIRES_AT, end.to_rfc3339_opts(SecondsFormat::Millis, true));
            }
        }
        let event_type = inner.keys.share(key);
        let correlation_id = parents.first().copied();
        let link = inner.correlation.is_some().then(|| CausationLink {
            child: event_id,
            event_type: Some(Arc::clone(&event_type)),
            created_at: timestamp,
            app: source.app().cloned(),
            metadata,
            parents,
        });
        Ok(Prepared {
            receipt: Receipt { event_id, event_type: Arc::clone(&event_type), timestamp, unrouted: None },
            message: Outgoing {
                exchange: exchange.unwrap_or_else(|| Arc::clone(&inner.exchange)),
                routing_key: routing_key.unwrap_or_else(|| Arc::clone(&event_type)),
                properties: Properties {
                    message_id: Some(event_id),
                    correlation_id,
                    event_type: Some(event_type),
                    timestamp: Some(timestamp),
                    app_id: Some(Arc::clone(&service.name)),
                    reply_to,
                    priority,
                    headers,
                    ..Properties::default()
                },
                body: Bytes::from(body),
                mandatory: true,
            },
            link,
            mandatory,
        })
    }

    /// Publishes a prepared event: hands it over now, and resolves when it is confirmed. The correlation is recorded
    /// beside the confirm and never fails the publish.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`], [`ErrorKind::Connection`], [`ErrorKind::Deadline`], [`ErrorKind::Storage`],
    /// [`ErrorKind::Closed`]; [`ErrorKind::Unrouted`] where it is mandatory.
    pub fn publish_prepared(&self, prepared: Prepared) -> impl Future<Output = Result<Receipt>> + Send + '_ {
        let Prepared { mut receipt, mut message, link, mandatory } = prepared;
        let recorded = match (&self.0.correlation, link) {
            (Some(correlation), Some(link)) => correlation.record(link),
            _ => None,
        };
        let measured = Measured::begin(&receipt.event_type);
        let label = measured.event_type();
        let span =
            telemetry::publish(self.0.transport.system(), &mut message, &receipt.event_type, label, receipt.event_id);
        let published = match &span {
            None => self.publish_message(message),
            Some(span) => span.in_scope(|| self.publish_message(message)),
        };
        let confirmed = async move {
            let published = published.await;
            measured.end(&published);
            if let Some(recorded) = recorded {
                recorded.await;
            }
            receipt.unrouted = published?.unrouted;
            if receipt.unrouted == Some(true) && mandatory {
                return Err(Error::new(
                    ErrorKind::Unrouted,
                    format!(
                        "no queue receives `{}`; start a subscriber of it, or publish without `mandatory`",
                        receipt.event_type
                    ),
                ));
            }
            Ok(receipt)
        };
        match span {
            None => Either::Left(confirmed),
            Some(span) => Either::Right(Box::pin({
                let within = span.clone();
                async move {
                    let confirmed = confirmed.await;
                    if let Err(error) = &confirmed {
                        telemetry::fail_span(&span, &format!("{:?}", error.kind()), error);
                    }
                    confirmed
                }
                .instrument(within)
            })),
        }
    }

    /// Publishes a message unchanged, within the publish timeout.
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

    /// Declares a topology on the transport, or leaves what lasts to whoever else declares it.
    pub(crate) async fn declare(&self, topology: Topology) -> Result<()> {
        let mode = self.settings().topology;
        if mode == TopologyMode::Declare {
            let lasting = topology.clone().split_transient().0;
            self.0.transport.declare(topology).await?;
            self.0.declared.lock().push(lasting);
            return Ok(());
        }
        let (lasting, own) = topology.split_transient();
        if mode == TopologyMode::Verify {
            self.verify(&lasting).await?;
        }
        if own.queues.is_empty() { Ok(()) } else { self.0.transport.declare(own).await }
    }

    /// Declares again what lasts of what was declared: somebody has deleted a part of it.
    pub(crate) async fn declare_again(&self) -> Result<()> {
        let declared = self.0.declared.lock().clone();
        for topology in declared {
            self.0.transport.declare(topology).await?;
        }
        Ok(())
    }

    /// Refuses a topology of which a queue is missing.
    async fn verify(&self, topology: &Topology) -> Result<()> {
        let mut missing = Vec::new();
        for queue in &topology.queues {
            if self.0.transport.queue(Arc::clone(&queue.name)).await?.is_none() {
                missing.push(format!("`{}`", queue.name));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let count = if missing.len() == 1 { "a queue is".to_owned() } else { format!("{} queues are", missing.len()) };
        let some = missing[..missing.len().min(5)].join(", ");
        Err(Error::new(
            ErrorKind::Topology,
            format!(
                "{count} missing, {some}; BLOODBANK_TOPOLOGY leaves them to somebody else: run `bb topology declare` as a user that may configure, or import what `bb topology --format definitions` prints"
            ),
        ))
    }
}

/// Returns the parents once each, in order; refuses the nil id and the id of the event itself.
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
            .field("service", &self.service_name())
            .finish_non_exhaustive()
    }
}
