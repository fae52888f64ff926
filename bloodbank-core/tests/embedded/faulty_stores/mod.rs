//! Stores with one fault each, on the stores that there are.

pub(crate) mod claims;
pub(crate) mod journal;
pub(crate) mod leases;
pub(crate) mod links;
pub(crate) mod parked_keys;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

/// A fixture whose store has a fault.
pub(crate) struct Faulty<F, S> {
    pub(crate) fault: F,
    /// The store behind, made when it is first opened; a store that forgets makes another.
    pub(crate) inner: OnceLock<Arc<S>>,
}

impl<F, S> Faulty<F, S> {
    pub(crate) fn new(fault: F) -> Self {
        Self { fault, inner: OnceLock::new() }
    }
}

/// Some faults show only in what does not happen.
const TIMEOUT: Duration = Duration::from_secs(2);
