//! The embedded bus passes the conformance suite.
#![cfg(feature = "testing")]

use std::sync::Arc;

use bloodbank_core::{
    Result, conformance_suite,
    testing::conformance::Fixture,
    transport::{Transport, embedded::Embedded, topology::QueueKind},
};
use futures_util::future::BoxFuture;

struct Memory;

impl Fixture for Memory {
    fn connect(&self) -> BoxFuture<'_, Result<Arc<dyn Transport>>> {
        Box::pin(async { Ok(Arc::new(Embedded::in_memory()) as _) })
    }
}

conformance_suite! {
    mod memory;
    fixture: Memory;
    queues: QueueKind::Quorum;
    features: [delivery_limit];
}

conformance_suite! {
    mod memory_classic;
    fixture: Memory;
    queues: QueueKind::Classic;
    features: [];
}
