//! Queues on every bus: whose they are, what waits in them, and for how long it is worth something.

use std::{sync::Arc, time::Duration};

use crate::common::soon;
use bloodbank::{DeadLetters, ErrorKind, prelude::*, transport::Topology};
use bloodbank_harness::unique;
use tokio::sync::mpsc;

on_every_bus! {
    a_queue_has_one_subscriber_until_it_is_released,
    an_event_whose_time_is_over_is_dropped_and_leaves_nothing,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "school.task.set")]
struct TaskSet {
    number: u32,
}

#[subscriber]
async fn first_taker(_: TaskSet) {}

/// Two services that name one queue: each would get half of the events.
async fn a_queue_has_one_subscriber_until_it_is_released(bus: Bus) {
    let (service, other) = (unique("svc"), unique("svc"));
    let queue: Arc<str> = format!("{service}.first_taker").into();
    let first = App::new(&*service, bus.clone()).subscribe(first_taker).start().await.unwrap();
    // The same subscriber again shares the work.
    let again = App::new(&*service, bus.clone()).subscribe(first_taker).start().await.unwrap();
    let owned_by = |owner: &str| {
        let mut topology = Topology::subscriber(bus.exchange(), &queue, bus.settings().queue_kind, &["#".into()]);
        for known in topology.queues.iter_mut().filter(|known| known.name == queue) {
            known.subscriber = Some(owner.into());
        }
        topology
    };
    let second = format!("{other}.second_taker");
    let error = bus.transport().declare(owned_by(&second)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Topology);
    let (said, owner) = (error.to_string(), format!("{service}.first_taker"));
    // RabbitMQ cuts long names off.
    for part in [&*queue, &owner[..12], &*second, "topology release"] {
        assert!(said.contains(part), "{said} lacks {part}");
    }
    let compared = bus.transport().compare(owned_by(&second)).await.unwrap();
    assert!(compared.iter().any(|item| item.to_string().contains("subscriber") && item.conflicts()), "{compared:?}");
    bus.transport().release(Arc::clone(&queue)).await.unwrap();
    bus.transport().declare(owned_by(&second)).await.unwrap();
    let error = bus.transport().declare(owned_by(&owner)).await.unwrap_err();
    assert!(error.to_string().contains(&second[..12]), "{error}");
    let error = bus.transport().release(unique("nobody").into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Topology);
    first.shutdown().await.unwrap();
    again.shutdown().await.unwrap();
}

#[subscriber]
async fn punctual(task: TaskSet, State(seen): State<mpsc::UnboundedSender<u32>>) {
    seen.send(task.number).unwrap();
}

async fn an_event_whose_time_is_over_is_dropped_and_leaves_nothing(bus: Bus) {
    let service = unique("svc");
    let (seen, mut calls) = mpsc::unbounded_channel();
    let app = || App::new(&*service, bus.clone()).state(seen.clone()).subscribe(punctual);
    // Nobody takes them meanwhile.
    bus.transport().declare(app().topology()).await.unwrap();
    bus.publish(TaskSet { number: 1 }).expires_in(Duration::from_millis(1)).await.unwrap();
    bus.publish(TaskSet { number: 2 }).expires_in(Duration::from_secs(600)).await.unwrap();
    bus.publish(TaskSet { number: 3 }).expires_in(Duration::MAX).await.unwrap();
    // The time of the first is over then.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let running = app().start().await.unwrap();
    for number in [2, 3] {
        assert_eq!(soon("a call", calls.recv()).await, Some(number));
    }
    running.shutdown().await.unwrap();
    let letters = DeadLetters::of(&bus, format!("{service}.punctual"));
    assert_eq!(letters.count().await.unwrap(), 0, "it is no dead letter");
    soon("an empty queue without a consumer", async {
        let look = || bus.transport().queue(Arc::clone(letters.queue()));
        while look().await.unwrap().is_none_or(|queue| (queue.waiting, queue.consumers) != (0, 0)) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(bus.transport().queue(unique("nobody").into()).await.unwrap(), None);
}
