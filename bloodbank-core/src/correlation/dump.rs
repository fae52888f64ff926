//! Dumps of everything that the store knows about one event.

use std::fmt;

use chrono::{DateTime, Utc};
use futures_util::future::try_join3;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    chain::{ChainOrder, Direction},
    tracker::CorrelationTracker,
};
use crate::error::Result;
use crate::store::MalformedEntry;

/// The largest depth of the chains in a dump.
const DEPTH: usize = 100;

/// A dump of everything that the store knows about one event. As JSON it has the fields that the Python side dumps, and
/// more.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Dump {
    /// The id of the event.
    pub event_id: Uuid,
    /// The direct parents of the event.
    pub parents: Vec<Uuid>,
    /// The direct children of the event.
    pub children: Vec<Uuid>,
    /// The causes of the event, at most 100 links away, causes first unless another order was asked for; includes the event
    /// itself if it has parents.
    pub ancestors: Vec<Uuid>,
    /// The effects of the event, at most 100 links away, causes first unless another order was asked for; includes the event
    /// itself if it has children.
    pub descendants: Vec<Uuid>,
    /// The metadata from the publisher, with `event_type` and `app` added; `None` when nothing is known about the
    /// event.
    pub metadata: Option<Map<String, Value>>,
    /// The time in the envelope.
    pub created_at: Option<DateTime<Utc>>,
    /// Malformed values, which another program wrote.
    pub malformed: Vec<MalformedEntry>,
    /// Whether links of this event were not recorded, because the store was away; the envelopes have them.
    pub may_be_incomplete: bool,
}

impl CorrelationTracker {
    /// Returns everything that the store knows about an event.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`] when the store fails.
    pub async fn dump(&self, event: Uuid) -> Result<Dump> {
        self.dump_in(ChainOrder::CausesFirst, event).await
    }

    /// Returns everything that the store knows about an event, with its chains in this order.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`] when the store fails.
    pub async fn dump_in(&self, order: ChainOrder, event: Uuid) -> Result<Dump> {
        let ((mut entries, mut children), ancestors, descendants) = try_join3(
            self.around(std::slice::from_ref(&event)),
            self.chain_in(order, event, Direction::Ancestors, DEPTH),
            self.chain_in(order, event, Direction::Descendants, DEPTH),
        )
        .await?;
        let entry = entries.values.pop().flatten();
        let may_be_incomplete = self.may_be_incomplete(event, entry.as_ref());
        let mut malformed = entries.malformed;
        for value in [children.malformed, ancestors.malformed, descendants.malformed].concat() {
            if !malformed.contains(&value) {
                malformed.push(value);
            }
        }
        let created_at = entry.as_ref().and_then(|entry| entry.created_at);
        let (parents, metadata) = entry.map(|entry| (entry.parents, entry.metadata)).unzip();
        Ok(Dump {
            event_id: event,
            parents: parents.unwrap_or_default(),
            children: children.values.pop().unwrap_or_default(),
            ancestors: ancestors.events,
            descendants: descendants.events,
            metadata,
            created_at,
            malformed,
            may_be_incomplete,
        })
    }
}

/// Writes indented JSON, and a line for what is missing from it.
impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_string_pretty(self).map_err(|_| fmt::Error)?;
        f.write_str(&json)?;
        if self.may_be_incomplete {
            f.write_str(
                "\nthis may be incomplete: the correlation store was away when links of this event were published",
            )?;
        }
        Ok(())
    }
}
