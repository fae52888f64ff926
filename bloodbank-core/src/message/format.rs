//! Formats of message bodies.

/// The format of a body: an event in its envelope, or its payload alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Format {
    /// The envelope, with the payload in it.
    #[default]
    Envelope,
    /// The payload alone, as JSON. The id, the type and the time of the event are properties of the message.
    Json,
}
