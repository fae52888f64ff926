//! Publishing: the bus, the builder, receipts, requests.

mod builder;
mod bus;
mod cause;
mod destination;
mod keys;
mod many;
mod measure;
mod options;
mod payload;
mod prepared;
mod replies;
mod request;
mod stuck;

pub use builder::{Publish, PublishValue};
pub use bus::Bus;
pub use cause::Cause;
pub use destination::{Broker, Destination};
pub(crate) use options::{FollowUp, PublishOptions, Uncommon};
pub use payload::{JsonPayload, Publishable, Untyped};
pub use prepared::{Prepared, Receipt};
pub(crate) use replies::Replies;
pub use request::{Execute, ExecuteError};
pub(crate) use stuck::{StuckEvent, StuckSubscribers};

pub use crate::telemetry::TraceContext;
