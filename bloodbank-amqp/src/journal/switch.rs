//! Making, showing and removing the stream of a journal.

use std::{fmt, sync::Arc, time::Duration};

use lapin::{
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use tokio::time::sleep;

use super::{source::StreamSource, stream_name};
use crate::{
    address::Address,
    broker_fault::BrokerFault,
    declare_error,
    journal_sign::{NOTICE, sign_name},
    session::{OwnedChannel, Session},
    supervisor::{Role, connect},
    timeout::{CALL_TIMEOUT, CLOSE_TIMEOUT, with_timeout},
};
use bloodbank_core::{Error, ErrorKind, Result, settings::Settings};

/// How much a stream keeps. The broker removes whole segments: somewhat more stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalRetention {
    /// The age from which entries are removed.
    pub age: Duration,
    /// The bytes above which the oldest entries are removed.
    pub bytes: u64,
    /// The bytes of a segment.
    pub segment_bytes: u64,
}

impl JournalRetention {
    /// A retention, in segments of a twentieth of all bytes, between 1 MB and 500 MB.
    #[must_use]
    pub fn new(age: Duration, bytes: u64) -> Self {
        Self { age, bytes, segment_bytes: (bytes / 20).clamp(1_000_000, 500_000_000) }
    }

    /// Sets the bytes of a segment.
    #[must_use]
    pub fn segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes;
        self
    }

    fn arguments(self) -> FieldTable {
        let mut arguments = FieldTable::default();
        let integer = |number: u64| AMQPValue::LongLongInt(i64::try_from(number).unwrap_or(i64::MAX));
        let age = format!("{}s", self.age.as_secs().max(1));
        for (name, value) in [
            ("x-queue-type", AMQPValue::LongString("stream".into())),
            ("x-max-age", AMQPValue::LongString(age.into())),
            ("x-max-length-bytes", integer(self.bytes)),
            ("x-stream-max-segment-size-bytes", integer(self.segment_bytes)),
        ] {
            arguments.insert(name.into(), value);
        }
        arguments
    }
}

/// The state of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalStatus {
    /// The stream.
    pub stream: String,
    /// Whether the journal is switched on: every event goes into it.
    pub is_enabled: bool,
    /// Whether the stream exists. One that is switched off keeps what it has.
    pub exists: bool,
    /// The offsets of the oldest and the newest entry; `None`: it has none.
    pub range: Option<(u64, u64)>,
}

/// The switch of the journal of an exchange on RabbitMQ: makes its stream, and removes it.
pub struct JournalSwitch {
    session: Session,
    address: Arc<Address>,
    exchange: String,
}

impl JournalSwitch {
    /// The time after which every publisher that runs knows about a new journal. Before that it must not be fed, because
    /// a publisher that does not know would say of an event that somebody receives it.
    pub const NOTICE: Duration = NOTICE;

    /// Connects to the broker of `RABBIT_URL`.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] when the URL is missing or wrong, [`ErrorKind::Connection`] when the broker does not answer.
    pub async fn connect(settings: &Settings) -> Result<Self> {
        let address = Arc::new(Address::from_settings(settings)?);
        let dialled = connect(&address, Role::Journal).await;
        let dialled = dialled.map_err(|fault| fault.into_error("switching the journal"))?;
        let exchange = settings.exchange_name.clone();
        Ok(Self { session: Session::new(dialled.connection, None), address, exchange })
    }

    /// The state of the journal.
    ///
    /// # Errors
    /// [`ErrorKind::Connection`] when the broker does not answer, [`ErrorKind::Storage`] when the stream cannot be read.
    pub async fn status(&self) -> Result<JournalStatus> {
        let stream = stream_name(&self.exchange);
        let exists = self.has(&stream).await?;
        let is_enabled = self.has(&sign_name(&self.exchange)).await?;
        let range = match exists {
            false => None,
            true => {
                let source = Arc::new(StreamSource::new(Arc::clone(&self.address), stream.clone()));
                let range = source.range().await;
                source.close().await;
                range?.map(std::ops::RangeInclusive::into_inner)
            }
        };
        Ok(JournalStatus { stream, is_enabled, exists, range })
    }

    /// Makes the stream, tells publishers, waits until they know ([`JournalSwitch::NOTICE`]), and lets every event of the
    /// exchange go into it. What is there already is kept. When a part is refused, what this made is removed again.
    ///
    /// # Errors
    /// [`ErrorKind::Topology`] when the broker does not allow it, has no streams, or has the stream with another
    /// retention; [`ErrorKind::Connection`] when it does not answer.
    pub async fn enable(&self, retention: JournalRetention, notice: Duration) -> Result<()> {
        let (stream, sign) = (stream_name(&self.exchange), sign_name(&self.exchange));
        let (had_stream, had_sign) = (self.has(&stream).await?, self.has(&sign).await?);
        let enabled = async {
            // First what may not be allowed or not be there: a broker without streams has nothing of it.
            self.declare(&stream, retention.arguments()).await.map_err(|fault| refusal(&stream, &fault))?;
            let mut arguments = FieldTable::default();
            arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(1));
            self.declare(&sign, arguments).await.map_err(|fault| refusal(&sign, &fault))?;
            if !had_sign {
                sleep(notice).await;
            }
            self.bind(&stream).await.map_err(|fault| refusal(&stream, &fault))
        };
        let enabled = enabled.await;
        if enabled.is_err() {
            for (queue, was_there) in [(&sign, had_sign), (&stream, had_stream)] {
                if !was_there {
                    // What is left is as before, and the error says what went wrong.
                    let _ = self.delete(queue).await;
                }
            }
        }
        enabled
    }

    /// Lets no more events into the stream; with `delete`, removes it with everything that it has.
    ///
    /// # Errors
    /// [`ErrorKind::Topology`] when the broker does not allow it, [`ErrorKind::Connection`] when it does not answer.
    pub async fn disable(&self, delete: bool) -> Result<()> {
        let (stream, sign) = (stream_name(&self.exchange), sign_name(&self.exchange));
        if self.has(&stream).await? {
            let removed = if delete { self.delete(&stream).await } else { self.unbind(&stream).await };
            removed.map_err(|fault| refusal(&stream, &fault))?;
        }
        // Last: as long as the stream is fed, publishers must know.
        self.delete(&sign).await.map_err(|fault| refusal(&sign, &fault))
    }

    /// Disconnects.
    pub async fn close(&self) {
        self.session.close().await;
    }

    async fn channel(&self) -> Result<OwnedChannel> {
        self.session.channel().await.map_err(|fault| fault.into_error("switching the journal"))
    }

    async fn has(&self, queue: &str) -> Result<bool> {
        let channel = self.channel().await?;
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let asked = channel.queue_declare(short(queue)?, options, FieldTable::default());
        match with_timeout(CALL_TIMEOUT, asked).await {
            Ok(_) => {
                let _ = with_timeout(CLOSE_TIMEOUT, channel.close(200, "done".into())).await;
                Ok(true)
            }
            Err(BrokerFault::Channel { code: 404, .. }) => Ok(false),
            Err(fault) => Err(refusal(queue, &fault)),
        }
    }

    async fn declare(&self, queue: &str, arguments: FieldTable) -> Result<(), BrokerFault> {
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let channel = self.session.channel().await?;
        let name = ShortString::try_new(queue).unwrap_or_default();
        with_timeout(CALL_TIMEOUT, channel.queue_declare(name, options, arguments)).await.map(drop)
    }

    async fn bind(&self, stream: &str) -> Result<(), BrokerFault> {
        let channel = self.session.channel().await?;
        let (queue, exchange) = self.binding(stream);
        // Nobody may have used it yet.
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let declared =
            channel.exchange_declare(exchange.clone(), lapin::ExchangeKind::Topic, options, FieldTable::default());
        with_timeout(CALL_TIMEOUT, declared).await?;
        let bound = channel.queue_bind(queue, exchange, "#".into(), QueueBindOptions::default(), FieldTable::default());
        with_timeout(CALL_TIMEOUT, bound).await
    }

    async fn unbind(&self, stream: &str) -> Result<(), BrokerFault> {
        let channel = self.session.channel().await?;
        let (queue, exchange) = self.binding(stream);
        with_timeout(CALL_TIMEOUT, channel.queue_unbind(queue, exchange, "#".into(), FieldTable::default())).await
    }

    async fn delete(&self, queue: &str) -> Result<(), BrokerFault> {
        let channel = self.session.channel().await?;
        let name = ShortString::try_new(queue).unwrap_or_default();
        with_timeout(CALL_TIMEOUT, channel.queue_delete(name, QueueDeleteOptions::default())).await.map(drop)
    }

    fn binding(&self, stream: &str) -> (ShortString, ShortString) {
        let short = |name: &str| ShortString::try_new(name).unwrap_or_default();
        (short(stream), short(&self.exchange))
    }
}

impl fmt::Debug for JournalSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalSwitch").field("exchange", &self.exchange).finish_non_exhaustive()
    }
}

fn short(name: &str) -> Result<ShortString> {
    ShortString::try_new(name).map_err(|_| {
        Error::new(
            ErrorKind::Topology,
            format!("the name {name} is longer than 255 bytes; choose a shorter EXCHANGE_NAME for a journal"),
        )
    })
}

fn refusal(queue: &str, fault: &BrokerFault) -> Error {
    let text = fault.text();
    if declare_error::difference(text).is_none() && (text.contains("x-queue-type") || text.contains("feature")) {
        return Error::new(
            ErrorKind::Topology,
            format!(
                "this broker has no streams ({text}); a journal needs RabbitMQ 3.9 or later with its feature flag `stream_queue`"
            ),
        );
    }
    if let Some(difference) = declare_error::difference(text) {
        return Error::new(
            ErrorKind::Topology,
            format!(
                "the stream {queue} exists with another retention: its `{}` is {} and not {}; change it by a policy, or delete \
                 the journal with `bb topology journal disable --delete` first",
                difference.property, difference.existing, difference.declared
            ),
        );
    }
    declare_error::declare_error(&format!("queue `{queue}`"), fault)
}
