//! When a segment is closed.

use std::time::Duration;

use bloodbank_core::{Result, settings::Reader};

/// When a segment is closed and written: as soon as one of these is reached, and where an entry of a later day follows.
///
/// ```
/// # use std::time::Duration;
/// # use bloodbank_archive::SegmentLimits;
/// let limits = SegmentLimits::default().events(10_000).age(Duration::from_secs(60));
/// assert_eq!((limits.events, limits.bytes), (10_000, 64_000_000));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentLimits {
    /// The number of entries; 100,000 by default.
    pub events: usize,
    /// The bytes of their bodies, all together, before they are compressed; 64,000,000 by default. An archiver and a reader have
    /// as much in memory, several times.
    pub bytes: usize,
    /// The time since the archiver read the first of them; 15 minutes by default.
    pub age: Duration,
}

impl Default for SegmentLimits {
    fn default() -> Self {
        Self { events: 100_000, bytes: 64_000_000, age: Duration::from_secs(15 * 60) }
    }
}

impl SegmentLimits {
    /// Sets the number of entries.
    #[must_use]
    pub fn events(mut self, events: usize) -> Self {
        self.events = events.max(1);
        self
    }

    /// Sets the bytes of the bodies.
    #[must_use]
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes.max(1);
        self
    }

    /// Sets the time since the first entry was read.
    #[must_use]
    pub fn age(mut self, age: Duration) -> Self {
        self.age = age;
        self
    }

    /// Reads `BLOODBANK_ARCHIVE_SEGMENT_EVENTS`, `…_BYTES` and `…_SECONDS` from the settings.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`](bloodbank_core::ErrorKind::Settings) naming each bad value and what is allowed.
    pub fn from_env() -> Result<Self> {
        Self::read(Reader::load()?)
    }

    fn read(mut reader: Reader) -> Result<Self> {
        let mut number = |name| {
            reader.get(name, |value| match value.parse::<u32>() {
                Ok(number @ 1..) => Ok(number),
                _ => Err(format!("a number from 1 to {}", u32::MAX)),
            })
        };
        let default = Self::default();
        let events = number("BLOODBANK_ARCHIVE_SEGMENT_EVENTS").map_or(default.events, |number| number as usize);
        let bytes = number("BLOODBANK_ARCHIVE_SEGMENT_BYTES").map_or(default.bytes, |number| number as usize);
        let seconds = number("BLOODBANK_ARCHIVE_SEGMENT_SECONDS");
        let age = seconds.map_or(default.age, |seconds| Duration::from_secs(seconds.into()));
        reader.finish()?;
        Ok(Self { events, bytes, age })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_settings() {
        let read = |vars: &[(&str, &str)]| SegmentLimits::read(Reader::from_vars(vars.iter().copied()));
        assert_eq!(read(&[]).unwrap(), SegmentLimits::default());
        let set = [("BLOODBANK_ARCHIVE_SEGMENT_EVENTS", "7"), ("BLOODBANK_ARCHIVE_SEGMENT_SECONDS", "9")];
        assert_eq!(read(&set).unwrap(), SegmentLimits::default().events(7).age(Duration::from_secs(9)));
        let error = read(&[("BLOODBANK_ARCHIVE_SEGMENT_BYTES", "0")]).unwrap_err().to_string();
        assert!(error.contains("BLOODBANK_ARCHIVE_SEGMENT_BYTES") && error.contains("a number from 1"), "{error}");
    }
}
