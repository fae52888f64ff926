//! Declaration of exchanges, queues and bindings, and comparison with those of the broker.

use lapin::{
    Channel,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{FieldTable, ShortString},
};
use tracing::warn;

use crate::{
    broker_fault::BrokerFault,
    declare_error,
    queue_arguments::{QUEUE_TYPE, queue_arguments, queue_arguments_without_type},
    session::{OwnedChannel, Session},
    subscriber_mark,
    timeout::{CALL_TIMEOUT, CLOSE_TIMEOUT, with_timeout},
};
use bloodbank_core::{
    Error, ErrorKind, Result,
    settings::QueueKind,
    transport::{
        Difference, QueueStatus, Topology, TopologyDiff, TopologyStatus,
        topology::{Binding, Exchange, ExchangeKind, Queue, foreign_queue_missing, priorities_need_classic},
    },
};

/// The reason why an attempt to declare, consume or browse failed.
pub(super) enum AttemptError {
    /// The broker or the protocol does not allow it; another attempt fails too.
    Refused(Error),
    /// One queue is not available for now; another attempt may succeed.
    Unavailable(Error),
    /// The connection was lost meanwhile; another attempt may succeed.
    ConnectionLost(BrokerFault),
}

impl AttemptError {
    /// The error of an attempt to open a channel.
    pub(super) fn no_channel(fault: BrokerFault) -> Self {
        match fault {
            // There are as many as there may be.
            BrokerFault::Channel { .. } => Self::Refused(fault.into_error("opening a channel")),
            fault => Self::ConnectionLost(fault),
        }
    }
}

/// Declares a topology, up to the first refusal.
pub(super) async fn declare(session: &Session, topology: &Topology) -> Result<(), AttemptError> {
    let mut channel = session.channel().await.map_err(AttemptError::no_channel)?;
    for item in items(topology) {
        if let Err(fault) = make(session, &mut channel, &item).await? {
            return Err(refusal(session, &item, fault));
        }
    }
    close(&channel).await;
    Ok(())
}

/// Declares a topology again after a reconnect. A refused item is logged and left out: the others must not wait for it.
pub(super) async fn restore(session: &Session, topology: &Topology) -> Result<(), BrokerFault> {
    let mut channel = session.channel().await?;
    for item in items(topology) {
        let refused = match make(session, &mut channel, &item).await {
            Ok(Ok(())) => continue,
            Ok(Err(fault)) => refusal(session, &item, fault),
            Err(refused) => refused,
        };
        match refused {
            AttemptError::ConnectionLost(fault) => return Err(fault),
            AttemptError::Refused(error) | AttemptError::Unavailable(error) => warn!("not declared again: {error}"),
        }
        // The old channel is closed, or waits for an answer.
        channel = session.channel().await?;
    }
    close(&channel).await;
    Ok(())
}

/// Compares a topology with the broker's without changing anything: an item that exists is declared once more, which the broker
/// refuses where it differs.
pub(super) async fn compare(session: &Session, topology: &Topology) -> Result<Vec<TopologyDiff>, AttemptError> {
    let mut channel = session.channel().await.map_err(AttemptError::no_channel)?;
    let mut compared = Vec::new();
    for item in items(topology) {
        let status = match item.exists(&channel).await? {
            None => {
                TopologyStatus::Unknown("AMQP does not show bindings; they are made again at each start".to_owned())
            }
            Some(Ok(())) => match make(session, &mut channel, &item).await? {
                Ok(()) => TopologyStatus::Equal,
                Err(fault) => status(session, &item, fault)?,
            },
            Some(Err(fault)) => status(session, &item, fault)?,
        };
        if !channel.status().connected() {
            channel = session.channel().await.map_err(AttemptError::no_channel)?;
        }
        compared.push(TopologyDiff { item: item.name(), status });
    }
    close(&channel).await;
    Ok(compared)
}

/// Declares an item. A queue whose kind is left to the virtual host stays what it is there: it was made before the kind was said each
/// time.
async fn make(
    session: &Session,
    channel: &mut OwnedChannel,
    item: &Item<'_>,
) -> Result<Result<(), BrokerFault>, AttemptError> {
    let fault = match item.declare(channel).await? {
        Err(fault) => fault,
        declared @ Ok(()) => return Ok(declared),
    };
    let Item::Queue(queue) = item else { return Ok(Err(fault)) };
    let is_of_another_kind = declare_error::difference(fault.text()).is_some_and(|other| other.property == QUEUE_TYPE);
    if queue.kind != QueueKind::Classic || !is_of_another_kind {
        return Ok(Err(fault));
    }
    *channel = session.channel().await.map_err(AttemptError::no_channel)?;
    match item.declare_queue(channel, queue, queue_arguments_without_type(queue)).await? {
        Ok(()) => {
            warn!(
                queue = &*queue.name,
                "this queue is not classic, as BLOODBANK_QUEUE_TYPE says, but what its virtual host makes of queues without a kind; \
                 set BLOODBANK_QUEUE_TYPE=quorum"
            );
            Ok(Ok(()))
        }
        // The first one says what is wrong.
        Err(_) => Ok(Err(fault)),
    }
}

/// The state of a queue, as a passive declaration answers it; `None`: there is no such queue.
pub(super) async fn queue_status(session: &Session, queue: &str) -> Result<Option<QueueStatus>, AttemptError> {
    let Ok(name) = ShortString::try_new(queue) else { return Ok(None) };
    let channel = session.channel().await.map_err(AttemptError::no_channel)?;
    let declared = look(&channel, name).await;
    let Some(declared) = unless_missing(session, queue, declared)? else { return Ok(None) };
    close(&channel).await;
    Ok(Some(QueueStatus::new(queue, declared.message_count().into(), declared.consumer_count().into())))
}

/// Declares a queue passively: the broker answers with its state, or that there is none.
async fn look(channel: &Channel, queue: ShortString) -> Result<lapin::Queue, BrokerFault> {
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    with_timeout(CALL_TIMEOUT, channel.queue_declare(queue, options, FieldTable::default())).await
}

/// Makes a queue forget its subscriber.
pub(super) async fn release(session: &Session, queue: &str) -> Result<(), AttemptError> {
    if queue_status(session, queue).await?.is_none() {
        let text = format!("there is no queue `{queue}`; correct its name");
        return Err(AttemptError::Refused(Error::new(ErrorKind::Topology, text)));
    }
    let channel = session.channel().await.map_err(AttemptError::no_channel)?;
    let removed = subscriber_mark::remove(&channel, queue).await;
    unless_missing(session, queue, removed)?;
    close(&channel).await;
    Ok(())
}

/// The answer to a question about a queue; `None`: what is asked about does not exist.
fn unless_missing<T>(
    session: &Session,
    queue: &str,
    answer: Result<T, BrokerFault>,
) -> Result<Option<T>, AttemptError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(BrokerFault::Channel { code: 404, .. }) => Ok(None),
        Err(fault @ (BrokerFault::Channel { .. } | BrokerFault::Unresponsive)) => {
            Err(AttemptError::Refused(declare_error::declare_error(&format!("queue `{queue}`"), &fault)))
        }
        Err(fault) => {
            session.fail(&fault);
            Err(AttemptError::ConnectionLost(fault))
        }
    }
}

/// The state of an item whose comparison failed.
fn status(session: &Session, item: &Item<'_>, fault: BrokerFault) -> Result<TopologyStatus, AttemptError> {
    match &fault {
        BrokerFault::Channel { code: 404, .. } => Ok(TopologyStatus::Missing),
        BrokerFault::Channel { text, .. } => Ok(match item.difference(text) {
            Some(difference) => TopologyStatus::Different(vec![difference]),
            None => TopologyStatus::Unknown(text.to_string()),
        }),
        BrokerFault::Unresponsive => Ok(TopologyStatus::Unknown(fault.text().to_owned())),
        BrokerFault::Protocol { .. } | BrokerFault::ConnectionLost { .. } => {
            session.fail(&fault);
            Err(AttemptError::ConnectionLost(fault))
        }
    }
}

/// The error of an attempt to declare an item.
fn refusal(session: &Session, item: &Item<'_>, fault: BrokerFault) -> AttemptError {
    match fault {
        BrokerFault::Channel { .. } | BrokerFault::Unresponsive => AttemptError::Refused(match (item, &fault) {
            (Item::Foreign(queue), BrokerFault::Channel { code: 404, .. }) => foreign_queue_missing(queue),
            (Item::Subscriber(queue), _) => subscriber_mark::refusal(&queue.name, &fault),
            _ => declare_error::declare_error(&item.name(), &fault),
        }),
        BrokerFault::Protocol { .. } => {
            session.fail(&fault);
            AttemptError::Refused(declare_error::declare_error(&item.name(), &fault))
        }
        BrokerFault::ConnectionLost { .. } => {
            session.fail(&fault);
            AttemptError::ConnectionLost(fault)
        }
    }
}

async fn close(channel: &Channel) {
    // The declarations stay; the liveness probe notices a connection that does not answer.
    let _ = with_timeout(CLOSE_TIMEOUT, channel.close(200, "done".into())).await;
}

/// One thing to declare.
enum Item<'a> {
    Exchange(&'a Exchange),
    /// A queue that others make: it is looked at, and not declared.
    Foreign(&'a str),
    Queue(&'a Queue),
    /// The subscriber that a queue belongs to.
    Subscriber(&'a Queue),
    Binding(&'a Binding),
}

/// The items of a topology in the order of declaration; the default exchange is never declared.
fn items(topology: &Topology) -> impl Iterator<Item = Item<'_>> {
    let exchanges = topology.exchanges.iter().filter(|exchange| !exchange.name.is_empty());
    let queues = topology.queues.iter();
    let owned = topology.queues.iter().filter(|queue| queue.subscriber.is_some());
    let bindings = topology.bindings.iter();
    let foreign = topology.foreign.iter().map(|queue| Item::Foreign(queue));
    // First what others make: without it nothing is to be made.
    foreign
        .chain(exchanges.map(Item::Exchange))
        .chain(queues.map(Item::Queue))
        .chain(owned.map(Item::Subscriber))
        .chain(bindings.map(Item::Binding))
}

impl Item<'_> {
    /// The kind and the name, for messages.
    fn name(&self) -> String {
        match self {
            Self::Exchange(exchange) => format!("exchange `{}`", exchange.name),
            Self::Foreign(queue) => format!("the foreign queue `{queue}`"),
            Self::Queue(queue) => format!("queue `{}`", queue.name),
            Self::Subscriber(queue) => format!("the subscriber of queue `{}`", queue.name),
            Self::Binding(binding) => format!(
                "the binding of queue `{}` to exchange `{}` by `{}`",
                binding.queue, binding.exchange, binding.pattern
            ),
        }
    }

    /// The difference that the broker reports.
    fn difference(&self, text: &str) -> Option<Difference> {
        match self {
            Self::Subscriber(_) => subscriber_mark::difference(text),
            _ => declare_error::difference(text),
        }
    }

    /// Whether an item of that name exists; `None` where the protocol cannot tell.
    async fn exists(&self, channel: &Channel) -> Result<Option<Result<(), BrokerFault>>, AttemptError> {
        let arguments = FieldTable::default();
        let answer = match self {
            Self::Exchange(exchange) => {
                let options = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
                let name = self.short(&exchange.name)?;
                with_timeout(
                    CALL_TIMEOUT,
                    channel.exchange_declare(name, lapin::ExchangeKind::Topic, options, arguments),
                )
                .await
            }
            Self::Foreign(queue) => look(channel, self.short(queue)?).await.map(drop),
            Self::Queue(queue) => look(channel, self.short(&queue.name)?).await.map(drop),
            Self::Subscriber(queue) => subscriber_mark::exists(channel, &queue.name).await,
            Self::Binding(_) => return Ok(None),
        };
        Ok(Some(answer))
    }

    /// Declares the item. The outer error: the protocol cannot express the declaration.
    async fn declare(&self, channel: &Channel) -> Result<Result<(), BrokerFault>, AttemptError> {
        let arguments = FieldTable::default();
        match self {
            Self::Exchange(exchange) => {
                let kind = match exchange.kind {
                    ExchangeKind::Topic => lapin::ExchangeKind::Topic,
                    ExchangeKind::Fanout => lapin::ExchangeKind::Fanout,
                    ExchangeKind::Direct => lapin::ExchangeKind::Direct,
                };
                let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
                let name = self.short(&exchange.name)?;
                Ok(with_timeout(CALL_TIMEOUT, channel.exchange_declare(name, kind, options, arguments)).await)
            }
            Self::Foreign(queue) => Ok(look(channel, self.short(queue)?).await.map(drop)),
            Self::Queue(queue) if queue.max_priority.is_some() && queue.kind != QueueKind::Classic => {
                Err(AttemptError::Refused(priorities_need_classic(&queue.name, queue.kind)))
            }
            Self::Queue(queue) => self.declare_queue(channel, queue, queue_arguments(queue)).await,
            Self::Subscriber(queue) => match &queue.subscriber {
                Some(subscriber) => Ok(subscriber_mark::declare(channel, &queue.name, subscriber).await),
                None => Ok(Ok(())),
            },
            Self::Binding(binding) => {
                let (queue, exchange) = (self.short(&binding.queue)?, self.short(&binding.exchange)?);
                let pattern = self.short(&binding.pattern)?;
                let options = QueueBindOptions::default();
                Ok(with_timeout(CALL_TIMEOUT, channel.queue_bind(queue, exchange, pattern, options, arguments)).await)
            }
        }
    }

    async fn declare_queue(
        &self,
        channel: &Channel,
        queue: &Queue,
        arguments: FieldTable,
    ) -> Result<Result<(), BrokerFault>, AttemptError> {
        let transient = queue.kind == QueueKind::Transient;
        let options = QueueDeclareOptions {
            durable: !transient,
            exclusive: transient,
            auto_delete: transient,
            ..QueueDeclareOptions::default()
        };
        let name = self.short(&queue.name)?;
        let declared = with_timeout(CALL_TIMEOUT, channel.queue_declare(name, options, arguments)).await;
        Ok(declared.map(drop))
    }

    /// A name in the protocol's type, of at most 255 bytes.
    fn short(&self, text: &str) -> Result<ShortString, AttemptError> {
        ShortString::try_new(text).map_err(|_| {
            AttemptError::Refused(Error::new(
                ErrorKind::Topology,
                format!("{} is longer than 255 bytes; shorten it", self.name()),
            ))
        })
    }
}
