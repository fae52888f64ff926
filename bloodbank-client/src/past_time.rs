//! Times in the past, as people write them.

use chrono::{DateTime, Utc};

/// Reads a time in the past: how long ago it was (`90s`, `10m`, `2h`, `3d`), or the time itself.
///
/// ```
/// use bloodbank_client::past_time;
///
/// let now = "2025-01-31T12:00:00Z".parse().unwrap();
/// assert_eq!(past_time("2h", now).unwrap().to_rfc3339(), "2025-01-31T10:00:00+00:00");
/// assert_eq!(past_time("2025-01-30", now).unwrap().to_rfc3339(), "2025-01-30T00:00:00+00:00");
/// assert!(past_time("yesterday", now).is_err());
/// ```
///
/// # Errors
/// A text that is neither; the error says what may be written.
pub fn past_time(text: &str, now: DateTime<Utc>) -> std::result::Result<DateTime<Utc>, String> {
    if let Ok(ago) = humantime::parse_duration(text) {
        let ago = chrono::Duration::from_std(ago).map_err(|_| "that is longer ago than a time can be")?;
        return Ok(now.checked_sub_signed(ago).unwrap_or_default());
    }
    let whole = if text.len() == "2025-01-31".len() { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let time = humantime::parse_rfc3339_weak(&whole);
    time.map(DateTime::from).map_err(|_| "write `90s`, `10m`, `2h`, `3d`, or 2025-01-31T12:00:00Z".to_owned())
}
