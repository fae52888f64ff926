//! Death certificates: what the headers of a message say about the queues that gave it up, as RabbitMQ writes it.

use chrono::{DateTime, Utc};

use bloodbank_core::message::{HeaderValue, Headers, Incoming};

/// Notes that a queue gives a message up: the latest death stands first in `x-death`.
pub(super) fn record(message: &mut Incoming, queue: &str, reason: &'static str) {
    let Incoming { exchange, routing_key, properties, .. } = message;
    let headers = &mut properties.headers;
    if headers.get("x-first-death-reason").is_none() {
        headers.set("x-first-death-reason", reason);
        headers.set("x-first-death-queue", queue);
        headers.set("x-first-death-exchange", &**exchange);
    }
    let mut deaths = match headers.get("x-death") {
        Some(HeaderValue::List(deaths)) => deaths.clone(),
        _ => Vec::new(),
    };
    let is_same = |death: &HeaderValue| matches!(death, HeaderValue::Table(table) if table.text("queue") == Some(queue) && table.text("reason") == Some(reason));
    let earlier = deaths.iter().position(is_same).map(|place| deaths.remove(place));
    let count = match &earlier {
        Some(HeaderValue::Table(table)) => table.integer("count").unwrap_or(0),
        _ => 0,
    };
    let mut death = Headers::default();
    death.set("count", count + 1);
    death.set("reason", reason);
    death.set("queue", queue);
    death.set("time", HeaderValue::Timestamp(DateTime::from_timestamp(Utc::now().timestamp(), 0).unwrap_or_default()));
    death.set("exchange", &**exchange);
    death.set("routing-keys", HeaderValue::List(vec![(&**routing_key).into()]));
    deaths.insert(0, HeaderValue::Table(death));
    headers.set("x-death", HeaderValue::List(deaths));
}
