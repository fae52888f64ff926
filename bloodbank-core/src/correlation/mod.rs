//! Correlation: which event caused which.
//!
//! The envelopes are the authority; a [`CorrelationStore`] is an index of them. [`CorrelationTracker`] writes it beside
//! publishing and answers questions; [`Trace`] draws everything around an event.
//!
//! A store that fails never fails a publish: the first write that meets the failure takes at most a second, further
//! ones are skipped and counted (`bloodbank_correlation_missed_total`) until the store answers again.

mod chain;
#[cfg(feature = "redis")]
mod codec;
mod dump;
mod memory;
mod metadata;
mod missed;
mod recorder;
#[cfg(feature = "redis")]
mod redis;
mod store;
mod topological;
mod trace;
mod tracker;

#[cfg(feature = "redis")]
pub use self::redis::RedisStore;
pub use chain::{Chain, Direction};
pub use dump::Dump;
pub use memory::MemoryStore;
pub use metadata::{METADATA_LIMIT, check_metadata};
pub use recorder::{Health, Recorded};
pub use store::{CorrelationStore, Entry, Link, Malformed, Read};
pub use trace::{Trace, TraceEvent};
pub use tracker::CorrelationTracker;
#[cfg(feature = "sqlite")]
pub(crate) use {missed::Missed, store::DirectStore};
