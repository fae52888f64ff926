//! Times on the wire: RFC 3339 with microseconds, in UTC.

use std::borrow::Cow;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, SubsecRound, Timelike, Utc};
use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

/// The current time, to the microsecond: the Python side cannot hold more, and a time must survive the trip.
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

/// Writes a time as `2025-10-18T12:00:00.123456Z`.
pub(super) fn serialize<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    match text(time) {
        Some(text) => serializer.serialize_str(std::str::from_utf8(&text).unwrap_or_default()),
        None => serializer.collect_str(&time.to_rfc3339()),
    }
}

/// The text of a time, such as `2025-10-18T12:00:00.123456Z`; `None` if the year does not have four digits. By hand:
/// formatting through `fmt` costs more than the rest of an envelope's head.
pub(crate) fn text(time: &DateTime<Utc>) -> Option<[u8; 27]> {
    let year = u32::try_from(time.year()).ok().filter(|year| *year <= 9999)?;
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    write_digits(&mut text[0..4], year);
    write_digits(&mut text[5..7], time.month());
    write_digits(&mut text[8..10], time.day());
    write_digits(&mut text[11..13], time.hour());
    write_digits(&mut text[14..16], time.minute());
    write_digits(&mut text[17..19], time.second());
    // A leap second has more than a million microseconds; it is written as the last one of its minute.
    write_digits(&mut text[20..26], (time.nanosecond() / 1000).min(999_999));
    Some(text)
}

fn write_digits(place: &mut [u8], mut number: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Reads an RFC 3339 time; a time without an offset is UTC.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    let text = <Cow<'de, str>>::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is no RFC 3339 time, such as 2025-10-18T12:00:00Z")))
}

/// Reads an RFC 3339 time in a payload like one in an envelope: a time without an offset is UTC, as the Python side writes
/// it, and a leap second is the last microsecond before it. For `#[serde(deserialize_with = "…")]`.
///
/// # Errors
/// The text is no time, or its year is none of 1 to 9999, which is all that the Python side has.
pub fn read_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    deserialize(deserializer)
}

/// Reads a time that may be absent, like [`read_time`].
///
/// # Errors
/// Like [`read_time`].
pub fn read_optional_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    struct Time(DateTime<Utc>);
    impl<'de> Deserialize<'de> for Time {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserialize(deserializer).map(Self)
        }
    }
    Ok(Option::<Time>::deserialize(deserializer)?.map(|time| time.0))
}

/// Parses an RFC 3339 time; without an offset it is UTC. `None` also if its year is none of 1 to 9999 in UTC, because it
/// could not be read by everybody.
pub(crate) fn parse(text: &str) -> Option<DateTime<Utc>> {
    let time = parse_usual(text.as_bytes()).or_else(|| parse_any(text))?;
    (1..=9999).contains(&time.year()).then(|| before_leap_second(time))
}

/// A leap second, which only few programs can hold, as the last microsecond before it.
fn before_leap_second(time: DateTime<Utc>) -> DateTime<Utc> {
    if time.nanosecond() < 1_000_000_000 { time } else { time.with_nanosecond(999_999_000).unwrap_or(time) }
}

fn parse_any(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .map(|time| time.and_utc())
}

/// Parses the two forms that both sides write: microseconds, in UTC. Ten times faster than the general parser.
fn parse_usual(text: &[u8]) -> Option<DateTime<Utc>> {
    let (digits, zone) = text.split_at_checked(26)?;
    if !matches!(zone, b"Z" | b"+00:00") {
        return None;
    }
    let separated = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.')];
    if separated.iter().any(|(place, separator)| digits[*place] != *separator) {
        return None;
    }
    let number = |from: usize, to: usize| {
        digits[from..to]
            .iter()
            .try_fold(0_u32, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
    };
    let date = NaiveDate::from_ymd_opt(i32::try_from(number(0, 4)?).ok()?, number(5, 7)?, number(8, 10)?)?;
    let time = date.and_hms_micro_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 26)?)?;
    Some(time.and_utc())
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
        assert_eq!(parse("2025-13-18T12:00:00.123456Z"), None);
        assert_eq!(parse("2025-10-18T12:00:00.12345éZ"), None);
        // A year without four digits, and years that have them only where they were written.
        for unwritable in [
            "-025-10-18T12:00:00",
            "9999-12-31T23:59:59-01:00",
            "0000-01-01T00:00:00+01:00",
            "0000-06-01T00:00:00Z",
            "0000-06-01T00:00:00.000000Z",
        ] {
            assert_eq!(parse(unwritable), None, "{unwritable}");
        }
    }

    #[test]
    fn a_leap_second_is_the_last_microsecond_before_it() {
        let time = parse("2016-12-31T23:59:60Z").unwrap();
        assert_eq!(time.to_rfc3339(), "2016-12-31T23:59:59.999999+00:00");
        assert_eq!(text(&time).as_ref().map(|text| &text[..]), Some(&b"2016-12-31T23:59:59.999999Z"[..]));
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
