//! Publishing: the bus, the builder, receipts, follow-ups.

mod builder;
mod bus;
mod cause;
mod collector;
mod keys;
mod many;
mod measure;
mod value;

pub(crate) use builder::{Draft, PublishOptions, Rare};
pub use builder::{Publish, Receipt};
pub use bus::{Bus, BusBuilder};
pub use cause::{Cause, TraceContext};
pub use collector::{EventCollector, PendingEvent};
pub use value::{JsonPayload, PublishValue};
