//! Handles of dead letters.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, de};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::DeadLetter;

/// The handle of a dead letter: the id of its event, or, for a message that names none, `m-` and twelve digits that are
/// made from its content and the time of its failure. It stays the same for as long as the dead letter lies there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Handle {
    /// The id of the event.
    Event(Uuid),
    /// The digest of a message without an id.
    Message([u8; 6]),
}

impl Handle {
    /// The handle of a dead letter whose event has no id.
    pub(super) fn of_content(letter: &DeadLetter) -> Self {
        let mut digest = Sha256::new();
        let mut add = |part: &[u8]| {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        };
        // Nothing that the broker counts on while somebody looks at the queue.
        for text in [&*letter.exchange, &*letter.routing_key, &letter.reason] {
            add(text.as_bytes());
        }
        for time in [letter.first_failed, letter.last_failed, letter.published] {
            add(&time.map_or([0; 8], |time| time.timestamp_micros().to_be_bytes()));
        }
        let foreign_id = letter.message.properties.foreign.as_ref().and_then(|foreign| foreign.message_id.as_ref());
        add(foreign_id.map_or(&[], |id| id.as_bytes()));
        add(&letter.message.body);
        let mut short = [0; 6];
        short.copy_from_slice(&digest.finalize()[..6]);
        Self::Message(short)
    }

    /// The id of the event, if that is the handle.
    #[must_use]
    pub fn event_id(&self) -> Option<Uuid> {
        match self {
            Self::Event(id) => Some(*id),
            Self::Message(_) => None,
        }
    }
}

impl From<Uuid> for Handle {
    fn from(event_id: Uuid) -> Self {
        Self::Event(event_id)
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(id) => id.fmt(f),
            Self::Message(digest) => {
                f.write_str("m-")?;
                digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

/// The error of parsing a handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidHandle;

impl fmt::Display for InvalidHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a dead letter is named by the id of its event, or by `m-` and 12 hexadecimal digits")
    }
}

impl std::error::Error for InvalidHandle {}

impl FromStr for Handle {
    type Err = InvalidHandle;

    fn from_str(text: &str) -> Result<Self, InvalidHandle> {
        let Some(digits) = text.strip_prefix("m-") else {
            return Uuid::try_parse(text).map(Self::Event).map_err(|_| InvalidHandle);
        };
        if digits.len() != 12 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(InvalidHandle);
        }
        let number = u64::from_str_radix(digits, 16).map_err(|_| InvalidHandle)?;
        let mut digest = [0; 6];
        digest.copy_from_slice(&number.to_be_bytes()[2..]);
        Ok(Self::Message(digest))
    }
}

impl Serialize for Handle {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Handle {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_read_as_it_is_written() {
        for text in ["6f1c2a9e-7a53-4f7e-9d43-0c4b6a2f1e11", "m-00ff12345678"] {
            assert_eq!(text.parse::<Handle>().unwrap().to_string(), text);
        }
        for text in ["", "m-", "m-00ff1234567", "m-00ff1234567g", "m-+0ff12345678", "17"] {
            assert_eq!(text.parse::<Handle>(), Err(InvalidHandle), "{text}");
        }
    }
}
