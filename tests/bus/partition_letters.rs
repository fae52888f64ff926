//! Dead letters of a subscriber with partitions: redriven, they have their place among the others.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use crate::{common::soon, partitions::StepTaken};
use bloodbank::{
    DeadLetters,
    dead_letter::{Filter, Mode},
    message::names,
    prelude::*,
};
use bloodbank_harness::unique;
use tokio::{
    sync::Notify,
    time::{Duration, sleep},
};

on_every_bus! {
    a_redriven_step_waits_for_the_others_of_its_order,
}

#[derive(Clone, Default)]
struct Desk {
    is_open: Arc<AtomicBool>,
    /// Lets the second step of `a` end.
    go_on: Arc<Notify>,
    /// Order, number, and whether it was redriven.
    done: Arc<Mutex<Vec<(String, usize, bool)>>>,
    begun: Arc<Mutex<Vec<(String, usize)>>>,
}

#[subscriber(ordered_by(order_id), partitions = 4)]
async fn settle(step: StepTaken, context: Context, State(desk): State<Desk>) -> Result<(), HandlerError> {
    desk.begun.lock().unwrap().push((step.order_id.clone(), step.number));
    if !desk.is_open.load(Ordering::SeqCst) {
        return Err(HandlerError::permanent("the desk is closed"));
    }
    if (&*step.order_id, step.number) == ("a", 1) {
        desk.go_on.notified().await;
    }
    let redriven = context.headers().get(names::REDRIVEN).is_some();
    desk.done.lock().unwrap().push((step.order_id, step.number, redriven));
    Ok(())
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    soon(what, waiting).await;
}

async fn a_redriven_step_waits_for_the_others_of_its_order(bus: Bus) {
    let (service, desk) = (unique("svc"), Desk::default());
    let app = App::new(&*service, bus.clone()).state(desk.clone()).subscribe(settle).start().await.unwrap();
    let step = |order: &str, number| StepTaken { order_id: order.to_owned(), number };
    bus.publish(step("a", 0)).await.unwrap();
    let letters = DeadLetters::of(&bus, format!("{service}.settle"));
    let parked = async {
        while letters.count().await.unwrap() == 0 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    soon("the dead letter", parked).await;
    desk.is_open.store(true, Ordering::SeqCst);
    bus.publish(step("a", 1)).await.unwrap();
    until("the second step is in hand", || desk.begun.lock().unwrap().contains(&("a".to_owned(), 1))).await;
    assert_eq!(letters.redrive(&Filter::default(), Mode::Apply).await.unwrap().done(), 1);
    // They come to the router behind the redriven one, and to other partitions, most of them.
    let others: Vec<_> = (0..16).map(|order| step(&format!("b-{order}"), 0)).collect();
    assert!(bus.publish_all(others).await.iter().all(Result::is_ok));
    let done = || desk.done.lock().unwrap().clone();
    until("another partition goes on", || !done().is_empty()).await;
    assert!(
        done().iter().all(|(order, ..)| order != "a"),
        "the redriven step is handled beside the other: {:?}",
        done()
    );
    desk.go_on.notify_one();
    until("all steps", || done().len() == 2 + 16).await;
    app.shutdown().await.unwrap();
    let of_a: Vec<_> = done().into_iter().filter(|(order, ..)| order == "a").collect();
    assert_eq!(of_a, [("a".to_owned(), 1, false), ("a".to_owned(), 0, true)]);
}
