//! Declaration of exchanges, queues and bindings, and comparison with those of the broker.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use lapin::{
    Channel,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use tracing::warn;

use crate::{
    broker_fault::BrokerFault,
    declare_error,
    session::Session,
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

/// Declares a topology, up to the first refusal.
pub(super) async fn declare(session: &Session, topology: &Topology) -> Result<(), AttemptError> {
    let channel = session.channel().await.map_err(AttemptError::ConnectionLost)?;
    for item in items(topology) {
        if let Err(fault) = item.declare(&channel).await? {
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
        let refused = match item.declare(&channel).await {
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
    let mut channel = session.channel().await.map_err(AttemptError::ConnectionLost)?;
    let mut compared = Vec::new();
    for item in items(topology) {
        let status = match item.exists(&channel).await? {
            None => {
                TopologyStatus::Unknown("AMQP does not show bindings; they are made again at each start".to_owned())
            }
            Some(Ok(())) => match item.declare(&channel).await? {
                Ok(()) => TopologyStatus::Equal,
                Err(fault) => status(session, &item, fault)?,
            },
            Some(Err(fault)) => status(session, &item, fault)?,
        };
        if !channel.status().connected() {
            channel = session.channel().await.map_err(AttemptError::ConnectionLost)?;
        }
        compared.push(TopologyDiff { item: item.name(), status });
    }
    close(&channel).await;
    Ok(compared)
}

/// The state of a queue, as a passive declaration answers it; `None`: there is no such queue.
pub(super) async fn queue_status(session: &Session, queue: &str) -> Result<Option<QueueStatus>, AttemptError> {
    let Ok(name) = ShortString::try_new(queue) else { return Ok(None) };
    let channel = session.channel().await.map_err(AttemptError::ConnectionLost)?;
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
    let channel = session.channel().await.map_err(AttemptError::ConnectionLost)?;
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
            Self::Queue(queue) => {
                let transient = queue.kind == QueueKind::Transient;
                let options = QueueDeclareOptions {
                    durable: !transient,
                    exclusive: transient,
                    auto_delete: transient,
                    ..QueueDeclareOptions::default()
                };
                let name = self.short(&queue.name)?;
                let declared =
                    with_timeout(CALL_TIMEOUT, channel.queue_declare(name, options, queue_arguments(queue))).await;
                Ok(declared.map(drop))
            }
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

/// The arguments that make the broker keep a queue as described.
pub(super) fn queue_arguments(queue: &Queue) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in arguments(queue) {
        let value = match value {
            Argument::Text(text) => AMQPValue::LongString(text.as_ref().into()),
            Argument::Integer(integer) => AMQPValue::LongLongInt(integer),
            Argument::Boolean(boolean) => AMQPValue::Boolean(boolean),
        };
        table.insert(name.into(), value);
    }
    table
}

/// The value of an argument of a queue.
pub(super) enum Argument {
    Text(Arc<str>),
    Integer(i64),
    Boolean(bool),
}

/// The arguments of a queue by their names, for the protocol and for documents.
pub(super) fn arguments(queue: &Queue) -> BTreeMap<&'static str, Argument> {
    let mut arguments = BTreeMap::new();
    let quorum = queue.kind == QueueKind::Quorum;
    if quorum {
        arguments.insert("x-queue-type", text("quorum"));
        if let Some(limit) = queue.delivery_limit {
            arguments.insert("x-delivery-limit", integer(limit.into()));
        }
    }
    if let Some(to) = &queue.dead_letter {
        arguments.insert("x-dead-letter-exchange", text(&to.exchange));
        if let Some(key) = &to.routing_key {
            arguments.insert("x-dead-letter-routing-key", text(key));
        }
        if quorum {
            // A dead letter leaves the queue only when the other queue has it; `at-least-once` needs `reject-publish`.
            arguments.insert("x-dead-letter-strategy", text("at-least-once"));
            arguments.insert("x-overflow", text("reject-publish"));
        }
    }
    if let Some(ttl) = queue.message_ttl {
        arguments.insert("x-message-ttl", milliseconds(ttl));
    }
    if let Some(time) = queue.expires {
        arguments.insert("x-expires", milliseconds(time));
    }
    if let Some(priority) = queue.max_priority {
        arguments.insert("x-max-priority", integer(priority.into()));
    }
    if queue.single_active {
        arguments.insert("x-single-active-consumer", Argument::Boolean(true));
    }
    if let Some(length) = queue.max_length {
        arguments.insert("x-max-length", integer(length));
        arguments.insert("x-overflow", text("reject-publish"));
    }
    arguments
}

fn text(text: &str) -> Argument {
    Argument::Text(text.into())
}

fn integer(integer: u64) -> Argument {
    Argument::Integer(i64::try_from(integer).unwrap_or(i64::MAX))
}

fn milliseconds(duration: Duration) -> Argument {
    integer(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
