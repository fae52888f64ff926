//! `--since`.

use std::str::FromStr;

use chrono::{DateTime, Utc};

/// A time, or how long ago it was.
#[derive(Debug, Clone)]
pub(super) struct Since(pub(super) DateTime<Utc>);

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(ago) = humantime::parse_duration(text) {
            let now = Utc::now();
            return Ok(Self(
                chrono::Duration::from_std(ago).ok().and_then(|ago| now.checked_sub_signed(ago)).unwrap_or_default(),
            ));
        }
        let time = humantime::parse_rfc3339_weak(text);
        time.map(|time| Self(time.into()))
            .map_err(|_| "write `90s`, `10m`, `2h`, `3d`, or 2025-01-31T12:00:00Z".to_owned())
    }
}
