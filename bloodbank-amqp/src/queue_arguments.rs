//! The arguments of queues, as the broker has them.

use std::{collections::BTreeMap, time::Duration};

use lapin::types::{AMQPValue, FieldTable};

use bloodbank_core::{
    settings::{QueueArgument, QueueKind},
    transport::topology::Queue,
};

/// The argument for the kind of a queue.
pub(super) const QUEUE_TYPE: &str = "x-queue-type";
const OVERFLOW: &str = "x-overflow";
/// What is full is refused, so that nobody takes an event for published that was dropped.
const REJECT_PUBLISH: &str = "reject-publish";

/// The arguments that make the broker keep a queue as described.
pub(super) fn queue_arguments(queue: &Queue) -> FieldTable {
    table(arguments(queue))
}

/// The same without the kind of the queue, which the broker chooses then.
pub(super) fn queue_arguments_without_type(queue: &Queue) -> FieldTable {
    let mut arguments = arguments(queue);
    arguments.remove(QUEUE_TYPE);
    table(arguments)
}

fn table(arguments: BTreeMap<&str, QueueArgument>) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        let value = match value {
            QueueArgument::Text(text) => AMQPValue::LongString(text.as_ref().into()),
            QueueArgument::Integer(integer) => AMQPValue::LongLongInt(integer),
            QueueArgument::Boolean(boolean) => AMQPValue::Boolean(boolean),
        };
        table.insert(name.into(), value);
    }
    table
}

/// The arguments of a queue by their names, for the protocol and for documents.
pub(super) fn arguments(queue: &Queue) -> BTreeMap<&str, QueueArgument> {
    let mut arguments: BTreeMap<&str, QueueArgument> =
        queue.arguments.iter().map(|(name, value)| (&**name, value.clone())).collect();
    let quorum = queue.kind == QueueKind::Quorum;
    // Always: without it, a virtual host decides what the queue is.
    arguments.insert(QUEUE_TYPE, text(if quorum { "quorum" } else { "classic" }));
    if quorum && let Some(limit) = queue.delivery_limit {
        arguments.insert("x-delivery-limit", integer(limit.into()));
    }
    if let Some(to) = &queue.dead_letter {
        arguments.insert("x-dead-letter-exchange", text(&to.exchange));
        if let Some(key) = &to.routing_key {
            arguments.insert("x-dead-letter-routing-key", text(key));
        }
        if quorum {
            // A dead letter leaves the queue only when the other queue has it; `at-least-once` needs `reject-publish`.
            arguments.insert("x-dead-letter-strategy", text("at-least-once"));
            arguments.insert(OVERFLOW, text(REJECT_PUBLISH));
        }
    }
    if let Some(ttl) = queue.message_ttl {
        arguments.insert("x-message-ttl", milliseconds(ttl));
    }
    if let Some(time) = queue.expires {
        arguments.insert("x-expires", milliseconds(time));
    }
    if let Some(priority) = queue.max_priority {
        arguments.insert("x-max-priority", integer(priority.into()));
    }
    if queue.single_active {
        arguments.insert("x-single-active-consumer", QueueArgument::Boolean(true));
    }
    if let Some(length) = queue.max_length {
        arguments.insert("x-max-length", integer(length));
        arguments.insert(OVERFLOW, text(REJECT_PUBLISH));
    }
    if ["x-max-length", "x-max-length-bytes"].iter().any(|length| arguments.contains_key(length)) {
        arguments.entry(OVERFLOW).or_insert_with(|| text(REJECT_PUBLISH));
    }
    arguments
}

fn text(text: &str) -> QueueArgument {
    QueueArgument::Text(text.into())
}

fn integer(integer: u64) -> QueueArgument {
    QueueArgument::Integer(i64::try_from(integer).unwrap_or(i64::MAX))
}

fn milliseconds(duration: Duration) -> QueueArgument {
    integer(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_without_another_word_refuses_and_drops_nothing() {
        let full =
            Queue::new("shop.ship.dlq", QueueKind::Quorum).argument("x-max-length-bytes", QueueArgument::Integer(7));
        assert_eq!(arguments(&full).get(OVERFLOW), Some(&text(REJECT_PUBLISH)));
        let dropping = full.argument(OVERFLOW, text("drop-head"));
        assert_eq!(arguments(&dropping).get(OVERFLOW), Some(&text("drop-head")));
    }

    #[test]
    fn every_queue_says_what_it_is() {
        for (kind, name) in
            [(QueueKind::Quorum, "quorum"), (QueueKind::Classic, "classic"), (QueueKind::Transient, "classic")]
        {
            assert_eq!(arguments(&Queue::new("q", kind)).get(QUEUE_TYPE), Some(&text(name)));
        }
    }
}
