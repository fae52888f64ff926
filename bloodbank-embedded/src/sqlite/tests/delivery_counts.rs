//! Who was in hand when the process ended.

use crate::sqlite::tests::*;

#[tokio::test]
async fn what_was_in_hand_counts_and_what_waited_does_not() {
    let mut bench = Bench::new().await;
    for number in ["1", "2", "3"] {
        bench.publish("a.b", number).await.unwrap();
    }
    let mut deliveries = bench.consume("q").await;
    let held = next(&mut deliveries).await;
    next(&mut deliveries).await.ack();
    bench.kill([held]).await;
    let mut deliveries = bench.consume("q").await;
    let (one, three) = (next(&mut deliveries).await, next(&mut deliveries).await);
    assert_eq!((body(&one), one.redelivered), ("1", true));
    assert_eq!((body(&three), three.redelivered), ("3", false));
}

#[tokio::test]
async fn the_delivery_limit_parks_what_kills_the_process_each_time() {
    let mut bench = Bench::new().await;
    bench.publish("a.b", "poison").await.unwrap();
    bench.publish("a.b", "good").await.unwrap();
    for killed in 0..3 {
        let mut deliveries = bench.consume("q").await;
        let poison = next(&mut deliveries).await;
        assert_eq!((body(&poison), poison.redelivered), ("poison", killed > 0));
        // From the first restart on the mark is in the file before the message is handed out.
        if killed > 0 {
            assert!(bench.number("SELECT taken FROM entries WHERE queue = 1 ORDER BY seq LIMIT 1") > 0);
        }
        bench.kill([poison]).await;
    }
    let mut deliveries = bench.consume("q").await;
    assert_eq!(body(&next(&mut deliveries).await), "good");
    let dead = next(&mut bench.consume("q.dlq").await).await;
    assert_eq!(body(&dead), "poison");
    assert_eq!(dead.message.properties.headers.text("x-first-death-reason"), Some("delivery_limit"));
}

#[tokio::test]
async fn rejections_count_over_restarts() {
    let mut bench = Bench::new().await;
    bench.publish("a.b", "1").await.unwrap();
    for _ in 0..2 {
        next(&mut bench.consume("q").await).await.reject(true);
        bench.reopen().await;
    }
    next(&mut bench.consume("q").await).await.reject(true);
    assert_eq!(body(&next(&mut bench.consume("q.dlq").await).await), "1");
    bench.settled().await;
    assert_eq!(bench.number("SELECT count(*) FROM entries"), 1);
}

#[tokio::test]
async fn what_a_consumer_did_not_hand_out_does_not_count() {
    let mut bench = Bench::new().await;
    for number in ["1", "2"] {
        bench.publish("a.b", number).await.unwrap();
    }
    bench.reopen().await;
    // Takes both to mark them, hands out one.
    let mut deliveries = bench.consume("q").await;
    let held = next(&mut deliveries).await;
    drop(deliveries);
    bench.kill([held]).await;
    let mut deliveries = bench.consume("q").await;
    let (one, two) = (next(&mut deliveries).await, next(&mut deliveries).await);
    assert!(one.redelivered);
    assert!(!two.redelivered);
}

#[tokio::test]
async fn a_bus_that_is_dropped_keeps_what_was_appended() {
    let mut bench = Bench::new().await;
    for number in 0..50 {
        bench.publish("a.b", &number.to_string()).await.unwrap();
    }
    let mut deliveries = bench.consume("q").await;
    for _ in 0..50 {
        next(&mut deliveries).await.ack();
    }
    drop(deliveries);
    let other = tempfile::tempdir().unwrap();
    drop(std::mem::replace(&mut bench.bus, open(other.path(), bench.retention)));
    bench.bus = open(bench.folder.path(), bench.retention);
    assert_eq!(bench.bus.depth("q"), Some((0, 0)));
}
