//! Event ids that are not random: deterministic from declared fields, or derived from the cause for follow-up events.

use uuid::Uuid;

/// The id of an event that declares its identity with `id(…)`, as the Python side computes it: UUID v5 of
/// `bloodbank:{event_type}:{unique_key}` in the OID namespace.
///
/// ```
/// # use bloodbank_core::event_id::deterministic;
/// let id = deterministic("fireflies.transcript.upload", "meeting_id=abc123");
/// assert_eq!(id.to_string(), "70117275-3199-5e4c-a175-71646fb33ad7");
/// ```
#[must_use]
pub fn deterministic(event_type: &str, unique_key: &str) -> Uuid {
    in_namespace("bloodbank", event_type, unique_key)
}

/// The id of an event like [`deterministic`], with `namespace` in place of the prefix `bloodbank`.
#[must_use]
pub fn in_namespace(namespace: &str, event_type: &str, unique_key: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{namespace}:{event_type}:{unique_key}").as_bytes())
}

/// The unique key of an event: its identifying fields as `name=value`, sorted by name and joined with `|`. Fields
/// without a value are left out.
#[must_use]
pub fn unique_key<'a>(fields: impl IntoIterator<Item = (&'a str, Option<std::borrow::Cow<'a, str>>)>) -> String {
    let mut fields: Vec<_> = fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    fields.sort_unstable_by_key(|(name, _)| *name);
    let pairs: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("|")
}

/// The id of something that consists of these parts, in this order.
#[must_use]
pub(crate) fn of_parts(parts: &[&[u8]]) -> Uuid {
    let mut name = Vec::with_capacity(parts.iter().map(|part| 8 + part.len()).sum());
    for part in parts {
        name.extend_from_slice(&(part.len() as u64).to_be_bytes());
        name.extend_from_slice(part);
    }
    Uuid::new_v5(&Uuid::NAMESPACE_OID, &name)
}

/// The id of a follow-up event: the same whenever the same subscriber handles the same cause again.
#[must_use]
pub fn derived(cause: Uuid, subscriber: &str, position: u32, event_type: &str) -> Uuid {
    Uuid::new_v5(&cause, format!("{subscriber}:{position}:{event_type}").as_bytes())
}

/// The id of the failure event of an attempt to execute a command, from 1 on; both keys as declared. It tells the failure
/// of the executor from that of anybody else who received the command.
#[must_use]
pub fn command_failure(command: Uuid, command_key: &str, attempt: u32, failure_key: &str) -> Uuid {
    derived_failure(command, &executor(command_key), attempt, failure_key)
}

/// The name of the executor of a command, from which the ids of its follow-ups are derived.
#[must_use]
pub fn executor(command_key: &str) -> String {
    format!("command {command_key}")
}

/// The id of a failure event: a different one for each attempt.
#[must_use]
pub fn derived_failure(cause: Uuid, subscriber: &str, attempt: u32, event_type: &str) -> Uuid {
    Uuid::new_v5(&cause, format!("{subscriber}:attempt {attempt}:{event_type}").as_bytes())
}
