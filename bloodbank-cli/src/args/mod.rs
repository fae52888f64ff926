//! Types of arguments that several verbs have.

mod event_id;
mod past_time;
mod via;

pub(crate) use event_id::event_id;
pub(crate) use past_time::PastTime;
pub(crate) use via::Via;
