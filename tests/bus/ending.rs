//! A program ends right after its app has stopped.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use crate::common::soon;
use bloodbank::{ErrorKind, prelude::*};
use bloodbank_harness::unique;
use tokio::sync::mpsc;

on_every_bus! { @bus memory handlers_that_are_late_are_stopped_and_their_events_come_again }
on_every_bus! { @bus file handlers_that_are_late_are_stopped_and_their_events_come_again }
// Elsewhere the bus ends with the program.
on_every_bus! { @bus quorum
    handlers_that_are_late_are_stopped_and_their_events_come_again
    nothing_handled_comes_again_after_a_shutdown
}
on_every_bus! { @bus classic
    handlers_that_are_late_are_stopped_and_their_events_come_again
    nothing_handled_comes_again_after_a_shutdown
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "press.sheet.folded")]
struct SheetFolded {
    number: u32,
}

#[subscriber]
async fn fold(sheet: SheetFolded, State(folded): State<mpsc::UnboundedSender<u32>>) {
    folded.send(sheet.number).unwrap();
}

/// A program that ends right after `shutdown`, without closing its bus, has told the broker what it has handled.
async fn nothing_handled_comes_again_after_a_shutdown(bus: Bus) {
    const SHEETS: u32 = 300;
    let service = unique("svc");
    let queue = format!("{service}.fold");
    let (folded, mut seen) = mpsc::unbounded_channel();
    let app = |bus| App::new(&*service, bus).state(folded.clone()).subscribe(fold);
    bus.transport().declare(app(bus.clone()).topology()).await.unwrap();
    bus.publish_all((0..SHEETS).map(|number| SheetFolded { number }))
        .await
        .into_iter()
        .for_each(|sent| drop(sent.unwrap()));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let running = app(Bus::connect(bus.settings().clone()).await.unwrap()).start().await.unwrap();
                for _ in 0..SHEETS {
                    soon("a sheet", seen.recv()).await.unwrap();
                }
                running.shutdown().await.unwrap();
            });
            runtime.shutdown_background();
        });
    });
    let gone = async {
        while bus.transport().queue((*queue).into()).await.unwrap().unwrap().consumers > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("its connection is gone", gone).await;
    let queue = bus.transport().queue((*queue).into()).await.unwrap().unwrap();
    assert_eq!(queue.waiting, 0, "what it has handled is in the queue again");
}

/// What handlers do, and how many of them are at it.
#[derive(Clone, Default)]
struct Press {
    is_jammed: Arc<AtomicBool>,
    at_work: Arc<AtomicUsize>,
    printed: Arc<AtomicUsize>,
}

impl Press {
    async fn print(&self) {
        struct Works<'a>(&'a AtomicUsize);
        impl Drop for Works<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, SeqCst);
            }
        }
        self.at_work.fetch_add(1, SeqCst);
        let _works = Works(&self.at_work);
        if self.is_jammed.load(SeqCst) {
            std::future::pending().await
        }
        self.printed.fetch_add(1, SeqCst);
    }
}

#[subscriber(timeout = "1h")]
async fn print(_: SheetFolded, State(press): State<Press>) {
    press.print().await;
}

#[subscriber(timeout = "1h", concurrency = 3)]
async fn print_at_once(_: SheetFolded, State(press): State<Press>) {
    press.print().await;
}

#[subscriber(timeout = "1h", concurrency = 3, ordered_by(number))]
async fn print_in_lanes(_: SheetFolded, State(press): State<Press>) {
    press.print().await;
}

#[subscriber(timeout = "1h", ordered_by(number), partitions = 2)]
async fn print_in_partitions(_: SheetFolded, State(press): State<Press>) {
    press.print().await;
}

#[subscriber(timeout = "1h", batch(max = 3, within = "50ms"))]
async fn print_in_batches(_: Vec<SheetFolded>, State(press): State<Press>) {
    press.print().await;
}

async fn handlers_that_are_late_are_stopped_and_their_events_come_again(bus: Bus) {
    const SUBSCRIBERS: usize = 5;
    let (service, press) = (unique("svc"), Press::default());
    let app = || {
        let app = App::new(&*service, bus.clone()).state(press.clone()).drain_timeout(Duration::from_secs(1));
        let app = app.subscribe(print).subscribe(print_at_once).subscribe(print_in_lanes);
        app.subscribe(print_in_partitions).subscribe(print_in_batches)
    };
    let until = async |what: &str, count: &AtomicUsize, expected: usize| {
        soon(what, async {
            while count.load(SeqCst) != expected {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    };
    press.is_jammed.store(true, SeqCst);
    let running = app().start().await.unwrap();
    bus.publish(SheetFolded { number: 1 }).await.unwrap();
    until("all of them begin", &press.at_work, SUBSCRIBERS).await;
    let error = running.shutdown().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert!(error.to_string().contains("were stopped; their events are delivered again"), "{error}");
    until("all of them stop", &press.at_work, 0).await;
    assert_eq!(press.printed.load(SeqCst), 0);
    press.is_jammed.store(false, SeqCst);
    let running = app().start().await.unwrap();
    until("all events come again", &press.printed, SUBSCRIBERS).await;
    running.shutdown().await.unwrap();
}
