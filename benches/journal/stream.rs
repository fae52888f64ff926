//! What the journal in a stream of RabbitMQ costs a publisher, and how fast it goes into a queue again.

use std::{sync::Arc, time::Duration};

use bloodbank::{
    Bus, Replay, Settings,
    amqp::{JournalRetention, JournalSwitch},
    settings::QueueKind,
    transport::Topology,
};
use bloodbank_harness::unique;

use super::{
    EVENTS, OrderPlaced, ROUNDS,
    measure::{Figure, Round, ratio},
};

/// A bus of its own exchange, with a quorum queue for everything, and its name.
async fn bus(rabbit: &str, has_journal: bool) -> (Bus, Arc<str>) {
    let mut settings = Settings::default();
    settings.rabbit_url = Some(rabbit.to_owned().into());
    settings.exchange_name = unique("bench");
    let bus = Bus::connect(settings.clone()).await.unwrap();
    let queue: Arc<str> = unique("bench.keep").into();
    let topology = Topology::subscriber(bus.exchange(), &queue, QueueKind::Quorum, &["#".into()]);
    bus.transport().declare(topology).await.unwrap();
    if !has_journal {
        return (bus, queue);
    }
    bus.close().await;
    let switch = JournalSwitch::connect(&settings).await.unwrap();
    switch.enable(JournalRetention::new(Duration::from_secs(86_400), 10_000_000_000), Duration::ZERO).await.unwrap();
    switch.close().await;
    (Bus::connect(settings).await.unwrap(), queue)
}

async fn publish(bus: &Bus) -> Figure {
    let text = "Two of those days went into chasing a lost event. ".repeat(6);
    let events: Vec<_> = (0..EVENTS).map(|number| OrderPlaced { number: number as i64, text: text.clone() }).collect();
    let round = Round::begin();
    assert!(bus.publish_all(events).await.iter().all(Result::is_ok));
    round.end(EVENTS)
}

/// Publishing without a journal, with one, and the replay of what that has, in turns.
pub(super) async fn publishing_and_replaying(rabbit: String) {
    let ((plain, _), (journaled, queue)) = (bus(&rabbit, false).await, bus(&rabbit, true).await);
    let (mut off, mut on, mut replayed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        off.push(publish(&plain).await);
        on.push(publish(&journaled).await);
        let round = Round::begin();
        let done = Replay::of(&journaled, Arc::clone(&queue)).start().finished().await.unwrap();
        replayed.push(round.end(usize::try_from(done.sent).unwrap()));
    }
    let [off, on, replayed] = [off, on, replayed].map(|figures| Figure::median(&figures));
    println!("{:<44}{:>12}{:>12}{:>8}", "", "plain", "journal", "ratio");
    ratio("publish to a quorum queue, events/s", off.rate, on.rate);
    ratio("  CPU of the client, µs/event", off.cpu, on.cpu);
    ratio("replay to that queue over publishing, events/s", off.rate, replayed.rate);
    ratio("  CPU of the client, µs/event", off.cpu, replayed.cpu);
    plain.close().await;
    journaled.close().await;
}
