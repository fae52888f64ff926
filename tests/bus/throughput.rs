//! How much a subscriber takes: pauses, rates, batches, priorities.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::common::{classic, memory, soon};
use bloodbank::{
    DeadLetters, ErrorKind, Settings,
    app::{BusBuilder, HealthState},
    dead_letter::Filter,
    message::Outgoing,
    prelude::*,
    settings::QueueKind,
};
use bloodbank_harness::unique;
use tokio::sync::{Semaphore, mpsc};
use uuid::Uuid;

on_every_bus! {
    a_paused_subscriber_finishes_what_it_has_and_takes_nothing_more,
    a_batch_is_handled_together_and_each_of_its_events_is_settled,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "mill.sack.brought")]
struct SackBrought {
    number: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "mill.flour.ground")]
struct FlourGround {
    sacks: u32,
}

type Seen<T> = mpsc::UnboundedSender<T>;

#[subscriber]
async fn grind(sack: SackBrought, State(seen): State<Seen<u32>>, State(gate): State<Arc<Semaphore>>) {
    seen.send(sack.number).unwrap();
    gate.acquire().await.unwrap().forget();
}

async fn a_paused_subscriber_finishes_what_it_has_and_takes_nothing_more(bus: Bus) {
    let service = unique("svc");
    let queue: Arc<str> = format!("{service}.grind").into();
    let (seen, mut calls) = mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    let app =
        App::new(&*service, bus.clone()).state(seen).state(Arc::clone(&gate)).subscribe(grind).start().await.unwrap();
    let (control, probe) = (app.control(), app.probe());
    // Somebody else has the app now.
    let waiting = tokio::spawn(app.wait());
    bus.publish(SackBrought { number: 1 }).await.unwrap();
    assert_eq!(soon("a call", calls.recv()).await, Some(1));
    control.pause("grind").unwrap();
    bus.publish(SackBrought { number: 2 }).await.unwrap();
    let health = probe.health();
    assert!(health.ready && health.subscribers[0].paused && health.subscribers[0].running, "{health:?}");
    assert_eq!(health.state, HealthState::Degraded);
    assert!(health.reasons[0].contains("is paused"), "{health:?}");
    // The one in hand ends; the other waits for whoever comes.
    gate.add_permits(1);
    let state = async || bus.transport().queue(Arc::clone(&queue)).await.unwrap().unwrap();
    soon("a queue without a consumer", async {
        while state().await.consumers > 0 || state().await.waiting != 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert!(calls.try_recv().is_err());
    gate.add_permits(1);
    control.resume(&queue).unwrap();
    assert_eq!(soon("a call", calls.recv()).await, Some(2));
    assert_eq!(probe.health().state, HealthState::Healthy);
    let error = control.pause("grin").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Registry);
    assert!(error.to_string().contains("no subscriber `grin`; did you mean `grind`?"), "{error}");
    waiting.abort();
}

#[subscriber(rate = "20/s")]
async fn trickle(sack: SackBrought, State(seen): State<Seen<u32>>) {
    seen.send(sack.number).unwrap();
}

#[tokio::test]
async fn a_rate_is_not_exceeded() {
    let bus = memory().await;
    let (seen, mut calls) = mpsc::unbounded_channel();
    let app = App::new("mill", bus.clone()).state(seen).subscribe(trickle).start().await.unwrap();
    let begin = Instant::now();
    for number in 0..10 {
        bus.publish(SackBrought { number }).await.unwrap();
    }
    for number in 0..10 {
        assert_eq!(soon("a call", calls.recv()).await, Some(number));
    }
    // The first at once, the others 50 ms apart.
    assert!(begin.elapsed() >= Duration::from_millis(420), "{:?}", begin.elapsed());
    app.shutdown().await.unwrap();
}

/// The numbers of a batch.
type Batches = Seen<Vec<u32>>;

/// Fails for every batch with the number 5 in it.
#[subscriber(batch(max = 3, within = "1s"), retry(max_attempts = 2, backoff = "250ms"))]
async fn grind_together(
    sacks: Vec<SackBrought>,
    context: Context,
    State(seen): State<Batches>,
) -> Result<FlourGround, HandlerError> {
    let numbers: Vec<_> = sacks.iter().map(|sack| sack.number).collect();
    let is_bad = numbers.contains(&5);
    seen.send(numbers).unwrap();
    assert!(context.batch().count() >= sacks.len());
    let sacks = u32::try_from(sacks.len()).unwrap();
    if is_bad { Err(HandlerError::retry("a stone")) } else { Ok(FlourGround { sacks }) }
}

#[subscriber]
async fn weigh(flour: EventEnvelope<FlourGround>, State(seen): State<Seen<(u32, Vec<Uuid>)>>) {
    seen.send((flour.payload.sacks, flour.correlation_ids)).unwrap();
}

async fn a_batch_is_handled_together_and_each_of_its_events_is_settled(bus: Bus) {
    let service = unique("svc");
    let (seen, mut batches) = mpsc::unbounded_channel();
    let (weighed, mut flours) = mpsc::unbounded_channel();
    let app = || {
        App::new(&*service, bus.clone())
            .state(seen.clone())
            .state(weighed.clone())
            .subscribe(grind_together)
            .subscribe(weigh)
    };
    // All are there before anybody takes them.
    bus.transport().declare(app().topology()).await.unwrap();
    let mut ids = Vec::new();
    for number in 1..=7 {
        ids.push(bus.publish(SackBrought { number }).await.unwrap().event_id);
    }
    let unreadable = Outgoing::new(Arc::clone(bus.exchange()), "mill.sack.brought", "no sack").mandatory();
    bus.transport().publish(unreadable).await.unwrap();
    let running = app().start().await.unwrap();
    let next = async |batches: &mut mpsc::UnboundedReceiver<Vec<u32>>| soon("a batch", batches.recv()).await.unwrap();
    assert_eq!(next(&mut batches).await, [1, 2, 3]);
    assert_eq!(next(&mut batches).await, [4, 5, 6]);
    // The one that cannot be read is not in it, and does not harm it.
    assert_eq!(next(&mut batches).await, [7]);
    // Those of the batch that failed come back alone.
    let mut alone = Vec::new();
    for _ in 0..3 {
        alone.push(next(&mut batches).await);
    }
    alone.sort();
    assert_eq!(alone, [[4], [5], [6]]);
    // What follows has all of a batch as causes.
    let mut causes = Vec::new();
    for _ in 0..4 {
        causes.push(soon("flour", flours.recv()).await.unwrap());
    }
    causes.sort_by_key(|(sacks, ids)| (*sacks, ids.clone()));
    assert_eq!(causes.pop().unwrap(), (3, ids[..3].to_vec()));
    let mut singles: Vec<_> = causes.iter().map(|(sacks, ids)| (*sacks, ids[..].to_vec())).collect();
    let mut expected: Vec<_> = [3, 5, 6].map(|index: usize| (1, vec![ids[index]])).to_vec();
    singles.sort();
    expected.sort();
    assert_eq!(singles, expected);
    let letters = DeadLetters::of(&bus, format!("{service}.grind_together"));
    let parked = soon("two dead letters", async {
        loop {
            let parked = letters.list(&Filter::default()).await.unwrap();
            if parked.len() == 2 {
                break parked;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let mut reasons: Vec<_> = parked.iter().map(|letter| (&*letter.reason, letter.attempts)).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, [("attempts", 2), ("undecodable", 1)]);
    running.shutdown().await.unwrap();
    let left = bus.transport().queue(format!("{service}.grind_together").into()).await.unwrap().unwrap();
    assert_eq!(left.waiting, 0);
}

#[subscriber(batch(max = 10, within = "100ms"), dedupe(within = "1h"))]
async fn grind_once(sacks: Vec<EventEnvelope<SackBrought>>, State(seen): State<Seen<Vec<Uuid>>>) {
    seen.send(sacks.iter().map(|sack| sack.event_id).collect()).unwrap();
}

#[tokio::test]
async fn a_batch_has_no_duplicates() {
    let bus = memory().await;
    let (seen, mut batches) = mpsc::unbounded_channel();
    let app = || App::new("mill", bus.clone()).state(seen.clone()).subscribe(grind_once);
    bus.transport().declare(app().topology()).await.unwrap();
    let id = Uuid::new_v4();
    bus.publish(SackBrought { number: 1 }).event_id(id).await.unwrap();
    bus.publish(SackBrought { number: 1 }).event_id(id).await.unwrap();
    let other = bus.publish(SackBrought { number: 2 }).await.unwrap().event_id;
    let running = app().start().await.unwrap();
    assert_eq!(soon("a batch", batches.recv()).await, Some(vec![id, other]));
    let last = bus.publish(SackBrought { number: 3 }).await.unwrap().event_id;
    bus.publish(SackBrought { number: 1 }).event_id(id).await.unwrap();
    assert_eq!(soon("a batch", batches.recv()).await, Some(vec![last]));
    running.shutdown().await.unwrap();
    assert!(batches.try_recv().is_err());
}

#[subscriber(max_priority = 9, prefetch = 1)]
async fn grind_urgent(sack: SackBrought, State(seen): State<Seen<u32>>) {
    seen.send(sack.number).unwrap();
}

#[tokio::test]
async fn urgent_events_are_handled_first_where_the_queue_is_classic() {
    let mut settings = Settings::default();
    settings.queue_kind = QueueKind::Classic;
    for bus in [classic().await, BusBuilder::new(settings).connect().await.unwrap()] {
        let (seen, mut calls) = mpsc::unbounded_channel();
        let service = unique("svc");
        let app = || App::new(&*service, bus.clone()).state(seen.clone()).subscribe(grind_urgent);
        bus.transport().declare(app().topology()).await.unwrap();
        for (number, priority) in [(1, 0), (2, 9), (3, 4)] {
            bus.publish(SackBrought { number }).priority(priority).await.unwrap();
        }
        let running = app().start().await.unwrap();
        for number in [2, 3, 1] {
            assert_eq!(soon("a call", calls.recv()).await, Some(number));
        }
        running.shutdown().await.unwrap();
    }
    let (seen, _calls) = mpsc::unbounded_channel();
    let error = App::new("mill", memory().await).state(seen).subscribe(grind_urgent).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Topology);
    assert!(error.to_string().contains("`mill.grind_urgent`"), "{error}");
    assert!(error.to_string().contains("BLOODBANK_QUEUE_TYPE=classic"), "{error}");
}
