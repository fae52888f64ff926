//! Headers by name.

use serde::{Deserialize, Serialize};

use super::{HeaderValue, Text};
use crate::error::{Error, ErrorKind, Result};

/// Headers by name, in the order they were set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Headers(Vec<(Text, HeaderValue)>);

impl Headers {
    /// The largest number of headers that [`Headers::check_foreign`] accepts.
    pub const MAX_COUNT: usize = 64;
    /// The largest total size of names and values, in bytes, that [`Headers::check_foreign`] accepts.
    pub const MAX_BYTES: usize = 16 * 1024;

    /// The value of the header with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&HeaderValue> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The text of the header with this name, if its value is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_text()
    }

    /// The integer of the header with this name, if its value is one.
    #[must_use]
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.get(name)?.as_integer()
    }

    /// Sets a header, replacing an existing one of that name.
    pub fn set(&mut self, name: impl Into<Text>, value: impl Into<HeaderValue>) {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    /// Gives a header another name, in place of a header that has that name.
    pub(crate) fn rename(&mut self, from: &str, to: &'static str) {
        if let Some(place) = self.0.iter().position(|(known, _)| known == from) {
            let (_, value) = self.0.remove(place);
            self.set(to, value);
        }
    }

    /// Removes the headers whose name `unwanted` accepts.
    pub fn remove_all(&mut self, unwanted: impl Fn(&str) -> bool) {
        self.0.retain(|(name, _)| !unwanted(name));
    }

    /// The total size of names and values, in bytes.
    pub(super) fn size(&self) -> usize {
        self.iter().map(|(name, value)| name.len() + value.size()).sum()
    }

    /// The headers in the order they were set, as pairs of name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &HeaderValue)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// Whether there are no headers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Refuses headers that a caller from outside may not set: the broker's own (`x-…`), Bloodbank's own, `CC` and
    /// `BCC` (which add routing keys), names that are empty or longer than 128 bytes, line breaks and NUL, and headers
    /// beyond [`Self::MAX_COUNT`] or [`Self::MAX_BYTES`].
    ///
    /// # Errors
    /// [`ErrorKind::InvalidHeader`] naming the header.
    pub fn check_foreign(&self) -> Result<()> {
        for (name, value) in self.iter() {
            let lower = name.to_ascii_lowercase();
            let fault = if lower.starts_with("x-") || lower == "cc" || lower == "bcc" {
                "is the broker's own; choose another name"
            } else if lower.starts_with("bloodbank-") {
                "is set by Bloodbank itself; choose another name"
            } else if name.is_empty() || name.len() > 128 {
                "must have a name of 1 to 128 bytes"
            } else if [name, value.as_text().unwrap_or_default()].iter().any(|text| text.contains(['\r', '\n', '\0'])) {
                "has a line break or a NUL; encode it"
            } else {
                continue;
            };
            return Err(Error::new(ErrorKind::InvalidHeader, format!("header {name:?} {fault}")));
        }
        let bytes = self.size();
        if self.0.len() > Self::MAX_COUNT || bytes > Self::MAX_BYTES {
            return Err(Error::new(
                ErrorKind::InvalidHeader,
                format!(
                    "{} headers of {bytes} bytes are too many; at most {} of {} bytes: put the rest into the payload",
                    self.0.len(),
                    Self::MAX_COUNT,
                    Self::MAX_BYTES
                ),
            ));
        }
        Ok(())
    }
}

impl FromIterator<(Text, HeaderValue)> for Headers {
    fn from_iter<I: IntoIterator<Item = (Text, HeaderValue)>>(headers: I) -> Self {
        Self(headers.into_iter().collect())
    }
}
