//! Correlation: which event caused which. The envelopes are the authority; the store is an index of them.

mod memory;
mod store;
mod tracker;

pub use memory::MemoryStore;
pub use store::{CorrelationStore, Entry, Link};
pub use tracker::{CorrelationTracker, Direction};
