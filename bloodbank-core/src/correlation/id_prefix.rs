//! The first digits of event ids, for people who type them.

use std::{fmt, str::FromStr};

use uuid::Uuid;

use super::CorrelationTracker;
use crate::error::Result;

/// An event id, or its first digits.
///
/// ```
/// # use bloodbank_core::correlation::IdPrefix;
/// let prefix: IdPrefix = "6f1c2a9e-7a".parse().unwrap();
/// assert_eq!(prefix.to_string(), "6f1c2a9e7a");
/// assert!("6f1".parse::<IdPrefix>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdPrefix(String);

/// The number of digits of an id.
const DIGITS: usize = 32;
/// The smallest number of digits: with fewer, most would be ambiguous.
const FEWEST: usize = 4;
/// The number of events that an ambiguous prefix is said to mean.
const SHOWN: usize = 5;

impl IdPrefix {
    /// The id, if these are all of its digits.
    #[must_use]
    pub fn whole(&self) -> Option<Uuid> {
        if self.0.len() == DIGITS { Uuid::try_parse(&self.0).ok() } else { None }
    }

    /// The first and the last id with these digits.
    fn bounds(&self) -> (Uuid, Uuid) {
        let filled = |digit: &str| {
            let text = format!("{}{}", self.0, digit.repeat(DIGITS.saturating_sub(self.0.len())));
            Uuid::try_parse(&text).unwrap_or_default()
        };
        (filled("0"), filled("f"))
    }
}

impl fmt::Display for IdPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The error of parsing the first digits of an event id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidIdPrefix;

impl fmt::Display for InvalidIdPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an event id looks like 6f1c2a9e-7a53-4f7e-9d43-0c4b6a2f1e11; its first four digits or more are enough",
        )
    }
}

impl std::error::Error for InvalidIdPrefix {}

impl FromStr for IdPrefix {
    type Err = InvalidIdPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidIdPrefix> {
        let digits: String = text.trim_end_matches(['…', '.']).chars().filter(|c| *c != '-').collect();
        let are_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        if are_digits && (FEWEST..=DIGITS).contains(&digits.len()) {
            Ok(Self(digits.to_ascii_lowercase()))
        } else {
            Err(InvalidIdPrefix)
        }
    }
}

/// What the first digits of an id stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// One event; a whole id stands for itself, known or not.
    One(Uuid),
    /// No event that is known.
    Unknown,
    /// Several events, the first of them.
    Several(Vec<Uuid>),
}

impl CorrelationTracker {
    /// The event whose id begins with these digits.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`] when the store fails.
    pub async fn resolve(&self, prefix: &IdPrefix) -> Result<Resolved> {
        if let Some(id) = prefix.whole() {
            return Ok(Resolved::One(id));
        }
        let (first, last) = prefix.bounds();
        Ok(match *self.store().find(first, last, SHOWN).await? {
            [] => Resolved::Unknown,
            [one] => Resolved::One(one),
            ref several => Resolved::Several(several.to_vec()),
        })
    }
}

impl Resolved {
    /// The event, or a sentence that says why it is not known which one is meant.
    ///
    /// # Errors
    /// That sentence.
    pub fn one(self, prefix: &IdPrefix) -> Result<Uuid, String> {
        match self {
            Self::One(id) => Ok(id),
            Self::Unknown => Err(format!("no event is known whose id begins with `{prefix}`")),
            Self::Several(ids) => {
                let shown: Vec<_> = ids.iter().map(Uuid::to_string).collect();
                let more = if shown.len() < SHOWN { "" } else { " and perhaps others" };
                Err(format!(
                    "`{prefix}` begins the ids of several events: {}{more}; write more digits",
                    shown.join(", ")
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_with_and_without_hyphens() {
        let id = Uuid::from_u128(0x6f1c_2a9e_7a53_4f7e_9d43_0c4b_6a2f_1e11);
        assert_eq!(id.to_string().parse::<IdPrefix>().unwrap().whole(), Some(id));
        let prefix: IdPrefix = "6F1C2A9E-…".parse().unwrap();
        assert_eq!((prefix.whole(), &*prefix.0), (None, "6f1c2a9e"));
        let (first, last) = prefix.bounds();
        assert!(first < id && id < last);
        for text in ["", "6f1", "6f1g", "6f1c2a9e-7a53-4f7e-9d43-0c4b6a2f1e110"] {
            assert_eq!(text.parse::<IdPrefix>(), Err(InvalidIdPrefix), "{text}");
        }
    }
}
