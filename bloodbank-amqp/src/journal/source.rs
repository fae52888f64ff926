//! The stream itself: a connection for reading, and consumers on it.

use std::{
    ops::RangeInclusive,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, StreamExt};
use lapin::{
    Consumer,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{
    address::Address,
    broker_fault::BrokerFault,
    incoming::MessageDecoder,
    session::{OwnedChannel, Session},
    supervisor::{Role, connect},
    timeout::{CALL_TIMEOUT, with_timeout},
};
use bloodbank_core::{Error, ErrorKind, Result, envelope::RawEnvelope, message::Incoming, store::JournalEntry};
use chrono::{DateTime, SubsecRound, Utc};

/// Messages on their way; a stream refuses to be consumed without a limit.
const PREFETCH: u16 = 5_000;
/// Messages that are acknowledged together. What is acknowledged stays in a stream: it says that more may come.
const ACK_EVERY: u32 = 250;
/// The time without a message after which the broker is asked whether a stream is empty.
const EMPTY: Duration = Duration::from_secs(2);
/// The time within which a stream that has messages must send one.
pub(super) const SILENCE: Duration = Duration::from_secs(60);
/// The header in which the broker says where in the stream a message stands.
const OFFSET: &str = "x-stream-offset";

/// A stream and a connection to read it.
pub(super) struct StreamSource {
    address: Arc<Address>,
    stream: String,
    session: Mutex<Option<Arc<Session>>>,
    closing: CancellationToken,
}

/// Why nothing comes from the stream.
pub(super) enum SourceError {
    /// Another attempt does not help.
    Refused(Error),
    /// Another attempt may help.
    Lost(BrokerFault),
}

/// Where a consumer begins.
#[derive(Clone, Copy)]
pub(super) enum Begin {
    First,
    Offset(u64),
    /// At the last chunk.
    Last,
    /// Behind the last entry.
    Next,
    /// At the chunk of this time.
    Time(DateTime<Utc>),
}

impl StreamSource {
    pub(super) fn new(address: Arc<Address>, stream: String) -> Self {
        Self { address, stream, session: Mutex::default(), closing: CancellationToken::new() }
    }

    pub(super) fn stream(&self) -> &str {
        &self.stream
    }

    pub(super) fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    pub(super) async fn close(&self) {
        self.closing.cancel();
        let session = self.session.lock().take();
        if let Some(session) = session {
            session.close().await;
        }
    }

    pub(super) fn closed(&self) -> Error {
        Error::new(ErrorKind::Closed, format!("the stream {} was closed by this program; connect again", self.stream))
    }

    /// The session for reading, opened where there is none.
    async fn session(&self) -> Result<Arc<Session>, SourceError> {
        if self.closing.is_cancelled() {
            return Err(SourceError::Refused(self.closed()));
        }
        let known = self.session.lock().clone().filter(|session| !session.is_failed());
        if let Some(session) = known {
            return Ok(session);
        }
        let dialled = connect(&self.address, Role::Journal).await.map_err(SourceError::Lost)?;
        let session = Arc::new(Session::new(dialled.connection, None));
        // One that was opened at the same time is dropped with its readers.
        *self.session.lock() = Some(Arc::clone(&session));
        Ok(session)
    }

    /// The offsets that the stream has; `None`: it is empty. Unlike a reader it does not wait for a broker that is away.
    pub(super) async fn range(self: &Arc<Self>) -> Result<Option<RangeInclusive<u64>>> {
        tokio::select! {
            range = self.look() => range.map_err(|error| match error {
                SourceError::Refused(error) => error,
                SourceError::Lost(fault) => self.unreadable(fault.text()),
            }),
            () = self.closing.cancelled() => Err(self.closed()),
        }
    }

    pub(super) async fn look(&self) -> Result<Option<RangeInclusive<u64>>, SourceError> {
        let Some(first) = self.first().await? else { return Ok(None) };
        let newest = self.attach(Begin::Last).await?.newest().await?;
        // A chunk of the broker's own may be the last one.
        Ok(Some(first..=newest.unwrap_or(first).max(first)))
    }

    /// The offset of the oldest entry; `None`: the stream is empty. A busy broker that is late with it is not taken for an empty one.
    async fn first(&self) -> Result<Option<u64>, SourceError> {
        let mut attached = self.attach(Begin::First).await?;
        let begun = Instant::now();
        while begun.elapsed() < SILENCE {
            if let Some(first) = attached.next_within(EMPTY).await? {
                return Ok(Some(first.offset));
            }
            if attached.count(self.name()?).await? == 0 {
                return Ok(None);
            }
        }
        Err(SourceError::Refused(self.silent("its first entry")))
    }

    /// The error of a broker that does not send what is there.
    pub(super) fn silent(&self, what: &str) -> Error {
        self.unreadable(&format!(
            "the broker did not send {what} within {} s; look at its load, and try again",
            SILENCE.as_secs()
        ))
    }

    /// A consumer that begins there.
    pub(super) async fn attach(&self, begin: Begin) -> Result<Attached, SourceError> {
        let session = self.session().await?;
        let channel = session.channel().await.map_err(SourceError::Lost)?;
        let refused = |fault| self.refusal(&session, fault);
        with_timeout(CALL_TIMEOUT, channel.basic_qos(PREFETCH, BasicQosOptions::default())).await.map_err(refused)?;
        let mut arguments = FieldTable::default();
        let offset = match begin {
            Begin::First => AMQPValue::LongString("first".into()),
            Begin::Last => AMQPValue::LongString("last".into()),
            Begin::Next => AMQPValue::LongString("next".into()),
            Begin::Offset(offset) => AMQPValue::LongLongInt(i64::try_from(offset).unwrap_or(i64::MAX)),
            Begin::Time(time) => AMQPValue::Timestamp(u64::try_from(time.timestamp()).unwrap_or(0)),
        };
        arguments.insert(OFFSET.into(), offset);
        let consumer = channel.basic_consume(self.name()?, "".into(), BasicConsumeOptions::default(), arguments);
        let consumer = with_timeout(CALL_TIMEOUT, consumer).await.map_err(refused)?;
        Ok(Attached { session, channel, consumer, decoder: MessageDecoder::default(), unacknowledged: 0 })
    }

    fn name(&self) -> Result<ShortString, SourceError> {
        let long = |_| self.unreadable("its name is longer than 255 bytes; choose a shorter EXCHANGE_NAME");
        ShortString::try_new(self.stream.as_str()).map_err(long).map_err(SourceError::Refused)
    }

    fn refusal(&self, session: &Session, fault: BrokerFault) -> SourceError {
        match fault {
            BrokerFault::Channel { code: 404, .. } => {
                SourceError::Refused(self.unreadable("there is none; `bb topology journal enable` makes it"))
            }
            BrokerFault::Channel { code: 403, text } => {
                SourceError::Refused(self.unreadable(&format!("{text}; give the user the permission `read`")))
            }
            BrokerFault::Channel { text, .. } => SourceError::Refused(self.unreadable(&text)),
            fault => {
                session.fail(&fault);
                SourceError::Lost(fault)
            }
        }
    }

    pub(super) fn unreadable(&self, why: &str) -> Error {
        Error::new(ErrorKind::Storage, format!("the stream {} cannot be read: {why}", self.stream))
    }
}

/// A consumer of a stream.
pub(super) struct Attached {
    session: Arc<Session>,
    channel: OwnedChannel,
    consumer: Consumer,
    decoder: MessageDecoder,
    unacknowledged: u32,
}

impl Attached {
    /// The next entry; `None` when the time is over.
    pub(super) async fn next_within(&mut self, time: Duration) -> Result<Option<JournalEntry>, SourceError> {
        match tokio::time::timeout(time, self.next()).await {
            Ok(next) => next.map(Some),
            Err(_) => Ok(None),
        }
    }

    /// The offset of the newest entry of a stream that has some, by a consumer that began at its last chunk.
    ///
    /// How many messages a stream has, the broker counts every few seconds only. But with the first message of the chunk it has
    /// sent all others that there are, before it answers what is asked afterwards on the same channel.
    async fn newest(&mut self) -> Result<Option<u64>, SourceError> {
        let Some(first) = self.next_within(CALL_TIMEOUT).await? else { return Ok(None) };
        let asked = self.channel.basic_qos(PREFETCH, BasicQosOptions::default());
        with_timeout(CALL_TIMEOUT, asked).await.map_err(SourceError::Lost)?;
        let mut newest = first.offset;
        while let Some(entry) = self.next().now_or_never() {
            newest = entry?.offset;
        }
        Ok(Some(newest))
    }

    /// The number of messages in the stream, as the broker has counted it last: it does every few seconds.
    async fn count(&self, stream: ShortString) -> Result<u32, SourceError> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let declared = self.channel.queue_declare(stream, options, FieldTable::default());
        Ok(with_timeout(CALL_TIMEOUT, declared).await.map_err(SourceError::Lost)?.message_count())
    }

    /// The next entry. Waiting for it can be given up.
    pub(super) async fn next(&mut self) -> Result<JournalEntry, SourceError> {
        let delivery = tokio::select! {
            biased;
            delivery = self.consumer.next() => delivery,
            () = self.session.failed() => None,
        };
        let Some(Ok(delivery)) = delivery else {
            return Err(SourceError::Lost(BrokerFault::connection_lost("the consumer ended")));
        };
        self.unacknowledged += 1;
        if self.unacknowledged >= ACK_EVERY {
            self.unacknowledged = 0;
            let options = BasicAckOptions { multiple: true };
            let acked = with_timeout(CALL_TIMEOUT, self.channel.basic_ack(delivery.delivery_tag, options)).await;
            acked.map_err(SourceError::Lost)?;
        }
        let mut message =
            self.decoder.decode(&delivery.exchange, &delivery.routing_key, &delivery.properties, delivery.data);
        let headers = &mut message.properties.headers;
        let offset = headers.integer(OFFSET).and_then(|offset| u64::try_from(offset).ok());
        headers.remove_all(|name| name == OFFSET);
        let offset = offset.ok_or_else(|| {
            let text = "a message came without an offset, so what is read is no stream; delete the queue of that name";
            SourceError::Refused(Error::new(ErrorKind::Storage, text))
        })?;
        Ok(JournalEntry::new(offset, published_at(&message), message))
    }
}

/// The time of publishing: over this protocol the broker does not say when it took a message.
fn published_at(message: &Incoming) -> DateTime<Utc> {
    let envelope = RawEnvelope::read(&message.body).ok().map(|envelope| envelope.timestamp);
    envelope.or(message.properties.timestamp).unwrap_or_default().trunc_subsecs(3)
}
