//! Parts of a message: body, headers, properties.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::DateTime;
use uuid::Uuid;

use crate::conformance::{Bench, bench::numbered};
use bloodbank_core::message::{ForeignProperties, HeaderValue, Headers, Properties};

/// Payload, headers of every type and all properties arrive as they were sent.
pub async fn keeps_payload_headers_and_properties(bench: &mut Bench) {
    let (exchange, queue) = bench.events().await;
    let mut subscription = bench.subscribe(&queue, 10).await;
    let mut headers = Headers::default();
    headers.set("text", "plain");
    headers.set("unicode", "Füße, 血, 🩸, \"quoted\"");
    headers.set("empty", "");
    headers.set("long", "x".repeat(4000));
    headers.set("zero", 0_i64);
    headers.set("smallest", i64::MIN);
    headers.set("largest", i64::MAX);
    headers.set("yes", true);
    headers.set("no", false);
    headers.set("float", HeaderValue::Float(0.1));
    headers.set("decimal", HeaderValue::Decimal { scale: 2, value: 5 });
    headers.set("time", HeaderValue::Timestamp(DateTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)));
    headers.set("bytes", HeaderValue::Bytes(Bytes::from_static(&[0, 0xff])));
    headers.set("nothing", HeaderValue::Void);
    headers.set("list", HeaderValue::List(vec![HeaderValue::Void, "one".into()]));
    let mut table = Headers::default();
    table.set("inner", HeaderValue::List(vec![HeaderValue::Boolean(true)]));
    headers.set("table", HeaderValue::Table(table));
    headers.set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let sent = Properties::default()
        .message_id(Uuid::new_v4())
        .correlation_id(Uuid::new_v4())
        .event_type("orders.order.placed")
        .timestamp(DateTime::from_timestamp(1_700_000_000, 0))
        .app_id("shop")
        .reply_to("shop.answers")
        .expiration(Duration::from_secs(600))
        .priority(3)
        .headers(headers);
    let body: Bytes = (0..=255_u8).cycle().take(1024).collect();
    let message = numbered(&exchange, "orders.order.placed", 0).properties(sent.clone()).body(body.clone());
    bench.publish(message).await;

    let delivery = subscription.next().await;
    assert!(!delivery.redelivered, "delivered for the first time");
    let message = &delivery.message;
    assert_eq!(message.exchange, exchange);
    assert_eq!(&*message.routing_key, "orders.order.placed");
    assert_eq!(message.body, body);
    let got = &message.properties;
    assert_eq!(got.message_id, sent.message_id, "message id");
    assert_eq!(got.correlation_id, sent.correlation_id, "correlation id");
    assert_eq!(got.event_type, sent.event_type, "type");
    assert_eq!(got.timestamp, sent.timestamp, "timestamp");
    assert_eq!(got.app_id, sent.app_id, "app id");
    assert_eq!(got.reply_to, sent.reply_to, "reply to");
    assert_eq!(got.expiration, sent.expiration, "expiration");
    assert_eq!(got.priority, sent.priority, "priority");
    assert_eq!(got.foreign, None, "foreign properties");
    assert_eq!(foreign(&got.headers), foreign(&sent.headers), "headers");
    delivery.ack();
}

/// A message of somebody else keeps its ids and its media type.
pub async fn keeps_the_properties_of_foreign_messages(bench: &mut Bench) {
    let (exchange, queue) = bench.events().await;
    let mut subscription = bench.subscribe(&queue, 10).await;
    let foreign = ForeignProperties::default()
        .message_id(Arc::<str>::from("order 17"))
        .correlation_id(Arc::<str>::from("basket 4"))
        .content_type(Arc::<str>::from("text/csv"));
    let properties = Properties::default().foreign(foreign);
    let sent = properties.foreign.clone();
    bench.publish(numbered(&exchange, "orders.order.placed", 0).properties(properties)).await;

    let delivery = subscription.next().await;
    assert_eq!(delivery.message.properties.message_id, None, "message id");
    assert_eq!(delivery.message.properties.app_id, None, "app id");
    assert_eq!(delivery.message.properties.foreign, sent, "foreign properties");
    delivery.ack();
}

/// The headers without the broker's own.
fn foreign(headers: &Headers) -> BTreeMap<&str, &HeaderValue> {
    headers.iter().filter(|(name, _)| !name.starts_with("x-")).collect()
}

/// An empty body stays empty, and a property that was not set is not there.
pub async fn keeps_what_is_absent_absent(bench: &mut Bench) {
    let (exchange, queue) = bench.events().await;
    let mut subscription = bench.subscribe(&queue, 10).await;
    let message = numbered(&exchange, "orders.order.placed", 0).properties(Properties::default()).body(Bytes::new());
    bench.publish(message).await;

    let delivery = subscription.next().await;
    assert!(delivery.message.body.is_empty(), "{delivery:?}");
    let got = &delivery.message.properties;
    assert_eq!(got.message_id, None, "message id");
    assert_eq!(got.correlation_id, None, "correlation id");
    assert_eq!(got.event_type, None, "type");
    assert_eq!(got.timestamp, None, "timestamp");
    assert_eq!(got.app_id, None, "app id");
    assert_eq!(got.reply_to, None, "reply to");
    assert_eq!(got.expiration, None, "expiration");
    assert_eq!(foreign(&got.headers), BTreeMap::new(), "headers");
    delivery.ack();
}

/// Bodies of several megabytes, which take many frames, arrive whole and between small ones.
pub async fn carries_bodies_of_megabytes(bench: &mut Bench) {
    const MEGABYTES: [usize; 3] = [1, 5, 8];
    let (exchange, queue) = bench.events().await;
    let mut subscription = bench.subscribe(&queue, 2).await;
    for megabytes in MEGABYTES {
        let body: Bytes = (0..megabytes * 1024 * 1024 / 4)
            .flat_map(|place| u32::try_from(place).unwrap_or_default().to_le_bytes())
            .collect();
        let message = numbered(&exchange, "transcript.large", 0).body(body.clone());
        bench.publish(message).await;
        bench.publish(numbered(&exchange, "transcript.small", megabytes)).await;

        let delivery = subscription.next().await;
        assert!(delivery.message.body == body, "a body of {megabytes} MiB arrives whole");
        delivery.ack();
        assert_eq!(subscription.take_one().await, megabytes);
    }
}
