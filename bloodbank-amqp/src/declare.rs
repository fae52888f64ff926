//! Makes sure that exchanges, queues and bindings exist.

use std::time::Duration;

use lapin::{
    Channel,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use tracing::warn;

use crate::{
    conflict,
    deadline::{CALL, CLOSING, within},
    fault::Fault,
    session::Session,
};
use bloodbank_core::{
    Error, ErrorKind, Result,
    settings::QueueKind,
    transport::{
        Compared, Found, Topology,
        topology::{Binding, Exchange, ExchangeKind, Queue},
    },
};

/// Why something is not declared.
pub(super) enum Refusal {
    /// It cannot be: the broker or the protocol does not allow it.
    Refused(Error),
    /// The connection did not live long enough.
    Lost(Fault),
}

/// Declares everything, up to the first refusal.
pub(super) async fn declare(session: &Session, topology: &Topology) -> Result<(), Refusal> {
    let channel = session.channel().await.map_err(Refusal::Lost)?;
    for item in items(topology) {
        if let Err(fault) = item.declare(&channel).await? {
            return Err(refusal(session, &item, fault));
        }
    }
    close(&channel).await;
    Ok(())
}

/// Declares again what was declared before. What is refused now is logged and left out: the rest must not wait for it.
pub(super) async fn restore(session: &Session, topology: &Topology) -> Result<(), Fault> {
    let mut channel = session.channel().await?;
    for item in items(topology) {
        let refused = match item.declare(&channel).await {
            Ok(Ok(())) => continue,
            Ok(Err(fault)) => refusal(session, &item, fault),
            Err(refused) => refused,
        };
        match refused {
            Refusal::Lost(fault) => return Err(fault),
            Refusal::Refused(error) => warn!("not declared again: {error}"),
        }
        // The old one is closed, or waits for an answer.
        channel = session.channel().await?;
    }
    close(&channel).await;
    Ok(())
}

/// Compares without changing anything: what exists is declared once more, which the broker refuses where it differs.
pub(super) async fn compare(session: &Session, topology: &Topology) -> Result<Vec<Compared>, Refusal> {
    let mut channel = session.channel().await.map_err(Refusal::Lost)?;
    let mut compared = Vec::new();
    for item in items(topology) {
        let found = match item.exists(&channel).await? {
            None => Found::Unknown("AMQP does not show bindings; they are made again at each start".to_owned()),
            Some(Ok(())) => match item.declare(&channel).await? {
                Ok(()) => Found::Equal,
                Err(fault) => found(session, fault)?,
            },
            Some(Err(fault)) => found(session, fault)?,
        };
        if !channel.status().connected() {
            channel = session.channel().await.map_err(Refusal::Lost)?;
        }
        compared.push(Compared { item: item.name(), found });
    }
    close(&channel).await;
    Ok(compared)
}

fn found(session: &Session, fault: Fault) -> Result<Found, Refusal> {
    match &fault {
        Fault::Channel { code: 404, .. } => Ok(Found::Missing),
        Fault::Channel { text, .. } => Ok(match conflict::difference(text) {
            Some(difference) => Found::Different(vec![difference]),
            None => Found::Unknown(text.to_string()),
        }),
        Fault::Silence => Ok(Found::Unknown(fault.text().to_owned())),
        Fault::Protocol { .. } | Fault::Lost { .. } => {
            session.suspect(&fault);
            Err(Refusal::Lost(fault))
        }
    }
}

fn refusal(session: &Session, item: &Item<'_>, fault: Fault) -> Refusal {
    match fault {
        Fault::Channel { .. } | Fault::Silence => Refusal::Refused(conflict::explain(&item.name(), &fault)),
        Fault::Protocol { .. } => {
            session.suspect(&fault);
            Refusal::Refused(conflict::explain(&item.name(), &fault))
        }
        Fault::Lost { .. } => {
            session.suspect(&fault);
            Refusal::Lost(fault)
        }
    }
}

async fn close(channel: &Channel) {
    // What was declared stays; a connection that does not answer is noticed elsewhere.
    let _ = within(CLOSING, channel.close(200, "done".into())).await;
}

enum Item<'a> {
    Exchange(&'a Exchange),
    Queue(&'a Queue),
    Binding(&'a Binding),
}

fn items(topology: &Topology) -> impl Iterator<Item = Item<'_>> {
    let exchanges = topology.exchanges.iter().filter(|exchange| !exchange.name.is_empty());
    let queues = topology.queues.iter();
    let bindings = topology.bindings.iter();
    exchanges.map(Item::Exchange).chain(queues.map(Item::Queue)).chain(bindings.map(Item::Binding))
}

impl Item<'_> {
    fn name(&self) -> String {
        match self {
            Self::Exchange(exchange) => format!("exchange `{}`", exchange.name),
            Self::Queue(queue) => format!("queue `{}`", queue.name),
            Self::Binding(binding) => format!(
                "the binding of queue `{}` to exchange `{}` by `{}`",
                binding.queue, binding.exchange, binding.pattern
            ),
        }
    }

    /// Whether there is something of that name; `None`: the protocol cannot tell.
    async fn exists(&self, channel: &Channel) -> Result<Option<Result<(), Fault>>, Refusal> {
        let arguments = FieldTable::default();
        let answer = match self {
            Self::Exchange(exchange) => {
                let options = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
                let name = self.short(&exchange.name)?;
                within(CALL, channel.exchange_declare(name, lapin::ExchangeKind::Topic, options, arguments)).await
            }
            Self::Queue(queue) => {
                let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
                within(CALL, channel.queue_declare(self.short(&queue.name)?, options, arguments)).await.map(drop)
            }
            Self::Binding(_) => return Ok(None),
        };
        Ok(Some(answer))
    }

    /// The outer error: it cannot even be said in the protocol.
    async fn declare(&self, channel: &Channel) -> Result<Result<(), Fault>, Refusal> {
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
                Ok(within(CALL, channel.exchange_declare(name, kind, options, arguments)).await)
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
                let declared = within(CALL, channel.queue_declare(name, options, queue_arguments(queue))).await;
                Ok(declared.map(drop))
            }
            Self::Binding(binding) => {
                let (queue, exchange) = (self.short(&binding.queue)?, self.short(&binding.exchange)?);
                let pattern = self.short(&binding.pattern)?;
                let options = QueueBindOptions::default();
                Ok(within(CALL, channel.queue_bind(queue, exchange, pattern, options, arguments)).await)
            }
        }
    }

    fn short(&self, text: &str) -> Result<ShortString, Refusal> {
        ShortString::try_new(text).map_err(|_| {
            Refusal::Refused(Error::new(
                ErrorKind::Topology,
                format!("{} is longer than 255 bytes; shorten it", self.name()),
            ))
        })
    }
}

/// The arguments that make the broker keep a queue as described.
pub(super) fn queue_arguments(queue: &Queue) -> FieldTable {
    let mut arguments = FieldTable::default();
    let mut set = |name: &str, value: AMQPValue| {
        arguments.insert(name.into(), value);
    };
    let quorum = queue.kind == QueueKind::Quorum;
    if quorum {
        set("x-queue-type", text("quorum"));
        if let Some(limit) = queue.delivery_limit {
            set("x-delivery-limit", integer(limit.into()));
        }
    }
    if let Some(to) = &queue.dead_letter {
        set("x-dead-letter-exchange", text(&to.exchange));
        if let Some(key) = &to.routing_key {
            set("x-dead-letter-routing-key", text(key));
        }
        if quorum {
            // What is given up leaves the queue only when it has arrived elsewhere; that needs the other.
            set("x-dead-letter-strategy", text("at-least-once"));
            set("x-overflow", text("reject-publish"));
        }
    }
    if let Some(ttl) = queue.message_ttl {
        set("x-message-ttl", milliseconds(ttl));
    }
    if let Some(time) = queue.expires {
        set("x-expires", milliseconds(time));
    }
    if let Some(length) = queue.max_length {
        set("x-max-length", integer(length));
        set("x-overflow", text("reject-publish"));
    }
    arguments
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

fn integer(integer: u64) -> AMQPValue {
    AMQPValue::LongLongInt(i64::try_from(integer).unwrap_or(i64::MAX))
}

fn milliseconds(duration: Duration) -> AMQPValue {
    integer(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
