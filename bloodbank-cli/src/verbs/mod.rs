//! The verbs, one per file.

mod completions;
mod list_commands;
mod list_events;
mod publish;
mod show;

pub(crate) use completions::Completions;
pub(crate) use list_commands::ListCommands;
pub(crate) use list_events::ListEvents;
pub(crate) use publish::Publish;
pub(crate) use show::Show;
