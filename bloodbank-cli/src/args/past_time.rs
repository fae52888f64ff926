//! Times on the command line.

use std::str::FromStr;

use chrono::{DateTime, Utc};

/// A time in the past, parsed from a time or from how long ago it was.
#[derive(Debug, Clone)]
pub(crate) struct PastTime(pub(crate) DateTime<Utc>);

impl FromStr for PastTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        bloodbank_client::past_time(text, Utc::now()).map(Self)
    }
}
