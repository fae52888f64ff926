//! The runtime of one subscriber: takes deliveries, runs the handler, settles.

use std::{pin::pin, sync::Arc};

use futures_util::StreamExt;
use metrics::{Counter, Histogram, counter, histogram};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::{Service, ServiceExt};
use tracing::Instrument;

use crate::{
    consume::{
        HandlerService,
        answer::{Answer, answer},
        dedupe,
        settle::{Outcome, settle},
        spec::SubscriberSpec,
    },
    dedupe::{Begun, Guard, Lease},
    handler::{Context, Delivered, Target},
    registry::Registry,
    telemetry,
    transport::{Deliveries, Delivery, Settlement},
};

/// The worker of one subscriber. Cheap to clone: each clone handles one event at a time.
#[derive(Clone)]
struct Worker {
    target: Arc<Target>,
    spec: Arc<SubscriberSpec>,
    service: HandlerService,
    counters: Arc<Counters>,
    guard: Option<Guard>,
}

struct Counters {
    handled: Counter,
    retried: Counter,
    dead_lettered: Counter,
    kept: Counter,
    waiting: Counter,
    expired: Counter,
    seconds: Histogram,
}

impl Counters {
    fn new(queue: &Arc<str>) -> Self {
        Self {
            handled: counter!("bloodbank_handled_total", "queue" => Arc::clone(queue)),
            retried: counter!("bloodbank_retried_total", "queue" => Arc::clone(queue)),
            dead_lettered: counter!("bloodbank_dead_lettered_total", "queue" => Arc::clone(queue)),
            kept: counter!("bloodbank_kept_total", "queue" => Arc::clone(queue)),
            waiting: counter!("bloodbank_put_off_total", "queue" => Arc::clone(queue)),
            expired: counter!("bloodbank_expired_total", "queue" => Arc::clone(queue)),
            seconds: histogram!("bloodbank_handler_seconds", "queue" => Arc::clone(queue)),
        }
    }
}

/// Handles deliveries until `stop` is set or the transport is closed, and finishes the events in progress.
pub(crate) async fn run(
    target: Arc<Target>,
    spec: SubscriberSpec,
    guard: Option<Guard>,
    deliveries: Deliveries,
    stop: CancellationToken,
) {
    let worker = Worker {
        service: spec.service.clone(),
        counters: Arc::new(Counters::new(&spec.queue)),
        spec: Arc::new(spec),
        target,
        guard,
    };
    let concurrency = usize::from(worker.spec.options.concurrency.max(1));
    if concurrency == 1 {
        one_by_one(worker, deliveries, &stop).await;
    } else if worker.spec.lane.is_some() {
        in_lanes(worker, concurrency, deliveries, &stop).await;
    } else {
        at_once(worker, concurrency, deliveries, &stop).await;
    }
}

/// Handles one event at a time, in order, without a task for each.
async fn one_by_one(mut worker: Worker, mut deliveries: Deliveries, stop: &CancellationToken) {
    let mut stopped = pin!(stop.cancelled());
    loop {
        let delivery = tokio::select! {
            biased;
            () = &mut stopped => return,
            delivery = deliveries.next() => delivery,
        };
        let Some(delivery) = delivery else { return };
        let (context, settlement) = worker.context(delivery);
        worker.handle(context, settlement).await;
    }
}

/// Handles several events at a time, each in a task of its own.
async fn at_once(worker: Worker, concurrency: usize, mut deliveries: Deliveries, stop: &CancellationToken) {
    let permits = Arc::new(Semaphore::new(concurrency));
    let tasks = TaskTracker::new();
    let mut stopped = pin!(stop.cancelled());
    loop {
        let next = async {
            let permit = Arc::clone(&permits).acquire_owned().await.ok()?;
            Some((deliveries.next().await?, permit))
        };
        let next = tokio::select! {
            biased;
            () = &mut stopped => None,
            next = next => next,
        };
        let Some((delivery, permit)) = next else { break };
        let mut worker = worker.clone();
        tasks.spawn(async move {
            let (context, settlement) = worker.context(delivery);
            worker.handle(context, settlement).await;
            drop(permit);
        });
    }
    drop(deliveries);
    tasks.close();
    tasks.wait().await;
}

/// Handles several events at a time, but those of one lane one after the other.
async fn in_lanes(worker: Worker, concurrency: usize, mut deliveries: Deliveries, stop: &CancellationToken) {
    let tasks = TaskTracker::new();
    let lanes: Vec<_> = (0..concurrency)
        .map(|_| {
            let (sender, mut receiver) =
                mpsc::channel::<(Context, Settlement)>(usize::from(worker.spec.options.effective_prefetch()));
            let (mut worker, stop) = (worker.clone(), stop.clone());
            tasks.spawn(async move {
                while let Some((context, settlement)) = receiver.recv().await {
                    // What has not begun when the app stops goes back to the queue.
                    if !stop.is_cancelled() {
                        worker.handle(context, settlement).await;
                    }
                }
            });
            sender
        })
        .collect();
    let mut stopped = pin!(stop.cancelled());
    let mut turn = 0;
    loop {
        let delivery = tokio::select! {
            biased;
            () = &mut stopped => None,
            delivery = deliveries.next() => delivery,
        };
        let Some(delivery) = delivery else { break };
        let (context, settlement) = worker.context(delivery);
        let lane = worker.spec.lane.as_ref().and_then(|lane| lane(&context)).unwrap_or_else(|| {
            turn += 1;
            turn
        });
        let index = usize::try_from(lane % concurrency as u64).unwrap_or(0);
        if lanes[index].send((context, settlement)).await.is_err() {
            break;
        }
    }
    drop(deliveries);
    drop(lanes);
    tasks.close();
    tasks.wait().await;
}

impl Worker {
    fn context(&self, delivery: Delivery) -> (Context, Settlement) {
        let Delivery { mut message, redelivered, settlement } = delivery;
        message.restore_origin();
        (Context::new(Arc::clone(&self.target), Delivered { message, redelivered }), settlement)
    }

    async fn handle(&mut self, context: Context, settlement: Settlement) {
        // Boxes keep what is rare out of the future that every event fills anew.
        let outcome = match self.guard.clone() {
            _ if context.has_expired() => {
                settlement.ack();
                Outcome::Expired
            }
            None => self.work(&context, settlement, None).await,
            Some(guard) => Box::pin(self.once(&guard, &context, settlement)).await,
        };
        match outcome {
            Outcome::Duplicate => {}
            Outcome::Expired => self.counters.expired.increment(1),
            Outcome::Ack => self.counters.handled.increment(1),
            Outcome::Retry => self.counters.retried.increment(1),
            Outcome::DeadLetter => self.counters.dead_lettered.increment(1),
            Outcome::Kept => self.counters.kept.increment(1),
            Outcome::PutOff => self.counters.waiting.increment(1),
        }
    }

    async fn once(&mut self, guard: &Guard, context: &Context, settlement: Settlement) -> Outcome {
        match dedupe::begin(guard, context).await {
            Begun::Leased(lease) => {
                context.set_dedupe_mark(lease.mark().clone());
                lease.during(self.work(context, settlement, Some(&lease))).await
            }
            Begun::Unchecked => {
                context.set_unchecked();
                self.work(context, settlement, None).await
            }
            Begun::Duplicate => {
                // Its reply went to whoever asked first, and is on the bus.
                let done = format!("command {} was executed before, and is not executed again", context.event_id());
                answer(context, Answer::Error(done)).await;
                settlement.ack();
                Outcome::Duplicate
            }
            Begun::Wait(delay) => dedupe::put_off(settlement, context, &self.spec.options, delay).await,
        }
    }

    async fn work(&mut self, context: &Context, settlement: Settlement, lease: Option<&Lease>) -> Outcome {
        match telemetry::process(|| context.handled()) {
            None => self.attempt(context, settlement, lease).await,
            Some(span) => Box::pin(self.attempt(context, settlement, lease).instrument(span)).await,
        }
    }

    async fn attempt(&mut self, context: &Context, settlement: Settlement, lease: Option<&Lease>) -> Outcome {
        let start = context.begin();
        let result = match self.service.ready().await {
            Ok(service) => service.call(context.clone()).await,
            Err(error) => Err(error),
        };
        self.counters.seconds.record(start.elapsed().as_secs_f64());
        let event_type = context.message().properties.event_type.as_deref().unwrap_or_default();
        let event_type = Registry::global().label(event_type);
        counter!("bloodbank_consumed_total", "event_type" => event_type).increment(1);
        let Some(span) = telemetry::settle(|| context.handled()) else {
            return settle(settlement, context, &self.spec.options, result, lease).await;
        };
        let settling = settle(settlement, context, &self.spec.options, result, lease);
        let outcome = Box::pin(settling.instrument(span.clone())).await;
        span.record("outcome", tracing::field::debug(outcome));
        outcome
    }
}
