//! Consuming: the runtime of each subscriber, and the settling of deliveries.

mod answer;
mod dedupe;
mod follow_ups;
mod runtime;
mod settle;
mod spec;

pub(crate) use runtime::run;
pub use spec::HandlerService;
pub(crate) use spec::SubscriberSpec;
