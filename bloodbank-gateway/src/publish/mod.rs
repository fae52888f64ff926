//! Publishing: one event under its path, a whole envelope, a batch.

mod batch;
mod body;
mod cloud_event;
mod custom;
mod event;
mod options;
mod sources;
mod submission;

pub(crate) use batch::batch;
pub(crate) use custom::custom;
pub(crate) use event::{ROUTE, event, is_event};
pub(crate) use options::MOST_PARENTS;
pub(crate) use sources::Sources;
#[cfg(feature = "mcp")]
pub(crate) use submission::Submission;
