//! Closed and opened again.

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
    assert!(!publish(&bus, EVENTS, "orders.order.placed", "1").await.unwrap().unrouted);
    assert!(publish(&bus, EVENTS, "bills.bill.sent", "2").await.unwrap().unrouted);
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
async fn what_was_published_can_be_read_later() {
    let folder = tempfile::tempdir().unwrap();
    let bus = open(folder.path()).await;
    let before = chrono::Utc::now();
    for (key, text) in [("orders.order.placed", "1"), ("bills.bill.sent", "2"), ("orders.order.shipped", "3")] {
        publish(&bus, EVENTS, key, text).await.unwrap();
    }
    publish(&bus, &rung_name(QueueKind::Quorum, Duration::from_secs(3_600)), QUEUE, "copy").await.unwrap();
    next(&mut consume(&bus, QUEUE).await).await.ack();
    bus.close().await;
    let read = async |bus: &Embedded, query: JournalQuery, from: Position| -> Result<Vec<String>> {
        let journal = bus.stores(&Settings::default()).journal.expect("a file has a journal");
        let body = |entry: JournalEntry| String::from_utf8(entry.message.body.to_vec()).unwrap();
        journal.read(query, from).map_ok(body).try_collect().await
    };
    let all = JournalQuery::all();
    assert_eq!(read(&bus, all.clone(), Position::Start).await.unwrap_err().kind(), ErrorKind::Closed);

    let bus = open(folder.path()).await;
    let read = async |query: JournalQuery, from: Position| read(&bus, query, from).await.unwrap();
    let events = JournalQuery::all().exchange(EVENTS);
    assert_eq!(read(all, Position::Start).await, ["1", "2", "3", "copy"]);
    assert_eq!(read(events.clone(), Position::Start).await, ["1", "2", "3"], "unrouted ones too, settled ones too");
    let orders = events.clone().pattern(bloodbank_core::routing::BindingPattern::from_static("orders.#"));
    assert_eq!(read(orders.clone(), Position::Start).await, ["1", "3"]);
    assert_eq!(read(orders.clone(), Position::Last(1)).await, ["3"]);
    assert_eq!(read(orders, Position::Last(5)).await, ["1", "3"]);
    assert_eq!(read(events.clone().since(before - Duration::from_secs(1)), Position::Start).await.len(), 3);
    let later = chrono::Utc::now() + Duration::from_secs(60);
    assert!(read(events.clone().since(later), Position::Start).await.is_empty());
    assert!(read(events.clone(), Position::Time(later)).await.is_empty());

    let journal = bus.stores(&Settings::default()).journal.expect("a file has a journal");
    let newest: Vec<_> = journal.read(events.clone(), Position::Last(1)).try_collect().await.unwrap();
    let newest = &newest[0];
    assert_eq!(read(events.clone(), Position::Offset(newest.offset)).await, ["3"]);
    assert_eq!(journal.floor().await.unwrap().map(|floor| floor + 3), journal.tip().await.unwrap());
    let id = newest.message.properties.message_id.unwrap();
    let found = journal.get(id).await.unwrap().expect("it is in the journal");
    assert_eq!((found.offset, &found.message.body), (newest.offset, &newest.message.body));
    assert_eq!(&*found.message.routing_key, "orders.order.shipped");
    assert_eq!(found.message.properties.headers.text("traceparent"), Some("00-1"));
    assert!(journal.get(uuid::Uuid::new_v4()).await.unwrap().is_none());
}
