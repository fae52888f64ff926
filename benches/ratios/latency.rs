//! From the publish to the handler, at a steady rate.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use bloodbank::{EventEnvelope, prelude::*};
use futures_util::StreamExt;
use lapin::{
    BasicProperties, Channel,
    options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions},
    types::FieldTable,
};
use tokio::{sync::Notify, time::MissedTickBehavior};

use crate::{
    ours::Service,
    raw::Client,
    sample::{self, SentenceHeard},
};

/// The number of events of a round, in each second of which there are [`RATE`].
const EVENTS: u32 = 5_000;
const RATE: u32 = 1_000;

/// When each event was published, and how long it took to its handler.
#[derive(Clone)]
pub(crate) struct Times(Arc<[Time]>, Arc<Notify>);

#[derive(Default)]
struct Time {
    published: OnceLock<Instant>,
    taken: OnceLock<Duration>,
}

impl Times {
    pub(crate) fn new() -> Self {
        Self((0..EVENTS).map(|_| Time::default()).collect(), Arc::default())
    }

    fn published(&self, index: u32) {
        self.0[index as usize].published.set(Instant::now()).unwrap();
    }

    fn handled(&self, index: u32) {
        let Time { published, taken } = &self.0[index as usize];
        taken.set(published.get().unwrap().elapsed()).unwrap();
        if index == EVENTS - 1 {
            self.1.notify_one();
        }
    }

    /// The median and the 99th percentile, in milliseconds.
    fn percentiles(&self) -> [f64; 2] {
        let mut all: Vec<_> = self.0.iter().map(|time| time.taken.get().unwrap().as_secs_f64() * 1e3).collect();
        all.sort_by(f64::total_cmp);
        [all[all.len() / 2], all[all.len() * 99 / 100]]
    }
}

#[subscriber]
pub(crate) async fn listen_in_time(heard: SentenceHeard, State(times): State<Times>) {
    times.handled(heard.index());
}

/// Calls at the rate, without waiting for what it began.
async fn at_the_rate(mut publish: impl FnMut(u32)) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / RATE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for index in 0..EVENTS {
        ticks.tick().await;
        publish(index);
    }
}

/// A subscriber with nothing set.
pub(crate) async fn ours(service: &Service) -> [f64; 2] {
    let times = Times::new();
    let bus = service.bus();
    let app =
        App::new(service.name(), bus.clone()).state(times.clone()).subscribe(listen_in_time).start().await.unwrap();
    at_the_rate(|index| {
        let (bus, times) = (bus.clone(), times.clone());
        tokio::spawn(async move {
            times.published(index);
            bus.publish(sample::numbered(index)).await.unwrap();
        });
    })
    .await;
    times.1.notified().await;
    app.shutdown().await.unwrap();
    times.percentiles()
}

/// A consumer by hand with the same prefetch, which acknowledges one by one.
pub(crate) async fn raw(client: &Client, exchange: &str, queue: &str) -> [f64; 2] {
    let times = Times::new();
    let channel = client.channel().await;
    channel.basic_qos(128, BasicQosOptions::default()).await.unwrap();
    let consuming = tokio::spawn(consume(channel, queue.to_owned(), times.clone()));
    at_the_rate(|index| {
        let (publisher, exchange, times) = (client.publisher().clone(), exchange.to_owned(), times.clone());
        tokio::spawn(async move {
            times.published(index);
            let body = sample::body_of(sample::numbered(index));
            let properties = BasicProperties::default()
                .with_content_type("application/json".into())
                .with_delivery_mode(2)
                .with_message_id(uuid::Uuid::new_v4().to_string().into());
            let options = BasicPublishOptions { mandatory: true, ..Default::default() };
            let published =
                publisher.basic_publish(exchange.as_str().into(), sample::KEY.into(), options, &body, properties);
            published.await.unwrap().await.unwrap();
        });
    })
    .await;
    times.1.notified().await;
    consuming.await.unwrap();
    times.percentiles()
}

async fn consume(channel: Channel, queue: String, times: Times) {
    let mut consumer = channel
        .basic_consume(queue.as_str().into(), "raw".into(), BasicConsumeOptions::default(), FieldTable::default())
        .await
        .unwrap();
    for _ in 0..EVENTS {
        let delivery = consumer.next().await.unwrap().unwrap();
        let heard: EventEnvelope<SentenceHeard> = serde_json::from_slice(&delivery.data).unwrap();
        times.handled(heard.payload.index());
        delivery.ack(BasicAckOptions::default()).await.unwrap();
    }
    channel.basic_cancel("raw".into(), BasicCancelOptions::default()).await.unwrap();
    channel.close(200, "done".into()).await.unwrap();
}
