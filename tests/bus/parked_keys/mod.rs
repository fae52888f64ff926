//! `retry(park_key)`: what comes behind a parked event of its key is parked behind it, and all come back in order.

mod duplicates;
mod order;
mod store;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::common::soon;
use bloodbank::{
    DeadLetters, RunningApp,
    dead_letter::{DeadLetter, Filter, Mode},
    prelude::*,
};
use bloodbank_harness::{shared_redis_url, unique};
use tokio::{sync::Semaphore, time::sleep};
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "lines.step.taken")]
struct StepTaken {
    order_id: String,
    number: u32,
}

/// What the handlers do, and what they did.
#[derive(Clone)]
struct Desk(Arc<Inner>);

struct Inner {
    handled: Mutex<Vec<String>>,
    broken: Mutex<BTreeSet<String>>,
    /// A permit for each call, where it is closed.
    gate: Semaphore,
}

impl Desk {
    async fn handle(&self, step: &StepTaken) -> Result<(), HandlerError> {
        let step = format!("{}{}", step.order_id, step.number);
        let is_broken = self.0.broken.lock().unwrap().contains(&step);
        self.0.handled.lock().unwrap().push(step.clone());
        let _pass = self.0.gate.acquire().await.unwrap();
        if is_broken { Err(HandlerError::permanent(format!("{step} is broken"))) } else { Ok(()) }
    }
}

#[subscriber(concurrency = 4, ordered_by(order_id), retry(keep_order, park_key))]
async fn follow(step: StepTaken, State(desk): State<Desk>) -> Result<(), HandlerError> {
    desk.handle(&step).await
}

/// A service at work.
struct Works {
    bus: Bus,
    service: String,
    desk: Desk,
    app: Option<RunningApp>,
}

impl Works {
    async fn begin(bus: Bus, broken: &[&str]) -> Self {
        let mut works = Self::of(with_store(bus).await, broken);
        works.start().await;
        works
    }

    fn of(bus: Bus, broken: &[&str]) -> Self {
        let broken = Mutex::new(broken.iter().map(|step| (*step).to_owned()).collect());
        let desk = Desk(Arc::new(Inner { handled: Mutex::default(), broken, gate: Semaphore::new(100) }));
        Self { bus, service: unique("svc"), desk, app: None }
    }

    async fn start(&mut self) {
        let app = App::new(&*self.service, self.bus.clone()).state(self.desk.clone());
        self.app = Some(app.subscribe(follow).start().await.unwrap());
    }

    async fn stop(&mut self) {
        self.app.take().unwrap().shutdown().await.unwrap();
    }

    fn letters(&self) -> DeadLetters {
        DeadLetters::of(&self.bus, format!("{}.follow", self.service))
    }

    /// Publishes steps, such as `a1`, in their order; returns their ids.
    async fn publish(&self, steps: &[&str]) -> Vec<Uuid> {
        let mut ids = Vec::new();
        for step in steps {
            let (order, number) = step.split_at(1);
            let step = StepTaken { order_id: order.to_owned(), number: number.parse().unwrap() };
            ids.push(self.bus.publish(step).await.unwrap().event_id);
        }
        ids
    }

    fn repair(&self) {
        self.desk.0.broken.lock().unwrap().clear();
    }

    /// What was handled since the last look, of one order.
    fn handled(&self, order: &str) -> Vec<String> {
        let mut handled = self.desk.0.handled.lock().unwrap();
        let (of, others) = std::mem::take(&mut *handled).into_iter().partition(|step| step.starts_with(order));
        *handled = others;
        of
    }

    /// Waits for so many calls of one order, and returns them.
    async fn until_handled(&self, order: &str, count: usize) -> Vec<String> {
        soon("the calls", async {
            let calls = || self.desk.0.handled.lock().unwrap().iter().filter(|step| step.starts_with(order)).count();
            while calls() < count {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        self.handled(order)
    }

    /// Waits until exactly these dead letters are there, of which all have been redriven so often, and returns them in their
    /// order.
    async fn until_parked(&self, steps: &[&str], redriven: u32) -> Vec<DeadLetter> {
        let letters = self.letters();
        let waiting = async {
            loop {
                let listed = letters.list(&Filter::default()).await.unwrap();
                if listed.len() == steps.len() && listed.iter().all(|letter| letter.redriven >= redriven) {
                    return listed;
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        let listed = soon("the dead letters", waiting).await;
        assert_eq!(listed.iter().map(step).collect::<Vec<_>>(), steps);
        listed
    }

    /// Waits until so many events are in the line of each of these orders, and in no other.
    async fn until_lines(&self, lines: &[(&str, u64)]) {
        let letters = self.letters();
        let expected: Vec<_> = lines.iter().map(|(key, events)| ((*key).to_owned(), *events)).collect();
        soon("the lines", async {
            loop {
                let keys = letters.keys().await.unwrap();
                if keys.into_iter().map(|key| (key.key, key.events)).collect::<Vec<_>>() == expected {
                    return;
                }
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    async fn redrive(&self, filter: &Filter) -> usize {
        let report = self.letters().redrive(filter, Mode::Apply).await.unwrap();
        assert_eq!(report.failed(), 0, "{report:?}");
        report.done()
    }
}

/// The step of a dead letter, such as `a1`.
fn step(letter: &DeadLetter) -> String {
    let payload = serde_json::from_slice::<serde_json::Value>(&letter.message.body).unwrap()["payload"].take();
    format!("{}{}", payload["order_id"].as_str().unwrap(), payload["number"])
}

/// On a broker, with the Redis of all tests.
async fn with_store(bus: Bus) -> Bus {
    if bus.settings().rabbit_url.is_none() {
        return bus;
    }
    let mut settings = bus.settings().clone();
    settings.redis_url = Some(tokio::task::spawn_blocking(shared_redis_url).await.unwrap().into());
    Bus::connect(settings).await.unwrap()
}
