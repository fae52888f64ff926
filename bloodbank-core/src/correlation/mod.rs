//! Correlation: which event caused which.
//!
//! The envelopes are the authority; a [`LinkStore`](crate::store::LinkStore) is an index of them.
//! [`CorrelationTracker`] writes the index beside publishing and answers questions; [`Trace`] draws everything around
//! an event.
//!
//! A store that fails never fails a publish: the first write that meets the failure takes at most a second, further
//! ones are skipped and counted (`bloodbank_correlation_missed_total`) until the store answers again.

mod chain;
mod depth_first;
mod dump;
mod id_prefix;
mod metadata;
mod recorder;
mod topological;
mod trace;
mod tracker;

pub use chain::{Chain, ChainOrder, Direction};
pub use dump::Dump;
pub use id_prefix::{IdPrefix, InvalidIdPrefix, Resolved};
pub use metadata::{METADATA_LIMIT, check_metadata};
pub use recorder::{CorrelationHealth, Recording};
pub use trace::{Trace, TraceEvent};
pub use tracker::CorrelationTracker;
