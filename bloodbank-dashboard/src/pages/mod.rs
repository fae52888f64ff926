//! The pages, a file for each.

pub(crate) mod asyncapi;
pub(crate) mod commands;
pub(crate) mod dead_letters;
pub(crate) mod docs;
pub(crate) mod edit;
pub(crate) mod event;
pub(crate) mod events;
pub(crate) mod files;
pub(crate) mod flow;
pub(crate) mod history;
pub(crate) mod letter;
pub(crate) mod live;
pub(crate) mod outbox;
pub(crate) mod overview;
pub(crate) mod publish;
pub(crate) mod queue_letters;
pub(crate) mod replay;
mod selection;
pub(crate) mod sign_in;
pub(crate) mod sweep;
pub(crate) mod trace;
mod trace_graph;
