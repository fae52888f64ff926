//! Together with `dedupe`: events that come twice, while they are parked and after they were handled.

use std::time::Duration;

use super::{Desk, StepTaken, Works, with_store};
use crate::common::soon;
use bloodbank::{
    DeadLetters,
    dead_letter::{Filter, Mode},
    prelude::*,
};
use tokio::time::sleep;

on_every_bus! {
    what_comes_twice_is_handled_once_in_its_place,
}

#[subscriber(ordered_by(order_id), dedupe(within = "1h"), retry(keep_order, park_key))]
async fn follow_once(step: StepTaken, State(desk): State<Desk>) -> Result<(), HandlerError> {
    desk.handle(&step).await
}

async fn what_comes_twice_is_handled_once_in_its_place(bus: Bus) {
    let works = Works::of(with_store(bus).await, &["a1"]);
    let app = App::new(&*works.service, works.bus.clone()).state(works.desk.clone());
    let app = app.subscribe(follow_once).start().await.unwrap();
    let letters = DeadLetters::of(&works.bus, format!("{}.follow_once", works.service));
    let until_letters = async |count: usize| {
        soon("the dead letters", async {
            while letters.count().await.unwrap() != count {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    };
    let ids = works.publish(&["a1", "a2"]).await;
    until_letters(2).await;
    let again = |number: u32| {
        let step = StepTaken { order_id: "a".to_owned(), number };
        works.bus.publish(step).event_id(ids[number as usize - 1])
    };
    // Nothing is known of it but that it waits, so it waits twice.
    again(2).await.unwrap();
    works.publish(&["a3"]).await;
    until_letters(4).await;
    assert_eq!(letters.keys().await.unwrap()[0].events, 3, "it has one place");
    assert_eq!(works.handled("a"), ["a1"]);

    works.repair();
    assert_eq!(letters.redrive(&Filter::default(), Mode::Apply).await.unwrap().done(), 4);
    assert_eq!(works.until_handled("a", 3).await, ["a1", "a2", "a3"]);
    soon("the end of the line", async {
        while !letters.keys().await.unwrap().is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    again(1).await.unwrap();
    works.publish(&["a4"]).await;
    assert_eq!(works.until_handled("a", 1).await, ["a4"], "what was handled is not handled again");
    until_letters(0).await;
    app.shutdown().await.unwrap();
}
