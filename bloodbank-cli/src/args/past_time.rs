//! Times on the command line.

use std::str::FromStr;

use chrono::{DateTime, Utc};

/// A time in the past, parsed from a time or from how long ago it was.
#[derive(Debug, Clone)]
pub(crate) struct PastTime(pub(crate) DateTime<Utc>);

impl FromStr for PastTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(ago) = humantime::parse_duration(text) {
            let ago = chrono::Duration::from_std(ago).map_err(|_| "that is longer ago than a time can be")?;
            return Ok(Self(Utc::now().checked_sub_signed(ago).unwrap_or_default()));
        }
        let time = humantime::parse_rfc3339_weak(text);
        time.map(|time| Self(time.into()))
            .map_err(|_| "write `90s`, `10m`, `2h`, `3d`, or 2025-01-31T12:00:00Z".to_owned())
    }
}
