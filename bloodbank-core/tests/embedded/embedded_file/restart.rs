//! A bus in a file that is closed and opened again.

use super::*;

#[tokio::test]
async fn what_was_confirmed_and_not_settled_is_there_again() {
    let folder = tempfile::tempdir().unwrap();
    let bus = open(folder.path()).await;
    for number in 0..5 {
        publish(&bus, EVENTS, "orders.order.placed", number.to_string()).await.unwrap();
    }
    let mut deliveries = consume(&bus, QUEUE).await;
    let held = next(&mut deliveries).await;
    next(&mut deliveries).await.ack();
    bus.close().await;
    drop(held);

    let bus = open(folder.path()).await;
    let mut deliveries = consume(&bus, QUEUE).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        let delivery = next(&mut deliveries).await;
        seen.push((body(&delivery).to_owned(), delivery.redelivered));
        let properties = &delivery.message.properties;
        assert!(properties.message_id.is_some());
        assert_eq!(properties.event_type.as_deref(), Some("orders.order.placed"));
        assert_eq!(properties.headers.text("traceparent"), Some("00-1"));
        assert_eq!(&*delivery.message.exchange, EVENTS);
        assert_eq!(&*delivery.message.routing_key, "orders.order.placed");
        delivery.ack();
    }
    let expected = [("0", true), ("2", false), ("3", false), ("4", false)];
    assert_eq!(seen, expected.map(|(body, redelivered)| (body.to_owned(), redelivered)));
    bus.close().await;

    let bus = open(folder.path()).await;
    assert_eq!(bus.depth(QUEUE), Some((0, 0)), "what was acknowledged stays gone");
}

#[tokio::test]
async fn bindings_are_there_before_anybody_declares() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).await.close().await;
    let bus = Embedded::open(&folder.path().join("bus.db")).await.unwrap();
    assert_eq!(publish(&bus, EVENTS, "orders.order.placed", "1").await.unwrap().unrouted, Some(false));
    assert_eq!(publish(&bus, EVENTS, "bills.bill.sent", "2").await.unwrap().unrouted, Some(true));
    assert_eq!(bus.depth(QUEUE), Some((1, 0)));
}

#[tokio::test]
async fn delays_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let bus = open(folder.path()).await;
    let (short, long) = (Duration::from_secs(1), Duration::from_secs(3_600));
    publish(&bus, &rung_name(QueueKind::Quorum, short), QUEUE, "short").await.unwrap();
    publish(&bus, &rung_name(QueueKind::Quorum, long), QUEUE, "long").await.unwrap();
    bus.close().await;
    let bus = open(folder.path()).await;
    let delivery = next(&mut consume(&bus, QUEUE).await).await;
    assert_eq!(body(&delivery), "short");
    assert_eq!(&*delivery.message.exchange, "");
    delivery.ack();
    bus.close().await;
    // What came back from a delay and was acknowledged stays gone; the other waits on.
    let bus = open(folder.path()).await;
    assert_eq!(bus.depth(QUEUE), Some((0, 0)));
    assert_eq!(bus.depth(&rung_name(QueueKind::Quorum, short)), Some((0, 0)));
    assert_eq!(bus.depth(&rung_name(QueueKind::Quorum, long)), Some((1, 0)));
}

#[tokio::test]
async fn dead_letters_stay() {
    let folder = tempfile::tempdir().unwrap();
    let bus = open(folder.path()).await;
    publish(&bus, EVENTS, "orders.order.placed", "1").await.unwrap();
    next(&mut consume(&bus, QUEUE).await).await.reject(false);
    bus.close().await;
    let bus = open(folder.path()).await;
    assert_eq!(bus.depth(QUEUE), Some((0, 0)));
    let dead = next(&mut consume(&bus, "shop.ship.dlq").await).await;
    assert_eq!(body(&dead), "1");
    let headers = &dead.message.properties.headers;
    assert_eq!(headers.text("x-first-death-reason"), Some("rejected"));
    assert_eq!(headers.text("x-first-death-queue"), Some(QUEUE));
    assert_eq!(headers.text("traceparent"), Some("00-1"));
}

#[tokio::test]
async fn transient_queues_do_not_stay() {
    let folder = tempfile::tempdir().unwrap();
    let bus = open(folder.path()).await;
    bus.declare(Topology::replies(&"replies".into())).await.unwrap();
    publish(&bus, "", "replies", "1").await.unwrap();
    assert_eq!(bus.depth("replies"), Some((1, 0)));
    let mut deliveries = consume(&bus, "replies").await;
    next(&mut deliveries).await.ack();
    publish(&bus, "", "replies", "2").await.unwrap();
    bus.close().await;
    let bus = open(folder.path()).await;
    assert_eq!(bus.depth("replies"), None);
    assert_eq!(bus.depth(QUEUE), Some((0, 0)));
}

#[tokio::test]
async fn other_properties_than_those_in_the_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).await.close().await;
    let bus = Embedded::open(&folder.path().join("bus.db")).await.unwrap();
    let topology = Topology::subscriber(&EVENTS.into(), &QUEUE.into(), QueueKind::Classic, &["orders.#".into()]);
    assert_eq!(bus.declare(topology).await.unwrap_err().kind(), ErrorKind::Topology);
}

#[tokio::test]
async fn closing_flushes_and_frees_the_file() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..5 {
        let bus = Arc::new(open(folder.path()).await);
        assert_eq!(bus.depth(QUEUE), Some((0, 0)), "round {round}");
        let publishes = (0..200).map(|number| {
            let bus = Arc::clone(&bus);
            async move { publish(&bus, EVENTS, "orders.order.placed", number.to_string()).await }
        });
        for published in futures_util::future::join_all(publishes).await {
            published.unwrap();
        }
        let mut deliveries = consume(&bus, QUEUE).await;
        for _ in 0..200 {
            next(&mut deliveries).await.ack();
        }
        bus.close().await;
        assert_eq!(publish(&bus, EVENTS, "orders.order.placed", "late").await.unwrap_err().kind(), ErrorKind::Closed);
        assert!(!folder.path().join("bus.db-wal").exists(), "the file is complete without its log");
    }
}

#[tokio::test]
async fn the_journal_has_what_no_queue_has_any_more_and_copies_that_wait() {
    let folder = tempfile::tempdir().unwrap();
    let bus = open(folder.path()).await;
    for (key, text) in [("orders.order.placed", "settled"), ("bills.bill.sent", "unrouted")] {
        publish(&bus, EVENTS, key, text).await.unwrap();
    }
    publish(&bus, &rung_name(QueueKind::Quorum, Duration::from_secs(3_600)), QUEUE, "copy").await.unwrap();
    next(&mut consume(&bus, QUEUE).await).await.ack();
    bus.close().await;

    let bus = open(folder.path()).await;
    let journal = bus.stores(&Settings::default()).journal.expect("a file has a journal");
    let read = async |query: JournalQuery| -> Vec<String> {
        let body = |entry: JournalEntry| String::from_utf8(entry.message.body.to_vec()).unwrap();
        journal.read(query, Position::Start).map_ok(body).try_collect().await.unwrap()
    };
    assert_eq!(read(JournalQuery::all()).await, ["settled", "unrouted", "copy"]);
    assert_eq!(read(JournalQuery::all().exchange(EVENTS)).await, ["settled", "unrouted"]);
}

#[tokio::test]
async fn leases_and_links_of_a_closed_bus_are_closed() {
    let folder = tempfile::tempdir().unwrap();
    let bus = open(folder.path()).await;
    let stores = bus.stores(&Settings::default());
    bus.close().await;
    let (key, token) = (LeaseKey { queue: QUEUE.into(), event_id: uuid::Uuid::new_v4() }, uuid::Uuid::new_v4());
    let error = stores.leases.unwrap().acquire(&key, token, PATIENCE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    let error = stores.links.unwrap().entries(&[key.event_id]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
}
