//! The notification that Fireflies posts when something happened to a meeting: ids, without the transcript.

use serde_json::Value;

/// A notification of Fireflies, in its first (`meetingId`, `eventType`) or second form (`meeting_id`, `event`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// What happened, as Fireflies names it.
    pub event: String,
    /// The Fireflies id of the meeting.
    pub meeting_id: String,
    /// The reference that the uploader gave to Fireflies.
    pub client_reference_id: Option<String>,
}

impl Notification {
    /// Reads a notification; `None` where the body is none.
    #[must_use]
    pub fn read(body: &Value) -> Option<Self> {
        let text = |names: [&str; 2]| names.into_iter().find_map(|name| body.get(name)?.as_str().map(str::to_owned));
        Some(Self {
            event: text(["event", "eventType"])?,
            meeting_id: text(["meeting_id", "meetingId"]).filter(|id| !id.is_empty())?,
            client_reference_id: text(["client_reference_id", "clientReferenceId"]),
        })
    }

    /// Whether the transcript of the meeting can be fetched now.
    #[must_use]
    pub fn is_transcribed(&self) -> bool {
        matches!(&*self.event, "meeting.transcribed" | "Transcription completed")
    }
}
