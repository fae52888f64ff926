//! The journal in a RabbitMQ stream: its conformance, what it changes for publishers, and what befalls its readers.

use std::{sync::Arc, time::Duration};

use bloodbank_amqp::{Amqp, JournalRetention, JournalSwitch};
use bloodbank_core::{
    Bus, ErrorKind, Result, Settings,
    message::Outgoing,
    settings::JournalKind,
    store::{Journal, JournalEntry, JournalQuery, Position},
    transport::{Consume, Publish, Topology, Transport},
};
use bloodbank_harness::{Direction, Proxy, shared_rabbit_url, unique};
use bloodbank_testing::{
    conformance::stores::{JournalFixture, StoreFixture},
    store_conformance_suite,
};
use futures_util::{StreamExt, TryStreamExt, future::BoxFuture};
use lapin::{
    options::{BasicGetOptions, QueueBindOptions},
    types::FieldTable,
};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use crate::amqp_support::{Observer, PATIENCE, eventually, message, topic};

/// Where nobody publishes who would have to notice a journal.
const AT_ONCE: Duration = Duration::ZERO;

/// The journal of an exchange of its own.
struct Stream {
    exchange: Arc<str>,
    bus: Mutex<Option<Arc<Amqp>>>,
}

impl Stream {
    fn new() -> Self {
        Self { exchange: unique("journaled").into(), bus: Mutex::default() }
    }

    fn settings(&self) -> Settings {
        let vars = [("RABBIT_URL", shared_rabbit_url()), ("EXCHANGE_NAME", self.exchange.to_string())];
        Settings::from_vars(vars).unwrap()
    }

    /// A stream that keeps enough for every test, and both exchanges fed into it.
    async fn enable(&self) -> Result<()> {
        let observer = Observer::new().await;
        let [events, other] = self.exchanges();
        let amqp = Amqp::connect(&self.settings()).await?;
        amqp.declare(Topology::default().exchanges([topic(&events), topic(&other)])).await?;
        amqp.close().await;
        enable(&self.settings(), JournalRetention::new(Duration::from_secs(3600), 100_000_000)).await?;
        let stream = format!("{events}.journal");
        let options = QueueBindOptions::default();
        let channel = observer.channel().await;
        channel.queue_bind(stream.into(), (*other).into(), "#".into(), options, FieldTable::default()).await.unwrap();
        Ok(())
    }
}

async fn enable(settings: &Settings, retention: JournalRetention) -> Result<()> {
    let switch = JournalSwitch::connect(settings).await?;
    let enabled = switch.enable(retention, AT_ONCE).await;
    switch.close().await;
    enabled
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Two forgotten queues cost the next tests more than the time of this.
        let settings = self.settings();
        let removed = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let switch = JournalSwitch::connect(&settings).await?;
                switch.disable(true).await?;
                switch.close().await;
                Ok::<_, bloodbank_core::Error>(())
            })
        });
        drop(removed.join());
    }
}

impl StoreFixture<dyn Journal> for Stream {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn Journal>>> {
        Box::pin(async {
            self.enable().await?;
            let settings = self.settings();
            let amqp = Amqp::connect(&settings).await?;
            let journal = amqp.stores(&settings).journal.expect("it is switched on");
            *self.bus.lock() = Some(Arc::new(amqp));
            Ok(journal)
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let bus = self.bus.lock().clone();
            if let Some(bus) = bus {
                bus.close().await;
            }
        })
    }
}

impl JournalFixture for Stream {
    fn publish(&self, message: Outgoing) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let bus = self.bus.lock().clone().expect("the journal was opened");
            bus.publish(message).await.map(drop)
        })
    }

    fn exchanges(&self) -> [Arc<str>; 2] {
        [Arc::clone(&self.exchange), format!("{}.other", self.exchange).into()]
    }
}

store_conformance_suite! {
    mod stream;
    journal: Stream::new(), durable;
}

/// A publisher that runs while the journal is switched on and off says of no event that a queue received it, unless it knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_journal_takes_nothing_from_mandatory_but_what_nobody_can_know() {
    let stream = Stream::new();
    let settings = stream.settings();
    let bus = Bus::connect(settings.clone()).await.unwrap();
    let raw = |key: &'static str| message(bus.exchange(), key, "{}");
    let routed = async |key| bus.transport().publish(raw(key)).await.unwrap().unrouted;
    assert_eq!(routed("nobody.listens").await, Some(true), "without a journal");
    assert!(bus.stores().journal.is_none());

    let switch = JournalSwitch::connect(&settings).await.unwrap();
    let retention = JournalRetention::new(Duration::from_secs(3600), 100_000_000);
    let enabling = switch.enable(retention, JournalSwitch::NOTICE);
    // What it says from the first moment on, while the journal comes, until it is there.
    let watching = async {
        let mut before = 0;
        loop {
            match routed("nobody.listens").await {
                Some(true) => before += 1,
                None => return before,
                Some(false) => panic!("a wrong `false` after {before}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (enabled, before) = tokio::join!(enabling, watching);
    enabled.unwrap();
    assert!(before > 100, "it was switched on at once, before publishers could notice: {before}");
    let status = switch.status().await.unwrap();
    assert!(status.is_enabled && status.exists, "{status:?}");
    let journal = bus.stores().journal.expect("the running program has it too");
    let entries: Vec<JournalEntry> = journal.read(JournalQuery::all(), Position::Start).try_collect().await.unwrap();
    assert!(!entries.is_empty());

    // What goes elsewhere than to the exchange of events is as certain as before.
    let elsewhere = message(&"".into(), &unique("no.such.queue"), "{}");
    assert_eq!(bus.transport().publish(elsewhere).await.unwrap().unrouted, Some(true));
    switch.disable(false).await.unwrap();
    eventually("the publisher knows again", || async { routed("nobody.listens").await == Some(true) }).await;
    let status = switch.status().await.unwrap();
    assert!(!status.is_enabled && status.exists && status.range.is_some(), "what it has is kept: {status:?}");
    switch.disable(true).await.unwrap();
    assert!(!switch.status().await.unwrap().exists);
    switch.close().await;
    bus.close().await;
}

/// RabbitMQ takes messages for about a second before it has its streams: what the journal would have had is not confirmed then.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_known_journal_does_not_receive_is_refused_until_it_receives_again() {
    let stream = Stream::new();
    stream.enable().await.unwrap();
    let bus = Bus::connect(stream.settings()).await.unwrap();
    let publish = async || bus.transport().publish(message(bus.exchange(), "nobody.listens", "{}")).await;
    assert_eq!(publish().await.unwrap().unrouted, None, "the journal has it");
    let channel = Observer::new().await.channel().await;
    let (queue, exchange) = (format!("{}.journal", stream.exchange), &*stream.exchange);
    channel.queue_unbind((*queue).into(), exchange.into(), "#".into(), FieldTable::default()).await.unwrap();
    // A journal that was just switched on may not be bound yet.
    assert_eq!(publish().await.unwrap().unrouted, Some(true));
    let begun = Instant::now();
    let refused = loop {
        match publish().await {
            Ok(published) => assert_eq!(published.unrouted, Some(true)),
            Err(error) => break error,
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it is still confirmed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(refused.kind(), ErrorKind::Refused);
    assert!(refused.to_string().contains("neither the journal of exchange") && refused.is_retryable(), "{refused}");
    // What a queue receives is taken, with a journal or without.
    let elsewhere = message(&"".into(), &unique("no.such.queue"), "{}");
    assert_eq!(bus.transport().publish(elsewhere).await.unwrap().unrouted, Some(true));

    let options = QueueBindOptions::default();
    channel.queue_bind((*queue).into(), exchange.into(), "#".into(), options, FieldTable::default()).await.unwrap();
    assert_eq!(publish().await.unwrap().unrouted, None);
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_is_switched_off_for_a_program_is_not_read() {
    let stream = Stream::new();
    stream.enable().await.unwrap();
    let mut settings = stream.settings();
    settings.journal = JournalKind::Off;
    let bus = Bus::connect(settings).await.unwrap();
    assert!(bus.stores().journal.is_none());
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_retention_is_refused_with_both_and_nothing_is_changed() {
    let stream = Stream::new();
    stream.enable().await.unwrap();
    let error = enable(&stream.settings(), JournalRetention::new(Duration::from_secs(7200), 100_000_000)).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Topology);
    let said = error.to_string();
    assert!(said.contains("`x-max-age` is `3600s` and not `7200s`") && said.contains("--delete"), "{said}");
    let switch = JournalSwitch::connect(&stream.settings()).await.unwrap();
    assert!(switch.status().await.unwrap().is_enabled, "it was on, and is");
    switch.close().await;
}

/// A message of a megabyte, so that segments fill up.
fn large(stream: &Stream, number: usize) -> Outgoing {
    let mut body = number.to_string();
    body.push_str(&" ".repeat(1_000_000));
    message(&stream.exchange, "large.event", body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_the_broker_leaves_behind_is_told_what_it_lost() {
    let stream = Stream::new();
    let retention = JournalRetention::new(Duration::from_secs(3600), 10_000_000).segment_bytes(1_000_000);
    let amqp = Amqp::connect(&stream.settings()).await.unwrap();
    amqp.declare(Topology::default().exchanges([topic(&stream.exchange)])).await.unwrap();
    enable(&stream.settings(), retention).await.unwrap();
    amqp.close().await;
    let settings = stream.settings();
    let amqp = Amqp::connect(&settings).await.unwrap();
    let journal = amqp.stores(&settings).journal.unwrap();
    amqp.publish(large(&stream, 0)).await.unwrap();
    let mut following = journal.follow(JournalQuery::all(), Position::Start);
    let first = timeout(PATIENCE, following.next()).await.unwrap().unwrap().unwrap();
    // It is not polled, and so takes no more than what is on its way already.
    for number in 1..2_000 {
        amqp.publish(large(&stream, number)).await.unwrap();
        if number % 100 == 99 && journal.floor().await.unwrap().is_some_and(|floor| floor > 1_100) {
            break;
        }
    }
    let mut last = first.offset;
    let error = loop {
        match timeout(PATIENCE, following.next()).await.expect("it goes on").expect("it has no end") {
            Ok(entry) => {
                assert_eq!(entry.offset, last + 1, "a gap is not told");
                last = entry.offset;
            }
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.starts_with(&format!("the entries {} to ", last + 1)), "{error}");
    assert!(error.contains(" were removed before they were read"), "{error}");
    // From where the stream begins now, it is read as ever.
    let floor = journal.floor().await.unwrap().unwrap();
    let mut again = journal.read(JournalQuery::all(), Position::Offset(floor));
    assert_eq!(again.next().await.unwrap().unwrap().offset, floor);
    amqp.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stream_forbids_costs_no_reader_and_no_consumer_its_connection() {
    let stream = Stream::new();
    stream.enable().await.unwrap();
    let settings = stream.settings();
    let amqp = Amqp::connect(&settings).await.unwrap();
    let journal = amqp.stores(&settings).journal.unwrap();
    let mut following = journal.follow(JournalQuery::all(), Position::Last(0));
    // It attaches with its first poll.
    assert!(timeout(Duration::from_secs(1), following.next()).await.is_err());
    let observer = Observer::new().await;
    let name = format!("{}.journal", stream.exchange);
    let get = observer.channel().await.basic_get(name.into(), BasicGetOptions::default()).await;
    assert!(get.is_err(), "the broker answers `basic.get` on a stream");
    for number in 0..3 {
        let event = message(&stream.exchange, "any.event", number.to_string());
        amqp.publish(event).await.unwrap();
        let entry = timeout(PATIENCE, following.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(&*entry.message.body, number.to_string().as_bytes());
    }
    amqp.close().await;
}

/// A broker that is slow to send is not one whose stream is empty.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_broker_is_not_taken_for_an_empty_stream() {
    let stream = Stream::new();
    stream.enable().await.unwrap();
    let direct = Amqp::connect(&stream.settings()).await.unwrap();
    direct.publish(message(&stream.exchange, "large.event", " ".repeat(100_000))).await.unwrap();
    // It counts every few seconds.
    Observer::new().await.waits(&format!("{}.journal", stream.exchange), 1).await;
    let url = shared_rabbit_url();
    let (address, port) = url.rsplit_once(':').unwrap();
    let proxy = Proxy::to(port.split('/').next().unwrap().parse().unwrap()).unwrap();
    let through = format!("{address}:{}", proxy.port());
    let settings = Settings::from_vars([("RABBIT_URL", &*through), ("EXCHANGE_NAME", &*stream.exchange)]).unwrap();
    let slow = Amqp::connect(&settings).await.unwrap();
    let journal = slow.stores(&settings).journal.unwrap();
    // It takes longer than the time after which the broker is asked.
    proxy.throttle(Direction::ToClient, 40_000);
    assert_eq!(timeout(PATIENCE, journal.floor()).await.unwrap().unwrap(), Some(0));
    let read = journal.read(JournalQuery::all(), Position::Start).map_ok(|entry| entry.offset);
    assert_eq!(timeout(PATIENCE * 2, read.try_collect::<Vec<_>>()).await.unwrap().unwrap(), [0]);
    proxy.resume();
    slow.close().await;
    direct.close().await;
}
