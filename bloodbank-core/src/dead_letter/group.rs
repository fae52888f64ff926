//! Failure groups: dead letters that were given up for the same reason.

use std::{collections::HashMap, fmt, str::FromStr};

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::{DeadLetter, DeadLetterEntry, Handle};
use crate::message::hex_digits;

/// The fingerprint of a failure: equal for dead letters whose subscriber, event type and reason are the same, and whose errors
/// differ in numbers and ids alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 6]);

impl Fingerprint {
    /// The fingerprint of a dead letter.
    #[must_use]
    pub fn of(letter: &DeadLetter) -> Self {
        Self::new(&letter.queue, &letter.event_type, &letter.reason, letter.error.as_deref())
    }

    /// The fingerprint of a dead letter in a listing: the same as of the dead letter itself.
    #[must_use]
    pub fn of_entry(entry: &DeadLetterEntry) -> Self {
        Self::new(&entry.queue, &entry.event_type, &entry.reason, entry.error.as_deref())
    }

    fn new(queue: &str, event_type: &str, reason: &str, error: Option<&str>) -> Self {
        let error = error.map(without_particulars).unwrap_or_default();
        let mut digest = Sha256::new();
        for part in [queue, event_type, reason, &error] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let mut short = [0; 6];
        short.copy_from_slice(&digest.finalize()[..6]);
        Self(short)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex_digits(&self.0))
    }
}

/// The error of parsing a fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidFingerprint;

impl fmt::Display for InvalidFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a fingerprint has 12 hexadecimal digits")
    }
}

impl std::error::Error for InvalidFingerprint {}

impl FromStr for Fingerprint {
    type Err = InvalidFingerprint;

    fn from_str(text: &str) -> Result<Self, InvalidFingerprint> {
        if text.len() != 12 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(InvalidFingerprint);
        }
        let number = u64::from_str_radix(text, 16).map_err(|_| InvalidFingerprint)?;
        let mut digest = [0; 6];
        digest.copy_from_slice(&number.to_be_bytes()[2..]);
        Ok(Self(digest))
    }
}

/// The dead letters with one fingerprint.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FailureGroup {
    /// What they have in common.
    pub fingerprint: Fingerprint,
    /// The one that failed last.
    pub last: DeadLetter,
    /// The time at which the first of them failed first.
    pub first_seen: Option<DateTime<Utc>>,
    /// The handles of all of them, in their order.
    pub handles: Vec<Handle>,
}

impl FailureGroup {
    /// The groups of these dead letters, the largest first.
    #[must_use]
    pub fn all<'a>(letters: impl IntoIterator<Item = &'a DeadLetter>) -> Vec<Self> {
        let mut groups: HashMap<Fingerprint, Self> = HashMap::new();
        for letter in letters {
            let fingerprint = Fingerprint::of(letter);
            let first_seen = letter.first_failed.or(letter.last_failed).or(letter.published);
            match groups.get_mut(&fingerprint) {
                Some(group) => {
                    group.handles.push(letter.handle);
                    group.first_seen = [group.first_seen, first_seen].into_iter().flatten().min();
                    if letter.time() > group.last.time() {
                        group.last = letter.clone();
                    }
                }
                None => {
                    let handles = vec![letter.handle];
                    groups.insert(fingerprint, Self { fingerprint, last: letter.clone(), first_seen, handles });
                }
            }
        }
        let mut groups: Vec<_> = groups.into_values().collect();
        groups.sort_by_key(|group| (std::cmp::Reverse(group.handles.len()), group.fingerprint));
        groups
    }
}

/// The first line of an error without what is different each time: words with digits, and texts in quotation marks.
fn without_particulars(error: &str) -> String {
    let mut general = String::new();
    let mut rest = error.lines().next().unwrap_or_default();
    while let Some(first) = rest.chars().next() {
        let length = if first == '"' {
            rest[1..].find('"').map_or(1, |end| end + 2)
        } else {
            let end = rest.find(|letter: char| !is_of_word(letter)).unwrap_or(rest.len());
            end.max(first.len_utf8())
        };
        let (part, after) = rest.split_at(length);
        let is_particular = (first == '"' && length > 1) || part.bytes().any(|byte| byte.is_ascii_digit());
        general.push_str(if is_particular { "#" } else { part });
        rest = after;
    }
    general
}

fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_differ_in_more_than_numbers_and_ids() {
        for (one, other) in [
            ("order o-17 has no price", "order o-18 has no price"),
            ("no answer from 10.0.0.1:80 after 30s", "no answer from 10.0.0.27:8080 after 5s"),
            (
                "no user 6f1c2a9e-7a53-4f7e-9d43-0c4b6a2f1e11\n  at a",
                "no user 00000000-7a53-4f7e-9d43-0c4b6a2f1e11\n at b",
            ),
            ("unknown name \"Ada\"", "unknown name \"Grace Hopper\""),
            ("panicked at src/ship.rs:12:5", "panicked at src/ship.rs:14:9"),
        ] {
            assert_eq!(without_particulars(one), without_particulars(other));
        }
        for (one, other) in [
            ("payload at /price: is missing", "payload at /total: is missing"),
            ("panicked at src/ship.rs:1:1", "panicked at src/bill.rs:1:1"),
            ("a \"b", "a \"c"),
            ("naïve é", "naive é"),
        ] {
            assert_ne!(without_particulars(one), without_particulars(other));
        }
        assert_eq!(without_particulars(""), "");
    }

    #[test]
    fn a_fingerprint_is_read_as_it_is_written() {
        let text = "00ff12345678";
        assert_eq!(text.parse::<Fingerprint>().unwrap().to_string(), text);
        for text in ["", "00ff1234567", "00ff1234567g", "+0ff12345678", "00ff123456789"] {
            assert_eq!(text.parse::<Fingerprint>(), Err(InvalidFingerprint), "{text}");
        }
    }
}
