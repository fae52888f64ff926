//! What a replay would send.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};

use super::comes_from_a_replay;
use crate::{error::Result, store::JournalEntries};

/// What a replay would send.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReplayPlan {
    /// The number of events.
    pub events: u64,
    /// The number of events of each type.
    pub types: BTreeMap<String, u64>,
    /// The offsets of the first and the last of them; `None`: there are none.
    pub range: Option<(u64, u64)>,
}

pub(super) async fn count(mut entries: JournalEntries) -> Result<ReplayPlan> {
    let mut plan = ReplayPlan::default();
    while let Some(entry) = entries.try_next().await? {
        if comes_from_a_replay(&entry) {
            continue;
        }
        plan.events += 1;
        match plan.types.get_mut(entry.event_type()) {
            Some(count) => *count += 1,
            None => drop(plan.types.insert(entry.event_type().to_owned(), 1)),
        }
        let first = plan.range.map_or(entry.offset, |(first, _)| first);
        plan.range = Some((first, entry.offset));
    }
    Ok(plan)
}
