//! `TestBus` records what happened and moves the time of delays.

use std::time::{Duration, Instant};

use bloodbank::{prelude::*, testing::TestBus};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "kiln.pot.fired")]
struct PotFired {
    number: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "kiln.pot.glazed")]
struct PotGlazed {
    number: u32,
}

/// Glazes even pots; number 1 breaks at once, other odd ones after three attempts, an hour apart.
#[subscriber(retry(max_attempts = 3, backoff = "1h"))]
async fn glaze(pot: PotFired) -> Result<PotGlazed, HandlerError> {
    match pot.number {
        1 => Err(HandlerError::permanent("broken")),
        number if number % 2 == 1 => Err(HandlerError::retry("cracked")),
        number => Ok(PotGlazed { number }),
    }
}

#[tokio::test]
async fn everything_that_happened_is_recorded() {
    let start = Instant::now();
    let bus = TestBus::new();
    let app = App::new("pottery", bus.bus()).subscribe(glaze).start().await.unwrap();
    for number in [1, 2, 3] {
        bus.publish(PotFired { number }).await.unwrap();
    }
    bus.idle().await;
    let numbers = |pots: Vec<EventEnvelope<PotFired>>| pots.iter().map(|pot| pot.payload.number).collect::<Vec<_>>();
    assert_eq!(numbers(bus.published()), [1, 2, 3]);
    assert_eq!(numbers(bus.consumed()), [1, 2, 3]);
    assert_eq!(numbers(bus.retried()), [3]);
    assert_eq!(bus.published::<PotGlazed>()[0].payload, PotGlazed { number: 2 });
    let broken = bus.dead_lettered::<PotFired>();
    assert_eq!(broken.len(), 1);
    assert_eq!(broken[0].event.as_ref().unwrap().payload, PotFired { number: 1 });
    assert_eq!(
        (&*broken[0].queue, &*broken[0].reason, &*broken[0].error, broken[0].attempts),
        ("pottery.glaze", "failed", "broken", 1)
    );

    bus.advance(Duration::from_secs(59 * 60)).await;
    assert_eq!(bus.retried::<PotFired>().len(), 1, "not before an hour has passed");
    bus.advance(Duration::from_secs(60)).await;
    assert_eq!(bus.retried::<PotFired>().len(), 2);
    bus.drain_retries().await;
    let cracked = bus.dead_lettered::<PotFired>();
    assert_eq!((&*cracked[1].reason, cracked[1].attempts), ("attempts", 3));
    let mut keys = bus.published_keys();
    keys.sort();
    assert_eq!(keys, ["kiln.pot.fired", "kiln.pot.fired", "kiln.pot.fired", "kiln.pot.glazed"]);
    assert!(start.elapsed() < Duration::from_secs(30), "hours took no time");
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_app_that_is_dropped_handles_nothing_more() {
    let bus = TestBus::new();
    drop(App::new("pottery", bus.bus()).subscribe(glaze).start().await.unwrap());
    bus.publish(PotFired { number: 2 }).await.unwrap();
    bus.idle().await;
    assert!(bus.consumed::<PotFired>().is_empty());
}
