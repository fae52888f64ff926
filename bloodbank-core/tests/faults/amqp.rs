//! What happens to RabbitMQ, and what must not happen to messages.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::amqp_support::{
    Observer, PATIENCE, blocking, body, connect_to, eventually, name, next, publish_all, queues, to_queue,
};
use bloodbank_amqp::Amqp;
use bloodbank_core::{
    ErrorKind,
    settings::QueueKind,
    transport::{ConnectionState, Consume, Publish, Transport, topology::Queue},
};
use bloodbank_harness::{Direction, Ending, Proxy, RabbitMq};
use tokio::{sync::watch, task::JoinSet, time::timeout};

/// RabbitMQ 3.10 that is killed right after a quorum queue was declared comes back with an empty queue that elects no
/// leader: it writes down which queues there are only now and then.
const SETTLING: Duration = Duration::from_secs(5);
/// What is noticed sooner is not noticed by heartbeats, which need 20 seconds.
const HEARTBEAT: Duration = Duration::from_secs(17);

async fn broker() -> Arc<RabbitMq> {
    Arc::new(blocking(|| RabbitMq::start().expect("a broker starts")).await)
}

async fn with<T: Send + 'static>(
    broker: &Arc<RabbitMq>,
    work: impl FnOnce(&RabbitMq) -> Result<T, bloodbank_harness::HarnessError> + Send + 'static,
) -> T {
    let broker = Arc::clone(broker);
    blocking(move || work(&broker).expect("the broker obeys")).await
}

async fn proxy(broker: &Arc<RabbitMq>) -> Arc<Proxy> {
    Arc::new(with(broker, |broker| Proxy::to(broker.port())).await)
}

async fn reaches(mut state: watch::Receiver<ConnectionState>, wanted: ConnectionState) {
    timeout(PATIENCE, state.wait_for(|state| *state == wanted))
        .await
        .unwrap_or_else(|_| panic!("{wanted:?} is not reached"))
        .expect("the transport lives");
}

/// Publishes and consumes without pause, and keeps the books.
struct Load {
    begin: Instant,
    queue: Arc<str>,
    stop: Arc<AtomicBool>,
    confirmed: Arc<Mutex<BTreeSet<usize>>>,
    handled: Arc<Mutex<BTreeSet<usize>>>,
    publishers: JoinSet<()>,
}

impl Load {
    async fn start(amqp: &Arc<Amqp>, kind: QueueKind) -> Self {
        let queue = name("queue");
        amqp.declare(queues(vec![Queue::new(Arc::clone(&queue), kind)])).await.expect("a new queue can be declared");
        let (stop, numbers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (confirmed, handled) = (Arc::<Mutex<BTreeSet<usize>>>::default(), Arc::default());
        let mut publishers = JoinSet::new();
        for _ in 0..100 {
            let (amqp, queue, stop, numbers, confirmed) =
                (Arc::clone(amqp), Arc::clone(&queue), Arc::clone(&stop), Arc::clone(&numbers), Arc::clone(&confirmed));
            publishers.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let number = numbers.fetch_add(1, Ordering::Relaxed);
                    let published = amqp.publish(to_queue(&queue, number.to_string())).await;
                    assert_eq!(published.expect("publishing waits for the broker").unrouted, Some(false));
                    confirmed.lock().expect("nobody panics").insert(number);
                }
            });
        }
        let mut deliveries = amqp.consume(Arc::clone(&queue), 200).await.expect("the queue can be consumed");
        let into: Arc<Mutex<BTreeSet<usize>>> = Arc::clone(&handled);
        tokio::spawn(async move {
            while let Some(delivery) = futures_util::StreamExt::next(&mut deliveries).await {
                let number = body(&delivery).parse().expect("a number was sent");
                into.lock().expect("nobody panics").insert(number);
                delivery.ack();
            }
        });
        Self { begin: Instant::now(), queue, stop, confirmed, handled, publishers }
    }

    fn confirmed(&self) -> usize {
        self.confirmed.lock().expect("nobody panics").len()
    }

    fn handled(&self) -> usize {
        self.handled.lock().expect("nobody panics").len()
    }

    /// Both sides go on.
    async fn makes_progress(&self) {
        let (confirmed, handled) = (self.confirmed(), self.handled());
        eventually("publishing and consuming go on", || async {
            self.confirmed() > confirmed + 500 && self.handled() > handled + 500
        })
        .await;
    }

    /// Goes on until it is that old.
    async fn outlives(&self, age: Duration) {
        eventually("the load grows old", || async { self.begin.elapsed() > age }).await;
        self.makes_progress().await;
    }

    /// Nothing that was confirmed is lost.
    async fn settle(mut self) -> Arc<str> {
        self.stop.store(true, Ordering::Relaxed);
        timeout(PATIENCE, async {
            while let Some(publisher) = self.publishers.join_next().await {
                publisher.expect("it does not fail");
            }
        })
        .await
        .expect("every publish is answered");
        let lost = || {
            let handled = self.handled.lock().expect("nobody panics");
            let confirmed = self.confirmed.lock().expect("nobody panics");
            confirmed.difference(&handled).count()
        };
        eventually("everything that was confirmed is handled", || async { lost() == 0 }).await;
        println!("confirmed {}, handled {}, lost {}", self.confirmed(), self.handled(), lost());
        self.queue
    }

    /// Nothing that was confirmed is lost, and nothing was left unacknowledged.
    async fn finish(self, amqp: &Amqp, observer: &Observer) {
        let queue = self.settle().await;
        amqp.close().await;
        observer.waits(&queue, 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_broker_under_load_loses_nothing() {
    let broker = broker().await;
    let amqp = Arc::new(connect_to(&broker.url()).await);
    let load = Load::start(&amqp, QueueKind::Quorum).await;
    load.makes_progress().await;
    load.outlives(SETTLING).await;
    for orderly in [false, true] {
        if orderly {
            with(&broker, RabbitMq::stop).await;
        } else {
            with(&broker, RabbitMq::kill).await;
        }
        reaches(amqp.publishing(), ConnectionState::Down).await;
        reaches(amqp.consuming(), ConnectionState::Down).await;
        with(&broker, RabbitMq::start_again).await;
        let back = Instant::now();
        load.makes_progress().await;
        println!("recovered {:?} after the broker was back", back.elapsed());
    }
    load.finish(&amqp, &Observer::at(&broker.url()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cutting_the_network_under_load_loses_nothing() {
    let broker = broker().await;
    let proxy = proxy(&broker).await;
    let amqp = Arc::new(connect_to(&broker.url_through(proxy.port())).await);
    for kind in [QueueKind::Quorum, QueueKind::Classic] {
        let load = Load::start(&amqp, kind).await;
        for round in 0..6 {
            load.makes_progress().await;
            let proxy = Arc::clone(&proxy);
            let ending = if round % 2 == 0 { Ending::Reset } else { Ending::Close };
            blocking(move || proxy.cut(ending).expect("the connections end")).await;
        }
        load.makes_progress().await;
        load.settle().await;
    }
    amqp.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_closes_the_connections() {
    let broker = broker().await;
    let amqp = Arc::new(connect_to(&broker.url()).await);
    let load = Load::start(&amqp, QueueKind::Quorum).await;
    load.makes_progress().await;
    with(&broker, |broker| broker.ctl(&["close_all_connections", "maintenance"])).await;
    load.makes_progress().await;
    load.finish(&amqp, &Observer::at(&broker.url()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_accepts_nothing_makes_publishers_wait_but_not_consumers() {
    let broker = broker().await;
    let amqp = Arc::new(connect_to(&broker.url()).await);
    let queue = name("queue");
    amqp.declare(queues(vec![Queue::new(Arc::clone(&queue), QueueKind::Quorum)])).await.unwrap();
    publish_all(&amqp, (0..100).map(|n| to_queue(&queue, n.to_string()))).await;
    with(&broker, |broker| broker.ctl(&["set_vm_memory_high_watermark", "absolute", "1"])).await;
    let waiting = tokio::spawn({
        let (amqp, queue) = (Arc::clone(&amqp), Arc::clone(&queue));
        async move { publish_all(&amqp, (100..200).map(|n| to_queue(&queue, n.to_string()))).await }
    });
    reaches(amqp.publishing(), ConnectionState::Blocked).await;
    let mut deliveries = amqp.consume(Arc::clone(&queue), 10).await.unwrap();
    for _ in 0..100 {
        next(&mut deliveries).await.ack();
    }
    assert!(!waiting.is_finished());
    // A caller that gives up gets out.
    let publish = amqp.publish(to_queue(&queue, "late"));
    assert!(timeout(Duration::from_millis(50), publish).await.is_err());
    with(&broker, |broker| broker.ctl(&["set_vm_memory_high_watermark", "absolute", "2GB"])).await;
    timeout(PATIENCE, waiting).await.expect("publishers go on").unwrap();
    reaches(amqp.publishing(), ConnectionState::Up).await;
    for _ in 0..100 {
        next(&mut deliveries).await.ack();
    }
    amqp.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_two_early_deaths_messages_are_taken_one_by_one() {
    let broker = broker().await;
    let proxy = proxy(&broker).await;
    let amqp = connect_to(&broker.url_through(proxy.port())).await;
    let queue = name("queue");
    amqp.declare(queues(vec![Queue::new(Arc::clone(&queue), QueueKind::Quorum)])).await.unwrap();
    let mut deliveries = amqp.consume(Arc::clone(&queue), 50).await.unwrap();
    let consumer = tokio::spawn(async move {
        let mut bodies = Vec::new();
        while let Some(delivery) = futures_util::StreamExt::next(&mut deliveries).await {
            bodies.push(body(&delivery));
            delivery.ack();
        }
        bodies
    });
    let prefetches = async || {
        let listed = with(&broker, |broker| broker.ctl(&["list_consumers", "prefetch_count"])).await;
        let mut counts: Vec<u16> = listed.lines().filter_map(|line| line.trim().parse().ok()).collect();
        counts.sort_unstable();
        counts
    };
    let cut = async || {
        let mut state = amqp.consuming();
        state.borrow_and_update();
        let proxy = Arc::clone(&proxy);
        blocking(move || proxy.cut(Ending::Reset).expect("the connections end")).await;
        timeout(PATIENCE, state.changed()).await.expect("the death is noticed").expect("the transport lives");
        reaches(state, ConnectionState::Up).await;
    };
    // Connections that lived for a while do not die of what they consume.
    for _ in 0..4 {
        eventually("it consumes", || async { prefetches().await == [50] }).await;
        // So old must a connection be; nothing shows when it is.
        tokio::time::sleep(Duration::from_secs(1)).await;
        cut().await;
    }
    for _ in 0..2 {
        cut().await;
    }
    eventually("it takes one message at a time", || async { prefetches().await == [1] }).await;
    // When it stays quiet, it takes more again.
    eventually("it consumes with its own prefetch again", || async { prefetches().await == [50] }).await;
    for _ in 0..3 {
        cut().await;
    }
    eventually("it takes one message at a time", || async { prefetches().await == [1] }).await;
    publish_all(&amqp, (0..5).map(|n| to_queue(&queue, n.to_string()))).await;
    assert_eq!(prefetches().await, [1]);
    // Also when so many did no harm.
    publish_all(&amqp, (5..50).map(|n| to_queue(&queue, n.to_string()))).await;
    eventually("it takes a few messages at a time", || async { prefetches().await == [8] }).await;
    publish_all(&amqp, (50..150).map(|n| to_queue(&queue, n.to_string()))).await;
    let begin = Instant::now();
    eventually("it consumes with its own prefetch again", || async { prefetches().await == [50] }).await;
    assert!(begin.elapsed() < Duration::from_secs(45), "{:?}", begin.elapsed());
    publish_all(&amqp, (150..200).map(|n| to_queue(&queue, n.to_string()))).await;
    Observer::at(&broker.url()).await.waits(&queue, 0).await;
    amqp.close().await;
    // Each once; what was sent ahead when the prefetch grew may come after what was not.
    let mut consumed: Vec<usize> = consumer.await.unwrap().iter().map(|body| body.parse().unwrap()).collect();
    consumed.sort_unstable();
    assert!(consumed.into_iter().eq(0..200));
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledgements_that_never_arrive_are_noticed() {
    a_frame_without_end_is_noticed(Direction::ToServer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_that_never_arrive_are_noticed() {
    a_frame_without_end_is_noticed(Direction::ToClient).await;
}

async fn a_frame_without_end_is_noticed(direction: Direction) {
    let broker = broker().await;
    let proxy = proxy(&broker).await;
    let publisher = connect_to(&broker.url()).await;
    let queue = name("queue");
    let topology = queues(vec![Queue::new(Arc::clone(&queue), QueueKind::Quorum)]);
    publisher.declare(topology).await.expect("it is declared");
    let amqp = connect_to(&broker.url_through(proxy.port())).await;
    let mut deliveries = amqp.consume(Arc::clone(&queue), 10).await.expect("it consumes");
    // Its header: whoever reads it takes for its body what comes next, heartbeats too, and waits for the rest.
    proxy.inject(direction, &[1, 0, 1, 0, 0, 64, 0]).expect("the connections are open");
    publish_all(&publisher, (0..30).map(|n| to_queue(&queue, n.to_string()))).await;
    let (mut bodies, begin) = (BTreeSet::new(), Instant::now());
    while bodies.len() < 30 {
        let delivery = next(&mut deliveries).await;
        bodies.insert(body(&delivery));
        delivery.ack();
    }
    assert!(begin.elapsed() < HEARTBEAT, "{:?}", begin.elapsed());
    // What the old connection holds comes back when the broker gives it up.
    Observer::at(&broker.url()).await.waits(&queue, 0).await;
    amqp.close().await;
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_network_is_not_given_up_again_and_again() {
    let broker = broker().await;
    let proxy = proxy(&broker).await;
    let queue = name("queue");
    let amqp = connect_to(&broker.url_through(proxy.port())).await;
    amqp.declare(queues(vec![Queue::new(Arc::clone(&queue), QueueKind::Quorum)])).await.unwrap();
    let mut deliveries = amqp.consume(Arc::clone(&queue), 10).await.unwrap();
    // An answer waits behind it for longer than an answer may take at first.
    proxy.throttle(Direction::ToServer, 16_000);
    timeout(PATIENCE, amqp.publish(to_queue(&queue, "x".repeat(80_000)))).await.expect("it arrives").unwrap();
    next(&mut deliveries).await.ack();
    proxy.resume();
    amqp.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_broker_is_noticed_and_left() {
    let broker = broker().await;
    let amqp = Arc::new(connect_to(&broker.url()).await);
    let load = Load::start(&amqp, QueueKind::Quorum).await;
    load.makes_progress().await;
    with(&broker, RabbitMq::pause).await;
    let frozen = Instant::now();
    let mut publishing = amqp.publishing();
    timeout(PATIENCE, publishing.wait_for(|state| *state != ConnectionState::Up))
        .await
        .expect("it is noticed")
        .unwrap();
    assert!(frozen.elapsed() < HEARTBEAT, "{:?}", frozen.elapsed());
    with(&broker, RabbitMq::resume).await;
    load.makes_progress().await;
    load.finish(&amqp, &Observer::at(&broker.url()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_ends_in_time_whatever_the_broker_does() {
    let broker = broker().await;
    let amqp = connect_to(&broker.url()).await;
    let queue = name("queue");
    amqp.declare(queues(vec![Queue::new(Arc::clone(&queue), QueueKind::Quorum)])).await.unwrap();
    let _deliveries = amqp.consume(Arc::clone(&queue), 10).await.unwrap();
    // The channel is open, so that the next message is on its way and not in the queue, whose answer is another one.
    amqp.publish(to_queue(&queue, "{}")).await.unwrap();
    with(&broker, RabbitMq::pause).await;
    let begin = Instant::now();
    let (answer, ()) = tokio::join!(amqp.publish(to_queue(&queue, "{}")), amqp.close());
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::Connection);
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
    with(&broker, RabbitMq::resume).await;
    let amqp = connect_to(&broker.url()).await;
    with(&broker, RabbitMq::kill).await;
    reaches(amqp.publishing(), ConnectionState::Down).await;
    let begin = Instant::now();
    amqp.close().await;
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
}
