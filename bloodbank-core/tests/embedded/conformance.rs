//! The embedded bus passes the conformance suite.

use std::sync::Arc;

use bloodbank_core::{Result, settings::QueueKind, transport::Transport};
use bloodbank_embedded::Embedded;
use bloodbank_testing::conformance::Fixture;
use bloodbank_testing::conformance_suite;
use futures_util::future::BoxFuture;

struct Memory;

impl Fixture for Memory {
    fn connect(&self) -> BoxFuture<'_, Result<Arc<dyn Transport>>> {
        Box::pin(async { Ok(Arc::new(Embedded::in_memory()) as _) })
    }
}

/// A file, opened again and again.
struct File(tempfile::TempDir);

impl File {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }
}

impl Fixture for File {
    fn connect(&self) -> BoxFuture<'_, Result<Arc<dyn Transport>>> {
        Box::pin(async { Ok(Arc::new(Embedded::open(&self.0.path().join("bus.db")).await?) as _) })
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

conformance_suite! {
    mod file;
    fixture: File::new();
    queues: QueueKind::Quorum;
    features: [durable, delivery_limit];
}
