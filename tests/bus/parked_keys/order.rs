//! The order of a key, whatever becomes of its dead letters, and whoever brings them back.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{Desk, StepTaken, Works, with_store};
use crate::common::{Fate, intercepted, soon};
use bloodbank::{
    DeadLetters, ErrorKind,
    dead_letter::{Filter, Handle, Mode},
    message::Outgoing,
    prelude::*,
    transport::topology::DEAD_LETTER_EXCHANGE,
};
use tokio::time::sleep;

on_every_bus! {
    what_comes_behind_a_parked_event_follows_it_and_all_come_back_in_order,
    what_fails_again_takes_the_others_back_with_it,
    what_comes_meanwhile_waits_behind_what_is_still_parked,
    whatever_comes_back_in_another_order_is_parked_again,
    a_discarded_event_holds_nothing_back,
    a_corrected_event_takes_the_place_of_the_one_before,
    a_restart_keeps_the_line_and_what_could_not_be_parked,
    partitions_park_keys_too,
    a_released_key_is_handled_again,
}

#[subscriber(ordered_by(order_id), partitions = 2, retry(keep_order, park_key))]
async fn follow_split(step: StepTaken, State(desk): State<Desk>) -> Result<(), HandlerError> {
    desk.handle(&step).await
}

async fn what_comes_behind_a_parked_event_follows_it_and_all_come_back_in_order(bus: Bus) {
    let mut works = Works::begin(bus, &["a1"]).await;
    let garbage = Outgoing::new("", format!("{}.follow", works.service), "{").mandatory();
    works.bus.transport().publish(garbage).await.unwrap();
    soon("what cannot be read has no key", async {
        while works.letters().count().await.unwrap() < 1 {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let report = works.letters().discard(&Filter::default(), Mode::Apply).await.unwrap();
    assert_eq!((report.done(), report.letters[0].letter.key.as_deref()), (1, None));

    let ids = works.publish(&["a1", "a2", "b1", "a3", "b2"]).await;
    let parked = works.until_parked(&["a1", "a2", "a3"], 0).await;
    assert_eq!(parked.iter().map(|letter| &*letter.reason).collect::<Vec<_>>(), ["failed", "behind", "behind"]);
    assert_eq!(parked.iter().map(|letter| letter.attempts).collect::<Vec<_>>(), [1, 0, 0]);
    assert!(parked.iter().all(|letter| letter.key.as_deref() == Some("a")), "{parked:?}");
    let error = parked[2].error.as_deref().unwrap();
    assert!(error.contains(&format!("event {} of `a` was given up before", ids[0])), "{error}");
    assert_eq!(works.until_handled("b", 2).await, ["b1", "b2"], "other keys go on");
    assert_eq!(works.handled("a"), ["a1"], "no handler is called for what waits");
    works.until_lines(&[("a", 3)]).await;
    assert_eq!(works.letters().keys().await.unwrap()[0].first, ids[0]);

    works.repair();
    assert_eq!(works.redrive(&Filter::default()).await, 3);
    assert_eq!(works.until_handled("a", 3).await, ["a1", "a2", "a3"]);
    works.until_lines(&[]).await;
    works.publish(&["a4"]).await;
    assert_eq!(works.until_handled("a", 1).await, ["a4"]);
    works.until_parked(&[], 0).await;
    works.stop().await;
}

async fn what_fails_again_takes_the_others_back_with_it(bus: Bus) {
    let mut works = Works::begin(bus, &["a1"]).await;
    works.publish(&["a1", "a2", "a3"]).await;
    works.until_parked(&["a1", "a2", "a3"], 0).await;
    works.publish(&["a4"]).await;
    works.until_parked(&["a1", "a2", "a3", "a4"], 0).await;
    for round in 1..=2 {
        works.redrive(&Filter::default()).await;
        // They keep their order, although each of them was parked again.
        works.until_parked(&["a1", "a2", "a3", "a4"], round).await;
    }
    assert_eq!(works.handled("a"), ["a1", "a1", "a1"]);
    works.repair();
    works.redrive(&Filter::default()).await;
    assert_eq!(works.until_handled("a", 4).await, ["a1", "a2", "a3", "a4"]);
    works.until_lines(&[]).await;
    works.stop().await;
}

async fn what_comes_meanwhile_waits_behind_what_is_still_parked(bus: Bus) {
    let mut works = Works::begin(bus, &["a1"]).await;
    works.publish(&["a1", "a2"]).await;
    let parked = works.until_parked(&["a1", "a2"], 0).await;
    works.repair();
    works.handled("a");
    // The first is being handled when the next one comes.
    let closed = works.desk.0.gate.acquire_many(100).await.unwrap();
    works.redrive(&Filter::handle(parked[0].handle)).await;
    assert_eq!(works.until_handled("a", 1).await, ["a1"]);
    works.publish(&["a3"]).await;
    drop(closed);
    works.until_parked(&["a2", "a3"], 0).await;
    works.until_lines(&[("a", 2)]).await;
    assert_eq!(works.handled("a"), [""; 0]);
    works.redrive(&Filter::default()).await;
    assert_eq!(works.until_handled("a", 2).await, ["a2", "a3"]);
    works.until_lines(&[]).await;
    works.stop().await;
}

async fn whatever_comes_back_in_another_order_is_parked_again(bus: Bus) {
    let mut works = Works::begin(bus, &["a1"]).await;
    works.publish(&["a1", "a2", "a3"]).await;
    let parked = works.until_parked(&["a1", "a2", "a3"], 0).await;
    works.repair();
    works.handled("a");
    for letter in [&parked[2], &parked[1]] {
        works.redrive(&Filter::handle(letter.handle)).await;
        soon("it is parked again", async {
            let is_back = async || {
                let listed = works.letters().list(&Filter::handle(letter.handle)).await.unwrap();
                listed.iter().any(|again| again.redriven == 1)
            };
            while !is_back().await {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }
    assert_eq!(works.handled("a"), [""; 0]);
    works.until_parked(&["a1", "a2", "a3"], 0).await;
    works.redrive(&Filter { limit: Some(1), ..Filter::default() }).await;
    assert_eq!(works.until_handled("a", 1).await, ["a1"]);
    works.until_parked(&["a2", "a3"], 1).await;
    works.redrive(&Filter::default()).await;
    assert_eq!(works.until_handled("a", 2).await, ["a2", "a3"]);
    works.until_lines(&[]).await;
    works.stop().await;
}

async fn a_discarded_event_holds_nothing_back(bus: Bus) {
    let mut works = Works::begin(bus, &["a1"]).await;
    let ids = works.publish(&["a1", "a2", "a3", "a4"]).await;
    works.until_parked(&["a1", "a2", "a3", "a4"], 0).await;
    let discard = async |step: usize, mode| {
        let report = works.letters().discard(&Filter::event(ids[step]), mode).await.unwrap();
        assert_eq!((report.done(), report.failed()), (1, 0), "{report:?}");
    };
    discard(0, Mode::DryRun).await;
    works.until_lines(&[("a", 4)]).await;
    discard(0, Mode::Apply).await;
    discard(2, Mode::Apply).await;
    works.until_lines(&[("a", 2)]).await;
    assert_eq!(works.letters().keys().await.unwrap()[0].first, ids[1]);
    works.handled("a");
    works.redrive(&Filter::default()).await;
    assert_eq!(works.until_handled("a", 2).await, ["a2", "a4"]);
    works.until_lines(&[]).await;
    works.stop().await;
}

async fn a_corrected_event_takes_the_place_of_the_one_before(bus: Bus) {
    let mut works = Works::begin(bus, &["a1", "a9"]).await;
    let ids = works.publish(&["a1", "a2"]).await;
    works.until_parked(&["a1", "a2"], 0).await;
    works.handled("a");
    let correct = async |handle: Handle, number: u32| {
        let corrected = StepTaken { order_id: "a".to_owned(), number };
        let corrected = works.bus.publish(corrected).causes([ids[0]]).prepare().unwrap();
        works.letters().replace(handle, corrected).await.unwrap().unwrap().event_id
    };
    // The first correction is wrong too, and is corrected itself.
    let wrong = correct(ids[0].into(), 9).await;
    assert_eq!(works.until_handled("a", 1).await, ["a9"]);
    works.until_parked(&["a9", "a2"], 0).await;
    works.until_lines(&[("a", 2)]).await;
    correct(wrong.into(), 7).await;
    assert_eq!(works.until_handled("a", 1).await, ["a7"]);
    works.until_lines(&[("a", 1)]).await;
    works.redrive(&Filter::default()).await;
    assert_eq!(works.until_handled("a", 1).await, ["a2"]);
    works.until_lines(&[]).await;
    works.stop().await;
}

async fn a_restart_keeps_the_line_and_what_could_not_be_parked(bus: Bus) {
    let bus = with_store(bus).await;
    let is_shut = Arc::new(Mutex::new(true));
    let decide = {
        let is_shut = Arc::clone(&is_shut);
        move |message: &Outgoing| match &*message.exchange == DEAD_LETTER_EXCHANGE && *is_shut.lock().unwrap() {
            true => Fate::Refused(bloodbank::Error::new(ErrorKind::Refused, "no dead letter today")),
            false => Fate::Published,
        }
    };
    let mut works = Works::of(intercepted(&bus, decide).await, &["a1"]);
    works.start().await;
    works.publish(&["a1", "a2"]).await;
    // The line has it, and the dead letters have not: as if the process had ended in between.
    works.until_lines(&[("a", 1)]).await;
    works.stop().await;
    assert_eq!(works.handled("a"), ["a1"]);
    works.start().await;
    assert_eq!(works.until_handled("a", 1).await, ["a1"], "it comes again, as the first of its line");
    *is_shut.lock().unwrap() = false;
    works.until_parked(&["a1", "a2"], 0).await;
    works.stop().await;

    works.start().await;
    works.publish(&["a3", "b1"]).await;
    works.until_parked(&["a1", "a2", "a3"], 0).await;
    assert_eq!(works.until_handled("b", 1).await, ["b1"]);
    assert_eq!(works.handled("a"), [""; 0]);
    works.repair();
    works.redrive(&Filter::default()).await;
    assert_eq!(works.until_handled("a", 3).await, ["a1", "a2", "a3"]);
    works.until_lines(&[]).await;
    works.stop().await;
}

async fn partitions_park_keys_too(bus: Bus) {
    let works = Works::of(with_store(bus).await, &["a1"]);
    let app = App::new(&*works.service, works.bus.clone()).state(works.desk.clone());
    let app = app.subscribe(follow_split).start().await.unwrap();
    works.publish(&["a1", "a2", "b1"]).await;
    let letters = DeadLetters::of(&works.bus, format!("{}.follow_split", works.service));
    soon("the dead letters", async {
        while letters.count().await.unwrap() < 2 {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!(works.until_handled("b", 1).await, ["b1"]);
    assert_eq!(works.handled("a"), ["a1"]);
    works.repair();
    assert_eq!(letters.redrive(&Filter::default(), Mode::Apply).await.unwrap().done(), 2);
    assert_eq!(works.until_handled("a", 2).await, ["a1", "a2"]);
    app.shutdown().await.unwrap();
}

async fn a_released_key_is_handled_again(bus: Bus) {
    let mut works = Works::begin(bus, &["a1"]).await;
    works.publish(&["a1", "a2"]).await;
    works.until_parked(&["a1", "a2"], 0).await;
    // As somebody who empties the queue.
    let parked = crate::common::take(&works.bus, &format!("{}.follow.dlq", works.service), 2).await;
    assert_eq!(parked[1].properties.headers.text("bloodbank-parked-key"), Some("a"));
    works.until_lines(&[("a", 2)]).await;
    assert_eq!(works.letters().release("a").await.unwrap(), 2);
    works.handled("a");
    works.publish(&["a3"]).await;
    assert_eq!(works.until_handled("a", 1).await, ["a3"]);
    works.until_lines(&[]).await;
    works.stop().await;
}
