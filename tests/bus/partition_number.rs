//! Another number of partitions, while publishers go on.

use std::time::Duration;

use crate::{
    common::{PATIENCE, soon},
    partitions::{Log, Process, Publishing, StepTaken, note, of_another_process},
};
use bloodbank::{
    RunningApp,
    prelude::*,
    transport::{Partitions, Spreading},
};
use bloodbank_harness::unique;
use tokio::time::sleep;

on_every_bus! {
    the_number_changes_while_publishers_go_on,
    two_numbers_are_never_used_at_once,
}

/// The same subscriber of two versions of a program.
mod three {
    use super::*;

    #[subscriber(ordered_by(order_id), partitions = 3)]
    pub(super) async fn follow(
        step: StepTaken,
        context: Context,
        State(log): State<Log>,
        State(process): State<Process>,
    ) {
        note(step, &context, &log, process).await;
    }
}

mod five {
    use super::*;

    #[subscriber(ordered_by(order_id), partitions = 5)]
    pub(super) async fn follow(
        step: StepTaken,
        context: Context,
        State(log): State<Log>,
        State(process): State<Process>,
    ) {
        note(step, &context, &log, process).await;
    }
}

struct Service {
    bus: Bus,
    name: String,
    log: Log,
}

impl Service {
    fn new(bus: Bus) -> Self {
        Self { bus, name: unique("svc"), log: Log::default() }
    }

    async fn begin(&self, partitions: u16, process: usize) -> RunningApp {
        let bus = of_another_process(&self.bus).await;
        let app = App::new(&*self.name, bus).state(self.log.clone()).state(Process(process));
        match partitions {
            3 => app.subscribe(three::follow).start().await.unwrap(),
            _ => app.subscribe(five::follow).start().await.unwrap(),
        }
    }

    fn queue(&self) -> String {
        format!("{}.follow", self.name)
    }

    fn partitions(&self) -> Partitions<'_> {
        Partitions::of(self.bus.transport(), self.queue(), self.bus.settings().queue_kind)
    }

    async fn spreading(&self) -> Option<Spreading> {
        self.partitions().spreading().await.unwrap()
    }

    async fn until_drained(&self, partitions: u16) {
        assert_eq!(self.partitions().drain(PATIENCE).await.unwrap(), partitions);
    }

    async fn waiting(&self, queue: &str) -> u64 {
        self.bus.transport().queue(queue.into()).await.unwrap().unwrap().waiting
    }

    /// Waits until more events wait in the queue than there are orders.
    async fn until_events_wait(&self) {
        let waiting = async {
            while self.waiting(&self.queue()).await < 50 {
                sleep(Duration::from_millis(50)).await;
            }
        };
        soon("events that wait", waiting).await;
    }
}

async fn the_number_changes_while_publishers_go_on(bus: Bus) {
    let service = Service::new(bus);
    assert_eq!(service.spreading().await, None);
    let error = service.partitions().hold().await.unwrap_err().to_string();
    assert!(error.contains("no process has spread the events of queue"), "{error}");
    let (first, second) = (service.begin(3, 1).await, service.begin(3, 2).await);
    let publishing = Publishing::begin(&service.bus);
    service.log.until_goes_on(1).await;
    service.log.until_goes_on(2).await;
    assert_eq!(service.spreading().await, Some(Spreading::To(3)));
    let error = service.partitions().switch(5).await.unwrap_err().to_string();
    assert!(error.contains("spread to 3 partitions; run `bb topology partitions drain"), "{error}");

    // Who holds it is gone in the middle, and another one does it again.
    assert_eq!(service.partitions().hold().await.unwrap(), 3);
    assert_eq!(service.partitions().hold().await.unwrap(), 3);
    assert_eq!(service.spreading().await, Some(Spreading::Held(3)));
    service.until_drained(3).await;
    service.until_events_wait().await;
    assert!(service.partitions().undrained(3).await.unwrap().is_empty(), "nothing has come to a partition meanwhile");

    // Processes are replaced one by one; the second one of the old ones is forgotten.
    let (third, fourth) = (service.begin(5, 3).await, service.begin(5, 4).await);
    first.shutdown().await.unwrap();
    service.partitions().switch(5).await.unwrap();
    service.partitions().switch(5).await.unwrap();
    assert_eq!(service.spreading().await, Some(Spreading::To(5)));
    service.log.until_goes_on(3).await;
    service.log.until_goes_on(4).await;
    second.shutdown().await.unwrap();
    service.log.until_goes_on(3).await;

    // Held and let go without a change.
    assert_eq!(service.partitions().hold().await.unwrap(), 5);
    service.until_events_wait().await;
    assert_eq!(service.partitions().resume().await.unwrap(), 5);
    service.log.until_goes_on(4).await;

    let rounds = publishing.end().await;
    service.log.until_all(rounds).await;
    third.shutdown().await.unwrap();
    fourth.shutdown().await.unwrap();
    service.log.is_right(rounds);
}

async fn two_numbers_are_never_used_at_once(bus: Bus) {
    let service = Service::new(bus);
    let old = service.begin(5, 1).await;
    let publishing = Publishing::begin(&service.bus);
    service.log.until_goes_on(1).await;
    // All processes are replaced, and nobody has drained anything.
    let new = service.begin(3, 2).await;
    service.log.until_goes_on(1).await;
    old.shutdown().await.unwrap();
    service.until_events_wait().await;
    assert_eq!(service.spreading().await, Some(Spreading::To(5)), "the old number is still in use");

    // What is left in partitions beyond the new number needs a process that has them.
    assert_eq!(service.partitions().hold().await.unwrap(), 5);
    let old = service.begin(5, 3).await;
    service.until_drained(5).await;
    old.shutdown().await.unwrap();
    service.partitions().switch(3).await.unwrap();
    service.log.until_goes_on(2).await;
    let rounds = publishing.end().await;
    service.log.until_all(rounds).await;
    new.shutdown().await.unwrap();
    service.log.is_right(rounds);
}
