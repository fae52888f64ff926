//! Ids of events on the command line.

use uuid::Uuid;

/// Parses an event id as `publish` and `tail` print it.
pub(crate) fn event_id(text: &str) -> Result<Uuid, String> {
    text.parse().map_err(|_| {
        "an event id looks like 6f1c2a9e-7a53-4f7e-9d43-0c4b6a2f1e11; `publish` and `tail` print them".to_owned()
    })
}
