//! Live events: one queue for the gateway, however many streams there are.

mod event;
mod hub;
mod replay;

pub(crate) use event::{EXTENSIONS, StreamEvent};
pub(crate) use hub::{Hub, Subscription};
pub(crate) use replay::ReplayBuffer;
