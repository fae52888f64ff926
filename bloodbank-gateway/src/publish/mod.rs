//! Publishing for a client: reading a request into an event with its options, and handing it to the bus.

pub(crate) mod cloud_event;
mod for_pages;
mod options;
mod read;
mod request;
mod source;

pub(crate) use options::{MOST_PARENTS, PublishOptions, trace};
pub(crate) use read::read_request;
pub(crate) use request::PublishRequest;
pub(crate) use source::source;
