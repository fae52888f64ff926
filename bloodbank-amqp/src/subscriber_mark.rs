//! The mark of a queue's subscriber: what keeps a second, other one from taking half of its events.
//!
//! A queue cannot remember it: RabbitMQ compares the arguments that it knows and no others. It compares the alternate
//! exchange of an exchange. So the mark is an exchange beside the queue, to which nobody can publish, whose alternate
//! exchange is named after the subscriber and need not exist. Declaring it for another one is refused with both names.

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, ExchangeDeleteOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use serde_json::{Value, json};

use crate::{
    broker_fault::BrokerFault,
    declare_error,
    timeout::{CALL_TIMEOUT, with_timeout},
};
use bloodbank_core::{
    Error,
    transport::{Difference, topology::belongs_to_another},
};

/// Short, because the broker cuts its refusal off after 255 bytes, and both subscribers are to stand in it.
const OF_QUEUE: &str = "bloodbank.of.";
const IS_SUBSCRIBER: &str = "bloodbank.by.";
const ALTERNATE: &str = "alternate-exchange";

/// The name of a queue's mark; `None`: the name of the queue leaves no room for one.
fn name(queue: &str) -> Option<ShortString> {
    ShortString::try_new(format!("{OF_QUEUE}{queue}")).ok()
}

fn alternate(subscriber: &str) -> String {
    format!("{IS_SUBSCRIBER}{subscriber}")
}

/// The mark of a queue as definitions write it.
pub(super) fn definition(queue: &str, subscriber: &str, vhost: &str) -> Option<Value> {
    let name = name(queue)?;
    Some(json!({
        "name": name.as_str(),
        "vhost": vhost,
        "type": "fanout",
        "durable": true,
        "auto_delete": false,
        "internal": true,
        "arguments": { ALTERNATE: alternate(subscriber) },
    }))
}

/// Marks a queue, which may be marked for the same subscriber.
pub(super) async fn declare(channel: &Channel, queue: &str, subscriber: &str) -> Result<(), BrokerFault> {
    let Some(name) = name(queue) else { return Ok(()) };
    let options = ExchangeDeclareOptions { durable: true, internal: true, ..ExchangeDeclareOptions::default() };
    let mut arguments = FieldTable::default();
    arguments.insert(ALTERNATE.into(), AMQPValue::LongString(alternate(subscriber).into()));
    with_timeout(CALL_TIMEOUT, channel.exchange_declare(name, ExchangeKind::Fanout, options, arguments)).await
}

/// Whether a queue is marked, for whomever.
pub(super) async fn exists(channel: &Channel, queue: &str) -> Result<(), BrokerFault> {
    let Some(name) = name(queue) else { return Ok(()) };
    let options = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
    let arguments = FieldTable::default();
    with_timeout(CALL_TIMEOUT, channel.exchange_declare(name, ExchangeKind::Fanout, options, arguments)).await
}

/// Removes the mark of a queue.
pub(super) async fn remove(channel: &Channel, queue: &str) -> Result<(), BrokerFault> {
    let Some(name) = name(queue) else { return Ok(()) };
    with_timeout(CALL_TIMEOUT, channel.exchange_delete(name, ExchangeDeleteOptions::default())).await
}

/// The difference of two subscribers, by their names.
pub(super) fn difference(text: &str) -> Option<Difference> {
    let Difference { declared, existing, .. } = declare_error::difference(text)?;
    let subscriber = |shown: String| shown.replacen(IS_SUBSCRIBER, "", 1);
    Some(Difference {
        property: "subscriber".to_owned(),
        declared: subscriber(declared),
        existing: subscriber(existing),
    })
}

/// The error for a queue that is marked for another subscriber.
pub(super) fn refusal(queue: &str, fault: &BrokerFault) -> Error {
    match difference(fault.text()) {
        Some(Difference { declared, existing, .. }) => {
            belongs_to_another(queue, existing.trim_matches('`'), declared.trim_matches('`'))
        }
        None => declare_error::declare_error(&format!("the mark of queue `{queue}`"), fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_subscribers_are_named() {
        let text = "PRECONDITION_FAILED - inequivalent arg 'alternate-exchange' for exchange \
                    'bloodbank.of.orders' in vhost '/': received 'bloodbank.by.b.ship' but current is \
                    'bloodbank.by.a.ship'";
        let error = refusal("orders", &BrokerFault::Channel { code: 406, text: text.into() }).to_string();
        assert!(error.contains("queue `orders` belongs to the subscriber `a.ship`; `b.ship` would"), "{error}");
    }
}
