//! The verbs, one per file.

mod check;
mod completions;
mod dlq;
mod docs;
mod doctor;
mod flow;
mod list_commands;
mod list_events;
mod publish;
mod schema;
mod show;
mod tail;
mod topology;
mod trace;
mod work;

pub(crate) use check::Check;
pub(crate) use completions::Completions;
pub(crate) use dlq::Dlq;
pub(crate) use docs::Docs;
pub(crate) use doctor::Doctor;
pub(crate) use flow::FlowVerb;
pub(crate) use list_commands::ListCommands;
pub(crate) use list_events::ListEvents;
pub(crate) use publish::Publish;
pub(crate) use schema::Schema;
pub(crate) use show::Show;
pub(crate) use tail::Tail;
pub(crate) use topology::TopologyVerb;
pub(crate) use trace::TraceVerb;
pub(crate) use work::Work;
