//! Order by a field over several processes: partitions.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::common::soon;
use bloodbank::{RunningApp, prelude::*};
use bloodbank_harness::unique;
use tokio::{task::JoinHandle, time::sleep};

on_every_bus! {
    processes_share_partitions_and_keep_the_order_of_each_order,
    what_cannot_be_read_is_parked_with_the_others,
    a_failure_holds_its_lane_until_it_is_handled_or_given_up,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "partitions.step.taken")]
pub(crate) struct StepTaken {
    pub(crate) order_id: String,
    pub(crate) number: usize,
}

pub(crate) const ORDERS: usize = 24;

/// What all processes have handled.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Handled>>);

#[derive(Default)]
pub(crate) struct Handled {
    /// The steps of each order that are handled, and whether one is being handled now.
    orders: HashMap<String, (usize, bool)>,
    pub(crate) by: HashMap<usize, usize>,
    again: usize,
    wrong: Vec<String>,
}

impl Log {
    /// Waits until something holds of what was handled.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Handled) -> bool) {
        let waiting = async {
            while !holds(&self.0.lock().unwrap()) {
                sleep(Duration::from_millis(20)).await;
            }
        };
        soon(what, waiting).await;
    }

    /// Waits until so many steps of each order are handled.
    pub(crate) async fn until_all(&self, rounds: usize) {
        self.until("all steps of all orders", |handled| {
            handled.orders.len() == ORDERS
                && handled.orders.values().all(|(steps, is_running)| *steps == rounds && !is_running)
        })
        .await;
    }

    /// Nothing has changed its order, or was handled again without a sign.
    pub(crate) fn is_right(&self, rounds: usize) {
        let handled = self.0.lock().unwrap();
        assert!(handled.wrong.is_empty(), "{:#?}", handled.wrong);
        println!("{} events, {} of them handled again; {:?}", rounds * ORDERS, handled.again, handled.by);
    }

    pub(crate) async fn until_goes_on(&self, process: usize) {
        let now = self.0.lock().unwrap().by.get(&process).copied().unwrap_or(0);
        self.until("the process handles something", |handled| {
            handled.by.get(&process).is_some_and(|events| *events > now + 20)
        })
        .await;
    }
}

/// A publisher that never stops: a step of each order at a time.
pub(crate) struct Publishing {
    stop: Arc<AtomicBool>,
    task: JoinHandle<usize>,
}

impl Publishing {
    pub(crate) fn begin(bus: &Bus) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (bus, stopped) = (bus.clone(), Arc::clone(&stop));
        let task = tokio::spawn(async move {
            let mut rounds = 0;
            while !stopped.load(Ordering::SeqCst) {
                let steps = (0..ORDERS).map(|order| StepTaken { order_id: format!("o-{order}"), number: rounds });
                assert!(bus.publish_all(steps).await.iter().all(Result::is_ok));
                rounds += 1;
                sleep(Duration::from_millis(30)).await;
            }
            rounds
        });
        Self { stop, task }
    }

    /// Ends it, and returns how many steps of each order there are.
    pub(crate) async fn end(self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.unwrap()
    }
}

/// Notes when a handler ends, also one that is stopped in the middle.
struct End<'a>(&'a Log, String);

impl Drop for End<'_> {
    fn drop(&mut self) {
        if let Some((_, is_running)) = self.0.0.lock().unwrap().orders.get_mut(&self.1) {
            *is_running = false;
        }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Process(pub(crate) usize);

#[subscriber(ordered_by(order_id), partitions = 8)]
async fn follow(step: StepTaken, context: Context, State(log): State<Log>, State(process): State<Process>) {
    note(step, &context, &log, process).await;
}

/// Handles a step, and notes what is wrong with its order.
pub(crate) async fn note(step: StepTaken, context: &Context, log: &Log, Process(process): Process) {
    let StepTaken { order_id, number } = step;
    {
        let mut handled = log.0.lock().unwrap();
        *handled.by.entry(process).or_default() += 1;
        let (steps, is_running) = handled.orders.entry(order_id.clone()).or_default();
        let (steps, was_running) = (*steps, std::mem::replace(is_running, true));
        if was_running {
            handled.wrong.push(format!("{order_id} step {number} begins during another step"));
        }
        if number > steps {
            handled.wrong.push(format!("{order_id} step {number} begins before step {steps}"));
        }
        if number < steps {
            handled.again += 1;
            if !context.redelivered() {
                handled.wrong.push(format!("{order_id} step {number} is handled again without a sign"));
            }
        }
    }
    let _end = End(log, order_id.clone());
    sleep(Duration::from_millis(1)).await;
    let mut handled = log.0.lock().unwrap();
    if let Some((steps, _)) = handled.orders.get_mut(&order_id) {
        *steps = (*steps).max(number + 1);
    }
}

/// The bus of another process: with a connection of its own, where there is a broker.
pub(crate) async fn of_another_process(bus: &Bus) -> Bus {
    match bus.settings().rabbit_url {
        Some(_) => Bus::connect(bus.settings().clone()).await.unwrap(),
        None => bus.clone(),
    }
}

/// Begins a process.
async fn begin(bus: &Bus, service: &str, log: &Log, process: usize) -> (RunningApp, Bus) {
    let bus = of_another_process(bus).await;
    let app = App::new(service, bus.clone()).state(log.clone()).state(Process(process)).subscribe(follow);
    (app.start().await.unwrap(), bus)
}

async fn processes_share_partitions_and_keep_the_order_of_each_order(bus: Bus) {
    let (service, log) = (unique("svc"), Log::default());
    let has_broker = bus.settings().rabbit_url.is_some();
    let (first, first_bus) = begin(&bus, &service, &log, 1).await;
    let publishing = Publishing::begin(&bus);
    log.until_goes_on(1).await;
    let (second, _) = begin(&bus, &service, &log, 2).await;
    let (third, _) = begin(&bus, &service, &log, 3).await;
    log.until_goes_on(2).await;
    log.until_goes_on(3).await;

    // One after the other is replaced.
    second.shutdown().await.unwrap();
    let (fourth, _) = begin(&bus, &service, &log, 4).await;
    log.until_goes_on(4).await;
    // The first one, which spreads the events, dies.
    drop(first);
    if has_broker {
        first_bus.close().await;
    }
    log.until_goes_on(3).await;
    log.until_goes_on(4).await;

    let rounds = publishing.end().await;
    log.until_all(rounds).await;
    third.shutdown().await.unwrap();
    fourth.shutdown().await.unwrap();
    log.is_right(rounds);
}

async fn what_cannot_be_read_is_parked_with_the_others(bus: Bus) {
    let (service, log) = (unique("svc"), Log::default());
    let (app, _) = begin(&bus, &service, &log, 1).await;
    let broken = bloodbank::message::Outgoing::new(bus.exchange().clone(), "partitions.step.taken", "{");
    bus.transport().publish(broken).await.unwrap();
    let parked = crate::common::take(&bus, &format!("{service}.follow.dlq"), 1).await;
    assert_eq!(parked[0].body, "{");
    assert_eq!(parked[0].properties.headers.text("bloodbank-queue").unwrap(), format!("{service}.follow"));
    app.shutdown().await.unwrap();
}

type Attempts = Arc<Mutex<Vec<(String, usize, u32)>>>;

/// The first step of `a` succeeds at the third attempt, its second one never.
#[subscriber(concurrency = 4, ordered_by(order_id), retry(keep_order, max_attempts = 3, backoff = "250ms"))]
async fn try_again(step: StepTaken, context: Context, State(attempts): State<Attempts>) -> Result<(), String> {
    attempts.lock().unwrap().push((step.order_id.clone(), step.number, context.attempt()));
    match (&*step.order_id, step.number, context.attempt()) {
        ("a", 0, 1 | 2) | ("a", 1, _) => Err("not now".to_owned()),
        _ => Ok(()),
    }
}

async fn a_failure_holds_its_lane_until_it_is_handled_or_given_up(bus: Bus) {
    let (service, attempts) = (unique("svc"), Attempts::default());
    let app = App::new(&*service, bus.clone()).state(attempts.clone()).subscribe(try_again).start().await.unwrap();
    let step = |order: &str, number| StepTaken { order_id: order.to_owned(), number };
    let steps = [step("a", 0), step("a", 1), step("a", 2), step("b", 0), step("b", 1)];
    assert!(bus.publish_all(steps).await.iter().all(Result::is_ok));
    let parked = crate::common::take(&bus, &format!("{service}.try_again.dlq"), 1).await;
    assert_eq!(parked[0].properties.headers.text("bloodbank-reason").unwrap(), "attempts");
    assert_eq!(parked[0].properties.headers.integer("bloodbank-attempt"), Some(3));
    let of = |order: &str| {
        let attempts = attempts.lock().unwrap();
        attempts.iter().filter(|(of, ..)| of == order).map(|(_, step, attempt)| (*step, *attempt)).collect::<Vec<_>>()
    };
    let last = async {
        while of("a").len() < 7 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    soon("what comes behind it", last).await;
    app.shutdown().await.unwrap();
    assert_eq!(of("a"), [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3), (2, 1)]);
    assert_eq!(of("b"), [(0, 1), (1, 1)]);
    let attempts = attempts.lock().unwrap();
    let (a, b) = (("a".to_owned(), 0, 3), ("b".to_owned(), 1, 1));
    let place = |of: &(String, usize, u32)| attempts.iter().position(|attempt| attempt == of);
    assert!(place(&b) < place(&a), "other lanes need not wait: {attempts:?}");
}
