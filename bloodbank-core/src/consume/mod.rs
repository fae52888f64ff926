//! Consuming: the runtime of each subscriber, and the settling of deliveries.

mod ahead;
mod answer;
mod batch;
mod behind;
mod dedupe;
mod feed;
mod follow_ups;
mod in_place;
mod intake;
mod line;
mod partitions;
mod runtime;
mod settle;
mod spec;
mod worker;

pub(crate) use intake::{Intake, Source};
pub(crate) use partitions::run as run_partitions;
pub(crate) use runtime::run;
pub use spec::HandlerService;
pub(crate) use spec::SubscriberSpec;
