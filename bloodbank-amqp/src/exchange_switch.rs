//! Moving from one exchange to another while services run: what binds both, and what listens for who still uses the old one.
//!
//! Two exchanges that are bound to each other by `#` are one for whoever publishes: RabbitMQ follows such bindings once for each
//! message, however they lead back, and puts it at most once into each queue. Bloodbank's tests measure that on the real broker.

use std::{collections::BTreeMap, fmt, time::Duration};

use futures_util::StreamExt;
use lapin::{
    options::{
        BasicConsumeOptions, ExchangeBindOptions, ExchangeDeclareOptions, ExchangeDeleteOptions, ExchangeUnbindOptions,
        QueueBindOptions, QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable, ShortString},
};

use crate::{
    address::Address,
    broker_fault::BrokerFault,
    declare_error::declare_error,
    session::{OwnedChannel, Session},
    supervisor::{Role, connect},
    timeout::{CALL_TIMEOUT, with_timeout},
};
use bloodbank_core::{Error, ErrorKind, Result, settings::Settings};

const DOING: &str = "switching the exchange";
const EVERYTHING: &str = "#";

/// Binds and unbinds exchanges and queues for the time in which services move from one exchange to another. Each call can be repeated.
pub struct ExchangeSwitch {
    session: Session,
}

impl ExchangeSwitch {
    /// Connects to the broker of `RABBIT_URL`.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] when the URL is missing or wrong, [`ErrorKind::Connection`] when the broker does not answer.
    pub async fn connect(settings: &Settings) -> Result<Self> {
        let address = Address::from_settings(settings)?;
        let dialled = connect(&address, Role::Switch).await.map_err(|fault| fault.into_error(DOING))?;
        Ok(Self { session: Session::new(dialled.connection, None) })
    }

    /// Declares a topic exchange.
    ///
    /// # Errors
    /// [`ErrorKind::Topology`] when the broker does not allow it, or has it with another kind; [`ErrorKind::Connection`] when it does
    /// not answer. The same holds for every other call.
    pub async fn declare(&self, exchange: &str) -> Result<()> {
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let (channel, name) = (self.channel().await?, short(exchange)?);
        let declared = channel.exchange_declare(name, lapin::ExchangeKind::Topic, options, FieldTable::default());
        done(with_timeout(CALL_TIMEOUT, declared).await, || format!("exchange `{exchange}`"))
    }

    /// Binds a queue to an exchange.
    ///
    /// # Errors
    /// See [`declare`](Self::declare).
    pub async fn bind(&self, exchange: &str, queue: &str, pattern: &str) -> Result<()> {
        let channel = self.channel().await?;
        let (name, source, key) = (short(queue)?, short(exchange)?, short(pattern)?);
        let bound = channel.queue_bind(name, source, key, QueueBindOptions::default(), FieldTable::default());
        done(with_timeout(CALL_TIMEOUT, bound).await, || binding(exchange, queue, pattern))
    }

    /// Removes the binding of a queue to an exchange.
    ///
    /// # Errors
    /// See [`declare`](Self::declare).
    pub async fn unbind(&self, exchange: &str, queue: &str, pattern: &str) -> Result<()> {
        let channel = self.channel().await?;
        let (name, source, key) = (short(queue)?, short(exchange)?, short(pattern)?);
        let unbound = channel.queue_unbind(name, source, key, FieldTable::default());
        done(with_timeout(CALL_TIMEOUT, unbound).await, || binding(exchange, queue, pattern))
    }

    /// Lets everything that comes to one exchange go to another one, too.
    ///
    /// # Errors
    /// See [`declare`](Self::declare).
    pub async fn forward(&self, from: &str, to: &str) -> Result<()> {
        let (channel, destination, source) = (self.channel().await?, short(to)?, short(from)?);
        let (options, arguments) = (ExchangeBindOptions::default(), FieldTable::default());
        let bound = channel.exchange_bind(destination, source, EVERYTHING.into(), options, arguments);
        done(with_timeout(CALL_TIMEOUT, bound).await, || forwarding(from, to))
    }

    /// Ends what [`forward`](Self::forward) began.
    ///
    /// # Errors
    /// See [`declare`](Self::declare).
    pub async fn stop_forwarding(&self, from: &str, to: &str) -> Result<()> {
        let (channel, destination, source) = (self.channel().await?, short(to)?, short(from)?);
        let (options, arguments) = (ExchangeUnbindOptions::default(), FieldTable::default());
        let unbound = channel.exchange_unbind(destination, source, EVERYTHING.into(), options, arguments);
        done(with_timeout(CALL_TIMEOUT, unbound).await, || forwarding(from, to))
    }

    /// Deletes an exchange.
    ///
    /// # Errors
    /// See [`declare`](Self::declare).
    pub async fn delete(&self, exchange: &str) -> Result<()> {
        let (channel, name) = (self.channel().await?, short(exchange)?);
        let deleted = channel.exchange_delete(name, ExchangeDeleteOptions::default());
        done(with_timeout(CALL_TIMEOUT, deleted).await, || format!("exchange `{exchange}`"))
    }

    /// Who publishes to this exchange, and not only to one that is forwarded to it: the names of services with the number of their
    /// messages within this time. A message keeps the name of the exchange that it was published to.
    ///
    /// # Errors
    /// See [`declare`](Self::declare); [`ErrorKind::Connection`] also when the connection is lost meanwhile.
    pub async fn listen(&self, exchange: &str, time: Duration) -> Result<BTreeMap<String, u64>> {
        let channel = self.channel().await?;
        let source = short(exchange)?;
        let what = || format!("a queue that listens on exchange `{exchange}`");
        let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("classic".into()));
        let declared = channel.queue_declare(ShortString::default(), options, arguments);
        let queue = done(with_timeout(CALL_TIMEOUT, declared).await, what)?.name().clone();
        let bind = QueueBindOptions::default();
        let bound = channel.queue_bind(queue.clone(), source, EVERYTHING.into(), bind, FieldTable::default());
        done(with_timeout(CALL_TIMEOUT, bound).await, what)?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consumed = channel.basic_consume(queue, ShortString::default(), options, FieldTable::default());
        let mut deliveries = done(with_timeout(CALL_TIMEOUT, consumed).await, what)?;
        let mut seen = BTreeMap::new();
        let listening = async {
            while let Some(delivery) = deliveries.next().await {
                let delivery = delivery.map_err(BrokerFault::from)?;
                if delivery.exchange.as_str() == exchange {
                    let service = delivery.properties.app_id().as_ref().map_or("(without a name)", ShortString::as_str);
                    *seen.entry(service.to_owned()).or_default() += 1;
                }
            }
            Err::<(), _>(BrokerFault::connection_lost("the connection ended"))
        };
        match tokio::time::timeout(time, listening).await {
            Err(_) => Ok(seen),
            Ok(ended) => done(ended, what).map(|()| seen),
        }
    }

    /// Disconnects.
    pub async fn close(&self) {
        self.session.close().await;
    }

    async fn channel(&self) -> Result<OwnedChannel> {
        self.session.channel().await.map_err(|fault| fault.into_error(DOING))
    }
}

impl fmt::Debug for ExchangeSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExchangeSwitch").finish_non_exhaustive()
    }
}

fn binding(exchange: &str, queue: &str, pattern: &str) -> String {
    format!("the binding of queue `{queue}` to exchange `{exchange}` by `{pattern}`")
}

fn forwarding(from: &str, to: &str) -> String {
    format!("the binding of exchange `{to}` to exchange `{from}`")
}

fn done<T>(answer: Result<T, BrokerFault>, what: impl FnOnce() -> String) -> Result<T> {
    answer.map_err(|fault| match fault {
        BrokerFault::ConnectionLost { .. } => fault.into_error(DOING),
        fault => declare_error(&what(), &fault),
    })
}

fn short(name: &str) -> Result<ShortString> {
    ShortString::try_new(name)
        .map_err(|_| Error::new(ErrorKind::Topology, format!("the name {name} is longer than 255 bytes; shorten it")))
}
