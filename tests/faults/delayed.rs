//! A broker that is killed while events wait for their retry.

use std::{collections::HashSet, sync::Arc, time::Duration};

use bloodbank::{Settings, prelude::*, transport::topology::LADDER};
use bloodbank_harness::{RabbitMq, unique};
use tokio::{
    sync::mpsc,
    task::spawn_blocking,
    time::{sleep, timeout},
};
use uuid::Uuid;

const EVENTS: usize = 200;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "delayed.train.announced")]
struct Announced {}

type Seen = mpsc::UnboundedSender<(Uuid, u32)>;

#[subscriber(concurrency = 16, retry(max_attempts = 2, backoff = "15s"))]
async fn wait_for(_: Announced, context: Context, State(seen): State<Seen>) -> Result<(), HandlerError> {
    seen.send((context.event_id(), context.attempt())).unwrap();
    if context.attempt() == 1 { Err(HandlerError::retry("not yet")) } else { Ok(()) }
}

pub(crate) async fn what_waits_for_its_retry_survives() {
    let broker = Arc::new(spawn_blocking(|| RabbitMq::start().expect("this test needs a RabbitMQ")).await.unwrap());
    let mut settings = Settings::default();
    settings.exchange_name = unique("delayed");
    settings.rabbit_url = Some(broker.url().into());
    let bus = Bus::connect(settings).await.unwrap();
    let (seen, mut calls) = mpsc::unbounded_channel();
    let app = App::new(unique("station"), bus.clone()).state(seen).subscribe(wait_for).start().await.unwrap();
    let mut sent = HashSet::new();
    for _ in 0..EVENTS {
        sent.insert(bus.publish(Announced {}).await.unwrap().event_id);
    }
    let waiting = {
        let broker = Arc::clone(&broker);
        move || {
            let rungs: Vec<_> = LADDER.iter().map(|delay| format!("bloodbank.retry.{}\t", delay.as_millis())).collect();
            let queues = broker.ctl(&["list_queues", "name", "messages"]).unwrap();
            let counts = queues.lines().filter_map(|line| {
                rungs.iter().find_map(|rung| line.strip_prefix(rung.as_str())?.parse::<usize>().ok())
            });
            counts.sum::<usize>()
        }
    };
    let most = timeout(Duration::from_secs(60), async {
        while spawn_blocking(waiting.clone()).await.unwrap() < EVENTS {
            sleep(Duration::from_millis(50)).await;
        }
    });
    most.await.expect("all of them wait for their retry");
    let killed = spawn_blocking(move || {
        // A quorum queue that was just declared may not survive a kill of RabbitMQ 3.10.
        broker.ctl(&["eval", "[dets:sync(Table) || Table <- dets:all()]."]).unwrap();
        broker.kill().unwrap();
        broker.start_again().unwrap();
        broker
    });
    let _broker = killed.await.unwrap();
    let mut retried = HashSet::new();
    while retried.len() < EVENTS {
        let call = timeout(Duration::from_secs(120), calls.recv()).await.expect("they all come back").unwrap();
        match call {
            (id, 1) => assert!(sent.contains(&id)),
            (id, attempt) => {
                assert_eq!(attempt, 2);
                retried.insert(id);
            }
        }
    }
    assert_eq!(retried, sent);
    app.shutdown().await.unwrap();
    bus.close().await;
}
