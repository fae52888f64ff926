//! The store of the lines, when it is away or was never there.

use std::{sync::Arc, time::Duration};

use super::{Works, follow, with_store};
use crate::common::soon;
use bloodbank::{
    ErrorKind,
    dead_letter::{Filter, Mode},
    prelude::*,
};
use bloodbank_harness::Redis;
use tokio::time::sleep;

/// Nothing is handled, and nothing parked, while it is not known what is parked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_holds_events_back_in_their_order() {
    let redis = Arc::new(tokio::task::spawn_blocking(|| Redis::start().unwrap()).await.unwrap());
    let with = async |work: fn(&Redis)| {
        let redis = Arc::clone(&redis);
        tokio::task::spawn_blocking(move || work(&redis)).await.unwrap();
    };
    let mut settings = crate::common::memory().await.settings().clone();
    settings.redis_url = Some(redis.url().into());
    let bus = Bus::connect(settings).await.unwrap();
    let mut works = Works::of(bus, &["a1"]);
    works.start().await;
    works.publish(&["a1"]).await;
    works.until_parked(&["a1"], 0).await;
    works.handled("a");
    with(|redis| redis.stop().unwrap()).await;
    works.publish(&["a2", "b1", "b2"]).await;
    soon("the health says what waits", async {
        let health = || works.app.as_ref().unwrap().health();
        let waits = || health().reasons.iter().any(|reason| reason.contains("neither handle nor put aside"));
        while !waits() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let report = works.letters().discard(&Filter::default(), Mode::Apply).await.unwrap();
    assert_eq!((report.done(), report.failed()), (0, 1), "a letter stays while its line is not known: {report:?}");
    assert_eq!((works.handled("a"), works.handled("b")), (Vec::new(), Vec::new()));
    with(|redis| redis.start_again().unwrap()).await;
    assert_eq!(works.until_handled("b", 2).await, ["b1", "b2"]);
    works.stop().await;
}

#[tokio::test]
async fn rabbitmq_without_a_store_is_an_error_at_start_up() {
    let mut works = Works::of(crate::common::quorum().await, &[]);
    let app = App::new(&*works.service, works.bus.clone()).state(works.desk.clone());
    let error = app.subscribe(follow).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Settings);
    assert!(error.to_string().contains("set REDIS_URL or DATABASE_URL"), "{error}");
    assert_eq!(works.letters().keys().await.unwrap_err().kind(), ErrorKind::Settings);
    works.bus = with_store(works.bus.clone()).await;
    works.start().await;
    works.stop().await;
}
