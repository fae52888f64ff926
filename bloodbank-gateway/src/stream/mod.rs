//! Live events: one queue for the gateway, however many streams there are.

mod hub;
mod recent;
mod seen;
mod sse;

pub(crate) use hub::Hub;
pub(crate) use recent::Recent;
pub(crate) use seen::Seen;
pub(crate) use sse::stream;
