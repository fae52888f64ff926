//! The embedded bus.
use crate::{error::Result, transport::*};
use futures_util::future::BoxFuture;
use std::sync::Arc;
/// x
pub struct Embedded;
impl Embedded {
    /// x
    pub fn in_memory() -> Self {
        Self
    }
    /// x
    pub async fn open(_: &std::path::Path) -> Result<Self> {
        todo!()
    }
}
impl Publish for Embedded {
    fn publish(&self, _: Outgoing) -> BoxFuture<'_, Result<Published>> {
        todo!()
    }
}
impl Consume for Embedded {
    fn declare(&self, _: Topology) -> BoxFuture<'_, Result<()>> {
        todo!()
    }
    fn consume(&self, _: Arc<str>, _: u16) -> BoxFuture<'_, Result<Deliveries>> {
        todo!()
    }
}
impl Transport for Embedded {
    fn system(&self) -> &'static str {
        "embedded"
    }
    fn close(&self) -> BoxFuture<'_, ()> {
        todo!()
    }
}
