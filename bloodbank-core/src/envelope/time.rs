//! Times on the wire: RFC 3339 with microseconds, in UTC.

use std::{borrow::Cow, fmt::Write as _};

use chrono::{DateTime, Datelike, NaiveDateTime, SubsecRound, Timelike, Utc};
use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

/// Now, to the microsecond: the Python side cannot hold more, and a time must survive the trip.
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

/// Writes `2025-10-18T12:00:00.123456Z`.
pub(super) fn serialize<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut text = Text::default();
    let written = write!(
        text,
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.nanosecond() / 1000
    );
    match written {
        Ok(()) => serializer.serialize_str(text.as_str()),
        Err(_) => serializer.collect_str(&time.to_rfc3339()),
    }
}

/// Text on the stack; long enough for every year of four digits.
#[derive(Default)]
struct Text {
    bytes: [u8; 32],
    len: usize,
}

impl Text {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl std::fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.len + text.len();
        self.bytes
            .get_mut(self.len..end)
            .ok_or(std::fmt::Error)?
            .copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// Reads RFC 3339; a time without an offset is UTC.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    let text = <Cow<'de, str>>::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is no RFC 3339 time, such as 2025-10-18T12:00:00Z")))
}

/// The instant of an RFC 3339 time; without an offset it is UTC.
pub(crate) fn parse(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .map(|time| time.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_an_offset_is_utc() {
        let instant = parse("2025-10-18T12:00:00.123456+00:00");
        assert!(instant.is_some());
        for same in [
            "2025-10-18T12:00:00.123456Z",
            "2025-10-18T12:00:00.123456",
            "2025-10-18 12:00:00.123456",
            "2025-10-18T14:00:00.123456+02:00",
        ] {
            assert_eq!(parse(same), instant, "{same}");
        }
        assert_eq!(parse("yesterday"), None);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let time = now();
        let mut json = Vec::new();
        serialize(&time, &mut serde_json::Serializer::new(&mut json)).unwrap();
        let text: String = serde_json::from_slice(&json).unwrap();
        assert_eq!(text.len(), "2025-10-18T12:00:00.123456Z".len());
        assert_eq!(parse(&text), Some(time));
    }
}
