//! Further arguments of queues, by their names: `BLOODBANK_QUEUE_ARGUMENTS`.

use std::{collections::BTreeMap, fmt, sync::Arc};

use bloodbank_routing::{check_wire_pattern, matches, nearest_within};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The value of an argument of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum QueueArgument {
    /// `true` or `false`.
    Boolean(bool),
    /// A number.
    Integer(i64),
    /// A text.
    Text(Arc<str>),
}

impl fmt::Display for QueueArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(boolean) => boolean.fmt(f),
            Self::Integer(integer) => integer.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Further arguments of queues, by patterns of their names.
///
/// ```
/// # use bloodbank_core::{Settings, settings::QueueArgument};
/// let arguments = r##"{ "shipping.#": { "x-max-length": 100000 }, "shipping.ship": { "x-max-length": 500 } }"##;
/// let settings = Settings::from_vars([("BLOODBANK_QUEUE_ARGUMENTS", arguments)])?;
/// let of = |queue| settings.queue_arguments.of(queue).remove("x-max-length");
/// assert_eq!(of("shipping.ship"), Some(QueueArgument::Integer(500)));
/// assert_eq!(of("shipping.ship.dlq"), Some(QueueArgument::Integer(100_000)));
/// assert_eq!(of("billing.charge"), None);
/// # Ok::<(), bloodbank_core::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueArguments(BTreeMap<Arc<str>, BTreeMap<Arc<str>, QueueArgument>>);

impl QueueArguments {
    /// The arguments of a queue. Where several patterns match its name, the name itself counts most, and then the longest pattern.
    #[must_use]
    pub fn of(&self, queue: &str) -> BTreeMap<Arc<str>, QueueArgument> {
        let mut matching: Vec<_> = self.0.iter().filter(|(pattern, _)| matches(pattern, queue)).collect();
        matching.sort_by_key(|(pattern, _)| (&***pattern == queue, pattern.len()));
        matching.into_iter().flat_map(|(_, arguments)| arguments.clone()).collect()
    }
}

const EXAMPLE: &str = r##"`{"shipping.#": {"x-max-length": 100000}}`"##;

/// The arguments that Bloodbank sets itself, and where they come from.
const OWN: [(&str, &str); 9] = [
    ("x-queue-type", "BLOODBANK_QUEUE_TYPE chooses it"),
    ("x-dead-letter-exchange", DEAD_LETTERS),
    ("x-dead-letter-routing-key", DEAD_LETTERS),
    ("x-dead-letter-strategy", DEAD_LETTERS),
    (
        "x-delivery-limit",
        "Bloodbank gives up what killed its consumer 20 times, and keeps dead letters without a limit",
    ),
    ("x-single-active-consumer", "`partitions` of a subscriber chooses it"),
    ("x-max-priority", "`max_priority` of a subscriber chooses it"),
    ("x-expires", "a queue that is deleted takes its events along"),
    ("x-quorum-initial-group-size", GROUP_SIZE),
];
const DEAD_LETTERS: &str = "Bloodbank leads dead letters by it to `{queue}.dlq`";
const GROUP_SIZE: &str = "it must be the same at each start, also after the cluster has got more nodes; give a queue more members with `rabbitmq-queues grow`";

/// What the values of known arguments are.
#[derive(Clone, Copy)]
enum Expected {
    /// A number from this one.
    Number(i64),
    Text,
    OneOf(&'static [&'static str]),
}

const KNOWN: [(&str, Expected); 11] = [
    ("x-max-length", Expected::Number(0)),
    ("x-max-length-bytes", Expected::Number(0)),
    ("x-message-ttl", Expected::Number(0)),
    ("x-overflow", Expected::OneOf(&["reject-publish", "drop-head"])),
    ("x-queue-leader-locator", Expected::OneOf(&["client-local", "balanced", "random", "least-leaders"])),
    ("x-queue-master-locator", Expected::Text),
    ("x-quorum-target-group-size", Expected::Number(1)),
    ("x-max-in-memory-length", Expected::Number(0)),
    ("x-max-in-memory-bytes", Expected::Number(0)),
    ("x-queue-mode", Expected::Text),
    ("x-queue-version", Expected::Number(1)),
];

/// Reads `{"pattern": {"x-argument": value}}`; the error completes “it must be …”.
pub(super) fn read(value: &str) -> Result<QueueArguments, String> {
    let problem = |problem: String| format!("queues with their arguments, such as {EXAMPLE}: {problem}");
    let queues: Map<String, Value> =
        serde_json::from_str(value).map_err(|error| problem(format!("it is no JSON object ({error})")))?;
    let mut all = QueueArguments::default();
    for (pattern, arguments) in queues {
        if check_wire_pattern(&pattern).is_err() {
            return Err(problem(format!(
                "`{pattern}` is neither the name of a queue nor a pattern such as `shipping.*` or `shipping.#`"
            )));
        }
        let Value::Object(arguments) = arguments else {
            return Err(problem(format!("what stands for `{pattern}` is no object")));
        };
        let of_pattern = all.0.entry(pattern.as_str().into()).or_default();
        for (name, value) in arguments {
            let value = argument(&name, value).map_err(|what| problem(format!("`{name}` of `{pattern}` {what}")))?;
            of_pattern.insert(name.into(), value);
        }
    }
    Ok(all)
}

/// Checks an argument; the error completes “`x-…` …”.
fn argument(name: &str, value: Value) -> Result<QueueArgument, String> {
    if let Some((_, whose)) = OWN.iter().find(|(own, _)| *own == name) {
        return Err(format!("cannot be set here: {whose}"));
    }
    let known = KNOWN.iter().find(|(known, _)| *known == name);
    let nearest = || nearest_within(name, KNOWN.iter().map(|(known, _)| *known), 2);
    match (known, nearest()) {
        (None, Some(nearest)) => return Err(format!("is no argument that RabbitMQ knows; did you mean `{nearest}`?")),
        // A later RabbitMQ may know it.
        (None, None) if !name.starts_with("x-") => {
            return Err("is no argument of a queue, whose names begin with `x-`".to_owned());
        }
        _ => {}
    }
    let value = match value {
        Value::Bool(boolean) => QueueArgument::Boolean(boolean),
        Value::String(text) => QueueArgument::Text(text.into()),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => QueueArgument::Integer(integer),
            None => return Err(format!("is {number}; it must be a whole number")),
        },
        other => return Err(format!("is {other}; it must be a number, a text, `true` or `false`")),
    };
    match (known.map(|(_, expected)| *expected), &value) {
        (Some(Expected::Number(least)), QueueArgument::Integer(number)) if *number >= least => Ok(value),
        (Some(Expected::Number(least)), _) => Err(format!("is {value}; it must be a number from {least}")),
        (Some(Expected::Text), QueueArgument::Text(_)) | (None, _) => Ok(value),
        (Some(Expected::Text), _) => Err(format!("is {value}; it must be a text")),
        (Some(Expected::OneOf(choices)), QueueArgument::Text(text)) if choices.contains(&&**text) => Ok(value),
        (Some(Expected::OneOf(choices)), _) => {
            let choices: Vec<_> = choices.iter().map(|choice| format!("`{choice}`")).collect();
            Err(format!("is {value}; it must be {}", choices.join(" or ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_counts_most_and_then_the_longest_pattern() {
        let arguments = r##"{
            "#": { "x-max-length": 1, "x-queue-leader-locator": "balanced" },
            "shop.#": { "x-max-length": 2 },
            "shop.ship": { "x-max-length": 3 },
            "shop.*.dlq": { "x-max-length": 4 }
        }"##;
        let arguments = read(arguments).unwrap();
        let length = |queue| arguments.of(queue).remove("x-max-length").map(|length| length.to_string());
        for (queue, expected) in [("shop.ship", "3"), ("shop.bill", "2"), ("shop.ship.dlq", "4"), ("other.q", "1")] {
            assert_eq!(length(queue).as_deref(), Some(expected), "{queue}");
        }
        assert_eq!(arguments.of("shop.ship").len(), 2, "what only the others say is kept");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (value, parts) in [
            ("shop", ["it is no JSON object", EXAMPLE]),
            (r#"{"shop": 7}"#, ["what stands for `shop` is no object", EXAMPLE]),
            (r#"{"shop..ship": {}}"#, ["`shop..ship` is neither the name of a queue nor a pattern", "`shipping.#`"]),
            (r#"{"shop": {"x-max-lengths": 7}}"#, ["`x-max-lengths` of `shop`", "did you mean `x-max-length`?"]),
            (r#"{"shop": {"x-max-length": "7"}}"#, ["`x-max-length` of `shop`", "must be a number from 0"]),
            (r#"{"shop": {"x-max-length": -1}}"#, ["is -1", "must be a number from 0"]),
            (r#"{"shop": {"x-max-length": 1.5}}"#, ["is 1.5", "a whole number"]),
            (r#"{"shop": {"x-overflow": "drop"}}"#, ["is drop", "`reject-publish` or `drop-head`"]),
            (r#"{"shop": {"x-new": [1]}}"#, ["`x-new` of `shop`", "a number, a text, `true` or `false`"]),
            (r#"{"shop": {"durable": true}}"#, ["`durable` of `shop`", "begin with `x-`"]),
            (r#"{"shop": {"x-queue-type": "classic"}}"#, ["cannot be set here", "BLOODBANK_QUEUE_TYPE"]),
            (r#"{"shop": {"x-quorum-initial-group-size": 3}}"#, ["at each start", "rabbitmq-queues grow"]),
            (r#"{"shop": {"x-dead-letter-exchange": "x"}}"#, ["cannot be set here", "dead letters"]),
        ] {
            let said = read(value).unwrap_err();
            for part in parts {
                assert!(said.contains(part), "{value}: {said} lacks {part}");
            }
        }
    }

    #[test]
    fn a_later_rabbitmq_may_know_more() {
        let arguments = read(r#"{"shop": {"x-new-thing": true}}"#).unwrap();
        assert_eq!(arguments.of("shop").len(), 1);
    }
}
