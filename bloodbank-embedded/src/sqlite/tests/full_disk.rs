//! A disk that is full, and has space again.

use crate::sqlite::tests::*;
use bloodbank_core::ErrorKind;

/// Lets the file grow to no more pages than it has.
async fn fill(bench: &Bench) {
    bench.with_connection(|connection| {
        let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        connection.pragma_update(None, "max_page_count", pages).unwrap();
    });
    let large = "x".repeat(1_000_000);
    let error = bench.publish("a.b", &large).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    let text = error.to_string();
    assert!(text.contains("bus.db") && text.contains("free space on its disk"), "{text}");
    assert!(text.contains("BLOODBANK_EMBEDDED_PATH"), "{text}");
}

fn make_space(bench: &Bench) {
    bench.with_connection(|connection| connection.pragma_update(None, "max_page_count", 1_000_000).unwrap());
}

#[tokio::test]
async fn a_refused_event_is_in_no_queue_and_the_bus_recovers() {
    let mut bench = Bench::new().await;
    bench.publish("a.b", "before").await.unwrap();
    fill(&bench).await;
    assert_eq!(bench.bus.depth("q"), Some((1, 0)));
    assert!(bench.bus.is_idle(), "nothing is on its way");
    make_space(&bench);
    bench.publish("a.b", "after").await.unwrap();
    bench.reopen().await;
    let mut deliveries = bench.consume("q").await;
    let (first, second) = (next(&mut deliveries).await, next(&mut deliveries).await);
    assert_eq!((body(&first), body(&second)), ("before", "after"));
    assert_eq!(bench.bus.depth("q"), Some((0, 2)));
}

#[tokio::test]
async fn what_fits_is_published_beside_what_does_not() {
    let bench = Bench::new().await;
    let (small, large) = ("small".to_owned(), "x".repeat(1_000_000));
    bench.publish("a.b", &large).await.unwrap();
    fill(&bench).await;
    next(&mut bench.consume("q").await).await.ack();
    bench.publish("a.b", &small).await.unwrap();
    assert_eq!(body(&next(&mut bench.consume("q").await).await), "small");
}

#[tokio::test]
async fn settlements_are_kept_back_and_written_later() {
    let mut bench = Bench::new().await;
    for number in ["1", "2", "3"] {
        bench.publish("a.b", number).await.unwrap();
    }
    // Writing fails altogether: not even a settlement fits.
    bench.with_connection(|connection| connection.pragma_update(None, "query_only", true).unwrap());
    let mut deliveries = bench.consume("q").await;
    next(&mut deliveries).await.ack();
    next(&mut deliveries).await.reject(false);
    assert_eq!(bench.publish("a.b", "4").await.unwrap_err().kind(), ErrorKind::Storage);
    assert_eq!(bench.number("SELECT count(*) FROM entries"), 3);
    bench.with_connection(|connection| connection.pragma_update(None, "query_only", false).unwrap());
    bench.publish("a.b", "5").await.unwrap();
    drop(deliveries);
    bench.reopen().await;
    let mut deliveries = bench.consume("q").await;
    assert_eq!(body(&next(&mut deliveries).await), "3");
    assert_eq!(body(&next(&mut deliveries).await), "5");
    assert_eq!(body(&next(&mut bench.consume("q.dlq").await).await), "2");
}

#[tokio::test]
async fn what_was_kept_back_is_written_without_anybody_publishing() {
    let bench = Bench::new().await;
    bench.publish("a.b", "1").await.unwrap();
    bench.with_connection(|connection| connection.pragma_update(None, "query_only", true).unwrap());
    next(&mut bench.consume("q").await).await.ack();
    assert_eq!(bench.publish("a.b", "2").await.unwrap_err().kind(), ErrorKind::Storage);
    bench.with_connection(|connection| connection.pragma_update(None, "query_only", false).unwrap());
    let written = async {
        while bench.number("SELECT count(*) FROM entries") > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), written).await.expect("it is tried again");
}

#[tokio::test]
async fn restored_messages_are_delivered_while_nothing_can_be_written() {
    let mut bench = Bench::new().await;
    bench.publish("a.b", "1").await.unwrap();
    bench.reopen().await;
    bench.with_connection(|connection| connection.pragma_update(None, "query_only", true).unwrap());
    assert_eq!(body(&next(&mut bench.consume("q").await).await), "1");
}
